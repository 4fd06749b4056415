"""The Hessian of a landscape, or a principal block of it."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import WeightedMean
from theodolite.operators.operator import Operator
from theodolite.parameters import Parameters, Patterns
from theodolite.products.batch_product import BatchProduct
from theodolite.products.product_store import ProductStore


@final
class Hessian(Operator):
    """Second derivatives of the average loss by the chosen parameters.

        H v = Σ_b w_b H_b v / Σ_b w_b

    One product costs about two gradients where graphs are kept, three where they are
    built anew (Pearlmutter 1994). The point is fixed when the operator is made.

    Parameters
    ----------
    store : ProductStore
        The products of all batches.
    parameters : Parameters
        Names and shapes of the store's leaves.
    positions : sequence of int, optional
        The leaves whose principal block this is; all by default.
    """

    def __init__(
        self,
        store: ProductStore,
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
        positions = [self.positions[here] for here in self.parameters.within(layers)]
        return Hessian(self.store, self._whole, positions)

    @property
    def resolution(self) -> float:
        """That of the narrowest type among the parameters."""
        return max(torch.finfo(dtype).eps for dtype in self.parameters.dtypes)

    @property
    def block_size(self) -> int:
        """One on kept graphs; several share a graph that is built anew."""
        return 8 if self.store.streamed else 1

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        vectors = [self.parameters.split(row) for row in block.T.contiguous()]
        means = [WeightedMean() for _ in vectors]

        def add(batch: BatchProduct, weight: float) -> None:
            for vector, mean in zip(vectors, means, strict=True):
                product = batch.product(vector, self.positions, self.positions)
                mean.add(self.parameters.flatten(product), weight)

        self.store.visit(add)
        columns = [mean.result() for mean in means]
        return columns[0][:, None] if len(columns) == 1 else torch.stack(columns, 1)
