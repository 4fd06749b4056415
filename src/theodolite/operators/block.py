"""The block of a curvature that leads from some layers to others."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.averaged import Part, Request, averaged_products
from theodolite.operators.linear_map import LinearMap
from theodolite.products.product_store import ProductStore


@final
class Block(LinearMap):
    """H[rows, columns], on what is kept for the whole curvature.

    Parameters
    ----------
    store : ProductStore
        The products of all batches.
    rows, columns : Part
        The leaves that it leads to and from.
    name : str
        What it is called.
    """

    def __init__(
        self, store: ProductStore, rows: Part, columns: Part, name: str
    ) -> None:
        parameters = rows.parameters
        super().__init__(
            (parameters.size, columns.parameters.size),
            torch.promote_types(parameters.dtype, columns.parameters.dtype),
            parameters.device,
        )
        self.store, self.rows, self.columns, self.name = store, rows, columns, name

    @property
    def expression(self) -> str:
        """Its name."""
        return self.name

    @property
    def resolution(self) -> float:
        """That of the narrowest type among the parameters."""
        types = {*self.rows.parameters.dtypes, *self.columns.parameters.dtypes}
        return max(torch.finfo(dtype).eps for dtype in types)

    @property
    def block_size(self) -> int:
        """One on kept graphs; several share a graph that is built anew."""
        return 8 if self.store.streamed else 1

    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        return self._averaged(self.columns, self.rows, block)

    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        # the whole is symmetric: its transposed block leads the other way
        return self._averaged(self.rows, self.columns, block)

    def _averaged(self, source: Part, target: Part, block: Tensor) -> Tensor:
        request = Request(source, target, block)
        return averaged_products(self.store, [request])[0].to(self.dtype)
