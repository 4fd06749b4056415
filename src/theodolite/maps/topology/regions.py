"""Points joined by paths: which of them lie in one low region, and from what level."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite, isnan, nan
from operator import index
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.maps.paths.profile import unseen
from theodolite.maps.topology.flooding import merges
from theodolite.maps.topology.scalar_field import as_numbers

# more points than these are not printed
_PRINTED = 8


@final
@dataclass(frozen=True)
class Link:
    """A path between two points, by its highest place.

    Attributes
    ----------
    a, b : int
        The points.
    highest : float
        The highest loss that was measured on it, its ends included.
    unseen : float
        How much higher it may be between the samples, by parabolas; NaN where only the
        highest loss is known.
    """

    a: int
    b: int
    highest: float
    unseen: float

    @property
    def open(self) -> bool:
        """Whether the loss is a finite number all along it."""
        return isfinite(self.highest)


@final
@dataclass(frozen=True, repr=False)
class LowRegions:
    """Which points are connected by what is no higher than a level, for all levels.

    Attributes
    ----------
    losses : Tensor
        At the points ``(n,)``, float64.
    links : tuple of Link
        The paths.
    levels : Tensor
        ``(n, n)``: the lowest level at which two points are known to be connected,
        along one path or several; infinity where no path leads from one to the other.
        On the diagonal the losses.
    bottleneck : Link or None
        The path that :attr:`connects_at` depends on: the one to find a lower way for.
    evaluations : int
        Losses that were measured.
    seconds : float
        Time that it took.
    """

    losses: Float[Tensor, " n"]
    links: tuple[Link, ...]
    levels: Float[Tensor, "n n"] = field(repr=False)
    bottleneck: Link | None
    evaluations: int = 0
    seconds: float = 0.0

    @property
    def connects_at(self) -> float:
        """The lowest level at which all points are one region; infinite if never.

        Points whose loss is not finite are left out.
        """
        known = self.losses.isfinite()
        levels = self.levels[known][:, known]
        return float(levels.max()) if levels.numel() else inf

    def components(self, level: float) -> Int[Tensor, " n"]:
        """For every point the lowest one of its region at a level; −1 above the level.

        Raises
        ------
        ArgumentError
            When the level is NaN.
        """
        if isnan(level):
            raise ArgumentError(
                found="level=nan.",
                why="Nothing lies below it.",
                instead="Give a loss, like regions.connects_at.",
            )
        reached = self.losses.where(self.levels <= level, inf)
        below = (self.losses <= level) & self.losses.isfinite()
        return reached.argmin(dim=1).where(below, -1)

    def with_paths(self, paths: Iterable[Any]) -> "LowRegions":
        """The same with further paths; levels can only fall.

        Parameters
        ----------
        paths
            As of :func:`theodolite.maps.low_regions.low_regions`.

        Raises
        ------
        ArgumentError
            When a path joins no two of the points.
        """
        more = regions_of(self.losses, [*self.links, *paths])
        return replace(more, evaluations=self.evaluations, seconds=self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain; arrays as lists."""
        arrays = {"losses": self.losses.tolist(), "levels": self.levels.tolist()}
        links = [dict(vars(link)) for link in self.links]
        narrowest = None if self.bottleneck is None else dict(vars(self.bottleneck))
        more = {"links": links, "bottleneck": narrowest}
        return {**vars(self), **arrays, **more, "connects_at": self.connects_at}

    def __repr__(self) -> str:
        count, closed = len(self.losses), sum(not link.open for link in self.links)
        torn = f" ({closed} of them not finite all along)" if closed else ""
        head = f"LowRegions of {count} points and {len(self.links)} paths{torn}: "
        if isfinite(self.connects_at):
            head += f"one region from {self.connects_at:.6g} on, or lower"
        else:
            head += "not all connected, at any level"
        lowest = torch.argsort(self.losses, stable=True).tolist()
        more = [f"  and {count - _PRINTED} higher"] if count > _PRINTED else []
        return "\n".join([head, *map(self._line, lowest[:_PRINTED]), *more])

    def _line(self, number: int) -> str:
        loss = float(self.losses[number])
        if not isfinite(loss):
            return f"  {number}: {loss}, left out"
        # of two equal ones the first counts as the lower
        lower = self.losses < loss
        lower[:number] |= self.losses[:number] == loss
        if not bool(lower.any()):
            return f"  {number}: {loss:.6g}, the lowest"
        level = float(self.levels[number][lower].min())
        if not isfinite(level):
            return f"  {number}: {loss:.6g}, no path leads to a lower one"
        return f"  {number}: {loss:.6g}, reaches a lower one at {level:.6g} or lower"


