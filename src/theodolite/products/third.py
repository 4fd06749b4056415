"""The third derivative of one batch along a direction, by differentiating three times.

    H v = ∇⟨∇f, v⟩,   ∇(vᵀHv) = ∇⟨Hv, v⟩

Reverse over reverse over reverse, in primitive operations: torch's fused norms are
wrong at third order and say nothing. Nested forward mode would yield the number
D³f[v,v,v] alone, and takes longer: 10 to 27 gradients where this takes 6 to 14.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import (
    nodes_behind,
    require_graph,
    require_whole_graph,
)
from theodolite.products.kinks import kinks_behind
from theodolite.products.primitive.operations import PrimitiveOperations

# one for each leaf; None stands for zeros
Pieces = Sequence[Tensor | None]


@dataclass(frozen=True)
class ThirdDerivative:
    """What three derivatives of a batch's mean loss say along v.

    Attributes
    ----------
    weight : float or Tensor
        What the batch weighs in the average.
    gradient, product, bend : sequence of Tensor or None
        ∇f, H v and ∇(vᵀHv) by each leaf.
    kinks : tuple of str
        Operations that a derivative sees nothing of where they are not smooth.
    """

    weight: Weight
    gradient: Pieces
    product: Pieces
    bend: Pieces
    kinks: tuple[str, ...]


def third_derivative(
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batch: Batch,
    vectors: Sequence[Tensor],
) -> ThirdDerivative:
    """Three derivatives of one batch; only inside :func:`differentiable_thrice`."""
    loss, weight = evaluate(leaves, batch)
    require_graph(loss)
    first = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
    second = along(first, leaves, vectors, create_graph=True)
    require_whole_graph(nodes_behind(p for p in (*first, *second) if p is not None))
    third = along(second, leaves, vectors)
    kinks = tuple(kinks_behind([loss]))
    return ThirdDerivative(weight, cut(first), cut(second), third, kinks)


def two_derivatives(
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batch: Batch,
    vectors: Sequence[Tensor],
) -> tuple[Pieces, Pieces, Weight]:
    """∇f and H v of one batch by the same operations, and the batch's weight."""
    loss, weight = evaluate(leaves, batch)
    require_graph(loss)
    first = torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
    return cut(first), along(first, leaves, vectors), weight


def along(
    pieces: Pieces,
    leaves: Sequence[Tensor],
    vectors: Sequence[Tensor],
    *,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """The gradient by the leaves of the inner product ⟨pieces, vectors⟩."""
    # what is constant has no graph, and a gradient of zeros
    bent = [
        (piece, vector)
        for piece, vector in zip(pieces, vectors, strict=True)
        if piece is not None and piece.requires_grad
    ]
    if not bent:
        return [None] * len(leaves)
    outputs, seeds = zip(*bent, strict=True)
    return list(
        torch.autograd.grad(
            outputs, leaves, seeds, create_graph=create_graph, allow_unused=True
        )
    )


def cut(pieces: Pieces) -> list[Tensor | None]:
    """The same numbers without the graph that made them."""
    return [None if piece is None else piece.detach() for piece in pieces]


@contextmanager
def differentiable_thrice(model: nn.Module | None) -> Iterator[None]:
    """Operations of which every derivative is right."""
    with differentiable_twice(model), PrimitiveOperations():
        yield
