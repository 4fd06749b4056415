"""Norms and distances of vectors in primitive operations.

The backward of torch's distances between all pairs cannot be differentiated. The norm
of a zero vector, and what is divided by it, has no number for a second derivative.
"""

from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, autocast

rewrites = Rewrites()

# torch computes by matrix products from more rows on, unless told otherwise
_MANY = 25


@rewrites(torch.linalg.vector_norm)
def vector_norm(
    x: Tensor,
    ord: Any = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: torch.dtype | None = None,
) -> Any:
    """The Euclidean length; others stay as they are."""
    if ord != 2 or dtype is not None or x.is_complex():
        return NotImplemented
    every = dim is None or dim in ((), [])
    return _length(x, 2, tuple(range(x.ndim)) if every else dim, keepdim)


@rewrites(torch.cosine_similarity)
@autocast(torch.float32, "cuda")
def cosine_similarity(
    x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8
) -> Tensor:
    """The cosine of the angle between vectors, zero if one of them is."""
    x1, x2 = torch.broadcast_tensors(x1, x2)
    one, two = (_length(x, 2, dim, True).clamp_min(eps) for x in (x1, x2))
    return (x1 / one * (x2 / two)).sum(dim)


@rewrites(vars(torch._C)["_VariableFunctions"].cdist)
@autocast(torch.float32, "cpu", "cuda")
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: int | None = None
) -> Tensor:
    """Distances between the rows of two matrices."""
    many = x1.shape[-2] > _MANY or x2.shape[-2] > _MANY
    if p == 2 and (compute_mode == 1 or (many and not compute_mode)):
        return _by_products(x1, x2)
    return _length(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


@rewrites(torch.pdist)
@autocast(torch.float32, "cpu", "cuda")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """Distances between the rows of one matrix, each pair once."""
    first, second = torch.triu_indices(len(input), len(input), 1, device=input.device)
    return _length(input[first] - input[second], p)


def _by_products(x1: Tensor, x2: Tensor) -> Tensor:
    """``|a - b|² = |a|² + |b|² - 2 a·b``: less memory, fewer digits."""
    squares = x1.square().sum(-1).unsqueeze(-1) + x2.square().sum(-1).unsqueeze(-2)
    squared = squares - 2 * x1 @ x2.mT
    apart = squared > 0
    return torch.where(apart, torch.where(apart, squared, 1).sqrt(), 0)


def _length(x: Tensor, p: float, dim: Any = -1, keepdim: bool = False) -> Tensor:
    """A norm; that of a zero vector is constant."""
    # a derivative that is no number stays none when it is multiplied by zero
    nonzero = (x != 0).any(dim, keepdim=True)
    length = torch.linalg.vector_norm(torch.where(nonzero, x, 1), p, dim, keepdim)
    return torch.where((x != 0).any(dim, keepdim=keepdim), length, 0)
