"""Nested points for interpolation on an interval, and their polynomials."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# where the next point is looked for: dense near the ends, as Chebyshev's are
_CANDIDATES = 4001
MOST = 65


@cache
def leja_points() -> Array:
    """Leja's points on [−1, 1], starting in the middle, ``(65,)``.

    Each lies where the product of distances to those before is largest. Interpolation
    on the first n is about as good as on n Chebyshev points, and n + 1 needs one point
    more instead of as many again.

    References
    ----------
    Leja, "Sur certaines suites liées aux ensembles plans et leur application à la
    représentation conforme", 1957, doi:10.4064/ap-4-1-8-13; as nested points for
    adaptive interpolation: Chkifa, Cohen and Schwab, "High-dimensional adaptive sparse
    polynomial interpolation", 2014, doi:10.1007/s10208-013-9154-z.
    """
    half = np.sin(np.linspace(0, np.pi / 2, _CANDIDATES // 2 + 1))
    candidates = np.concatenate([-half[:0:-1], half])
    points = [0.0, 1.0, -1.0]
    logs = sum(_log_distance(candidates, point) for point in points)
    while len(points) < MOST:
        points.append(float(candidates[np.argmax(logs)]))
        logs = logs + _log_distance(candidates, points[-1])
    return np.array(points)


def _log_distance(candidates: Array, point: float) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(np.abs(candidates - point))


def newton_polynomials(t: Array, count: int = MOST) -> Array:
    """The first polynomials that are one at their own point, zero at those before.

        h_k(t) = Π_{j<k} (t − t_j) / (t_k − t_j)

    Parameters
    ----------
    t : array
        ``(n,)`` in [−1, 1].
    count : int
        How many, at most 65.

    Returns
    -------
    array
        ``(count, n)``.
    """
    points = leja_points()
    values = np.ones((count, len(t)))
    for k in range(1, count):
        # factor by factor, so that neither numerator nor denominator vanishes
        before = points[:k, None]
        values[k] = ((t - before) / (points[k] - before)).prod(0)
    return values


@cache
def at_own_points() -> Array:
    """Every polynomial at every point, ``(65, 65)``: zero below the diagonal."""
    return newton_polynomials(leja_points())
