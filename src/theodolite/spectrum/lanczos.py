"""The tridiagonal matrix of a Lanczos run, and the quadrature it is."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.krylov import Krylov


@dataclass(frozen=True, repr=False)
class Tridiagonal:
    """What ``m`` Lanczos steps know: H Q ≈ Q T with T tridiagonal.

    Attributes
    ----------
    alphas : Tensor
        Diagonal of T ``(m,)``, float64.
    betas : Tensor
        Off-diagonal of T ``(m − 1,)``, float64; zero where the space was exhausted and
        the run went on from a new direction.
    basis : Tensor
        Q ``(p, m)``, orthonormal columns.
    products, seconds, bytes, seed
        What it cost, and the start's seed.
    """

    alphas: Float[Tensor, " m"]
    betas: Float[Tensor, " m-1"]
    basis: Float[Tensor, "p m"]
    products: int
    seconds: float
    bytes: int
    seed: int

    @property
    def matrix(self) -> Float[Tensor, "m m"]:
        """T as a full matrix."""
        diagonal = torch.diag(self.alphas)
        return diagonal + torch.diag(self.betas, 1) + torch.diag(self.betas, -1)

    def quadrature(self) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
        """Nodes and weights of the Gauss rule for the start's spectral measure."""
        return quadrature(self.matrix)

    def __repr__(self) -> str:
        return f"Tridiagonal({len(self.alphas)} steps, {self.products} products)"


def lanczos(
    operator: Any,
    steps: int,
    *,
    seed: int = 0,
    v0: Float[Tensor, " p"] | None = None,
    progress: ProgressLike = False,
) -> Tridiagonal:
    """Run ``steps`` Lanczos steps with full reorthogonalisation.

        H Q = Q T + β q eᵀ

    One product a step; memory 2 · steps · p numbers. Ends early when ``steps`` exceeds
    the dimension.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    steps : int
        How many.
    seed : int
        Of the random start.
    v0 : Tensor, optional
        The start ``(p,)`` instead.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When ``steps`` is not positive, or ``v0`` is zero.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Lanczos, "An iteration method for the solution of the eigenvalue problem of linear
    differential and integral operators", 1950, doi:10.6028/jres.045.026.
    """
    if steps < 1:
        raise ArgumentError(
            found=f"steps={steps}.",
            why="Without a product nothing can be said.",
            instead="Give a positive number of steps.",
        )
    matrix = as_operator(operator)
    like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
    if v0 is None:
        krylov = Krylov.from_random(matrix.shape[0], steps, like, seed)
    else:
        krylov = Krylov(v0.to(like), steps, seed)
    with Effort(matrix, steps, steps, progress, "Lanczos steps") as effort:
        while krylov.dimension < krylov.capacity:
            effort.tell(krylov.capacity - krylov.dimension)
            krylov.grow(matrix)
        effort.tell(0)
        effort.holds(krylov.bytes)
        small = krylov.small
        return Tridiagonal(
            alphas=small.diagonal().clone(),
            betas=small.diagonal(1).clone(),
            basis=krylov.basis.T.contiguous(),
            seed=seed,
            **effort.cost,
        )


def quadrature(small: Float[Tensor, "m m"]) -> tuple[Tensor, Tensor]:
    """Nodes and weights out of T = Qᵀ H Q, for a start along the first basis vector.

    Golub and Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 1969.
    """
    nodes, vectors = torch.linalg.eigh(small)
    return nodes, vectors[0].square()