def regions_of(losses: Any, paths: Iterable[Any]) -> LowRegions:
    """Low regions of points whose losses are known, and paths whose losses are.

    Points that are not finite are left out, so are paths that are not all along.

    Parameters
    ----------
    losses
        At the points ``(n,)``.
    paths
        As of :func:`theodolite.maps.low_regions.low_regions`.

    Raises
    ------
    ArgumentError
        When there is no point, or a path joins no two of them.
    """
    values = as_numbers(losses, "losses")
    if values.ndim != 1 or not len(values):
        raise ArgumentError(
            found=f"Losses of shape {tuple(values.shape)}.",
            why="Each point has one.",
            instead="Give a list (n,) of at least one.",
        )
    links = tuple(_as_link(path, values) for path in paths)
    levels, bottleneck = _levels(values, links)
    return LowRegions(values, links, levels, bottleneck)


def _levels(
    losses: Float[Tensor, " n"], links: Sequence[Link]
) -> tuple[Float[Tensor, "n n"], Link | None]:
    """The lowest level that connects any two points, by joining the lowest first."""
    order = torch.argsort(losses, stable=True).tolist()
    rank = {point: place for place, point in enumerate(order)}
    rising = sorted((link for link in links if link.open), key=lambda at: at.highest)
    ends = [(rank[link.a], rank[link.b]) for link in rising]
    levels = torch.full((len(order), len(order)), inf, dtype=torch.float64)
    levels.diagonal().copy_(losses)
    regions = [[point] for point in order]
    last = None
    for step in merges(len(order), np.array(ends, dtype=np.int64).reshape(-1, 2)):
        one, other = regions[step.survivor], regions[step.ends]
        last = rising[step.link]
        levels[np.ix_(one, other)] = levels[np.ix_(other, one)] = last.highest
        one += other
    return levels, last


def _as_link(path: Any, losses: Float[Tensor, " n"]) -> Link:
    """A link out of what users give, no lower than its ends."""
    if isinstance(path, Link):
        path = (path.a, path.b, path)
    try:
        a, b, along = path
        a, b = index(a), index(b)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            found=f"A {type(path).__name__} as a path.",
            why="A path joins two points by their numbers.",
            instead="Give (a, b, losses), (a, b, highest) or "
            "(a, b, theodolite.connect(land, ...)).",
        ) from error
    if not (0 <= a < len(losses) and 0 <= b < len(losses)):
        raise ArgumentError(
            found=f"A path from point {a} to point {b}.",
            why=f"Points are numbered from 0 to {len(losses) - 1}.",
            instead="Give (a, b, losses) with two of these numbers.",
        )
    highest, more = _highest(along)
    ends = losses[[a, b]]
    # nothing leads to a point that is not finite, and max() would pass over NaN
    known = isfinite(highest) and bool(ends.isfinite().all())
    return Link(a, b, max(highest, float(ends.max())) if known else nan, more)


def _highest(along: Any) -> tuple[float, float]:
    """The highest loss on a path, and what may be unseen."""
    if isinstance(along, Link):
        return along.highest, along.unseen
    t, losses = getattr(along, "t", None), getattr(along, "loss", along)
    losses = as_numbers(losses, "a path")
    if not losses.numel() or losses.ndim > 1:
        raise ArgumentError(
            found=f"Losses of shape {tuple(losses.shape)} along a path.",
            why="A path has one row of them, or its highest alone.",
            instead="Give a list (m,), or a number.",
        )
    if losses.ndim == 0:
        return float(losses), nan
    t = torch.linspace(0, 1, len(losses)).double() if t is None else t
    # nothing is fitted through what is not finite
    smooth = bool(losses.isfinite().all())
    return float(losses.max()), unseen(t, losses) if smooth else nan
