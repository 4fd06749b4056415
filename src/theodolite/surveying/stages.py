"""The parts of a survey, in the order of what matters most."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import CHAIN, Evidence, Found
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.parts.data import has_data, measure_data
from theodolite.surveying.parts.density import PROBES, STEPS, measure_density
from theodolite.surveying.parts.ends import (
    measure_eigenvalues,
    measure_place,
    measure_speed_limit,
    measure_stiffness,
    note_eigenvalues,
    note_speed_limit,
)
from theodolite.surveying.parts.interactions import (
    has_interactions,
    interactions_cost,
    measure_interactions,
)
from theodolite.surveying.parts.layers import measure_layers
from theodolite.surveying.parts.loss import measure_loss
from theodolite.surveying.parts.noise import measure_rise, measure_trace
from theodolite.surveying.parts.plane import FEWEST, USUAL, has_plane, measure_plane


def nothing(evidence: Evidence) -> float:
    """No product at all."""
    del evidence
    return 0.0


@dataclass(frozen=True)
class Stage:
    """One part: what it is called, what runs it, and what it is expected to cost.

    Attributes
    ----------
    name : str
        The measurement's name.
    title : str
        What the progress bar says.
    run : callable
        Evidence and clock to the value and the outcome.
    products : callable
        The expected cost in products.
    needs : str or None
        A measurement without which this one means nothing.
    read_off : callable or None
        Gives the same, as far as it is known, without a product.
    suits : callable
        Whether the landscape has such a thing at all.
    least : callable
        Products without whose time it is not begun.
    """

    name: str
    title: str
    run: Callable[[Evidence, Clock], Found]
    products: Callable[[Evidence], float]
    needs: str | None = None
    read_off: Callable[[Evidence, Clock], Found] | None = None
    suits: Callable[[Evidence], bool] = lambda evidence: True
    least: Callable[[Evidence], float] = nothing

    @property
    def free(self) -> bool:
        """Whether it needs no product at all."""
        return self.read_off is self.run


def whole(evidence: Evidence) -> float:
    """One product a parameter: the dense matrix."""
    return float(evidence.land.size)


STAGES = (
    Stage("loss", "loss and gradient", measure_loss, lambda evidence: 2.0),
    Stage(
        "speed_limit",
        "largest eigenvalue",
        measure_speed_limit,
        lambda evidence: whole(evidence) if evidence.small else CHAIN,
        read_off=note_speed_limit,
    ),
    Stage(
        "eigenvalues",
        "both ends of the spectrum",
        measure_eigenvalues,
        lambda evidence: 0.0 if evidence.small else 150.0,
        needs="speed_limit",
        read_off=note_eigenvalues,
    ),
    Stage(
        "place",
        "kind of place",
        measure_place,
        nothing,
        needs="speed_limit",
        read_off=measure_place,
    ),
    Stage(
        "stiffness",
        "stiffness",
        measure_stiffness,
        nothing,
        needs="speed_limit",
        read_off=measure_stiffness,
    ),
    # the numbers of the whole come first; then what everybody looks at, for a tenth of
    # what they cost
    Stage(
        "plane",
        "plane of the outermost eigenvectors",
        measure_plane,
        lambda evidence: USUAL * evidence.loss_cost,
        needs="eigenvalues",
        suits=has_plane,
        least=lambda evidence: FEWEST * evidence.loss_cost,
    ),
    Stage(
        "layers",
        "layers",
        measure_layers,
        lambda evidence: 20 + 20 * len(evidence.land.layers) * evidence.block_cost,
    ),
    Stage(
        "trace",
        "trace",
        measure_trace,
        lambda evidence: 0.0 if evidence.small else 60.0,
    ),
    Stage(
        "rise",
        "rise under noise",
        measure_rise,
        lambda evidence: 20 * len(evidence.sigmas) * evidence.pair_cost,
        needs="trace",
    ),
    Stage(
        "density",
        "spectral density",
        measure_density,
        lambda evidence: 0.0 if evidence.small else (PROBES - 1.0) * STEPS,
    ),
    Stage(
        "data",
        "other data",
        measure_data,
        lambda evidence: 50.0 if evidence.small else 35.0,
        suits=has_data,
    ),
    Stage(
        "interactions",
        "interactions of layers",
        measure_interactions,
        interactions_cost,
        suits=has_interactions,
        least=interactions_cost,
    ),
)


def measured(
    stage: Stage,
    run: Callable[[Evidence, Clock], Found],
    evidence: Evidence,
    clock: Clock,
) -> Measurement:
    """Run one stage and note what it cost."""
    began, before = perf_counter(), evidence.work
    value, outcome = run(evidence, clock)
    return Measurement(
        name=stage.name,
        value=value,
        seconds=perf_counter() - began,
        products=evidence.work - before,
        outcome=outcome,
    )
