"""Products that are not symmetric are not those of a Hessian."""

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ProductError
from theodolite.operators.asymmetry import allowed_asymmetry, asymmetry_of
from theodolite.operators.operator import Operator
from theodolite.spectrum.finite import require_finite


def require_symmetric(asymmetry: float, operator: Operator) -> None:
    """Refuse products that differ from their transpose by more than rounding.

    Parameters
    ----------
    asymmetry : float
        ``|uᵀHv − vᵀHu|`` relative to the largest of such numbers.
    operator : Operator
        Whose resolution says what rounding is.

    Raises
    ------
    ProductError
        When the difference is ten thousand times the resolution.
    """
    if asymmetry > allowed_asymmetry(operator.resolution):
        raise ProductError(
            found=f"The products are not symmetric: uᵀHv and vᵀHu differ by "
            f"{asymmetry:.1%} of their size.",
            why="Second derivatives commute: that of some operation is wrong (torch's "
            "fused weight norm on the CPU is known to be), or the matrix is not "
            "symmetric.",
            instead="Find the operation with torch.autograd.gradgradcheck and write it "
            "out: for weight norm, g * v / v.norm() in the forward pass.",
        )


def symmetric_eigenvalues(operator: Operator) -> Float[Tensor, " p"]:
    """All eigenvalues, ascending, by p products.

    Raises
    ------
    NonFiniteError, ProductError
        When a product is not finite, or they are not symmetric.
    """
    dense = require_finite(operator.dense().to("cpu", torch.float64))
    require_symmetric(asymmetry_of(dense), operator)
    return torch.linalg.eigvalsh((dense + dense.T) / 2)
