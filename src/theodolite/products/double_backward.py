"""The exact Hessian-vector product by differentiating the gradient once more.

    H v = ∇ ⟨∇f, v⟩

Reverse over reverse (Pearlmutter, "Fast exact multiplication by the Hessian", 1994):
the only form that is right on every network for which torch has second derivatives.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.errors import NoGradientError
from theodolite.evaluation import Evaluation


@dataclass(frozen=True)
class GradientGraph:
    """The gradient of one batch's mean loss, with the graph that made it.

    Attributes
    ----------
    leaves : sequence of Tensor
        The parameters it was taken by.
    gradients : sequence of Tensor or None
        One for each leaf; ``None`` where the loss does not use it.
    loss : Tensor
        The batch's mean loss, detached.
    weight : float
        What the batch weighs in the average.
    """

    leaves: Sequence[Tensor]
    gradients: Sequence[Tensor | None]
    loss: Tensor
    weight: float

    def product(
        self, vectors: Sequence[Tensor], positions: Sequence[int]
    ) -> list[Tensor | None]:
        """The mean loss's Hessian block at some positions, times a vector.

        Parameters
        ----------
        vectors : sequence of Tensor
            One for each position, shaped like its leaf.
        positions : sequence of int
            Which leaves; both rows and columns of the block.

        Returns
        -------
        list of Tensor or None
            One for each position; ``None`` stands for zeros.
        """
        # a gradient that is constant has no graph, and rows of zeros
        bent = [
            (gradient, vector)
            for position, vector in zip(positions, vectors, strict=True)
            if (gradient := self.gradients[position]) is not None
            and gradient.requires_grad
        ]
        if not bent:
            return [None] * len(positions)
        outputs, seeds = zip(*bent, strict=True)
        inputs = [self.leaves[position] for position in positions]
        return list(
            torch.autograd.grad(
                outputs, inputs, seeds, retain_graph=True, allow_unused=True
            )
        )


def gradient_graph(
    evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
) -> GradientGraph | None:
    """The gradient of one batch by the leaves that require it, graph included.

    ``None`` for a batch of weight zero.
    """
    loss, weight = evaluate(leaves, batch)
    if not weight:
        return None
    require_graph(loss)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found = torch.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
    rest = iter(found)
    gradients = [next(rest) if leaf.requires_grad else None for leaf in leaves]
    return GradientGraph(leaves, gradients, loss.detach(), weight)


def require_whole_graph(gradients: Iterable[Tensor | None]) -> None:
    """Refuse gradients whose graph ends at an operation that is marked so.

    ``@once_differentiable`` ties its results to a leaf of its own, behind a node that
    raises. ``autograd.grad`` by other leaves never goes there: without this look the
    product would lack a part, and say nothing.

    Raises
    ------
    RuntimeError
        As autograd would.
    """
    whole = [gradient for gradient in gradients if gradient is not None]
    if any(type(node).__name__ == "Error" for node in nodes_behind(whole)):
        message = "a function is marked with @once_differentiable"
        raise RuntimeError(message)


def nodes_behind(tensors: Iterable[Tensor]) -> Iterator[Any]:
    """Every node of the graph that made some tensors."""
    ahead = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen = set(ahead)
    while ahead:
        node = ahead.pop()
        yield node
        found = {after for after, _ in node.next_functions if after is not None} - seen
        seen |= found
        ahead.extend(found)


def require_graph(loss: Tensor) -> None:
    """Refuse a loss that is cut from its parameters.

    Raises
    ------
    NoGradientError
        When the loss has no gradient by any chosen parameter.
    """
    if not loss.requires_grad:
        raise NoGradientError(
            found="The loss has no gradient.",
            why="No operation connects it with the chosen parameters; .detach(), "
            ".item(), argmax, rounding and torch.no_grad() all cut the connection.",
            instead="Return a differentiable loss, and choose parameters that the "
            "forward pass uses.",
        )
