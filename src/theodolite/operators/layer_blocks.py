"""Every layer's own block of the Hessian, multiplied side by side."""

from collections.abc import Mapping
from typing import final

from torch import Tensor

from theodolite.operators.averaged import Request, averaged_products
from theodolite.operators.curvature import Curvature
from theodolite.parameters import Parameters


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
        names = hessian.parameters.layers
        self._parts = {name: hessian.part(escaped(name)) for name in names}
        self.products = 0

    @property
    def parameters(self) -> dict[str, Parameters]:
        """The parameters of each layer."""
        return {name: part.parameters for name, part in self._parts.items()}

    def multiply(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each named layer's block times its vector ``(p_layer,)``."""
        requests = [
            Request(self._parts[name], self._parts[name], vector[:, None])
            for name, vector in vectors.items()
        ]
        products = averaged_products(self._store, requests)
        self.products += len(vectors)
        return {
            name: product[:, 0] for name, product in zip(vectors, products, strict=True)
        }


def escaped(layer: str) -> str:
    """A layer's name as a pattern that matches itself alone."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in layer)
