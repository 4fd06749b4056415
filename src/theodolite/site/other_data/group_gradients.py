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
    """

    square: float
    spread: Spread


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
    noise = 2 * square_of_covariance(neighbours, shares)
    error = sqrt(max(found.error**2 - noise, found.error**2 / 2))
    return GradientSpread(square, Spread(found.bias, error, found.freedom))


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
