"""An operator that tells somebody about its products."""

import time
from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.operators.split import Split
from theodolite.operators.wrapped import Wrapped


@final
class Observed(Wrapped):
    """Another operator's products, reported one by one.

    Parameters
    ----------
    inner : Operator
        What multiplies.
    report : callable
        Called with the number of products after each multiplication.

    Attributes
    ----------
    seconds : float
        Time that the products took.
    """

    def __init__(self, inner: Operator, report: Callable[[int], None]) -> None:
        super().__init__(inner)
        self._report = report
        self.seconds = 0.0

    @property
    def split(self) -> Split | None:
        """What is known of the other one without products."""
        return getattr(self._inner, "split", None)

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        began = time.perf_counter()
        result = self._inner @ block
        self.seconds += time.perf_counter() - began
        self._report(block.shape[1])
        return result
