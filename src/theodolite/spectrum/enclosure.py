"""Between which numbers the eigenvalues surely lie, whatever was not looked at.

A Ritz value is never above the eigenvalue of its rank. How far it may be below is told
by random directions: an eigenvector is rarely orthogonal to one, and then shows.
"""

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.krylov import Krylov

# with which probability each statement holds
CONFIDENCE = 0.999
# types coarser than this hold no sums
_NARROW = 1e-5


def outer_bounds(
    krylov: Krylov, doubt: float, rounding: float = 0.0
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """How low and how high eigenvalues may be, rank by rank beside the Ritz values.

    Of m ascending Ritz values the i-th is above the i-th eigenvalue from below, and
    beneath the one that stands as far from above. The first bound says how far the
    former may be below it, the second how far the latter may be above, each but with a
    probability of ``doubt``.
    """
    small, count = krylov.small, krylov.dimension
    if krylov.exhausted:
        values = torch.linalg.eigvalsh(small)
        return values - rounding, values + rounding
    run = krylov.random_run
    if run is None and krylov.ruled_out is not None:
        below, above = krylov.ruled_out
        return _for_ranks(below, count), _for_ranks(above.flip(0), count).flip(0)
    beside = run if run is not None and run.start else None
    first = krylov.first_run if run is None or beside is not None else run
    root = None if beside is None else _root(krylov.coupling(beside.start), rounding)

    def from_above(sign: float) -> Float[Tensor, " m"]:
        # two statements: each may be wrong half as often
        most = inf if first is None else first.times(sign).ceiling(doubt / 2)
        bounds = torch.full((count,), most, dtype=torch.float64)
        if beside is None or root is None:
            return bounds
        outside = beside.times(sign).ceiling(doubt / 2)
        inside = sign * small[: beside.start, : beside.start]
        worst = _joined(inside, root, outside)[:count].clamp(min=outside)
        worst = torch.cat([worst, worst.new_full((count - len(worst),), outside)])
        return torch.minimum(bounds, worst)

    return -from_above(-1.0) - rounding, from_above(1.0).flip(0) + rounding


def rounding_of_products(values: Float[Tensor, " m"], resolution: float) -> float:
    """How far products that are right to ``resolution`` may move an eigenvalue."""
    return rounding_factor(resolution) * resolution * float(values.abs().max())


def rounding_of(eigenvalue: float, dtype: torch.dtype) -> float:
    """What products computed in a type leave uncertain, whatever the residual."""
    resolution = torch.finfo(dtype).eps
    return rounding_factor(resolution) * resolution * abs(eigenvalue)


def rounding_factor(resolution: float) -> float:
    """By how many units of a type products may be off, as measured on networks.

    2 · 10⁻⁵ in float32, for fitted classifiers and convolutions; narrower types are
    summed up in float32.
    """
    return 256 if resolution < _NARROW else 16


def _for_ranks(bounds: Float[Tensor, " m"], count: int) -> Float[Tensor, " n"]:
    """Bounds of the outermost ranks; further inside, the last one holds as well."""
    inside = bounds[-1:].expand(max(0, count - len(bounds)))
    return torch.cat([bounds[:count], inside])


def _root(squares: Float[Tensor, "c c"], rounding: float) -> Float[Tensor, "c c"]:
    """S with S Sᵀ what is given and what rounding may have taken from it."""
    values, vectors = torch.linalg.eigh(squares)
    return vectors * (values.clamp(min=0) + rounding**2).sqrt()


def _joined(
    inside: Float[Tensor, "c c"], root: Float[Tensor, "c c"], outside: float
) -> Float[Tensor, " n"]:
    """Eigenvalues of [[T, Rᵀ], [R, c I]], descending: T with the worst beside it.

    The operator is nowhere above that matrix, so that no eigenvalue is above that of
    its rank; those not returned are c.
    """
    count = len(inside)
    whole = torch.zeros(2 * count, 2 * count, dtype=torch.float64)
    whole[:count, :count], whole[:count, count:] = inside, root
    whole[count:, :count] = root.T
    whole[count:, count:] = outside * torch.eye(count, dtype=torch.float64)
    return torch.linalg.eigvalsh(whole).flip(0)
