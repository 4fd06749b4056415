"""The gradient's length, with what the sampling of the data adds to it."""

from dataclasses import dataclass
from math import sqrt
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.site.other_data.groups import GroupMeans, Groups
from theodolite.site.other_data.jackknife import Spread, jackknife
from theodolite.spectrum.vectors import inner


@dataclass(frozen=True)
class GradientSpread:
    """The square of the average gradient's length, and its spread.

    Attributes
    ----------
    square : float
        ``‖ḡ‖²``.
    spread : Spread
        Its bias, which estimates tr Cov(ḡ), and its error.
    along : float
        The variance of ḡ along itself.
    noise : float
        Tr Cov(ḡ)².
    """

    square: float
    spread: Spread
    along: float
    noise: float

    def interval(self, reach: float) -> tuple[float, float]:
        """Squares under which the one seen is no exception, in standard errors.

            |s' − s| ≤ reach (4 s c + 2 t)^½

        for the square s' without its bias, the variance c along ḡ and the noise t: the
        error belongs to the true square s. That of the one seen is small where that is
        small by chance.
        """
        seen = self.square - self.spread.bias
        beside = 2 * reach**2 * self.along
        inside = 4 * self.along * seen + 2 * self.noise
        half = sqrt(max(0.0, beside**2 + reach**2 * inside))
        return seen + beside - half, seen + beside + half


def gradient_spread(groups: Groups) -> GradientSpread:
    """‖ḡ‖² over the groups, by two passes over the data and three vectors."""
    mean = groups.land.gradient()
    sums = _InnerProducts(groups, mean)
    groups.land.each_gradient(GroupMeans(groups, sums.add).add)
    return combined_spread(
        float(inner(mean[None], mean)),
        sums.along,
        sums.squares,
        sums.neighbours,
        groups.shares,
    )


def combined_spread(
    square: float,
    along: Float[Tensor, " g"],
    squares: Float[Tensor, " g"],
    neighbours: Float[Tensor, " m"],
    shares: Float[Tensor, " g"],
) -> GradientSpread:
    """Out of ⟨ḡ, g_b⟩, ‖g_b‖² and ⟨g_b − ḡ, g_c − ḡ⟩ for neighbours b, c."""
    without = square_without(square, along, squares, shares)
    found = jackknife(square, without, shares)
    # where noise is all there is, the jack-knife counts its square twice
    noise = square_of_covariance(neighbours, shares)
    error = sqrt(max(found.error**2 - 2 * noise, found.error**2 / 2))
    spread = Spread(found.bias, error, found.freedom)
    # of ‖ḡ‖² to first order: 4 ḡᵀ Cov(ḡ) ḡ
    of_itself = found.error**2 / (4 * square) if square else 0.0
    return GradientSpread(square, spread, of_itself, noise)


def square_without(
    square: float,
    along: Float[Tensor, " g"],
    squares: Float[Tensor, " g"],
    shares: Float[Tensor, " g"],
) -> Float[Tensor, " g"]:
    """‖ḡ‖² without each group, out of ⟨ḡ, g_b⟩ and ‖g_b‖²."""
    rest = square - 2 * shares * along + shares.square() * squares
    return rest / (1 - shares).square()


def square_of_covariance(
    neighbours: Float[Tensor, " m"], shares: Float[Tensor, " g"]
) -> float:
    """Tr Cov(ḡ)², out of ⟨g_b − ḡ, g_c − ḡ⟩ for neighbouring groups b, c.

    tr C² = Σ_b Σ_c ρ_b² ρ_c² E⟨d_b, d_c⟩²
    """
    count = len(shares)
    scaled = neighbours * shares[:-1] * shares[1:]
    return float(scaled.square().mean()) * count**2 * (count / (count - 1)) ** 2


@final
class _InnerProducts:
    """What of the groups' gradients is kept: numbers, and one difference."""

    def __init__(self, groups: Groups, mean: Tensor) -> None:
        self._mean = mean
        self._before: Tensor | None = None
        self.along = torch.zeros(len(groups), dtype=torch.float64)
        self.squares = torch.zeros(len(groups), dtype=torch.float64)
        self.neighbours = torch.zeros(len(groups) - 1, dtype=torch.float64)

    def add(self, group: int, gradient: Float[Tensor, " p"]) -> None:
        """One group's mean gradient."""
        pair = torch.stack([self._mean, gradient])
        self.along[group], self.squares[group] = inner(pair, gradient).cpu()
        apart = gradient - self._mean
        if self._before is not None:
            self.neighbours[group - 1] = float(inner(self._before[None], apart))
        self._before = apart
