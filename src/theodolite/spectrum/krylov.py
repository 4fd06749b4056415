"""An orthonormal basis that grows product by product, and what it knows.

The state of every Lanczos computation: the basis Q, the products W = H Q, the small
matrix T = Qᵀ H Q, and the directions that wait to be multiplied. Products come from
outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.operators.operator import Operator
from theodolite.seeding import generator
from theodolite.spectrum.random_run import RandomRun
from theodolite.spectrum.vectors import (
    combine_in_place,
    combined,
    inner,
    norm,
    random_vector,
    row_distances,
    squares_beside,
    unit,
    without,
)

# directions that may wait at once, at most
WIDEST = 8
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
    """The state of a Lanczos run with full reorthogonalisation, block or single.

    Multiply :attr:`next` by the operator and give the product to :meth:`absorb`, or
    leave both to :meth:`grow`. All inner products are in float64, whatever the vectors'
    type (classical Gram-Schmidt twice, one wait for the device a step; Parlett, "The
    Symmetric Eigenvalue Problem", 1998, ch. 13).

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
        self.waiting = 1
        self._generator = generator(seed)
        self._dtype = start.dtype
        # widened once where that costs little, instead of at every inner product
        small = 2 * self.capacity * self.size * 8 <= _WIDE_BYTES
        stored = torch.float64 if small else start.dtype
        device = start.device
        shape = (self.capacity + WIDEST, self.size)
        # the basis, and behind it the directions that wait
        self._rows = torch.empty(shape, dtype=stored, device=device)
        self._products = torch.empty(
            (self.capacity, self.size), dtype=stored, device=device
        )
        self._small = torch.zeros(self.capacity, self.capacity, dtype=torch.float64)
        # each column's product outside the basis: along what waits, and beside it
        self._pending = torch.zeros(WIDEST, self.capacity, dtype=torch.float64)
        self._lost = torch.zeros(self.capacity, dtype=torch.float64)
        self._rows[0] = unit(start)
        # where the present run from one random direction began, if it is one
        self._run: int | None = None
        self.first_run: RandomRun | None = None
        # what a run that was broken off ruled out: how low, and how high, ranks may be
        self.ruled_out: tuple[Tensor, Tensor] | None = None

    @classmethod
    def from_random(
        cls, size: int, capacity: int, like: Tensor, seed: int = 0
    ) -> "Krylov":
        """A run from a random direction, the same for the same seed."""
        source = generator(seed)
        krylov = cls(random_vector(size, source, like), capacity, seed + 1)
        krylov._run = 0
        return krylov

    def state(self) -> dict[str, Tensor]:
        """Everything it is, as tensors: to be stored, and gone on from."""
        known, run = self.dimension + self.waiting, self._run
        counts = [self.size, self.capacity, self.dimension, self.waiting]
        state = {
            "counts": torch.tensor([*counts, -1 if run is None else run]),
            "rows": self._rows[:known].clone(),
            "products": self.products.clone(),
            "small": self.small.clone(),
            "pending": self._pending[:, : self.dimension].clone(),
            "lost": self._lost[: self.dimension].clone(),
            "generator": self._generator.get_state(),
            "like": torch.empty(0, dtype=self._dtype),
        }
        if (first := self.first_run) is not None:
            state["first_run"] = torch.stack([first.alphas, first.betas])
        if self.ruled_out is not None:
            state["ruled_out"] = torch.stack(self.ruled_out)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> "Krylov":
        """Go on, to the same bit, from what :meth:`state` gave."""
        size, capacity, dimension, waiting, run = state["counts"].tolist()
        rows = state["rows"]
        krylov = cls(rows[0].to(state["like"].dtype), capacity)
        krylov.dimension, krylov.waiting = dimension, waiting
        krylov._rows[: len(rows)] = rows
        krylov._products[:dimension] = state["products"]
        krylov._small[:dimension, :dimension] = state["small"]
        krylov._pending[:, :dimension] = state["pending"]
        krylov._lost[:dimension] = state["lost"]
        krylov._generator.set_state(state["generator"])
        krylov._run = None if run < 0 else run
        if "first_run" in state:
            alphas, betas = state["first_run"]
            krylov.first_run = RandomRun(0, alphas, betas, size)
        if "ruled_out" in state:
            below, above = state["ruled_out"]
            krylov.ruled_out = below, above
        return krylov

    def widen(self, count: int) -> None:
        """Let random directions wait beside the start, ``count`` with it."""
        self._run = self._run if count == 1 else None
        while self.waiting < min(count, self.size):
            self._append(None)

    @property
    def basis(self) -> Float[Tensor, "m p"]:
        """The orthonormal basis so far, one vector a row."""
        return self._rows[: self.dimension]

    @property
    def products(self) -> Float[Tensor, "m p"]:
        """The operator's products with the basis, one a row."""
        return self._products[: self.dimension]

    @property
    def small(self) -> Float[Tensor, "m m"]:
        """T = Qᵀ H Q, in float64 on the CPU."""
        return self._small[: self.dimension, : self.dimension]

    @property
    def dtype(self) -> torch.dtype:
        """The type of the vectors that are multiplied."""
        return self._dtype

    @property
    def next(self) -> Float[Tensor, " p"] | None:
        """The direction to be multiplied; ``None`` where the basis spans everything."""
        return self._rows[self.dimension].to(self._dtype) if self.waiting else None

    @property
    def exhausted(self) -> bool:
        """Whether the basis spans the whole space."""
        return self.waiting == 0

    @property
    def full(self) -> bool:
        """Whether the basis has to be restarted before it grows."""
        return self.dimension == self.capacity

    @property
    def bytes(self) -> int:
        """What basis and products hold."""
        return self._rows.nbytes + self._products.nbytes

    @property
    def random_run(self) -> RandomRun | None:
        """The steps since the last random direction, if nothing came between."""
        if self._run is None or self._run == self.dimension:
            return None
        start, stop = self._run, self.dimension
        off = self.small.diagonal(1)[start : stop - 1]
        betas = torch.cat([off, self._pending[:1, stop - 1]])
        alphas = self.small.diagonal()[start:stop].clone()
        return RandomRun(start, alphas, betas, self.size - start)

    def absorb(self, product: Float[Tensor, " p"]) -> None:
        """Take the operator's product with :attr:`next` and find the direction after.

        Raises
        ------
        NonFiniteError
            When the product holds NaN or infinity.
        """
        if self.exhausted:
            raise ArgumentError(
                found="Another product for a basis that spans everything.",
                why=f"There are {self.size} dimensions.",
                instead="Stop when .exhausted is true.",
            )
        column, known = self.dimension, self.dimension + self.waiting
        self._products[column] = product
        rest, inside = self._projected(product.to(torch.float64, copy=True), known)
        length = torch.linalg.vector_norm(rest)
        self._rows[known] = (rest / length).to(self._dtype)
        # the one wait for the device
        numbers = torch.cat([inside, length[None]]).cpu()
        _require_finite(numbers)
        self._small[: column + 1, column] = numbers[: column + 1]
        self._small[column, : column + 1] = numbers[: column + 1]
        self._pending[:-1] = self._pending[1:].clone()
        self._pending[-1].zero_()
        self._pending[: self.waiting - 1, column] = numbers[column + 1 : known]
        self.dimension, self.waiting = column + 1, self.waiting - 1
        self._go_on_along(float(numbers[-1]), float(numbers[:-1].norm()))

    def grow(self, operator: Operator, steps: int = 1) -> None:
        """Multiply and absorb, up to ``steps`` products, as long as there is room.

        What waits together is multiplied together.
        """
        while steps > 0 and not (self.exhausted or self.full):
            count = min(self.waiting, steps, self.capacity - self.dimension)
            block = self._rows[self.dimension : self.dimension + count].to(self._dtype)
            # a vector of its own kind: operators may be faster with one than with many
            together = operator @ (block.T if count > 1 else block[0])
            for product in together.T if count > 1 else [together]:
                self.absorb(product)
            steps -= count

    def inject(self, vector: Float[Tensor, " p"] | None = None, count: int = 1) -> None:
        """Go on from other directions, random ones by default."""
        self._note_first_run()
        waiting = self._pending[: self.waiting]
        self._lost = (self._lost.square() + waiting.square().sum(0)).sqrt()
        self._pending.zero_()
        self.waiting = 0
        self._run = self.dimension if vector is None and count == 1 else None
        for _ in range(count):
            self._append(vector)

    def _append(self, vector: Tensor | None) -> None:
        """One more direction that waits: a vector's rest, or a random one's."""
        known = self.dimension + self.waiting
        for _ in range(3):
            if known == self.size:
                return
            if vector is None:
                vector = random_vector(self.size, self._generator, self._rows)
            rest, _ = self._projected(vector.double() / norm(vector), known)
            if norm(rest) > 1e-6:
                # once more: what is left of a nearly contained vector is mostly error
                rest, _ = self._projected(rest / norm(rest), known)
                self._rows[known] = (rest / norm(rest)).to(self._dtype)
                self.waiting += 1
                return
            vector = None

    def ritz(self) -> RitzPairs:
        """Eigenpairs of the small matrix with estimated residuals."""
        values, mixes = torch.linalg.eigh(self.small)
        pending = (self._pending[:, : self.dimension] @ mixes).norm(dim=0)
        lost = self._lost[: self.dimension] @ mixes.abs()
        return RitzPairs(values, mixes, pending + lost)

    def residuals(self, values: Tensor, mixes: Tensor) -> Float[Tensor, " k"]:
        """True residual norms ‖H x − θ x‖, from the products themselves."""
        return row_distances(self.products, self.basis, mixes, mixes * values)

    def coupling(self, count: int) -> Float[Tensor, "c c"]:
        """RᵀR with R = (I − Q Qᵀ) H Q of the first ``count`` basis vectors."""
        return squares_beside(self._products[:count], self._rows[:count])

    def go_on_from_residual(self, ritz: RitzPairs, position: int) -> None:
        """Go on from one pair's residual, which an injection left behind.

        The basis is turned into the Ritz vectors first, so that the rest of every
        pair's residual is known exactly.
        """
        self.restart(ritz.values, ritz.mixes)
        residual = self._products[position].to(torch.float64, copy=True)
        residual -= ritz.values[position] * self._rows[position].double()
        length = norm(residual)
        if length > 0:
            self.inject(residual)
            self._pending[0, position], self._lost[position] = length, 0.0

    def neglected(self, mix: Float[Tensor, " m"]) -> bool:
        """Whether a pair's residual lies mostly beside the directions to come."""
        pending = float((self._pending[:, : self.dimension] @ mix).norm())
        return float(self._lost[: self.dimension] @ mix.abs()) > pending

    def asymmetry(self) -> float:
        """How unlike its transpose the operator is on the basis, relative to its size.

        Zero to rounding for products that are right; free, as the products are kept.
        """
        some = min(self.dimension, 8)
        products = [inner(self._products[:some], row) for row in self._rows[:some]]
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
        self._note_first_run()
        self._run = None
        old, kept = self.dimension, mixes.shape[1]
        pending = self._pending[:, :old] @ mixes
        # what the residuals hold beside what waits, exactly: bounds would only grow
        lost = self.residuals(values, mixes).square() - pending.square().sum(0)
        combine_in_place(self.basis, mixes)
        combine_in_place(self.products, mixes)
        # both ends may overlap
        waiting = self._rows[old : old + self.waiting].clone()
        self._rows[kept : kept + self.waiting] = waiting
        self._small.zero_()
        self._small[:kept, :kept] = torch.diag(values)
        self._pending.zero_()
        self._pending[:, :kept] = pending
        self._lost.zero_()
        self._lost[:kept] = lost.clamp(min=0).sqrt()
        self.dimension = kept

    def _note_first_run(self) -> None:
        """Remember what was learned from the start, before it is broken off."""
        if self.first_run is None and self._run == 0:
            self.first_run = self.random_run

    def _projected(self, vector: Tensor, known: int) -> tuple[Tensor, Tensor]:
        """A float64 vector without its part along all known rows, and that part."""
        rows = self._rows[:known]
        total = torch.zeros(known, dtype=torch.float64, device=vector.device)
        for _ in range(2):
            inside = inner(rows, vector)
            without(vector, rows, inside)
            total += inside
        return vector, total

    def _go_on_along(self, length: float, scale: float) -> None:
        """Let the product's rest wait behind the others, unless it is rounding."""
        column = self.dimension - 1
        room = self.dimension + self.waiting < self.size
        if room and length > 8 * torch.finfo(self._dtype).eps * max(scale, length):
            self._pending[self.waiting, column] = length
            self.waiting += 1
            return
        self._lost[column] = length
        if not self.waiting:
            self.inject()


def _require_finite(numbers: Tensor) -> None:
    if not bool(numbers.isfinite().all()):
        raise NonFiniteError(
            found="A Hessian-vector product is NaN or infinite.",
            why="The gradient is not differentiable here, or overflows its type.",
            instead="Measure in a wider type (model.double()); look for sqrt(0), "
            "0/0 and norms of zero vectors in the model and the loss.",
        )
