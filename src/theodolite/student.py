"""Student's t distribution: how far a mean of few samples may be off."""

from functools import cache
from math import atan, cos, inf, pi, sin, sqrt
from statistics import NormalDist

from theodolite.errors import ArgumentError

# degrees of freedom beyond which a series about the normal distribution is exact enough
_MANY = 200


@cache
def student_quantile(confidence: float, freedom: int) -> float:
    """How many standard errors hold a mean with a given confidence, on both sides.

    Parameters
    ----------
    confidence : float
        Between 0 and 1, like 0.95.
    freedom : int
        Independent samples less one; infinite where there is none.

    References
    ----------
    Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3-5.
    """
    if not 0 < confidence < 1:
        raise ArgumentError(
            found=f"confidence={confidence}.",
            why="A probability lies between 0 and 1.",
            instead="Give for example 0.95.",
        )
    if freedom < 1:
        return inf
    if freedom > _MANY:
        return _nearly_normal(confidence, freedom)
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _within(bound: float, freedom: int) -> float:
    """The probability that |t| stays within a bound."""
    angle = atan(bound / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(1 + odd, freedom - 2, 2):
        term *= step / (step + 1) * cos(angle) ** 2
        total += term
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total


def _nearly_normal(confidence: float, freedom: int) -> float:
    """The quantile's series in 1 / freedom; what is left out is below 1e-7."""
    x = NormalDist().inv_cdf((1 + confidence) / 2)
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    return x + first / freedom + second / freedom**2 + third / freedom**3
