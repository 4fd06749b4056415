"""A Hessian as its Gauss–Newton part and the rest, H = G + R."""

from collections.abc import Callable
from typing import Protocol, final

from torch import Tensor

from theodolite.estimate import Estimate
from theodolite.operators.operator import Operator


class TraceByLayers(Protocol):
    """The trace of a matrix, in whole and by layers."""

    @property
    def total(self) -> Estimate[float]:
        """The whole trace."""
        ...

    @property
    def layers(self) -> dict[str, Estimate[float]]:
        """That of every layer's block."""
        ...


@final
class Split:
    """What of a Hessian is known without its products.

    The rest R = H − G varies little under probes where the network is trained: the
    model's own curvature is weighed by the residuals of its predictions.

    Parameters
    ----------
    gauss_newton : callable
        Makes the operator G.
    trace, diagonal : callable
        Trace and diagonal of G for a seed, by backward passes alone.
    stands : callable
        Whether the landscape is still where the Hessian was taken.
    bends : callable
        Whether R may have anything on its diagonal.
    """

    def __init__(
        self,
        gauss_newton: Callable[[], Operator],
        trace: Callable[[int], TraceByLayers],
        diagonal: Callable[[int], Estimate[Tensor]],
        *,
        stands: Callable[[], bool],
        bends: Callable[[], bool],
    ) -> None:
        self._make = gauss_newton
        self._made: Operator | None = None
        self.trace, self.diagonal = trace, diagonal
        self.stands, self.bends = stands, bends

    @property
    def gauss_newton(self) -> Operator:
        """The operator G, made at the first call."""
        if self._made is None:
            self._made = self._make()
        return self._made
