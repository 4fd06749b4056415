"""Products of maps."""

from collections.abc import Sequence
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.partner import require_agreement
from theodolite.operators.sum import terms_of
from theodolite.operators.symmetric import Symmetric, opened
from theodolite.operators.transposed import in_parentheses


@final
class Product(LinearMap):
    """A B C …, multiplied from the right.

    Parameters
    ----------
    factors : sequence of LinearMap
        Maps whose shapes fit.
    """

    def __init__(self, factors: Sequence[LinearMap]) -> None:
        first, last = factors[0], factors[-1]
        super().__init__((first.shape[0], last.shape[1]), first.dtype, first.device)
        self.factors = tuple(factors)

    @property
    def T(self) -> LinearMap:
        """The transposes in reverse."""
        return Product([part.T for part in reversed(self.factors)])

    @property
    def resolution(self) -> float:
        """That of the roughest factor."""
        return max(part.resolution for part in self.factors)

    @property
    def block_size(self) -> int:
        """The largest of all factors."""
        return max(part.block_size for part in self.factors)

    @property
    def compound(self) -> bool:
        """Always."""
        return True

    @property
    def expression(self) -> str:
        """The product, written out."""
        return " @ ".join(map(in_parentheses, self.factors))

    @property
    def identity(self) -> Any:
        """Equal for equal factors in the same order."""
        return tuple(part.identity for part in self.factors)

    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        for part in reversed(self.factors):
            block = part @ block
        return block

    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        for part in self.factors:
            block = part.multiply_transposed(block)
        return block


def product_of(left: LinearMap, right: LinearMap) -> LinearMap:
    """A @ B, flat, numbers in front; symmetric where it reads the same backwards.

    Raises
    ------
    ArgumentError
        When the shapes do not fit, or type or device differ.
    """
    require_agreement(left, right)
    if left.shape[1] != right.shape[0]:
        raise ArgumentError(
            found=f"{left.expression}, {left.shape}, times {right.expression}, "
            f"{right.shape}.",
            why="The columns of the first are not the rows of the second.",
            instead="Transpose one of them with .T, or take matching blocks.",
        )
    (before, first), (after, second) = _apart(left), _apart(right)
    factors = [*_factors_of(first), *_factors_of(second)]
    product = Product(factors)
    same = all(
        part.identity == other.T.identity
        for part, other in zip(factors, reversed(factors), strict=True)
    )
    result = Symmetric(product) if same else product
    return result * (before * after)


def _apart(part: LinearMap) -> tuple[float, LinearMap]:
    """A multiple as its number and its map."""
    terms = terms_of(part)
    return terms[0] if len(terms) == 1 else (1.0, part)


def _factors_of(part: LinearMap) -> tuple[LinearMap, ...]:
    inside = opened(part)
    return inside.factors if isinstance(inside, Product) else (part,)
