"""The Hessian's columns of one layer at a time."""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.averaged import Part, Request, averaged_products
from theodolite.operators.curvature import Curvature
from theodolite.operators.layer_blocks import escaped


@final
class LayerColumns:
    """Vectors over single layers, multiplied into all layers.

    Graphs that are not kept are built once for several vectors, of whatever layers.

    Parameters
    ----------
    hessian : Curvature
        The whole operator, whose graphs are used.
    """

    def __init__(self, hessian: Curvature) -> None:
        self.hessian, self.products = hessian, 0
        self._whole = Part(hessian.parameters, hessian.positions)
        layers = hessian.parameters.layers
        self._parts = {name: hessian.part(escaped(name)) for name in layers}
        self._lengths = [place.stop - place.start for place in layers.values()]

    @property
    def sizes(self) -> dict[str, int]:
        """Parameters in each layer."""
        return dict(zip(self._parts, self._lengths, strict=True))

    def squares(
        self, blocks: Mapping[str, Float[Tensor, "n k"]]
    ) -> dict[str, Float[Tensor, "k l"]]:
        """‖H[i, layer] z‖² for every layer i, and every vector of every named layer."""
        found: dict[str, list[Tensor]] = {name: [] for name in blocks}
        vectors = [(name, v) for name, block in blocks.items() for v in block.T]
        while vectors:
            # known after the first product, which sees what is kept
            count = self.hessian.block_size
            for name, square in self._multiplied(vectors[:count]):
                found[name].append(square)
            vectors = vectors[count:]
        return {name: torch.stack(rows) for name, rows in found.items()}

    def _multiplied(
        self, vectors: Sequence[tuple[str, Tensor]]
    ) -> list[tuple[str, Float[Tensor, " l"]]]:
        """By one visit of every batch."""
        requests = [
            Request(self._parts[name], self._whole, vector[:, None])
            for name, vector in vectors
        ]
        products = averaged_products(self.hessian.store, requests)
        self.products += len(vectors)
        return [
            (name, self._by_layer(product[:, 0]))
            for (name, _), product in zip(vectors, products, strict=True)
        ]

    def _by_layer(self, product: Float[Tensor, " p"]) -> Float[Tensor, " l"]:
        parts = product.split(self._lengths)
        return torch.stack([part.double().square().sum() for part in parts]).cpu()
