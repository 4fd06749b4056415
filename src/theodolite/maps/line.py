"""The loss along a line through the landscape."""

from pathlib import Path

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.direction import Directions, frame_for
from theodolite.maps.frame import Frame, require_frame, towards
from theodolite.maps.grid import Interval, as_steps
from theodolite.maps.map_settings import GIVEN, Mapped, MapSettings, as_rtol, as_seed
from theodolite.maps.mapping import Mapper
from theodolite.maps.measured_line import Line
from theodolite.maps.place import PlaceLike, as_place
from theodolite.maps.quantities import QuantityLike, as_quantities
from theodolite.maps.saving import finish
from theodolite.progress import ProgressLike, as_watcher
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.vectors import norm


def line(
    land: Landscape,
    a: PlaceLike = None,
    b: PlaceLike = None,
    *,
    direction: Directions | int | None = None,
    steps: int = 51,
    span: float | Interval | None = None,
    seed: int = 0,
    quantities: QuantityLike = (),
    batch_norm: BatchNorm = "frozen",
    rtol: float | None = None,
    budget: BudgetLike = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: ProgressLike = False,
) -> Line:
    """The loss from one checkpoint to another, or along a direction.

        loss[i] = f(a + t[i]·(b − a))      or      f(a + t[i]·d)

    Both ends are on it to the last bit. Costs one pass over the data for each of
    ``steps`` points, with ``rtol`` for 10 to 40; test data are measured along. Of two
    checkpoints with batch norm, ``"re-estimated"`` statistics say more than
    ``"frozen"`` ones: those are the landscape's model's own everywhere.

    Misleads where networks differ by a permutation of their units: the straight line
    then crosses a ridge that ``td.align`` or ``td.connect`` goes around.

    Parameters
    ----------
    land : Landscape
        What is measured. The model is never written to.
    a, b
        Models, state dicts or flat tensors ``(p,)``; ``a`` is where the model is by
        default.
    direction
        Instead of ``b``: ``"filter"``, ``"layer"``, ``"random"``, ``"eigen"`` or
        ``"eigen-bottom"`` as for ``td.plane``, eigenpairs, a flat tensor ``(p,)`` or
        the number of a parameter.
    steps : int
        How many points.
    span : float or pair of float, optional
        How far it reaches, in units of the direction; from ``a`` to ``b`` by default,
        and along a direction to where the loss has changed by its own size. What holds
        both ends has both among its points, wherever the steps would fall.
    seed, quantities, batch_norm, rtol, budget, out, resume, progress
        As for ``td.plane``.

    Raises
    ------
    ArgumentError, ParameterError
        When both or neither of ``b`` and ``direction`` are given, an argument is
        outside its range, or a checkpoint does not fit.
    RunFolderError
        When ``out`` cannot be written, or holds another map.
    TheodoliteError
        As :meth:`Landscape.loss` raises.

    References
    ----------
    Goodfellow, Vinyals and Saxe, "Qualitatively characterizing neural network
    optimization problems", 2015, arXiv:1412.6544.
    """
    require_landscape(land)
    seed = as_seed(seed)
    if (b is None) == (direction is None):
        raise ArgumentError(
            found="Both an end b and a direction."
            if b is not None
            else "Neither an end b nor a direction.",
            why="A line runs from a to b, or from a along a direction.",
            instead="Give td.line(land, a, b), or "
            'td.line(land, a, direction="filter").',
        )
    origin = as_place(land, a)

    def make_frame() -> Frame:
        if direction is not None:
            one = direction if isinstance(direction, str) else _single(direction)
            return frame_for(land, origin, one, 1, seed)
        found = Frame(origin, (towards(origin, as_place(land, b), "from a to b"),))
        require_frame(land, found)
        return found

    settings = MapSettings(
        kind="line",
        directions=direction if isinstance(direction, str) else GIVEN,
        steps=as_steps(steps, 1),
        span=(0.0, 1.0) if span is None and b is not None else span,
        seed=seed,
        quantities=as_quantities(quantities),
        batch_norm=batch_norm,
        rtol=as_rtol(rtol),
        budget=budget,
        out=None if out is None else Path(out),
        resume=resume,
        watcher=as_watcher(progress),
    )
    mapped = Mapper(land, origin.point, make_frame, settings).run()
    found = as_line(mapped, settings)
    finish(found, settings.out)
    return found


def _single(direction: Directions | int) -> Directions:
    """One direction as a sequence of one; eigenpairs as they are."""
    known = isinstance(direction, (list, tuple, EigenPairs))
    return direction if known else [direction]


def as_line(mapped: Mapped, settings: MapSettings) -> Line:
    """A line out of what was measured."""
    return Line(
        t=mapped.axes[0],
        fields=mapped.fields,
        start=mapped.frame.origin.point,
        axis=mapped.frame.directions[0],
        scale=norm(mapped.frame.origin.point),
        points=mapped.points[:, 0],
        losses=mapped.losses,
        batch_norm=settings.batch_norm,
        evaluations=mapped.evaluations,
        seconds=mapped.seconds,
        seed=settings.seed,
        outcome=mapped.outcome,
        run=mapped.run,
    )
