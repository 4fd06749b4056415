"""An operator between two diagonal scalings."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator


@final
class Scaled(Operator):
    """S A S with S diagonal: the curvature in rescaled parameters.

    Parameters
    ----------
    inner : Operator
        A, ``(p, p)``.
    scale : Tensor
        The diagonal of S, ``(p,)``.
    """

    def __init__(self, inner: Operator, scale: Float[Tensor, " p"]) -> None:
        super().__init__(inner.shape[0], inner.dtype, inner.device)
        self._inner, self._scale = inner, scale.to(inner.device, inner.dtype)[:, None]

    @property
    def resolution(self) -> float:
        """As for the operator inside."""
        return self._inner.resolution

    @property
    def block_size(self) -> int:
        """As for the operator inside."""
        return self._inner.block_size

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return self._scale * (self._inner @ (self._scale * block))
