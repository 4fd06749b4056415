"""The Hessian of a landscape, its likes, and their principal blocks."""

from collections.abc import Sequence
from typing import final, overload

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.averaged import Part, Request, averaged_products
from theodolite.operators.block import Block
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.operator import Operator
from theodolite.operators.split import Split
from theodolite.parameters import Parameters, Patterns, as_patterns
from theodolite.products.check import Check
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

    Attributes
    ----------
    split : Split or None
        What of it is known without products.
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
        self.split: Split | None = None

    @overload
    def block(self, rows: Patterns) -> "Curvature": ...
    @overload
    def block(self, rows: Patterns, columns: Patterns) -> LinearMap: ...

    def block(self, rows: Patterns, columns: Patterns | None = None) -> LinearMap:
        """The block of some layers, on what is kept for the whole.

            H[rows, columns]

        Parameters
        ----------
        rows : str or sequence of str
            Layers by name or fnmatch pattern.
        columns : str or sequence of str, optional
            The layers it leads from; ``rows`` by default.

        Returns
        -------
        Curvature or LinearMap
            The principal block, symmetric; with ``columns`` a general map ``(m, n)``
            with ``.T``. A product differentiates through what its layers need alone.

        Raises
        ------
        ParameterError
            When a pattern matches no layer.
        """
        chosen, others = self.part(rows), self.part(columns or rows)
        if chosen.positions == others.positions:
            return Curvature(self.store, self._whole, chosen.positions, self.name)
        ends = [", ".join(as_patterns(end)) for end in (rows, columns or rows)]
        place = f"[{' | '.join(ends)}]"
        return Block(self.store, chosen, others, self.name + place)

    def part(self, layers: Patterns) -> Part:
        """The leaves of some layers, by name or fnmatch pattern."""
        positions = [self.positions[here] for here in self.parameters.within(layers)]
        return Part(self._whole.at(positions), positions)

    @property
    def engine(self) -> str:
        """How products are computed, by its field name."""
        return self.store.engine

    @property
    def check(self) -> Check | None:
        """What the first product was found to be; ``None`` before it."""
        return self.store.choice.check

    @property
    def expression(self) -> str:
        """Its name."""
        return self.name

    @property
    def resolution(self) -> float:
        """That of the narrowest type, or what the products state of themselves."""
        narrowest = max(torch.finfo(dtype).eps for dtype in self.parameters.dtypes)
        return max(narrowest, self.store.error)

    @property
    def block_size(self) -> int:
        """One on kept graphs; several share a graph that is built anew."""
        return 8 if self.store.streamed else 1

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return averaged_products(self.store, [self.request(block)])[0]

    def request(self, block: Float[Tensor, "p k"]) -> Request:
        """Vectors over all of its leaves, to be multiplied into the same."""
        whole = Part(self.parameters, self.positions)
        return Request(whole, whole, block)
