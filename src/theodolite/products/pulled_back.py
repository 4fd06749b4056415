"""A matrix over a model's outputs, pulled back to its parameters: Jᵀ M J.

J is the Jacobian of the outputs by the leaves. Its product comes from a linear
functional that is kept, g(u) = Jᵀu with a cotangent u that itself requires its
gradient: J v = ∂⟨g(u), v⟩/∂u, so that no product needs another forward pass.
"""

from collections.abc import Sequence
from typing import Protocol, final, runtime_checkable

import torch
from torch import Tensor

from theodolite.averages import Weight
from theodolite.products.batch_product import BatchProduct
from theodolite.products.double_backward import (
    nodes_behind,
    require_whole_graph,
    rounding_behind,
    runs_python,
)


@runtime_checkable
class OutputMatrix(Protocol):
    """A symmetric matrix over the outputs of one batch."""

    def multiply(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The matrix times one tensor for each output; ``None`` stands for zeros."""
        ...

    def graph(self) -> Sequence[Tensor]:
        """Tensors whose graphs the products go through."""
        ...


@final
class PulledBack(BatchProduct):
    """Jᵀ M J of one batch.

    Parameters
    ----------
    leaves : sequence of Tensor
        The parameters.
    outputs : sequence of Tensor
        What M is over, with the graph that made them.
    matrix : OutputMatrix
        M.
    weight : float or Tensor
        What the batch weighs in the average.
    """

    def __init__(
        self,
        leaves: Sequence[Tensor],
        outputs: Sequence[Tensor],
        matrix: OutputMatrix,
        weight: Weight,
    ) -> None:
        self.leaves, self.outputs, self.matrix = leaves, list(outputs), matrix
        self.weight = weight
        self._cotangents = [torch.zeros_like(o).requires_grad_() for o in outputs]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(
            torch.autograd.grad(
                self.outputs,
                wanted,
                self._cotangents,
                create_graph=True,
                allow_unused=True,
            )
        )
        self._functional = [
            next(found) if leaf.requires_grad else None for leaf in leaves
        ]

    def inspect(self, hooked: bool) -> None:
        """See whether the graphs are whole, and whether they call Python."""
        known = [part for part in self._functional if part is not None]
        nodes = list(nodes_behind([*known, *self.outputs, *self.matrix.graph()]))
        require_whole_graph(nodes)
        self.rounding = rounding_behind(nodes)
        self.runs_python = hooked or any(map(runs_python, nodes))

    def product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """A block of Jᵀ M J times one vector."""
        tangents = self._forward(vectors, columns)
        return self._backward(self.matrix.multiply(tangents), rows)

    def _forward(
        self, vectors: Sequence[Tensor], columns: Sequence[int]
    ) -> list[Tensor | None]:
        """J v, by the leaves at ``columns`` alone."""
        used = [
            (part, vector)
            for column, vector in zip(columns, vectors, strict=True)
            if (part := self._functional[column]) is not None and part.requires_grad
        ]
        if not used:
            return [None] * len(self.outputs)
        parts, seeds = zip(*used, strict=True)
        return list(
            torch.autograd.grad(
                parts, self._cotangents, seeds, retain_graph=True, allow_unused=True
            )
        )

    def _backward(
        self, cotangents: Sequence[Tensor | None], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """Jᵀ w, by the leaves at ``rows`` alone."""
        used = [
            (output, cotangent)
            for output, cotangent in zip(self.outputs, cotangents, strict=True)
            if cotangent is not None
        ]
        if not used:
            return [None] * len(rows)
        outputs, seeds = zip(*used, strict=True)
        inputs = [self.leaves[row] for row in rows]
        return list(
            torch.autograd.grad(
                outputs, inputs, seeds, retain_graph=True, allow_unused=True
            )
        )
