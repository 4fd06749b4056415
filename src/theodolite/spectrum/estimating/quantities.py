"""What can be read off the sums over probes, and how near it should be."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from math import ceil, hypot, inf
from typing import final

import torch
from torch import Tensor

from theodolite.spectrum.estimating.space import Known
from theodolite.spectrum.estimating.sums import Sums
from theodolite.student import student_quantile

CONFIDENCE = 0.95
_NORMAL = 1.96
# a spread that is by chance too small ends the probing: ask for a little less
MARGIN = 1.05


@dataclass(frozen=True)
class Reading:
    """A value, its standard error, and how well that is known itself.

    Attributes
    ----------
    value, error : float or Tensor
        One of each, or one for every entry or layer.
    freedom : int
        Degrees of freedom of the error.
    """

    value: float | Tensor
    error: float | Tensor
    freedom: int


class Quantity(ABC):
    """One number, or one for every parameter or layer, with its tolerance.

    Attributes
    ----------
    rtol, atol : float
        Half the 95 % interval asked for, relative or absolute.
    idle : bool
        Whether it is read off whatever the others need.
    fewest : int
        Probes at least.
    splits : bool
        Whether the Gauss–Newton part helps.
    measure : str
        What is held against the tolerance.
    """

    splits = True
    fewest = 8
    measure = "half the 95 % interval"

    def __init__(self, rtol: float, atol: float, *, idle: bool = False) -> None:
        self.rtol, self.atol, self.idle = rtol, atol, idle

    @abstractmethod
    def read(self, known: Known, sums: Sums) -> Reading:
        """The value so far."""

    @abstractmethod
    def reach_and_goal(self, known: Known, sums: Sums) -> tuple[float, float]:
        """How far it may be off, and how far it is allowed to be."""

    def missing(self, known: Known, sums: Sums, fewest: int | None = None) -> float:
        """Probes still missing, by the spread seen so far."""
        least = self.fewest if fewest is None else fewest
        if self.idle or (known.whole and not self.floor(known)):
            return 0
        if sums.count < least and not known.whole:
            return least - sums.count
        reach, goal = self.reach_and_goal(known, sums)
        return missing_probes(sums.count, MARGIN * reach, goal, self.floor(known))

    def floor(self, known: Known) -> float:
        """What the known part's own error leaves, however many the probes are."""
        del known
        return 0.0


def missing_probes(count: int, reach: float, goal: float, floor: float = 0) -> float:
    """How many more make an error as small as wanted."""
    if reach <= goal:
        return 0
    left = goal**2 - floor**2
    if left <= 0:
        return inf
    ratio = (max(reach, floor) ** 2 - floor**2) / left
    return max(1, ceil(count * ratio) - count) if ratio < 1e9 else inf


@final
class TraceOf(Quantity):
    """The sum of the diagonal."""

    def read(self, known: Known, sums: Sums) -> Reading:
        """By twice the entries' variances."""
        if known.whole:
            return Reading(known.trace, known.trace_error, max(0, known.drawn - 1))
        error = (sums.trace_variance / max(1, sums.count)) ** 0.5
        value = known.trace + float(sums.mean.sum())
        return Reading(value, hypot(error, known.trace_error), sums.freedom)

    def reach_and_goal(self, known: Known, sums: Sums) -> tuple[float, float]:
        """Half the interval, and the larger tolerance."""
        found = self.read(known, sums)
        goal = max(self.rtol * abs(float(found.value)), self.atol)
        return half_width(found), goal

    def floor(self, known: Known) -> float:
        """From drawn parts of the Gauss–Newton trace."""
        return _NORMAL * known.trace_error


