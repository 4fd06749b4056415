"""The Hessian of a landscape, its likes, and their principal blocks."""

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
class Curvature(Operator):
    """The average over all batches of a symmetric matrix over the parameters.

        A v = Σ_b w_b A_b v / Σ_b w_b

    The Hessian, the Gauss–Newton matrix and the Fisher information are of this kind.
    The point is fixed when the operator is made.

    Parameters
    ----------
    store : ProductStore
        The products of all batches.
    parameters : Parameters
        Names and shapes of the store's leaves.
    positions : sequence of int, optional
        The leaves whose principal block this is; all by default.
    name : str
        What it is called.
    """

    def __init__(
        self,
        store: ProductStore,
        parameters: Parameters,
        positions: Sequence[int] | None = None,
        name: str = "Hessian",
    ) -> None:
        self._whole = parameters
        self.positions = list(
            range(len(parameters.names)) if positions is None else positions
        )
        self.parameters = parameters.at(self.positions)
        super().__init__(
            self.parameters.size, self.parameters.dtype, self.parameters.device
        )
        self.store, self.name = store, name

    def block(self, layers: Patterns) -> "Curvature":
        """The principal block of some layers, on what is kept for the whole."""
        positions = [self.positions[here] for here in self.parameters.within(layers)]
        return Curvature(self.store, self._whole, positions, self.name)

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

    def __repr__(self) -> str:
        return super().__repr__().replace("Curvature", self.name, 1)
