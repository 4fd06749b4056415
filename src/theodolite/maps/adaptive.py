"""A map from few points: polynomials refined where they are wrong, and checked."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.grid import Interval
from theodolite.maps.leja import (
    MOST,
    Array,
    at_own_points,
    leja_points,
    newton_polynomials,
)
from theodolite.maps.measuring import Measuring
from theodolite.maps.point_store import Coordinates
from theodolite.maps.quantities import LOSS

# points that no polynomial is fitted to
CHECKS = 12
# the largest error of a smooth surface, by the root mean square at a few points
_PEAK = 3.0
# a dozen points rarely meet the worst one
_DOUBT = 2.0
# every so-manieth step goes to the lowest degree instead of the largest surplus
_FAIR = 4
# points before which nothing is concluded
_FEWEST = 9
# steps whose points are measured together: processes share them, streams are read once
_AT_ONCE = 3

Index = tuple[int, ...]


@final
class Interpolant:
    """A polynomial through measured points, over a set of degrees that grows.

    A new point's *surplus* is by how much the polynomial so far is wrong there: each
    point is an honest test of those before.

    Parameters
    ----------
    intervals : sequence of pairs
        Over which, one for each axis.
    """

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._intervals = intervals
        self._points = [_spread_points(interval) for interval in intervals]
        self.surplus: dict[Index, float] = {}
        self._coefficients = np.zeros((MOST,) * len(intervals))
        # along each axis, how many polynomials have a part in it
        self._counts = [1] * len(intervals)

    def coordinates(self, index: Index) -> Coordinates:
        """Where the point of an index lies."""
        return tuple(values[k] for k, values in zip(index, self._points, strict=True))

    def add(self, index: Index, value: float) -> None:
        """Let the polynomial pass through one more point."""
        columns = [
            at_own_points()[:count, [k]]
            for count, k in zip(self._counts, index, strict=True)
        ]
        self.surplus[index] = value - _contracted(self._used, columns).item()
        self._coefficients[index] = self.surplus[index]
        self._counts = [max(n, k + 1) for n, k in zip(self._counts, index, strict=True)]

    def on(self, axes: Sequence[Float[Tensor, " _"]]) -> Float[Tensor, "..."]:
        """The polynomial's values on a grid."""
        columns = self._polynomials([axis.numpy() for axis in axes])
        return torch.from_numpy(_contracted(self._used, columns))

    def at(self, points: Sequence[Coordinates]) -> Array:
        """The polynomial's values at some points, ``(n,)``."""
        columns = self._polynomials(list(np.array(points).T))
        if len(columns) == 1:
            return self._used @ columns[0]
        return ((columns[0].T @ self._used) * columns[1].T).sum(1)

    @property
    def _used(self) -> Array:
        """The coefficients of those that have a part in it."""
        return self._coefficients[tuple(slice(count) for count in self._counts)]

    def _polynomials(self, coordinates: Sequence[Array]) -> list[Array]:
        """Those that have a part in it, along each axis."""
        return [
            newton_polynomials(_gathered(values, interval), count)
            for values, interval, count in zip(
                coordinates, self._intervals, self._counts, strict=True
            )
        ]


def _contracted(coefficients: Array, columns: Sequence[Array]) -> Array:
    if len(columns) == 1:
        return columns[0].T @ coefficients
    return columns[0].T @ coefficients @ columns[1]


def _spread_points(interval: Interval) -> list[float]:
    return [_spread(t, interval) for t in leja_points().tolist()]


def _spread(t: float, interval: Interval) -> float:
    """A coordinate out of a point of [−1, 1]; the middle and the ends exactly."""
    low, high = interval
    middle, half = (low + high) / 2, (high - low) / 2
    return {1.0: high, -1.0: low}.get(t, middle + half * t)


def _gathered(values: Array, interval: Interval) -> Array:
    low, high = interval
    return (2 * values - (low + high)) / (high - low)


@final
class Refinement:
    """Which point is measured next: the neighbour of the largest surplus.

    The degrees kept are closed downwards. Those at its front have been measured but
    not followed: their surpluses say how much is missing.

    References
    ----------
    Gerstner and Griebel, "Dimension-adaptive tensor-product quadrature", 2003,
    doi:10.1007/s00607-003-0015-5; for interpolation on Leja points: Chkifa, Cohen and
    Schwab, 2014, doi:10.1007/s10208-013-9154-z.

    Parameters
    ----------
    interpolant : Interpolant
        Whose surpluses decide.
    axes : int
        How many there are.
    """

    def __init__(self, interpolant: Interpolant, axes: int) -> None:
        self._interpolant, self._axes = interpolant, axes
        self._followed: set[Index] = set()
        self._front: set[Index] = set()
        self._asked: set[Index] = set()
        self._steps = 0

    @property
    def missing(self) -> float:
        """What the polynomial may lack, in units of the loss."""
        return sum(abs(self._interpolant.surplus[index]) for index in self._front)

    def following(self, steps: int) -> list[Index]:
        """Indices whose points are to be measured, of several steps at once."""
        found = {index: None for _ in range(steps) for index in self._next()}
        return list(found)

    def _next(self) -> list[Index]:
        """Those of one step; none where all degrees are used."""
        while self._front:
            chosen = self._chosen()
            self._front.remove(chosen)
            self._followed.add(chosen)
            if found := [n for n in self._neighbours(chosen) if self._open(n)]:
                self._asked.update(found)
                return found
        origin = (0,) * self._axes
        if origin in self._asked:
            return []
        self._asked.add(origin)
        return [origin]

    def measured(self, indices: Sequence[Index]) -> None:
        """Those have their surpluses now."""
        self._front.update(indices)

    def _chosen(self) -> Index:
        self._steps += 1
        if self._steps % _FAIR == 0:
            return min(self._front, key=lambda index: (sum(index), index))
        size = self._interpolant.surplus
        return max(self._front, key=lambda index: (abs(size[index]), index))

    def _neighbours(self, index: Index) -> list[Index]:
        return [
            tuple(k + (axis == other) for other, k in enumerate(index))
            for axis in range(self._axes)
        ]

    def _open(self, index: Index) -> bool:
        """Whether a point is new and all below it are followed."""
        if max(index) >= MOST or index in self._asked:
            return False
        below = (
            tuple(k - (axis == other) for other, k in enumerate(index))
            for axis in range(self._axes)
            if index[axis]
        )
        return all(one in self._followed for one in below)


