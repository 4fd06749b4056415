"""An operator between two diagonal scalings."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.operators.transposed import in_parentheses
from theodolite.operators.wrapped import Wrapped


@final
class Scaled(Wrapped):
    """S A S with S diagonal: the curvature in rescaled parameters.

    Parameters
    ----------
    inner : Operator
        A, ``(p, p)``.
    scale : Tensor
        The diagonal of S, ``(p,)``.
    """

    def __init__(self, inner: Operator, scale: Float[Tensor, " p"]) -> None:
        super().__init__(inner)
        self._scale = scale.to(inner.device, inner.dtype)[:, None]

    @property
    def compound(self) -> bool:
        """Always."""
        return True

    @property
    def expression(self) -> str:
        """The product, written out."""
        return f"S @ {in_parentheses(self._inner)} @ S"

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return self._scale * (self._inner @ (self._scale * block))
