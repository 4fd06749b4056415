"""How the spectral measure of a random direction scatters around the spectrum's.

The squared coordinates of a direction drawn uniformly in n dimensions follow one law,
Dirichlet with all parameters ½, whatever the matrix: an eigenspace of dimension r has a
share that is Beta(r/2, (n − r)/2), and a function of the eigenvalues has a mean with

    Var Σᵢ ωᵢ f(λᵢ) = 2 / (n + 2) · (mean f² − (mean f)²)

So the error of few probes, even of one, is known without a look at their spread.
"""

import torch
from jaxtyping import Float
from torch import Tensor

_BISECTIONS = 40
# a share that is rounding
_NOTHING = 1e-12


def mean_variance(
    values: Float[Tensor, " n"],
    weights: Float[Tensor, " n"],
    dimension: int,
    probes: int,
) -> tuple[float, int]:
    """The variance of a mean over probes, and the degrees of freedom it is known with.

    ``values`` are those of a function at the nodes of all probes together. Degrees
    of freedom by Satterthwaite's rule: few, where few eigenvalues make up the spread.
    """
    squares = (values - weights @ values).square()
    spread = float(weights @ squares)
    if not 0 < spread < float("inf"):
        return spread, 10**6
    kurtosis = float(weights @ (squares / spread).square())
    freedom = min(max(dimension * probes / max(kurtosis - 1, 1e-6), 1), 10**6)
    # too small a spread goes with too small a mean: a standard error more of it
    wide = 2 * spread / ((dimension + 2) * probes) * (1 + (2 / freedom) ** 0.5)
    return wide, int(freedom)


def count_interval(
    low: Float[Tensor, " g"],
    high: Float[Tensor, " g"],
    dimension: int,
    probes: int,
    confidence: float = 0.95,
) -> tuple[Float[Tensor, " g"], Float[Tensor, " g"]]:
    """How many of ``n`` eigenvalues there may be where the probes' mean share is seen.

    The share is between ``low`` and ``high``. Those numbers are kept under which it
    would not be an exception: the Beta law by its relation to Fisher's F, and that by
    Paulson's cube roots (Biometrika 29, 1942).
    """
    reach = float(torch.special.ndtri(torch.tensor((1 + confidence) / 2)))
    least = _where_score_falls_to(reach, low, dimension, probes)
    most = _where_score_falls_to(-reach, high, dimension, probes)
    # where nothing is seen there is nothing, and where everything is, all
    least = least.masked_fill(low <= _NOTHING, 0).masked_fill(
        low >= 1 - _NOTHING, dimension
    )
    most = most.masked_fill(high <= _NOTHING, 0).masked_fill(
        high >= 1 - _NOTHING, dimension
    )
    return least, most


def _where_score_falls_to(
    wanted: float, share: Tensor, dimension: int, probes: int
) -> Tensor:
    """The number of eigenvalues under which a share is so many deviations high."""
    low, high = torch.zeros_like(share), torch.full_like(share, float(dimension))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = _score(share, middle, dimension, probes) > wanted
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2


def _score(share: Tensor, count: Tensor, dimension: int, probes: int) -> Tensor:
    """A normal number with the share's probability."""
    inside, outside = probes * count, probes * (dimension - count)
    part = (share.clamp(0, 1) / inside).pow(1 / 3)
    rest = ((1 - share).clamp(0, 1) / outside).pow(1 / 3)
    loose, tight = 2 / (9 * inside), 2 / (9 * outside)
    gain = (1 - tight) * part - (1 - loose) * rest
    return gain / (tight * part.square() + loose * rest.square()).sqrt()
