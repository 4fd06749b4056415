"""Nyström preconditioners: a positive matrix's outer part, out of random products."""

from math import inf, log
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.seeding import generator
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.solving.preconditioning import LowRankInverse, low_rank_inverse
from theodolite.spectrum.vectors import (
    combined,
    inner,
    norm,
    random_vector,
    without,
)

# vectors of the first sketch, and of the last
_FEWEST, _MOST = 10, 160
# eigenvalues below so many roundings of the largest are none
_NOISE = 10


def nystrom(
    operator: Any, rank: int, *, damping: float = 0.0, seed: int = 0
) -> LowRankInverse:
    """A preconditioner for (H + δ I) x = b with H positive semidefinite.

        H ≈ (H Ω)(Ωᵀ H Ω)⁻¹(H Ω)ᵀ = U Λ Uᵀ,   Ω random, (p, rank)
        P⁻¹ = U (Λ + δ)⁻¹ Uᵀ + (I − U Uᵀ) / (λ_rank + δ)

    For Gauss–Newton and Fisher matrices, when several systems with one H are solved:
    ``td.solve`` takes it as ``preconditioner``, or makes its own of a rank by itself.
    Costs ``rank`` products and 3 · rank · p numbers, and keeps rank · p.

    Parameters
    ----------
    operator
        ``land.gauss_newton()``, a symmetric tensor ``(p, p)``, or any object with a
        shape and ``@``.
    rank : int
        Random vectors; good where δ exceeds the eigenvalues beyond so many.
    damping : float
        δ.
    seed : int
        Of the vectors.

    Raises
    ------
    ArgumentError
        When the rank is out of range, or the matrix proves indefinite.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Frangella, Tropp and Udell, "Randomized Nyström preconditioning", SIAM J. Matrix
    Anal. Appl. 44 (2023), arXiv:2110.02820.
    """
    matrix = as_operator(operator)
    if not 1 <= rank <= matrix.shape[0]:
        raise ArgumentError(
            found=f"rank={rank} for a {matrix.shape[0]} × {matrix.shape[0]} operator.",
            why="There are no more directions than that.",
            instead=f"Give 1 ≤ rank ≤ {matrix.shape[0]}; 10 to 100 is usual.",
        )
    sketch = Sketch(matrix, rank, seed)
    sketch.grow(rank)
    return low_rank_inverse(*sketch.eigenpairs(), damping)


def nystrom_for(
    matrix: Operator, damping: float, tol: float, seed: int, room: float
) -> LowRankInverse:
    """A preconditioner of a rank that pays for one system.

    The rank is doubled as long as that costs fewer products than are still expected,
    ½ √κ ln(2/tol), within a third of the room.
    """
    most = max(1, int(min(_MOST, matrix.shape[0], room / 3)))
    sketch = Sketch(matrix, most, seed)
    sketch.grow(min(_FEWEST, most))
    while True:
        rows, values = sketch.eigenpairs()
        rank = sketch.rank
        if rank == most or _expected(values, rank, damping, tol) <= rank:
            return low_rank_inverse(rows, values, damping)
        sketch.grow(min(rank, most - rank))


def _expected(values: Tensor, rank: int, damping: float, tol: float) -> float:
    """Conjugate gradients' iterations with this preconditioner."""
    # fewer values than vectors: the matrix has no more
    least = float(values[-1]) if len(values) == rank else 0.0
    if damping <= 0:
        return inf if least else 0.0
    return 0.5 * ((least + damping) / damping) ** 0.5 * log(2 / min(tol, 1.0))


@final
class Sketch:
    """Random orthonormal vectors and their products, which can become more.

    Parameters
    ----------
    matrix : Operator
        A positive semidefinite one.
    capacity : int
        Vectors at most.
    seed : int
        Of the vectors.
    """

    def __init__(self, matrix: Operator, capacity: int, seed: int) -> None:
        self._matrix, self.rank = matrix, 0
        self._generator = generator(seed)
        shape, kind = (capacity, matrix.shape[0]), matrix.dtype
        self._rows = torch.empty(shape, dtype=kind, device=matrix.device)
        self._images = torch.empty_like(self._rows)

    def grow(self, count: int) -> None:
        """So many more vectors, by as many products."""
        until = self.rank + count
        while self.rank < until:
            start, step = self.rank, max(1, self._matrix.block_size)
            stop = min(start + step, until)
            for position in range(start, stop):
                self._rows[position] = self._fresh(position)
            block = self._rows[start:stop]
            # a vector of its own kind: operators may be faster with one than with many
            images = self._matrix @ (block.T if len(block) > 1 else block[0])
            self._images[start:stop] = require_finite(images).reshape(len(images), -1).T
            self.rank = stop

    def _fresh(self, known: int) -> Float[Tensor, " p"]:
        """A random unit vector off those before it."""
        size, rows = self._matrix.shape[0], self._rows[:known]
        like = torch.empty(0, dtype=torch.float64, device=rows.device)
        vector = random_vector(size, self._generator, like)
        for _ in range(2):
            vector = vector / norm(vector)
            vector = without(vector, rows, inner(rows, vector))
        return vector / norm(vector)

    def eigenpairs(self) -> tuple[Float[Tensor, "k p"], Float[Tensor, " k"]]:
        """Orthonormal rows U and the values Λ above rounding, descending.

        Raises
        ------
        ArgumentError
            When the matrix is not positive semidefinite on the vectors.
        """
        rows, images = self._rows[: self.rank], self._images[: self.rank]
        core = torch.stack([inner(rows, image) for image in images]).cpu()
        values, mixes = torch.linalg.eigh((core + core.T) / 2)
        size = norm(images)
        _require_positive(float(values[0]), self._matrix.resolution * size)
        sound = values > _NOISE * torch.finfo(rows.dtype).eps * size
        # L⁻¹ H Ω with L Lᵀ = Ωᵀ H Ω, the longest rows first
        halves = (mixes[:, sound] / values[sound].sqrt()).flip(1)
        return singular_rows(combined(images, halves))


def singular_rows(rows: Float[Tensor, "m p"]) -> tuple[Tensor, Float[Tensor, " m"]]:
    """Right singular vectors as rows, and the singular values squared, descending."""
    triangle = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    units = torch.empty_like(rows)
    for position, row in enumerate(rows):
        vector = row.to(torch.float64, copy=True)
        for _ in range(2):
            inside = inner(units[:position], vector)
            vector = without(vector, units[:position], inside)
            triangle[position, :position] += inside.cpu()
        triangle[position, position] = length = norm(vector)
        units[position] = vector / length
    _, values, mixes = torch.linalg.svd(triangle)
    return combined(units, mixes.T), values.square()


def _require_positive(least: float, noise: float) -> None:
    if least < -_NOISE * noise:
        raise ArgumentError(
            found=f"A direction with curvature {least:.3g} or less.",
            why="A Nyström preconditioner takes a positive semidefinite matrix, and "
            "this one is indefinite.",
            instead='Use land.gauss_newton(), or method="minres" with '
            'preconditioner=td.eigsh(H, 10, "LM").',
        )
