"""An orthonormal basis that grows by one product at a time, and what it knows.

The state of every Lanczos computation: the basis Q, the products W = H Q, and the
small matrix T = Qᵀ H Q. Products come from outside, one after the other.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.operators.operator import Operator
from theodolite.spectrum.vectors import (
    combine_in_place,
    combined,
    inner,
    norm,
    random_vector,
    row_distances,
    unit,
    without,
)

_WIDE_BYTES = 2**28


@dataclass(frozen=True)
class RitzPairs:
    """Eigenpairs of the small matrix, ascending.

    Attributes
    ----------
    values : Tensor
        Ritz values, shape ``(m,)``, float64.
    mixes : Tensor
        Their coordinates in the basis, ``(m, m)``, one a column.
    estimates : Tensor
        Upper estimates of the residual norms, ``(m,)``.
    """

    values: Tensor
    mixes: Tensor
    estimates: Tensor


@final
class Krylov:
    """The state of a Lanczos run with full reorthogonalisation.

    Multiply :attr:`next` by the operator and give the product to :meth:`absorb`.
    All inner products are in float64, whatever the vectors' type (classical
    Gram-Schmidt twice; Parlett, "The Symmetric Eigenvalue Problem", 1998, ch. 13).

    Parameters
    ----------
    start : Tensor
        The first vector, ``(p,)``; of any length but zero.
    capacity : int
        Vectors that the basis can hold; memory 2 · capacity · p numbers.
    seed : int
        For the directions taken when a space is exhausted.
    """

    def __init__(
        self, start: Float[Tensor, " p"], capacity: int, seed: int = 0
    ) -> None:
        self.size = start.shape[0]
        self.capacity = min(capacity, self.size)
        self.dimension = 0
        self._generator = torch.Generator().manual_seed(seed)
        self._dtype = start.dtype
        # widened once where that costs little, instead of at every inner product
        small = 2 * self.capacity * self.size * 8 <= _WIDE_BYTES
        stored = torch.float64 if small else start.dtype
        shape, device = (self.capacity, self.size), start.device
        self._basis = torch.empty(shape, dtype=stored, device=device)
        self._products = torch.empty(shape, dtype=stored, device=device)
        self._small = torch.zeros(self.capacity, self.capacity, dtype=torch.float64)
        # the part of each column's product outside the basis: along `next`, and not
        self._pending = torch.zeros(self.capacity, dtype=torch.float64)
        self._lost = torch.zeros(self.capacity, dtype=torch.float64)
        self.next: Tensor | None = unit(start)

    @classmethod
    def from_random(
        cls, size: int, capacity: int, like: Tensor, seed: int = 0
    ) -> "Krylov":
        """A run from a random direction, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        return cls(random_vector(size, generator, like), capacity, seed + 1)

    @property
    def basis(self) -> Float[Tensor, "m p"]:
        """The orthonormal basis so far, one vector a row."""
        return self._basis[: self.dimension]

    @property
    def small(self) -> Float[Tensor, "m m"]:
        """T = Qᵀ H Q, in float64 on the CPU."""
        return self._small[: self.dimension, : self.dimension]

    @property
    def exhausted(self) -> bool:
        """Whether the basis spans the whole space."""
        return self.next is None

    @property
    def full(self) -> bool:
        """Whether the basis has to be restarted before it grows."""
        return self.dimension == self.capacity

    def absorb(self, product: Float[Tensor, " p"]) -> None:
        """Take the operator's product with :attr:`next` and find the direction after.

        Raises
        ------
        NonFiniteError
            When the product holds NaN or infinity.
        """
        if self.next is None:
            raise ArgumentError(
                found="Another product for a basis that spans everything.",
                why=f"There are {self.size} dimensions.",
                instead="Stop when .exhausted is true.",
            )
        column = self.dimension
        self._basis[column], self._products[column] = self.next, product
        self.dimension += 1
        self._pending.zero_()
        rest, inside = self._projected(product.to(torch.float64, copy=True))
        self._small[: column + 1, column] = inside
        self._small[column, : column + 1] = inside
        self._go_on_along(rest, scale=float(inside.norm()))

    def grow(self, operator: Operator, steps: int = 1) -> None:
        """Multiply and absorb, up to ``steps`` times, as long as there is room."""
        for _ in range(steps):
            if self.next is None or self.full:
                return
            self.absorb(operator @ self.next)

    def inject(self, vector: Float[Tensor, " p"] | None = None) -> None:
        """Go on from another direction, a random one by default."""
        self._lost += self._pending.abs()
        self._pending.zero_()
        self.next = None
        for _ in range(3):
            if self.dimension == self.size:
                return
            if vector is None:
                vector = random_vector(self.size, self._generator, self._basis)
            rest, _ = self._projected(vector.double() / norm(vector))
            if norm(rest) > 1e-6:
                # once more: what is left of a nearly contained vector is mostly error
                rest, _ = self._projected(rest / norm(rest))
                self.next = (rest / norm(rest)).to(self._dtype)
                return
            vector = None

    def ritz(self) -> RitzPairs:
        """Eigenpairs of the small matrix with estimated residuals."""
        values, mixes = torch.linalg.eigh(self.small)
        pending = (self._pending[: self.dimension] @ mixes).abs()
        lost = self._lost[: self.dimension] @ mixes.abs()
        return RitzPairs(values, mixes, pending + lost)

    def residuals(self, values: Tensor, mixes: Tensor) -> Float[Tensor, " k"]:
        """True residual norms ‖H x − θ x‖, from the products themselves."""
        products = self._products[: self.dimension]
        return row_distances(products, self.basis, mixes, mixes * values)

    def go_on_from_residual(self, ritz: RitzPairs, position: int) -> None:
        """Go on from one pair's residual, which an injection left behind.

        The basis is turned into the Ritz vectors first, so that the rest of every
        pair's residual is known exactly.
        """
        self.restart(ritz.values, ritz.mixes)
        residual = self._products[position].to(torch.float64, copy=True)
        residual -= ritz.values[position] * self._basis[position].double()
        length = norm(residual)
        if length > 0:
            self.inject(residual)
            self._pending[position], self._lost[position] = length, 0.0

    def neglected(self, mix: Float[Tensor, " m"]) -> bool:
        """Whether a pair's residual lies mostly beside the direction to come."""
        pending = float((self._pending[: self.dimension] @ mix).abs())
        return float(self._lost[: self.dimension] @ mix.abs()) > pending

    def asymmetry(self) -> float:
        """How unlike its transpose the operator is on the basis, relative to its size.

        Zero to rounding for products that are right; free, as the products are kept.
        """
        some = min(self.dimension, 8)
        products = [inner(self._products[:some], row) for row in self._basis[:some]]
        small = torch.stack(products).cpu()
        # relative to the whole: a kept vector of the flat end has nothing but rounding
        size = float(self.small.abs().max())
        return float((small - small.T).abs().max()) / size if size else 0.0

    def vectors(self, mixes: Float[Tensor, "m k"]) -> Float[Tensor, "p k"]:
        """Combinations of the basis, of unit length, as columns."""
        rows = combined(self.basis, mixes)
        lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        return (rows / lengths).T.contiguous().to(self._dtype)

    def restart(self, values: Tensor, mixes: Float[Tensor, "m k"]) -> None:
        """Shrink the basis to some Ritz vectors, products and all (thick restart).

        Wu and Simon, "Thick-restart Lanczos method", SIAM J. Matrix Anal. 2000.
        """
        old, kept = self.dimension, mixes.shape[1]
        pending = self._pending[:old] @ mixes
        # what the residuals hold beside `next`, exactly: bounds would only ever grow
        lost = (self.residuals(values, mixes).square() - pending.square()).clamp(min=0)
        combine_in_place(self._basis[:old], mixes)
        combine_in_place(self._products[:old], mixes)
        self._small.zero_()
        self._small[:kept, :kept] = torch.diag(values)
        for store, value in ((self._pending, pending), (self._lost, lost.sqrt())):
            store.zero_()
            store[:kept] = value
        self.dimension = kept

    def _projected(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        """A float64 vector without its part in the basis, and that part."""
        total = torch.zeros(self.dimension, dtype=torch.float64)
        for _ in range(2):
            inside = inner(self.basis, vector)
            without(vector, self.basis, inside)
            total += inside.cpu()
        return vector, total

    def _go_on_along(self, rest: Tensor, scale: float) -> None:
        length = norm(rest)
        if not length < float("inf") or not scale < float("inf"):
            raise NonFiniteError(
                found="A Hessian-vector product is NaN or infinite.",
                why="The gradient is not differentiable here, or overflows its type.",
                instead="Measure in a wider type (model.double()); look for sqrt(0), "
                "0/0 and norms of zero vectors in the model and the loss.",
            )
        resolution = torch.finfo(self._dtype).eps * max(scale, length)
        if self.dimension < self.size and length > 8 * resolution:
            self._pending[self.dimension - 1] = length
            self.next = (rest / length).to(self._dtype)
        else:
            self._lost[self.dimension - 1] = length
            self.inject()
