"""An operator on the complement of known vectors."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.operators.wrapped import Wrapped
from theodolite.spectrum.vectors import inner, without


@final
class Compression(Wrapped):
    """P H P with P = I − V Vᵀ, for vectors that lie in its range already.

    Together with the values on V it has H's spectrum, up to what H couples of both:
    the residuals of V.

    Parameters
    ----------
    matrix : Operator
        H.
    rows : Tensor
        Orthonormal vectors V, one a row ``(k, p)``.
    """

    def __init__(self, matrix: Operator, rows: Float[Tensor, "k p"]) -> None:
        super().__init__(matrix)
        self._rows = rows

    def _multiply(self, block: Float[Tensor, "p c"]) -> Float[Tensor, "p c"]:
        products = self._inner @ block
        return torch.stack([off(c, self._rows) for c in products.unbind(1)], 1)


def off(vector: Float[Tensor, " p"], rows: Float[Tensor, "k p"]) -> Float[Tensor, " p"]:
    """The part of a vector outside orthonormal rows, in its own type."""
    wide = vector.to(torch.float64, copy=True)
    # twice: rows of a narrow type are orthogonal to its rounding only
    for _ in range(2 if len(rows) else 0):
        without(wide, rows, inner(rows, wide))
    return wide.to(vector.dtype)
