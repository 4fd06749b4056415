"""A map that is known to be symmetric by the way it was put together."""

from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.linear_map import LinearMap
from theodolite.operators.wrapped import Wrapped


@final
class Symmetric(Wrapped):
    """A square map taken as symmetric, so that estimators accept it.

    Sums and products are wrapped in it where their symmetry follows from their parts.
    Whoever knows more about a general map may say so: its products are believed, as
    far as the estimators' own checks do not contradict.

    Parameters
    ----------
    inner : LinearMap
        What multiplies, ``(p, p)``.
    """

    def __init__(self, inner: LinearMap) -> None:
        super().__init__(inner)

    @property
    def general(self) -> LinearMap:
        """The map inside."""
        return self._inner

    @property
    def expression(self) -> str:
        """As for the map inside."""
        return self._inner.expression

    @property
    def compound(self) -> bool:
        """As for the map inside."""
        return self._inner.compound

    @property
    def identity(self) -> Any:
        """As for the map inside."""
        return self._inner.identity

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return self._inner @ block


def opened(part: LinearMap) -> LinearMap:
    """The sum or product inside a symmetric map; any other map as it is."""
    return part.general if isinstance(part, Symmetric) else part
