"""The transpose of a map, on the same products."""

from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.linear_map import LinearMap


@final
class Transposed(LinearMap):
    """Aᵀ, which multiplies by A's transposed products.

    Parameters
    ----------
    inner : LinearMap
        A, ``(m, n)``.
    """

    def __init__(self, inner: LinearMap) -> None:
        super().__init__((inner.shape[1], inner.shape[0]), inner.dtype, inner.device)
        self._inner = inner

    @property
    def T(self) -> LinearMap:
        """The map itself."""
        return self._inner

    @property
    def resolution(self) -> float:
        """As for the map itself."""
        return self._inner.resolution

    @property
    def block_size(self) -> int:
        """As for the map itself."""
        return self._inner.block_size

    @property
    def expression(self) -> str:
        """The map's own, with a ᵀ."""
        return f"{in_parentheses(self._inner)}ᵀ"

    @property
    def identity(self) -> Any:
        """That of the map, turned."""
        return "T", self._inner.identity

    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        return self._inner.multiply_transposed(block)

    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        return self._inner @ block


def in_parentheses(part: LinearMap) -> str:
    """A map's formula, ready to stand inside a larger one."""
    return f"({part.expression})" if part.compound else part.expression
