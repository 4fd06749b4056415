"""How far a number would move on other data: it is measured without each group."""

from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Spread:
    """What leaving out one group at a time tells of a number.

    Attributes
    ----------
    bias : float
        How far the number lies above what it estimates, in expectation.
    error : float
        One standard error.
    freedom : int
        Degrees of freedom of that error.
    """

    bias: float
    error: float
    freedom: int


def jackknife(
    whole: float, without: Float[Tensor, " g"], shares: Float[Tensor, " g"]
) -> Spread:
    """The spread of a smooth function of a weighted mean over independent groups.

        u_g = (1 − ρ_g)(θ_(g) − θ),   bias = Σ u_g,   error² = G/(G−1) Σ (u_g − ū)²

    ρ_g are the groups' shares of all weight, θ_(g) the number without group g. For
    the mean itself the bias is zero and the error that of a ratio estimator, right for
    groups of unequal weight and spread; for equal groups it is the usual jack-knife.

    References
    ----------
    Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 9
    (1981), doi:10.1214/aos/1176345462.
    """
    pulls = (1 - shares) * (without - whole)
    count = len(shares)
    square = float((pulls - pulls.mean()).square().sum()) * count / (count - 1)
    return Spread(float(pulls.sum()), sqrt(square), freedom_of(shares))


def freedom_of(shares: Float[Tensor, " g"]) -> int:
    """As many as groups of equal weight would leave; at least one."""
    return max(1, int(1 / float(shares.square().sum()) + 1e-9) - 1)


def left_out(mean: Tensor, parts: Tensor, shares: Float[Tensor, " g"]) -> Tensor:
    """The weighted mean of all parts ``(g, ...)`` without each of them."""
    rho = shares.reshape(-1, *[1] * (parts.ndim - 1))
    return (mean - rho * parts) / (1 - rho)


def mean_of(parts: Tensor, shares: Float[Tensor, " g"]) -> Tensor:
    """The weighted mean of parts ``(g, ...)``."""
    return torch.tensordot(shares, parts, dims=1)
