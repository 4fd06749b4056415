"""The steepest and the flattest direction at a point, to judge learning rates by."""

from dataclasses import dataclass
from math import nan

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.site.whole_spectrum import SMALL
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.finite import require_finite

# residual of the steepest direction over λ_max, and what it may cost
_TOLERANCE, _PRODUCTS = 1e-6, 200


@dataclass(frozen=True)
class Bends:
    """Both ends of the curvature, as far as they were looked for.

    Attributes
    ----------
    directions : Tensor
        ``(d, p)``: the steepest, and behind it the flattest where λ_min is known.
    largest, smallest : float
        λ_max and λ_min; NaN where it is not known, or not above rounding.
    residual : float
        ``‖Hv − λ_max v‖`` of the steepest direction.
    products : int
        Spent.
    """

    directions: Float[Tensor, "d p"]
    largest: float
    smallest: float = nan
    residual: float = 0.0
    products: int = 0


def bends_at(land: Landscape, point: Float[Tensor, " p"], seed: int = 0) -> Bends:
    """The ends of the Hessian's spectrum at a point.

    Both up to 256 parameters, from the dense matrix. Beyond, the largest alone: the
    smallest eigenvalue of a large network costs hundreds of products, and is not
    positive.
    """
    hessian = land.hessian(point=point)
    resolution = torch.finfo(hessian.dtype).eps
    if land.size > SMALL:
        # a direction half right shows what goes on along others
        tol = max(_TOLERANCE, 50 * resolution)
        top = eigsh(hessian, 1, "LA", tol=tol, seed=seed, budget=_PRODUCTS)
        return Bends(
            top.vectors.T.contiguous(),
            float(top.values[0]),
            residual=float(top.residuals[0]),
            products=hessian.products,
        )
    dense = require_finite(hessian.dense())
    return bends_of(dense, resolution, like=point, products=hessian.products)


def bends_of(
    matrix: Float[Tensor, "p p"],
    resolution: float,
    *,
    like: Tensor,
    products: int = 0,
) -> Bends:
    """Both ends of a dense symmetric matrix's spectrum."""
    dense = matrix.to("cpu", torch.float64)
    values, vectors = torch.linalg.eigh((dense + dense.T) / 2)
    known = float(values[0]) > 16 * resolution * float(values.abs().max())
    chosen = [-1, 0] if known else [-1]
    return Bends(
        vectors[:, chosen].T.contiguous().to(like),
        float(values[-1]),
        float(values[0]) if known else nan,
        products=products,
    )