@final
class Adaptive:
    """The adaptive measuring of one map.

    Parameters
    ----------
    measuring : Measuring
        What gives numbers at points.
    axes : sequence of Tensor
        The grid that will be drawn.
    intervals : sequence of pairs
        What the axes lie in.
    rtol : float
        Error allowed, by the range of the loss.

    Attributes
    ----------
    finite : bool
        Whether every loss so far was a number.
    enough : bool
        Whether the budget sufficed so far.
    """

    def __init__(
        self,
        measuring: Measuring,
        axes: Sequence[Float[Tensor, " _"]],
        intervals: Sequence[Interval],
        rtol: float,
    ) -> None:
        self._measuring, self._axes, self.rtol = measuring, axes, rtol
        self._intervals = intervals
        self.finite = self.enough = True
        self._indices: list[Index] = []
        self._low, self._high = float("inf"), float("-inf")
        self._checks = _check_points(axes)
        self._loss = Interpolant(intervals)
        self._refinement = Refinement(self._loss, len(axes))

    def run(self, most: int) -> bool:
        """Measure until the error is small; whether that was reached.

        Gives up after ``most`` points, at the budget's end, and where a loss is no
        number.
        """
        tolerance = self.rtol / _DOUBT
        while len(self._indices) + len(self._checks) < most and self._grow():
            if len(self._indices) < _FEWEST:
                continue
            # early, so that the error is known whenever time is up
            if not self._measure(self._checks):
                return False
            # looked at seldom: who stops at the first lucky look stops too early
            if self._refinement.missing > tolerance * self.range:
                continue
            if self.error(LOSS) <= self.rtol * self.range:
                return True
            tolerance /= 2
        return False

    def _grow(self) -> bool:
        """Take the next points in; whether there were any, and all were numbers."""
        indices = self._refinement.following(_AT_ONCE)
        if not indices or not self._measure(
            [self._loss.coordinates(i) for i in indices]
        ):
            return False
        for index in indices:
            value = self._measuring.known[self._loss.coordinates(index)][LOSS]
            self._loss.add(index, value)
            self._low, self._high = min(self._low, value), max(self._high, value)
        self._indices += indices
        self._refinement.measured(indices)
        return True

    def _measure(self, points: Sequence[Coordinates]) -> bool:
        self.enough = self._measuring.measure(points, expected=len(self._indices))
        known = self._measuring.known
        rows = [known[at][LOSS] for at in points if at in known]
        self.finite = bool(np.isfinite(rows).all())
        return self.enough and self.finite

    @property
    def points(self) -> int:
        """Points that the polynomials pass through."""
        return len(self._indices)

    @property
    def usable(self) -> bool:
        """Whether there are polynomials worth drawing."""
        return self.finite and self.points >= _FEWEST

    @property
    def range(self) -> float:
        """Between the lowest and the highest loss so far."""
        return self._high - self._low

    def interpolants(self, names: Sequence[str]) -> Mapping[str, Interpolant]:
        """A polynomial for each quantity, through the same points."""
        others = {name: Interpolant(self._intervals) for name in names if name != LOSS}
        for index in self._indices if others else ():
            row = self._measuring.known[self._loss.coordinates(index)]
            for name, interpolant in others.items():
                interpolant.add(index, row[name])
        return {LOSS: self._loss, **others}

    def error(self, name: str) -> float:
        """How far a drawn value may be off: by points kept for checking.

        Twice the largest deviation met, or three times their root mean square, or what
        the front of the refinement lacks, whichever is most; infinite before the
        checks. An estimate and no bound: over 24 maps of small networks the largest
        error was more in two; a pit between all points is not seen at all.
        """
        known = self._measuring.known
        checks = [at for at in self._checks if at in known]
        if len(checks) < len(self._checks):
            return float("inf")
        polynomial = self._loss if name == LOSS else self.interpolants([name])[name]
        off = np.array([known[at][name] for at in checks]) - polynomial.at(checks)
        seen = max(float(np.abs(off).max()), _PEAK * float(np.sqrt((off**2).mean())))
        # NaN where the quantity is no number at one of the points
        seen = seen if isfinite(seen) else float("inf")
        lacking = self._refinement.missing if name == LOSS else 0.0
        return _DOUBT * max(seen, lacking)


def _check_points(axes: Sequence[Float[Tensor, " _"]]) -> list[Coordinates]:
    """A few points of the drawn grid, spread over it, the same on every run.

    By the additive recurrence of the plastic number: Roberts, "The unreasonable
    effectiveness of quasirandom sequences", 2018.
    """
    ratios = (0.7548776662466927, 0.5698402909980532)
    chosen: dict[Coordinates, None] = {}
    for number in range(1, CHECKS + 1):
        at = tuple(
            float(axis[int((0.5 + ratio * number) % 1 * len(axis))])
            for axis, ratio in zip(axes, ratios, strict=False)
        )
        chosen[at] = None
    return list(chosen)
