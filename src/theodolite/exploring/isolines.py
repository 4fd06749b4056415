"""Contour lines of a grid, as drawings that need no script."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

Point = tuple[float, float]
# an edge of the grid: its lower node, and the way it goes (0 along x, 1 along y)
Edge = tuple[int, int, int]


def isolines(values: Float[Tensor, "nx ny"], level: float) -> list[list[Point]]:
    """Polylines of one level in units of the grid; closed ones end where they begin.

    Marching squares; cells with a corner that is not finite are left out, and saddles
    are resolved by the mean of their corners.

    Parameters
    ----------
    values : Tensor
        ``(nx, ny)``, the first index along x.
    level : float
        In the same units.
    """
    heights = values.tolist()
    neighbours: dict[Edge, list[Edge]] = {}
    for first, second in _segments(values, heights, level):
        neighbours.setdefault(first, []).append(second)
        neighbours.setdefault(second, []).append(first)
    lines = []
    # open lines first, from their ends; what is left is closed
    for wanted in (1, 2):
        for start in list(neighbours):
            if len(neighbours.get(start, ())) == wanted:
                edges = _followed(neighbours, start)
                lines.append([_crossing(heights, level, edge) for edge in edges])
    return lines


def levels_of(values: Float[Tensor, "nx ny"], count: int) -> list[float]:
    """Levels between which equal parts of the map lie, more where it is low."""
    finite = values[values.isfinite()]
    if finite.numel() < 2 or float(finite.max()) == float(finite.min()):
        return []
    shares = torch.linspace(0.0, 1.0, count + 2, dtype=torch.float64)[1:-1] ** 1.4
    return torch.quantile(finite.flatten().double(), shares).unique().tolist()


def path_of(lines: Sequence[Sequence[Point]], scale: Point, height: float) -> str:
    """An SVG path in whole numbers; y goes upward, as on a map."""
    parts = []
    for line in lines:
        points = [(round(x * scale[0]), round(height - y * scale[1])) for x, y in line]
        moves = [f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(points) if a != b]
        if moves:
            parts.append(f"M{points[0][0]} {points[0][1]}l{' '.join(moves)}")
    return "".join(parts)


def _segments(
    values: Float[Tensor, "nx ny"], heights: list[list[float]], level: float
) -> Iterator[tuple[Edge, Edge]]:
    above = values > level
    parts = [above[:-1, :-1], above[1:, :-1], above[1:, 1:], above[:-1, 1:]]
    count = torch.stack(parts).sum(0)
    known = values.isfinite()
    whole = known[:-1, :-1] & known[1:, :-1] & known[1:, 1:] & known[:-1, 1:]
    for i, j in ((count % 4 != 0) & whole).nonzero().tolist():
        left, right = heights[i], heights[i + 1]
        corners = (left[j], right[j], right[j + 1], left[j + 1])
        yield from _through(i, j, corners, level)


def _through(
    i: int, j: int, corners: Sequence[float], level: float
) -> Iterator[tuple[Edge, Edge]]:
    """The one or two segments of a cell, whose corners go around."""
    edges: list[Edge] = [(i, j, 0), (i + 1, j, 1), (i, j + 1, 0), (i, j, 1)]
    above = [corner > level for corner in corners]
    crossed = [n for n in range(4) if above[n] != above[(n + 1) % 4]]
    if len(crossed) == 4:
        # which two corners the segments cut off
        middle = sum(corners) / 4 > level
        first = 1 if middle == above[0] else 0
        crossed = [(first + n) % 4 for n in range(4)]
    for n in range(0, len(crossed), 2):
        yield edges[crossed[n]], edges[crossed[n + 1]]


def _followed(neighbours: dict[Edge, list[Edge]], start: Edge) -> list[Edge]:
    """A line from one of its edges on, taken out of the graph."""
    line, here = [start], start
    while neighbours.get(here):
        onward = neighbours[here].pop()
        neighbours[onward].remove(here)
        for edge in (here, onward):
            if not neighbours[edge]:
                del neighbours[edge]
        line.append(onward)
        here = onward
    return line


def _crossing(heights: list[list[float]], level: float, edge: Edge) -> Point:
    i, j, way = edge
    low = heights[i][j]
    high = heights[i][j + 1] if way else heights[i + 1][j]
    share = (level - low) / (high - low)
    return (float(i), j + share) if way else (i + share, float(j))
