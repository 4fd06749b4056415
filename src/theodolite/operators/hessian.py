"""The Hessian of a landscape, or a principal block of it."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import require_samples
from theodolite.operators.operator import Operator
from theodolite.parameters import Parameters, Patterns
from theodolite.products.double_backward import GradientGraph
from theodolite.products.graph_store import GraphStore


@final
class Hessian(Operator):
    """Second derivatives of the average loss by the chosen parameters.

        H v = Σ_b w_b H_b v / Σ_b w_b

    One product costs about two gradients where graphs are kept, three where they are
    built anew (Pearlmutter 1994). The point is fixed when the operator is made.

    Parameters
    ----------
    store : GraphStore
        Gradient graphs of all batches.
    parameters : Parameters
        Names and shapes of the store's leaves.
    positions : sequence of int, optional
        The leaves whose principal block this is; all by default.
    """

    def __init__(
        self,
        store: GraphStore,
        parameters: Parameters,
        positions: Sequence[int] | None = None,
    ) -> None:
        self._whole = parameters
        self.positions = list(
            range(len(parameters.names)) if positions is None else positions
        )
        self.parameters = parameters.at(self.positions)
        super().__init__(
            self.parameters.size, self.parameters.dtype, self.parameters.device
        )
        self.store = store

    def block(self, layers: Patterns) -> "Hessian":
        """The principal block of some layers, on the same kept graphs."""
        chosen = set(self._whole.within(layers))
        positions = [position for position in self.positions if position in chosen]
        return Hessian(self.store, self._whole, positions)

    @property
    def block_size(self) -> int:
        """One on kept graphs; several share a graph that is built anew."""
        return 8 if self.store.streamed else 1

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        vectors = [self.parameters.split(column) for column in block.unbind(1)]
        sums = torch.zeros_like(block)
        total = 0.0

        def add(graph: GradientGraph) -> None:
            nonlocal total
            for column, vector in enumerate(vectors):
                product = graph.product(vector, self.positions)
                flat = self.parameters.flatten(product)
                sums[:, column].add_(flat, alpha=graph.weight)
            total += graph.weight

        self.store.visit(add)
        require_samples(total)
        return sums / total
