"""An operator that tells somebody about its products."""

from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator


@final
class Observed(Operator):
    """Another operator's products, reported one by one.

    Parameters
    ----------
    inner : Operator
        What multiplies.
    report : callable
        Called with the number of products after each multiplication.
    """

    def __init__(self, inner: Operator, report: Callable[[int], None]) -> None:
        super().__init__(inner.shape[0], inner.dtype, inner.device)
        self._inner, self._report = inner, report

    @property
    def block_size(self) -> int:
        """As for the operator inside."""
        return self._inner.block_size

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        result = self._inner @ block
        self._report(block.shape[1])
        return result
