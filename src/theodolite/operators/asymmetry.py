"""How unlike its transpose a matrix is, and how much of that rounding explains."""

from jaxtyping import Float
from torch import Tensor


def asymmetry_of(matrix: Float[Tensor, "p p"]) -> float:
    """The largest difference from the transpose, relative to the largest entry."""
    size = float(matrix.abs().max()) if matrix.numel() else 0.0
    difference = float((matrix - matrix.T).abs().max()) if size else 0.0
    return difference / size if size else 0.0


def allowed_asymmetry(resolution: float) -> float:
    """What products, or entries, that are right to a resolution may differ by."""
    return max(1e4 * resolution, 1e-8)
