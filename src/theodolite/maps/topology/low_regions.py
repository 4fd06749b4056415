"""Connected low regions in more than two dimensions, from sampled points and paths."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.curve import straight
from theodolite.maps.paths.ends import policy_of
from theodolite.maps.paths.profile import profile_of, unseen
from theodolite.maps.place import Place, PlaceLike, as_place
from theodolite.maps.sweep import swept
from theodolite.maps.topology.regions import Link, LowRegions, regions_of
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.spectrum.vectors import norm

Function = Callable[[Float[Tensor, " p"]], Any]


def low_regions(
    land: Landscape | Function,
    minima: Float[Tensor, "n p"] | Sequence[PlaceLike],
    *,
    paths: Iterable[Any] | None = None,
    steps: int = 17,
    neighbours: int | None = None,
    batch_norm: BatchNorm | None = None,
    progress: ProgressLike = False,
) -> LowRegions:
    """Which of several points lie in one low region, and from what level on.

        level(a, b) = min over chains of paths from a to b of the highest loss on them

    Points are those that training, descents or samples ended at. Links are paths whose
    loss is known all along: straight lines between the points, or those that are given.
    A component of what lies below a level holds every point that can be reached without
    rising above it, along one path or over other points; no plane shows that.

    Costs ``steps`` evaluations of the loss a line, and a few where it may be higher
    than measured; n (n − 1) / 2 lines, or about n · ``neighbours``. Memory: the points,
    and ``steps`` more.

    Misleads where levels are read as those of true passes: each is an upper bound, as a
    lower way around may exist, often far lower for networks. Find it for
    ``bottleneck``, say with :func:`theodolite.connect`, and add it by
    :meth:`LowRegions.with_paths`. The bound is good to ``unseen``, what parabolas say
    that a path may rise to between its samples; spikes narrower than those are not
    seen. Points that were not sampled are in no region.

    Parameters
    ----------
    land : Landscape or callable
        Whose loss, or any function of a flat tensor ``(p,)``.
    minima
        The points: a tensor ``(n, p)``, or models, state dicts or flat tensors.
    paths : optional
        Instead of straight lines, triples ``(a, b, along)``: the numbers of two points,
        and the losses along a path from one to the other, evenly spaced, or its highest
        loss alone, or what :func:`theodolite.connect` returned.
    steps : int
        Samples on each line, at least 3.
    neighbours : int, optional
        Draw lines from each point to so many nearest ones only; to all by default.
    batch_norm : str, optional
        ``"frozen"``, ``"interpolated"`` or ``"re-estimated"``, which is the default for
        models with running statistics, as those of neither end fit between.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    LowRegions
        Losses, paths, and the level at which any two points are connected.

    Raises
    ------
    ArgumentError, ParameterError
        When a point is none of this landscape, a path joins no two of them, or an
        argument cannot be used.
    TheodoliteError
        As :meth:`Landscape.loss` raises.

    References
    ----------
    Becker and Karplus, "The topology of multidimensional potential energy surfaces",
    1997, doi:10.1063/1.473299; Wales, "Energy Landscapes", 2003; paths
    between networks: Draxler et al., 2018, arXiv:1803.00885.
    """
    _require_sensible(steps, neighbours)
    rows = [*minima]
    if not rows:
        raise ArgumentError(
            found="No points.",
            why="Regions are those of points.",
            instead="Give a tensor (n, p), or models or checkpoints.",
        )
    began, watcher = time.perf_counter(), as_watcher(progress)
    try:
        ground = land if isinstance(land, Landscape) else _ground(land, rows[0])
        places = [as_place(ground, row) for row in rows]
        policy = policy_of(ground, batch_norm)
        losses = swept(ground, places, batch_norm=policy)["loss"]
        lines = _Lines(ground, places, losses, steps, policy)
        if paths is None:
            pairs = _pairs(places, neighbours)
            paths = [lines.link(*pair) for pair in _told(pairs, watcher)]
        found = regions_of(losses, paths)
    finally:
        watcher.close()
    evaluations = len(places) + lines.evaluations
    seconds = time.perf_counter() - began
    return LowRegions(
        found.losses, found.links, found.levels, found.bottleneck, evaluations, seconds
    )


def _require_sensible(steps: int, neighbours: int | None) -> None:
    if steps < 3:
        raise ArgumentError(
            found=f"steps={steps}.",
            why="Two of them are the ends of a line, and a pass lies between.",
            instead="Give 3 or more, like steps=17.",
        )
    if neighbours is not None and neighbours < 1:
        raise ArgumentError(
            found=f"neighbours={neighbours}.",
            why="A point without lines is connected to nothing.",
            instead="Give 1 or more, or leave it out for lines between all.",
        )


def _ground(function: Any, first: Any) -> Landscape:
    """A landscape of a plain function, whether it returns tensors or floats."""
    if not callable(function) or not isinstance(first, Tensor):
        raise ArgumentError(
            found=f"A {type(function).__name__} with a point that is a "
            f"{type(first).__name__}.",
            why="Losses are those of a landscape, or of a function of flat tensors.",
            instead="Give theodolite.Landscape(model, loss, data), or a function and "
            "points (n, p).",
        )
    return Landscape.from_function(
        lambda point: torch.as_tensor(function(point), dtype=first.dtype), first
    )


def _pairs(places: Sequence[Place], neighbours: int | None) -> list[tuple[int, int]]:
    """Every two points, or those of which one is among the other's nearest."""
    count = len(places)
    if neighbours is None or neighbours >= count - 1:
        return [(a, b) for a in range(count) for b in range(a + 1, count)]
    near: set[tuple[int, int]] = set()
    for a, here in enumerate(places):
        others = [b for b in range(count) if b != a]
        others.sort(key=lambda b: norm(places[b].point - here.point))
        near |= {(min(a, b), max(a, b)) for b in others[:neighbours]}
    return sorted(near)


def _told(
    pairs: Sequence[tuple[int, int]], watcher: Watcher
) -> Iterator[tuple[int, int]]:
    """The pairs one after another, with word of how far it is."""
    began = time.perf_counter()
    for number, pair in enumerate(pairs):
        yield pair
        done = (number + 1) / len(pairs)
        left = (time.perf_counter() - began) * (1 / done - 1)
        watcher.update("lines between points", done, left)


@final
class _Lines:
    """Straight lines between places, measured."""

    def __init__(
        self,
        land: Landscape,
        places: Sequence[Place],
        losses: Float[Tensor, " n"],
        steps: int,
        batch_norm: BatchNorm,
    ) -> None:
        self._land, self._places, self._losses = land, places, losses
        self._grid = torch.linspace(0, 1, steps, dtype=torch.float64)
        self._batch_norm: BatchNorm = batch_norm
        self.evaluations = 0

    def link(self, a: int, b: int) -> Link:
        """The line between two places, looked at more closely where it is highest."""
        start, stop = self._places[a], self._places[b]
        if torch.equal(start.point, stop.point):
            return Link(a, b, float(self._losses[[a, b]].max()), 0.0)
        curve = straight(start, stop, 2)
        found = profile_of(self._land, curve, self._grid, self._batch_norm)
        self.evaluations += len(found.t)
        more = unseen(found.t, found.loss)
        return Link(a, b, float(found.loss.max()), more)
