"""The grid that a map is drawn on: the centre is one of its points."""

from collections.abc import Sequence
from math import prod
from operator import index
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError

# coordinates this near to a whole number of the axis are that number
_SNAP = 1e-9
# points of a drawn map
_MOST = 10**7
# steps of the coarsest picture, in powers of two of the finest
_COARSEST = 4

Interval = tuple[float, float]
# one reach to both sides for all axes, one for each, or an interval for each
SpanLike = float | Sequence[float] | Sequence[Interval]
StepsLike = int | tuple[int, int]


def axis(
    interval: Interval, steps: int, *, to_one: bool = False
) -> Float[Tensor, " n"]:
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
    to_one : bool
        Whether one, where a checkpoint lies, is a coordinate as well, if there are
        enough; steps are a little wider or narrower then, if need be.
    """
    low, high = interval
    if not low <= 0 <= high:
        return _snapped(torch.linspace(low, high, steps, dtype=torch.float64), interval)
    width = (high - low) / (steps - 1)
    before = round(-low / width)
    if to_one and high >= 1 and width <= 1:
        between = round(1 / width)
        width = 1 / between
        before = min(round(-low / width), steps - 1 - between)
    elif low == -high and steps % 2 == 0:
        width, before = 2 * high / steps, steps // 2
    values = (torch.arange(steps, dtype=torch.float64) - before) * width
    return _snapped(values, interval)


def _snapped(values: Float[Tensor, " n"], interval: Interval) -> Float[Tensor, " n"]:
    """Ends, zero and one to the last bit, where they are but for rounding."""
    width = float(values[1] - values[0])
    for whole in (*interval, 0.0, 1.0):
        values[(values - whole).abs() < _SNAP * width] = whole
    return values


def around(interval: Interval, values: Float[Tensor, " n"]) -> Interval:
    """The interval, and all of an axis: a shifted one reaches a little over."""
    low, high = interval
    return min(low, float(values[0])), max(high, float(values[-1]))


def as_intervals(span: SpanLike, axes: int) -> list[Interval]:
    """An interval for each axis out of what users write.

    Raises
    ------
    ArgumentError
        When a reach is not positive, or an interval is empty.
    """
    try:
        intervals = _intervals(span, axes)
    except (TypeError, ValueError):
        intervals = []
    if len(intervals) != axes or not all(_is_interval(one) for one in intervals):
        raise ArgumentError(
            found=f"span={span!r}.",
            why=f"Each of {axes} axes reaches from a lower to a higher coordinate."
            if axes > 1
            else "A line reaches from a lower to a higher coordinate.",
            instead="Give one number for both sides like span=1.0, "
            + (
                "one for each axis, an interval (low, high) for each,"
                if axes > 1
                else "an interval (low, high),"
            )
            + " or leave it out.",
        )
    return intervals


def _intervals(span: Any, axes: int) -> list[Interval]:
    if _is_number(span):
        return [_interval(span)] * axes
    given = list(span)
    if axes == 1 and len(given) == 2:
        return [_interval(given)]
    return [_interval(part) for part in given]


def _is_number(part: Any) -> bool:
    """Numbers of Python and numpy, and tensors of one."""
    if isinstance(part, str):
        return False
    try:
        float(part)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def _interval(part: Any) -> Interval:
    if _is_number(part):
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
        When there are fewer than two, or more points than memory holds.
    """
    given: Any = steps
    several = isinstance(given, (tuple, list))
    try:
        found = tuple(index(n) for n in (given if several else [given] * axes))
    except TypeError:
        found = ()
    if found and prod(found) > _MOST:
        raise ArgumentError(
            found=f"steps={steps!r}: {prod(found):.3g} points.",
            why=f"A map is held in memory, {_MOST:,} points at most.",
            instead="Take fewer; with rtol=0.01 the number of points that are measured "
            "hangs little on it.",
        )
    if len(found) != axes or min(found) < 2:
        raise ArgumentError(
            found=f"steps={steps!r}.",
            why="A map has a whole number of coordinates along every axis, two at "
            "least.",
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
