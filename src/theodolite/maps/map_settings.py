"""How a map is to be measured, and what was measured."""

from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from theodolite.budget import Budget, BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.maps.batch_norm import BatchNorm, require_policy
from theodolite.maps.direction import require_kind
from theodolite.maps.field import Field
from theodolite.maps.frame import Frame
from theodolite.maps.grid import Interval, SpanLike, as_intervals
from theodolite.maps.quantities import Quantity
from theodolite.maps.track import Track
from theodolite.maps.track_losses import Tracks, require_tracks
from theodolite.outcomes import Outcome
from theodolite.progress import Watcher
from theodolite.seeding import generator

# directions that were not asked for by the name of their kind
GIVEN = "given"


@dataclass(frozen=True)
class MapSettings:
    """How a map is to be measured.

    Attributes
    ----------
    kind : str
        ``"line"`` or ``"plane"``.
    directions : str
        The kind of directions, or ``"given"``.
    steps : tuple of int
        Coordinates along each axis.
    span : float, sequence or None
        What the axes reach; found out where it is ``None``.
    seed : int
        Of the directions.
    quantities : dict
        What is measured beside the loss.
    batch_norm : str
        The policy for running statistics.
    rtol : float or None
        Error allowed, by the range; every point is measured without.
    budget : int, str, Budget or None
        Points, or time.
    out : Path or None
        The run folder.
    resume : bool
        Whether what it holds is gone on with.
    watcher : Watcher
        Who is told how far it is.
    tracks : mapping
        Checkpoints to be drawn, by the name of their run.
    """

    kind: str
    directions: str
    steps: tuple[int, ...]
    span: SpanLike | None
    seed: int
    quantities: dict[str, Quantity]
    batch_norm: BatchNorm
    rtol: float | None
    budget: BudgetLike
    out: Path | None
    resume: bool
    watcher: Watcher
    tracks: Tracks = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be asked for, before anything is measured."""
        if self.directions != GIVEN:
            require_kind(self.directions)
        require_policy(self.batch_norm)
        require_tracks(self.tracks)
        self.limit()
        if self.span is not None:
            as_intervals(self.span, len(self.steps))
        if self.resume and self.out is None:
            raise ArgumentError(
                found="resume=True without a run folder.",
                why="What was measured before is kept in one.",
                instead='Name it: out="map".',
            )

    def to_dict(self) -> dict[str, Any]:
        """What of it makes other points, plain."""
        return {
            "kind": self.kind,
            "directions": self.directions,
            "seed": self.seed,
            "quantities": list(self.quantities),
            "batch_norm": self.batch_norm,
        }

    def limit(self) -> Budget:
        """The budget as a bound on points, or on time."""
        if self.budget is None:
            return Budget()
        if not isinstance(self.budget, (Budget, int, str)):
            raise ArgumentError(
                found=f"budget={self.budget!r}.",
                why="A map is bounded by a whole number of points, or by time.",
                instead='Give for example budget=500 or budget="30s".',
            )
        return as_budget(self.budget, 1)


@dataclass(frozen=True)
class Mapped:
    """What was measured, before it is a line or a plane.

    Attributes
    ----------
    frame : Frame
        Origin and directions.
    intervals : tuple of pairs
        What the axes lie in.
    axes : tuple of Tensor
        Coordinates of the drawn grid.
    fields : dict
        Quantities over it, by name.
    tracks : tuple of Track
        Checkpoints on it.
    points : Tensor
        ``(m, axes)``: where the loss was measured.
    losses : Tensor
        ``(m,)``: what it was.
    evaluations : int
        Points measured in this run.
    seconds : float
        Time spent in this run.
    outcome : Outcome
        How it ended.
    run : dict
        Where the numbers come from.
    """

    frame: Frame
    intervals: tuple[Interval, ...]
    axes: tuple[Float[Tensor, " _"], ...]
    fields: dict[str, Field]
    tracks: tuple[Track, ...]
    points: Float[Tensor, "m d"]
    losses: Float[Tensor, " m"]
    evaluations: int
    seconds: float
    outcome: Outcome
    run: dict[str, Any]


def as_rtol(rtol: float | None) -> float | None:
    """An error that can be asked for.

    Raises
    ------
    ArgumentError
        When it is not between 0 and 1.
    """
    if rtol is None:
        return None
    try:
        share = float(rtol)
    except (TypeError, ValueError):
        share = 0.0
    if isinstance(rtol, str) or not 0 < share < 1:
        raise ArgumentError(
            found=f"rtol={rtol!r}.",
            why="The error of an adaptive map is a share of the loss's range.",
            instead="Give for example rtol=0.01, or leave it out: then every point is "
            "measured.",
        )
    return share


def as_seed(seed: int) -> int:
    """A seed that generators take, plain.

    Raises
    ------
    ArgumentError
        When it is no whole number of at most 63 bits.
    """
    generator(seed)
    return index(seed)
