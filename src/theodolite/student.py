"""Student's t distribution: how far a mean of few samples may be off."""

from math import atan, cos, inf, pi, sin, sqrt

from theodolite.errors import ArgumentError


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
    Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3-4.
    """
    if not 0 < confidence < 1:
        raise ArgumentError(
            found=f"confidence={confidence}.",
            why="A probability lies between 0 and 1.",
            instead="Give for example 0.95.",
        )
    if freedom < 1:
        return inf
    low, high = 0.0, 1.0
    while within(high, freedom) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def within(bound: float, freedom: int) -> float:
    """The probability that |t| stays within a bound."""
    # beyond, t cannot be told from a normal number by any use made of it
    freedom = min(freedom, 2000 + freedom % 2)
    angle = atan(bound / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for step in range(1 + odd, freedom - 2, 2):
        term *= step / (step + 1) * cos(angle) ** 2
        total += term
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total
