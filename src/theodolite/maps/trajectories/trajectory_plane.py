"""The plane that training runs moved in most, and how much of them it shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError, ParameterError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.frame import Direction
from theodolite.maps.grid import SpanLike, StepsLike
from theodolite.maps.measured_plane import Plane
from theodolite.maps.place import Place, PlaceLike, as_place
from theodolite.maps.plane import plane
from theodolite.maps.quantities import QuantityLike
from theodolite.maps.track import Track
from theodolite.maps.trajectories.columns import Columns, Listed, Together
from theodolite.maps.trajectories.principal_components import (
    Origin,
    PrincipalComponents,
    principal_components,
)
from theodolite.maps.trajectories.trajectory import Trajectory
from theodolite.progress import ProgressLike

# recorded, a list of places, or the rows of a tensor (m, p)
Run = Trajectory | Sequence[PlaceLike] | Tensor
# one run, several, or several by name
Runs = Run | Sequence[Run] | Mapping[str, Run]


@dataclass(frozen=True, repr=False)
class TrajectoryPlane:
    """A plane through training runs, and what it shows of them.

    Attributes
    ----------
    plane : Plane
        The loss over it, with a track of each run.
    components : PrincipalComponents
        What each direction explains.
    rounding : float
        How far off their true place checkpoints may lie that were recorded in low
        precision, in parameter units: distances below say nothing.
    """

    plane: Plane
    components: PrincipalComponents
    rounding: float

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Each run on the plane: feet, distances, both losses."""
        return self.plane.tracks

    @property
    def explained(self) -> Float[Tensor, "2"]:
        """What each axis holds of all squared distances from the centre."""
        return self.components.explained[:2]

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the long vectors, plain."""
        return {
            "plane": self.plane.to_dict(),
            "components": self.components.to_dict(),
            "rounding": self.rounding,
        }

    def _repr_html_(self) -> str:
        from theodolite.maps.page_record import plane_record
        from theodolite.report.notebook import surface

        return surface(plane_record(self.plane), "Training over its own plane")

    def __repr__(self) -> str:
        first, second = (100 * float(part) for part in self.explained)
        off = max(float(track.distance.max()) for track in self.tracks)
        lines = [
            f"TrajectoryPlane: the axes hold {first:.3g} % and {second:.3g} % of the "
            f"squared distances of {len(self.components.coordinates)} checkpoints from "
            f"the {self.components.origin}; up to {off:.4g} off it",
            repr(self.plane),
        ]
        if self.components.tied:
            lines.append("  tied directions: the plane is one of many as good")
        if self.rounding > 0:
            lines.append(
                f"  recorded in low precision: to within {self.rounding:.2g} of each "
                "checkpoint"
            )
        return "\n".join(lines)


def trajectory_plane(
    land: Landscape,
    runs: Runs,
    *,
    origin: Origin | None = None,
    steps: StepsLike = 51,
    span: SpanLike | None = None,
    quantities: QuantityLike = (),
    batch_norm: BatchNorm = "frozen",
    rtol: float | None = None,
    budget: BudgetLike = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: ProgressLike = False,
) -> TrajectoryPlane:
    """The plane that training runs moved in most, with every checkpoint beside it.

    The first two principal components of all checkpoints together, so that several runs
    or optimisers share one plane fixed by all of them. Each checkpoint is drawn at its
    foot, with its distance off the plane, its own loss, and the plane's at the foot.
    Order and sign are fixed: the same runs give the same picture. Costs two passes over
    the checkpoints, two losses for each, and as :func:`theodolite.plane`; memory 3 p
    numbers and about 200 MiB, however many checkpoints there are on disk.

    Misleads: a plane that explains 98 % of the distances can still show a loss that is
    a quarter off; and long smooth paths, even random walks, have planes that explain
    most of them. Look at the tracks' ``distance`` and ``excess``.

    Parameters
    ----------
    land : Landscape
        Over the same parameters as were recorded.
    runs
        A :class:`theodolite.Trajectory`, a sequence of places or a tensor ``(m, p)``;
        several of them; or a mapping from names to them.
    origin : str, optional
        ``"last"``: differences to the last checkpoint, as Li et al. take them, which is
        the centre then; the default for one run. ``"mean"``: to the mean of all
        checkpoints; the default for several, so that none is preferred.
    steps, span, quantities, batch_norm, rtol, budget, out, resume, progress
        As for :func:`theodolite.plane`; by default the plane holds all checkpoints'
        feet with a margin.

    Raises
    ------
    ArgumentError
        When there are fewer than three checkpoints, or they lie on a line.
    NonFiniteError
        When one holds NaN or infinity.
    ParameterError
        When other parameters were recorded than the landscape's.
    TheodoliteError
        As :func:`theodolite.plane` raises.

    References
    ----------
    Li et al., "Visualizing the loss landscape of neural nets", 2018, arXiv:1712.09913,
    section 7; Antognini and Sohl-Dickstein, 2018, arXiv:1806.08805.
    """
    require_landscape(land)
    named = _named(runs)
    for name, run in named.items():
        _require_same(land, name, run)
    several = len(named) > 1
    recorded = [_columns(land, run) for run in named.values()]
    found = principal_components(
        Together(recorded) if several else recorded[0],
        origin=origin or ("mean" if several else "last"),
        dtype=land.dtype,
    )
    beside = _Buffers(list(named.values()), found)
    drawn = plane(
        land,
        Place(found.center, beside.center()),
        [_direction(land, found, number, beside.along(number)) for number in range(2)],
        steps,
        span,
        quantities=quantities,
        batch_norm=batch_norm,
        rtol=rtol,
        budget=budget,
        tracks={name: _as_places(run) for name, run in named.items()},
        out=out,
        resume=resume,
        progress=progress,
    )
    return TrajectoryPlane(drawn, found, _rounding(land, named, drawn.scale))


@final
class _Recorded:
    """A trajectory whose checkpoints come with their buffers, and steps for labels."""

    def __init__(self, run: Trajectory) -> None:
        self._run = run

    @property
    def steps(self) -> tuple[int, ...]:
        return self._run.steps

    def __iter__(self) -> Iterator[Place]:
        return self._run.places()


@final
class _Buffers:
    """Buffers at the centre and along the directions, mixed as the weights are.

    Empty unless all runs recorded the same ones.
    """

    def __init__(self, runs: Sequence[Run], found: PrincipalComponents) -> None:
        self._found = found
        recorded = [run for run in runs if isinstance(run, Trajectory)]
        rows = [place.buffers for run in recorded for place in run.places()]
        alike = len(recorded) == len(runs) and len({frozenset(r) for r in rows}) == 1
        self._rows = {
            name: torch.stack([row[name].double() for row in rows])
            for name in (rows[0] if alike else ())
        }

    def center(self) -> dict[str, Tensor]:
        """What they are where both coordinates are zero."""
        last = self._found.origin == "last"
        return {n: r[-1] if last else r.mean(0) for n, r in self._rows.items()}

    def along(self, number: int) -> dict[str, Tensor]:
        """How they change along a direction."""
        coordinates = self._found.coordinates[:, number]
        mix = coordinates / coordinates.square().sum()
        center = self.center()
        return {
            name: torch.tensordot(mix, rows - center[name], dims=1)
            for name, rows in self._rows.items()
        }


def _direction(
    land: Landscape,
    found: PrincipalComponents,
    number: int,
    buffers: dict[str, Tensor],
) -> Direction:
    share = 100 * float(found.explained[number])
    label = (
        f"principal component {number + 1}, {share:.3g} % of squared distances from "
        f"the {found.origin}"
    )
    vector = found.directions[number].to(land.device)
    return Direction(vector, "pca", label, buffers)


def _named(runs: Runs) -> dict[str, Run]:
    """Runs by name, whatever way they were given."""
    if isinstance(runs, Mapping):
        return dict(runs)
    given: Any = [runs] if _is_run(runs) else runs
    named: dict[str, Run] = {}
    for number, run in enumerate(given, 1):
        name = run.name if isinstance(run, Trajectory) else f"run {number}"
        named[name if name not in named else f"{name} {number}"] = run
    if not named:
        raise ArgumentError(
            found="No runs.",
            why="A plane is laid through checkpoints.",
            instead="Give a Trajectory, or a list of checkpoints.",
        )
    return named


def _is_run(runs: Any) -> bool:
    """Whether it is one run, and not several."""
    if isinstance(runs, (Trajectory, Tensor)):
        return True
    first = next(iter(runs), None)
    if isinstance(first, Tensor):
        return first.ndim == 1
    return isinstance(first, (nn.Module, Mapping, Place))


def _columns(land: Landscape, run: Run) -> Columns:
    if isinstance(run, Trajectory):
        return run
    return Listed([as_place(land, place).point.cpu() for place in run])


def _as_places(run: Run) -> Any:
    return _Recorded(run) if isinstance(run, Trajectory) else run


def _rounding(land: Landscape, named: Mapping[str, Run], scale: float) -> float:
    """What low precision can have moved a checkpoint by."""
    own = torch.finfo(land.dtype).eps / 2
    kept = [run.rounding for run in named.values() if isinstance(run, Trajectory)]
    coarse = [part for part in kept if part > own]
    return max(coarse, default=0.0) * scale


def _require_same(land: Landscape, name: str, run: Run) -> None:
    if not isinstance(run, Trajectory) or land.parameters.names == run.names:
        return
    own = dict.fromkeys(land.parameters.names)
    other = next((n for n in run.names if n not in own), None)
    other = other or next((n for n in own if n not in run.names), "their order")
    raise ParameterError(
        found=f"{name!r} recorded {run.size} parameters, the landscape has "
        f"{land.size}; they differ in {other!r}.",
        why="Checkpoints are points of the landscape they are drawn in.",
        instead="Choose the same ones in both: Trajectory(model, parameters=...) and "
        "Landscape(model, ..., parameters=...).",
    )
