"""Minima of a scalar field, and the order in which rising water joins their basins."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray


class Merge(NamedTuple):
    """Two components that become one.

    Attributes
    ----------
    link : int
        The number of the link that joins them.
    ends : int
        The higher of both components' lowest members: it ends here.
    survivor : int
        The lower one.
    across : int
        The link's own end in the survivor's component.
    """

    link: int
    ends: int
    survivor: int
    across: int


@final
@dataclass(frozen=True)
class Hierarchy:
    """Minima, lowest first, and where the component of each joins a lower one's.

    Attributes
    ----------
    minima : array
        Their vertices ``(k,)``.
    passes : array
        The vertex at which each one's component meets a lower one's ``(k,)``; −1 for
        the lowest of each connected part.
    parents : array
        The lowest minimum of the component that it joins there ``(k,)``, or −1.
    across : array
        The minimum whose basin lies on the other side of that pass ``(k,)``, or −1.
    """

    minima: Int[ndarray, " k"]
    passes: Int[ndarray, " k"]
    parents: Int[ndarray, " k"]
    across: Int[ndarray, " k"]

    def persistence(self, values: Float[ndarray, " n"]) -> Float[ndarray, " k"]:
        """How far the water rises from each minimum to its pass; infinity without."""
        depth = values[self.passes] - values[self.minima]
        return np.where(self.passes < 0, np.inf, depth)


def grid_edges(shape: tuple[int, int]) -> Int[ndarray, "m 2"]:
    """Every pair of neighbours on a grid, along both axes and both diagonals."""
    vertex = np.arange(shape[0] * shape[1]).reshape(shape)
    pairs = [
        (vertex[1:, :], vertex[:-1, :]),
        (vertex[:, 1:], vertex[:, :-1]),
        (vertex[1:, 1:], vertex[:-1, :-1]),
        (vertex[1:, :-1], vertex[:-1, 1:]),
    ]
    ends = [np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1)]
    return np.stack(ends, axis=1)


def grid_rim(shape: tuple[int, int]) -> Bool[ndarray, " n"]:
    """Which vertices lie on the edge of a grid."""
    rim = np.zeros(shape, dtype=bool)
    for row, column in product((0, -1), repeat=2):
        rim[row, :], rim[:, column] = True, True
    return rim.ravel()


def flood(
    values: Float[ndarray, " n"], edges: Int[ndarray, "m 2"], wet: Bool[ndarray, " n"]
) -> tuple[Hierarchy, Int[ndarray, " n"]]:
    """All minima of a field on a graph, and the minimum below every vertex (or −1).

    Vertices are handled by their rank in the order of (value, number), so that no two
    are equal. Each drains to its lowest neighbour, and so on to a minimum; both ends of
    an edge are under water when its higher end is. The lowest edge between any two
    basins is all that their merging depends on.
    """
    order = np.argsort(values, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ends = rank[edges[wet[edges].all(axis=1)]]
    drain = _drained(len(order), ends)
    bottom = (drain == np.arange(len(order))) & wet[order]
    basin = np.where(wet[order], (np.cumsum(bottom) - 1)[drain], -1)
    level, sides = _lowest_links(ends.max(axis=1, initial=-1), basin[ends])
    found = np.full((3, int(bottom.sum())), -1)
    for link, end, survivor, across in merges(found.shape[1], sides):
        found[:, end] = order[level[link]], survivor, across
    labels = np.empty_like(basin)
    labels[order] = basin
    return Hierarchy(order[bottom], *found), labels


def _drained(count: int, ends: Int[ndarray, "m 2"]) -> Int[ndarray, " n"]:
    """Where water from every rank ends, going to the lowest neighbour each time."""
    drain = np.arange(count)
    np.minimum.at(drain, ends[:, 0], ends[:, 1])
    np.minimum.at(drain, ends[:, 1], ends[:, 0])
    return followed(drain)


def followed(pointers: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
    """Where each chain of pointers ends; the last points to itself."""
    while True:
        further = pointers[pointers]
        if np.array_equal(further, pointers):
            return pointers
        pointers = further


def _lowest_links(
    levels: Int[ndarray, " m"], sides: Int[ndarray, "m 2"]
) -> tuple[Int[ndarray, " l"], Int[ndarray, "l 2"]]:
    """The lowest edge between any two basins that meet, in rising order."""
    crossing = sides[:, 0] != sides[:, 1]
    levels, sides = levels[crossing], np.sort(sides[crossing], axis=1)
    rising = np.lexsort((levels, sides[:, 1], sides[:, 0]))
    levels, sides = levels[rising], sides[rising]
    first = np.ones(len(sides), dtype=bool)
    first[1:] = (sides[1:] != sides[:-1]).any(axis=1)
    levels, sides = levels[first], sides[first]
    rising = np.argsort(levels, kind="stable")
    return levels[rising], sides[rising]


def merges(count: int, links: Int[ndarray, "l 2"]) -> Iterable[Merge]:
    """Which links join two components, by union–find; the lower number survives.

    Members are numbered from the lowest upwards, links come in rising order.
    """
    root = list(range(count))
    for link, (a, b) in enumerate(links.tolist()):
        survivor, end, across = _find(root, a), _find(root, b), a
        if survivor == end:
            continue
        if survivor > end:
            survivor, end, across = end, survivor, b
        root[end] = survivor
        yield Merge(link, end, survivor, across)


def _find(root: list[int], member: int) -> int:
    """The lowest member of a component; the way there is halved for the next."""
    while root[member] != member:
        root[member] = root[root[member]]
        member = root[member]
    return member


def simplified(
    hierarchy: Hierarchy, values: Float[ndarray, " n"], threshold: float
) -> tuple[Hierarchy, Int[ndarray, " k"], Float[ndarray, " k"]]:
    """Without the minima whose persistence is no larger than a threshold.

    Water in their basins rises until it flows over into one that is kept. Returns the
    rest, for every old minimum the number of the new one, and the level to which its
    basin is filled (−∞ where it is kept).
    """
    kept = (hierarchy.persistence(values) > threshold) | (hierarchy.passes < 0)
    into = np.where(kept, np.arange(len(kept)), hierarchy.across)
    filled = np.where(kept, -np.inf, values[hierarchy.passes])
    while not kept[into].all():
        filled = np.maximum(filled, filled[into])
        into = into[into]
    number = np.cumsum(kept) - 1
    # a parent is at least as persistent as its child, so it is kept as well
    parents, across = hierarchy.parents[kept], hierarchy.across[kept]
    rest = Hierarchy(
        hierarchy.minima[kept],
        hierarchy.passes[kept],
        np.where(parents < 0, -1, number[parents]),
        np.where(across < 0, -1, number[into[across]]),
    )
    return rest, number[into], filled
