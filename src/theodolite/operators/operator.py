"""A symmetric matrix known by its products."""

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.linear_map import LinearMap


class Operator(LinearMap):
    """A symmetric ``(p, p)`` matrix that can multiply vectors, and count it.

    Subclasses say their size, type and device and implement :meth:`_multiply`.

    Attributes
    ----------
    shape : tuple of int
        ``(p, p)``.
    dtype : torch.dtype
        The type of the products.
    device : torch.device
        Where products are returned.
    products : int
        Single-vector products computed so far.
    """

    def __init__(self, size: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__((size, size), dtype, device)

    @property
    def T(self) -> "Operator":
        """Itself: it is symmetric."""
        return self

    def _multiply_transposed(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return self._multiply(block)
