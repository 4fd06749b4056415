"""Determinants, solutions and reflections in primitive operations.

The forward derivatives of torch's own take the factors of the matrix for constants:
differentiated once more they are wrong, and nothing says so. The factorisation's own
derivatives are right.
"""

from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, autocast

rewrites = Rewrites()


@rewrites(torch.linalg.det, torch.det, Tensor.det)
def det(A: Tensor) -> Tensor:
    """The product of the pivots, signed; no derivative where that is zero."""
    pivots, parity = _pivots(A)
    return parity * pivots.prod(-1)


@rewrites(torch.linalg.slogdet, torch.slogdet, Tensor.slogdet)
def slogdet(A: Tensor) -> Any:
    """The sign of the determinant and the logarithm of its size."""
    if A.is_complex():
        return NotImplemented
    pivots, parity = _pivots(A)
    named: Any = vars(torch.return_types)["linalg_slogdet"]
    return named((parity * pivots.sign().prod(-1), pivots.abs().log().sum(-1)))


@rewrites(torch.logdet, Tensor.logdet)
def logdet(input: Tensor) -> Any:
    """The logarithm of the determinant; NaN where that is negative."""
    if input.is_complex():
        return NotImplemented
    sign, size = slogdet(input)
    return torch.where(sign < 0, torch.nan, size)


@rewrites(torch.linalg.solve)
@autocast(torch.float32, "cpu")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Any:
    """The solution of ``A X = B``, or of ``X A = B``."""
    try:
        factors, swaps = torch.linalg.lu_factor(A)
    except RuntimeError:  # torch's own says what is wrong
        return NotImplemented
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    solution = torch.linalg.lu_solve(factors, swaps, right, left=left)
    return solution.squeeze(-1) if vector else solution


@rewrites(torch.cholesky_inverse, Tensor.cholesky_inverse)
@autocast(torch.float32, "cpu")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of a matrix that is given by its Cholesky factor."""
    factor = input.triu() if upper else input.tril()
    unit = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    root = torch.linalg.solve_triangular(factor, unit, upper=upper)
    return root @ root.mH if upper else root.mH @ root


@rewrites(torch.linalg.householder_product, torch.orgqr, Tensor.orgqr)
@autocast(torch.float32, "cpu")
def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of a product of reflections ``1 - τ v vᴴ``."""
    rows, columns = input.shape[-2:]
    unit = torch.eye(rows, columns, dtype=input.dtype, device=input.device)
    # each vector has a one on the diagonal, which is not stored, and zeros above
    vectors = input.tril(-1) + unit
    result = unit
    for k in reversed(range(tau.shape[-1])):
        v = vectors[..., k : k + 1]
        result = result - tau[..., k, None, None] * (v @ (v.mH @ result))
    return result


def _pivots(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The pivots of an LU factorisation, and the sign that its row swaps make."""
    factors, swaps, _ = torch.linalg.lu_factor_ex(matrix)
    unmoved = torch.arange(1, swaps.shape[-1] + 1, device=swaps.device)
    parity = 1 - 2 * ((swaps != unmoved).sum(-1) % 2)
    return factors.diagonal(dim1=-2, dim2=-1), parity.to(matrix.dtype)
