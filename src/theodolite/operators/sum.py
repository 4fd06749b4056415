"""Sums, differences and multiples of maps."""

from collections.abc import Sequence
from math import isfinite
from numbers import Real
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.diagonal import Identity
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.operator import Operator
from theodolite.operators.partner import as_partner
from theodolite.operators.symmetric import Symmetric, opened
from theodolite.operators.transposed import in_parentheses

# a number and the map that it multiplies
Term = tuple[float, LinearMap]


@final
class Sum(LinearMap):
    """c₁ A₁ + c₂ A₂ + …, each map multiplied once for a vector.

    Parameters
    ----------
    terms : sequence of (float, LinearMap)
        Numbers and maps of one shape, type and device; none for zero.
    shape, dtype, device
        Those of every term.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        shape: tuple[int, int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__(shape, dtype, device)
        self.terms = tuple(terms)

    @property
    def T(self) -> LinearMap:
        """The sum of the transposes."""
        turned = [(factor, part.T) for factor, part in self.terms]
        return Sum(turned, (self.shape[1], self.shape[0]), self.dtype, self.device)

    @property
    def resolution(self) -> float:
        """That of the roughest term."""
        return max([super().resolution, *(part.resolution for _, part in self.terms)])

    @property
    def block_size(self) -> int:
        """The largest of all terms."""
        return max((part.block_size for _, part in self.terms), default=1)

    @property
    def compound(self) -> bool:
        """Always."""
        return True

    @property
    def expression(self) -> str:
        """The sum, written out."""
        written = [_written(factor, part) for factor, part in self.terms]
        text = " ".join(f"{sign} {part}" for sign, part in written) or "0"
        return text.removeprefix("+ ").replace("− ", "−", text.startswith("−"))

    @property
    def identity(self) -> Any:
        """Equal for equal terms in any order."""
        return frozenset((factor, part.identity) for factor, part in self.terms)

    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        total = block.new_zeros(self.shape[0], block.shape[1])
        for factor, part in self.terms:
            total.add_(part @ block, alpha=factor)
        return total

    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        total = block.new_zeros(self.shape[1], block.shape[1])
        for factor, part in self.terms:
            total.add_(part.multiply_transposed(block), alpha=factor)
        return total


def sum_of(left: LinearMap, right: Any, factor: float) -> LinearMap:
    """A + c B, flat, and symmetric where both are.

    Raises
    ------
    ArgumentError
        When shape, type or device differ, or a number is added.
    """
    if isinstance(right, (Real, Tensor)) and not getattr(right, "ndim", 0):
        raise ArgumentError(
            found=f"{right} added to an operator.",
            why="It could mean every entry, or the diagonal.",
            instead=f"Write A.shifted({right}) for A + {right} I.",
        )
    partner = as_partner(right, left)
    if partner is NotImplemented:
        return NotImplemented
    if partner.shape != left.shape:
        raise ArgumentError(
            found=f"{partner.expression}, {partner.shape}, and {left.expression}, "
            f"{left.shape}.",
            why="Only matrices of one shape are added.",
            instead="Take the same layers of both: A.block(...) + B.block(...).",
        )
    more = [(factor * own, part) for own, part in terms_of(partner)]
    return _gathered([*terms_of(left), *more], left)


def multiple_of(part: LinearMap, factor: Any) -> LinearMap:
    """The number times A, flat.

    Raises
    ------
    ArgumentError
        When it is a vector, a map, or not finite.
    """
    number = _number(factor)
    if number is NotImplemented:
        return NotImplemented
    return _gathered([(number * own, inner) for own, inner in terms_of(part)], part)


def quotient_of(part: LinearMap, divisor: Any) -> LinearMap:
    """A divided by a number."""
    number = _number(divisor)
    if number == 0:
        raise ArgumentError(
            found="An operator divided by zero.",
            why="No number is its quotient.",
            instead="Give a divisor that is not zero.",
        )
    return number if number is NotImplemented else multiple_of(part, 1 / number)


def shifted(part: LinearMap, sigma: float) -> LinearMap:
    """A + σ I.

    Raises
    ------
    ArgumentError
        When A is not square, or σ is no finite number.
    """
    if part.shape[0] != part.shape[1]:
        raise ArgumentError(
            found=f"A map of shape {part.shape} to be shifted.",
            why="Only a square matrix has a diagonal to add to.",
            instead="Shift B.T @ B or B @ B.T.",
        )
    number = _number(sigma)
    unit = Identity(part.shape[0], part.dtype, part.device)
    return _gathered([*terms_of(part), (number, unit)], part)


def terms_of(part: LinearMap) -> tuple[Term, ...]:
    """The terms of a sum; any other map is one itself."""
    inside = opened(part)
    return inside.terms if isinstance(inside, Sum) else ((1.0, part),)


def _gathered(terms: Sequence[Term], like: LinearMap) -> LinearMap:
    """A sum in which every matrix stands once."""
    factors: dict[Any, float] = {}
    parts: dict[Any, LinearMap] = {}
    for factor, part in terms:
        key = part.identity
        parts.setdefault(key, part)
        factors[key] = factors.get(key, 0.0) + factor
    left = [(factors[key], part) for key, part in parts.items() if factors[key]]
    if len(left) == 1 and left[0][0] == 1:
        return left[0][1]
    total = Sum(left, like.shape, like.dtype, like.device)
    return Symmetric(total) if _is_symmetric(left, like) else total


def _is_symmetric(terms: Sequence[Term], like: LinearMap) -> bool:
    """Whether every term is symmetric, or stands beside its own transpose."""
    factors = {part.identity: factor for factor, part in terms}
    return like.shape[0] == like.shape[1] and all(
        isinstance(part, Operator) or factors.get(part.T.identity) == factor
        for factor, part in terms
    )


def _number(factor: Any) -> Any:
    """A finite float, out of whatever is one."""
    if isinstance(factor, LinearMap) or getattr(factor, "ndim", 0):
        raise ArgumentError(
            found=f"An operator times or divided by a {type(factor).__name__}.",
            why="* and / take numbers.",
            instead="Multiply with @; Diagonal(d) @ A scales rows by a vector.",
        )
    if not isinstance(factor, (Real, Tensor)) or (
        isinstance(factor, Tensor) and factor.is_complex()
    ):
        return NotImplemented
    number = float(factor)
    if not isfinite(number):
        raise ArgumentError(
            found=f"An operator scaled or shifted by {number}.",
            why="Its products would be no numbers.",
            instead="Give a finite number.",
        )
    return number


def _written(factor: float, part: LinearMap) -> tuple[str, str]:
    """A term's sign, and the rest of it."""
    size = abs(factor)
    text = in_parentheses(part)
    return "−" if factor < 0 else "+", text if size == 1 else f"{size:g} {text}"
