"""The exact Hessian-vector product by differentiating the gradient once more.

    H v = ∇ ⟨∇f, v⟩

Reverse over reverse (Pearlmutter, "Fast exact multiplication by the Hessian", 1994):
the only form that is right on every network for which torch has second derivatives.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, final

import torch
from torch import Tensor

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.errors import NoGradientError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.lean.function import is_lean

_REENTRANT = "CheckpointFunctionBackward"


@final
class GradientGraph(BatchProduct):
    """The gradient of one batch's mean loss, with the graph that made it.

    Parameters
    ----------
    leaves : sequence of Tensor
        The parameters it was taken by.
    gradients : sequence of Tensor or None
        One for each leaf; ``None`` where the loss does not use it.
    weight : float or Tensor
        What the batch weighs in the average.
    """

    def __init__(
        self,
        leaves: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
        weight: Weight,
    ) -> None:
        self.leaves, self.gradients, self.weight = leaves, gradients, weight

    def inspect(self, hooked: bool) -> None:
        """See whether the graph is whole, and whether it calls Python."""
        nodes = list(nodes_behind(g for g in self.gradients if g is not None))
        require_whole_graph(nodes)
        self.nodes, self.rounding = len(nodes), rounding_behind(nodes)
        self.runs_python = hooked or any(map(runs_python, nodes))

    def product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """A block of the mean loss's Hessian times one vector."""
        # a gradient that is constant has no graph, and rows of zeros
        bent = [
            (gradient, vector)
            for column, vector in zip(columns, vectors, strict=True)
            if (gradient := self.gradients[column]) is not None
            and gradient.requires_grad
        ]
        if not bent:
            return [None] * len(rows)
        outputs, seeds = zip(*bent, strict=True)
        inputs = [self.leaves[row] for row in rows]
        return list(
            torch.autograd.grad(
                outputs, inputs, seeds, retain_graph=True, allow_unused=True
            )
        )


def gradient_graph(
    evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
) -> GradientGraph:
    """The gradient of one batch by the leaves that require it, graph included."""
    loss, weight = evaluate(leaves, batch)
    require_graph(loss)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found = torch.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
    rest = iter(found)
    gradients = [next(rest) if leaf.requires_grad else None for leaf in leaves]
    return GradientGraph(leaves, gradients, weight)


def require_whole_graph(nodes: Iterable[Any]) -> None:
    """Refuse gradients whose graph ends at an operation that is marked so.

    ``@once_differentiable`` ties its results to a leaf of its own, behind a node that
    raises. ``autograd.grad`` by other leaves never goes there: without this look the
    product would lack a part, and say nothing.

    Raises
    ------
    RuntimeError
        As autograd would.
    """
    if any(type(node).__name__ == "Error" for node in nodes):
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


def rounding_behind(nodes: Iterable[Any]) -> float:
    """That of the narrowest floating-point type that a graph's nodes work in."""
    types = {m.dtype for node in nodes for m in getattr(node, "_input_metadata", ())}
    return max((torch.finfo(d).eps for d in types if d.is_floating_point), default=0.0)


def runs_python(node: Any) -> bool:
    """Whether a node of a graph calls Python code that is not this project's."""
    python = isinstance(node, torch.autograd.function.BackwardCFunction)
    return python and not is_lean(node)


def require_graph(loss: Tensor) -> None:
    """Refuse a loss that is cut from its parameters.

    Raises
    ------
    NoGradientError
        When the loss has no gradient by any chosen parameter.
    RuntimeError
        When a reentrant checkpoint keeps its parameters out of the graph.
    """
    if torch.is_inference_mode_enabled():
        raise NoGradientError(
            found="The call is inside torch.inference_mode().",
            why="Nothing can be differentiated there.",
            instead="Leave it, or use torch.no_grad(), which does not hinder.",
        )
    if any(type(node).__name__ == _REENTRANT for node in nodes_behind([loss])):
        # autograd.grad passes its parameters by, and says nothing
        message = "a checkpoint with use_reentrant=True is incompatible with .grad()."
        raise RuntimeError(message)
    if not loss.requires_grad:
        raise NoGradientError(
            found="The loss has no gradient.",
            why="No operation connects it with the chosen parameters; .detach(), "
            ".item(), argmax, rounding and torch.no_grad() all cut the connection.",
            instead="Return a differentiable loss, and choose parameters that the "
            "forward pass uses.",
        )
