"""Inner products and combinations of long vectors, summed in float64.

The one place that touches the rows of a basis, so that they can later live elsewhere.
A set of ``m`` vectors is a tensor ``(m, p)``, one vector a row.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError

# entries of one float64 slab: in the cache's reach, and little beside the basis
_SLAB = 2**21


def random_vector(
    size: int, generator: torch.Generator, like: Tensor
) -> Float[Tensor, " p"]:
    """A standard normal vector, the same on every device for one seed."""
    vector = torch.randn(size, generator=generator, dtype=torch.float64)
    return vector.to(like)


def rademacher_block(
    size: int, count: int, generator: torch.Generator, like: Tensor
) -> Float[Tensor, "p k"]:
    """Independent vectors of random signs, as columns."""
    signs = torch.randint(0, 2, (count, size), generator=generator) * 2 - 1
    return signs.T.to(like)


def inner(rows: Float[Tensor, "m p"], vector: Float[Tensor, " p"]) -> Tensor:
    """Inner products of every row with a vector, ``(m,)`` in float64."""
    total = torch.zeros(rows.shape[0], dtype=torch.float64, device=rows.device)
    for slab in _slabs(rows):
        total += rows[:, slab].double() @ vector[slab].double()
    return total


def squares_beside(
    vectors: Float[Tensor, "m p"], rows: Float[Tensor, "m p"]
) -> Float[Tensor, "m m"]:
    """Inner products of what vectors hold beside orthonormal rows, on the CPU.

    Subtracted before they are multiplied: the difference of products would round as
    their squares do.
    """
    inside = vectors.new_zeros(len(rows), len(vectors), dtype=torch.float64)
    for slab in _slabs(rows):
        inside += rows[:, slab].double() @ vectors[:, slab].double().T
    total = torch.zeros_like(inside)
    for slab in _slabs(rows):
        rest = vectors[:, slab].double() - inside.T @ rows[:, slab].double()
        total += rest @ rest.T
    return total.cpu()


def combined(
    rows: Float[Tensor, "m p"], coefficients: Float[Tensor, "m k"]
) -> Float[Tensor, "k p"]:
    """Combinations of rows, summed in float64 and kept in the rows' type."""
    weights = coefficients.to(rows.device, torch.float64).T
    result = rows.new_empty((weights.shape[0], rows.shape[1]))
    for slab in _slabs(rows):
        result[:, slab] = (weights @ rows[:, slab].double()).to(rows.dtype)
    return result


def combine_in_place(rows: Float[Tensor, "m p"], coefficients: Tensor) -> None:
    """Overwrite the first ``k`` rows with ``k`` combinations of all ``m``."""
    weights = coefficients.to(rows.device, torch.float64).T
    for slab in _slabs(rows):
        mixed = weights @ rows[:, slab].double()
        rows[: weights.shape[0], slab] = mixed.to(rows.dtype)


def without(
    vector: Float[Tensor, " p"], rows: Float[Tensor, "m p"], coefficients: Tensor
) -> Float[Tensor, " p"]:
    """A float64 vector less a combination of rows."""
    for slab in _slabs(rows):
        vector[slab] -= coefficients @ rows[:, slab].double()
    return vector


def norm(vector: Tensor) -> float:
    """The Euclidean norm, summed in float64."""
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))


def unit(vector: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
    """The vector with length one.

    Raises
    ------
    ArgumentError
        When its length is zero, infinite or NaN.
    """
    length = norm(vector)
    if not 0.0 < length < float("inf"):
        raise ArgumentError(
            found=f"A start vector of length {length}.",
            why="A direction has a positive, finite length.",
            instead="Leave v0 out for a random start.",
        )
    return vector / length


def row_distances(
    left: Float[Tensor, "m p"],
    right: Float[Tensor, "m p"],
    mix: Tensor,
    scaled: Tensor,
) -> Float[Tensor, " k"]:
    """Norms of ``left`` combined by ``mix`` less ``right`` combined by ``scaled``."""
    total = torch.zeros(mix.shape[1], dtype=torch.float64, device=left.device)
    mix, scaled = (part.to(left.device, torch.float64).T for part in (mix, scaled))
    for slab in _slabs(left):
        difference = mix @ left[:, slab].double() - scaled @ right[:, slab].double()
        total += difference.square().sum(1)
    return total.sqrt().cpu()


def _slabs(rows: Tensor) -> Iterator[slice]:
    """Pieces of the long dimension, small enough to be widened to float64."""
    count, size = rows.shape
    step = max(1, _SLAB // max(1, count))
    return (slice(start, start + step) for start in range(0, size, step))