@final
class DiagonalOf(Quantity):
    """All entries of the diagonal."""

    fewest = 20
    measure = "the norm of the standard errors"

    def read(self, known: Known, sums: Sums) -> Reading:
        """Each by its own spread."""
        diagonal = sums.mean if known.diagonal is None else known.diagonal
        if known.whole:
            error = known.diagonal_error
            exact = torch.zeros_like(diagonal) if error is None else error
            return Reading(diagonal, exact, max(0, known.drawn - 1))
        error = torch.full_like(sums.mean, inf)
        if sums.count > 1 and sums.entries is not None:
            error = (sums.entries / (sums.count - 1) / sums.count).sqrt()
        if known.diagonal_error is not None:
            error = torch.hypot(error, known.diagonal_error)
        value = sums.mean if known.diagonal is None else diagonal + sums.mean
        return Reading(value, error, max(1, sums.count - 1))

    def reach_and_goal(self, known: Known, sums: Sums) -> tuple[float, float]:
        """The errors' norm, and the larger tolerance."""
        found = self.read(known, sums)
        square = float(torch.as_tensor(found.error).square().sum())
        # the noise makes the norm longer than it is
        size = float(torch.as_tensor(found.value).square().sum()) - square
        return square**0.5, max(self.rtol * max(0.0, size) ** 0.5, self.atol)

    def floor(self, known: Known) -> float:
        """From drawn entries of the Gauss–Newton diagonal."""
        drawn = known.diagonal_error
        return 0.0 if drawn is None else float(drawn.norm())


@final
class LayersOf(Quantity):
    """The trace of every layer's block; tolerances are of the sum of their sizes."""

    def read(self, known: Known, sums: Sums) -> Reading:
        """Each by its own spread, within what its entries' variances allow."""
        layers = known.layers
        if layers is None:
            layers = torch.zeros(len(sums.lengths), dtype=torch.float64)
            if known.diagonal is not None:
                layers = sums.by_layer(known.diagonal)
        if known.whole:
            errors = known.layer_errors
            exact = torch.zeros_like(layers) if errors is None else errors
            return Reading(layers, exact, max(0, known.drawn - 1))
        error = torch.full_like(layers, inf)
        if sums.count > 1:
            error = (sums.layer_variances / sums.count).sqrt()
        if known.layer_errors is not None:
            error = torch.hypot(error, known.layer_errors)
        return Reading(layers + sums.layers.mean, error, sums.freedom)

    def reach_and_goal(self, known: Known, sums: Sums) -> tuple[float, float]:
        """Half the widest interval, and what it should be."""
        found = self.read(known, sums)
        errors, values = torch.as_tensor(found.error), torch.as_tensor(found.value)
        worst = Reading(0.0, float(errors.max()), found.freedom)
        return half_width(worst), max(self.rtol * float(values.abs().sum()), self.atol)

    def floor(self, known: Known) -> float:
        """From drawn parts of the Gauss–Newton traces."""
        drawn = known.layer_errors
        return 0.0 if drawn is None else _NORMAL * float(drawn.max())


@final
class FrobeniusOf(Quantity):
    """The root of the sum of squares of all entries."""

    splits = False
    fewest = 16

    def read(self, known: Known, sums: Sums) -> Reading:
        """The root of the square's mean, and the error that it inherits."""
        if known.whole:
            return Reading(max(0.0, known.square) ** 0.5, 0.0, 0)
        square = max(0.0, known.square + float(sums.square.mean))
        variance, count = float(sums.square.variance), max(1, sums.count)
        error = (variance / count) ** 0.5
        # squares of few eigenvalues are skew: low means come with low spreads
        error *= 1 + skewness_correction(float(sums.square.skewness), count)
        return Reading(*root_and_error(square, error), max(1, sums.count - 1))

    def reach_and_goal(self, known: Known, sums: Sums) -> tuple[float, float]:
        """Half the interval, and the larger tolerance."""
        found = self.read(known, sums)
        return half_width(found), max(self.rtol * float(found.value), self.atol)


def root_and_error(square: float, error: float) -> tuple[float, float]:
    """The root of a number, and the standard error that it inherits."""
    root = square**0.5
    return root, error / (2 * root) if root and error else 0.0


def skewness_correction(skewness: float, count: int) -> float:
    """What the error of the mean of a few skew samples lacks, relative to it.

    Fitted to means of squares of 1 to 50 normal numbers, 12 to 100 of them: Student's
    intervals, so enlarged, hold in 93 to 97 %.
    """
    return max(0.0, skewness) * (0.5 + 15 / count) / count**0.5


def half_width(found: Reading) -> float:
    """Of the 95 % interval around one number."""
    error = float(found.error)
    return error * _quantile(found.freedom) if error else 0.0


@cache
def _quantile(freedom: int) -> float:
    return student_quantile(CONFIDENCE, freedom)
