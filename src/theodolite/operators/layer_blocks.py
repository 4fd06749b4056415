"""Every layer's own block of the Hessian, multiplied side by side."""

from collections.abc import Mapping
from typing import final

from torch import Tensor

from theodolite.averages import WeightedMean
from theodolite.operators.curvature import Curvature
from theodolite.parameters import Parameters
from theodolite.products.batch_product import BatchProduct


@final
class LayerBlocks:
    """The principal blocks of all layers over one set of gradient graphs.

    A round multiplies one vector for each layer that is still of interest; graphs
    that are not kept are built once a round, not once a layer.

    Parameters
    ----------
    hessian : Curvature
        The whole operator, whose graphs are used.
    """

    def __init__(self, hessian: Curvature) -> None:
        self._store = hessian.store
        self._positions: dict[str, list[int]] = {}
        self.parameters: dict[str, Parameters] = {}
        self.products = 0
        for layer in hessian.parameters.layers:
            block = hessian.block(escaped(layer))
            self._positions[layer] = block.positions
            self.parameters[layer] = block.parameters

    def multiply(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each named layer's block times its vector ``(p_layer,)``."""
        split = {name: self.parameters[name].split(v) for name, v in vectors.items()}
        means = {name: WeightedMean() for name in vectors}

        def add(batch: BatchProduct, weight: float) -> None:
            for name, vector in split.items():
                own = self._positions[name]
                product = batch.product(vector, own, own)
                means[name].add(self.parameters[name].flatten(product), weight)

        self._store.visit(add)
        self.products += len(vectors)
        return {name: mean.result() for name, mean in means.items()}


def escaped(layer: str) -> str:
    """A layer's name as a pattern that matches itself alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in layer)
