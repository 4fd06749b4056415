"""The grid that a map is drawn on: the centre is one of its points."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError

# coordinates this near to a whole number of the axis are that number
_SNAP = 1e-9
# steps of the coarsest picture, in powers of two of the finest
_COARSEST = 4

Interval = tuple[float, float]
# one reach to both sides for all axes, one for each, or an interval for each
SpanLike = float | Sequence[float] | Sequence[Interval]
StepsLike = int | tuple[int, int]


def axis(interval: Interval, steps: int) -> Float[Tensor, " n"]:
    """Evenly spaced coordinates over an interval, zero among them.

    An odd number of steps over a symmetric interval reaches both ends. An even one
    reaches the lower end and stops one step before the upper; an interval whose zero
    falls between two coordinates is shifted by less than a step.

    Parameters
    ----------
    interval : pair of float
        Lower and upper end, in units of the direction.
    steps : int
        How many coordinates.
    """
    low, high = interval
    symmetric = low == -high
    if symmetric and steps % 2 == 0:
        width, before = 2 * high / steps, steps // 2
    else:
        width = (high - low) / (steps - 1)
        before = round(-low / width)
    values = (torch.arange(steps, dtype=torch.float64) - before) * width
    if not low <= 0 <= high:
        values = torch.linspace(low, high, steps, dtype=torch.float64)
    for whole in (low, high, 0.0, 1.0):
        values[(values - whole).abs() < _SNAP * width] = whole
    return values


def as_intervals(span: SpanLike, axes: int) -> list[Interval]:
    """An interval for each axis out of what users write.

    Raises
    ------
    ArgumentError
        When a reach is not positive, or an interval is empty.
    """
    given = [span] * axes if isinstance(span, (int, float)) else list(span)
    if axes == 1 and len(given) == 2:
        given = [(given[0], given[1])]
    try:
        intervals = [_interval(part) for part in given]
    except (TypeError, ValueError):
        intervals = []
    if len(intervals) != axes or not all(_is_interval(one) for one in intervals):
        raise ArgumentError(
            found=f"span={span!r}.",
            why=f"Each of {axes} axes reaches from a lower to a higher coordinate.",
            instead="Give one number for both sides like span=1.0, one for each axis, "
            "an interval (low, high) for each, or leave it out.",
        )
    return intervals


def _interval(part: Any) -> Interval:
    if isinstance(part, (int, float)):
        return -float(part), float(part)
    low, high = part
    return float(low), float(high)


def _is_interval(interval: Interval) -> bool:
    return -float("inf") < interval[0] < interval[1] < float("inf")


def as_steps(steps: StepsLike, axes: int) -> tuple[int, ...]:
    """A number of coordinates for each axis.

    Raises
    ------
    ArgumentError
        When there are fewer than two.
    """
    found = (steps,) * axes if isinstance(steps, int) else tuple(steps)
    if len(found) != axes or any(not isinstance(n, int) or n < 2 for n in found):
        raise ArgumentError(
            found=f"steps={steps!r}.",
            why="A map needs at least two coordinates along every axis.",
            instead="Give for example steps=51"
            + (", or steps=(51, 31) for the two axes." if axes == 2 else "."),
        )
    return found


def coarse_to_fine(axes: Sequence[Float[Tensor, " _"]]) -> list[tuple[float, ...]]:
    """All points of a grid, every eighth row first: the picture is usable early.

    The one nearest to the centre comes first.
    """
    levels = [_levels(values) for values in axes]
    if len(axes) == 1:
        ranked = sorted(range(len(axes[0])), key=lambda i: -levels[0][i])
        return [(float(axes[0][i]),) for i in ranked]
    places = [(i, j) for i in range(len(axes[0])) for j in range(len(axes[1]))]
    places.sort(key=lambda ij: -min(levels[0][ij[0]], levels[1][ij[1]]))
    first, second = (values.tolist() for values in axes)
    return [(first[i], second[j]) for i, j in places]


def _levels(values: Float[Tensor, " n"]) -> list[int]:
    """How many times two divides each index, counted from the centre."""
    centre = int(values.abs().argmin())
    return [_COARSEST if i == centre else _twos(i - centre) for i in range(len(values))]


def _twos(number: int) -> int:
    return min((number & -number).bit_length() - 1, _COARSEST - 1)
