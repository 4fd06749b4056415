"""How the loss bends along a map's axes, at its points."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape
from theodolite.spectrum.vectors import inner

# entries of D H Dᵀ in their order, by the number of axes
ENTRIES = {1: ("tt",), 2: ("xx", "xy", "yy")}


@final
@dataclass(frozen=True)
class AxisHessian:
    """The entries of D H Dᵀ, D the map's directions as rows, on a coarser grid.

    In units of the loss per coordinate²: ``"hessian xx"``, ``"hessian xy"`` and
    ``"hessian yy"`` over a plane, ``"hessian tt"`` along a line. One product with the
    model's Hessian for each axis.

    Attributes
    ----------
    every : int
        Measured at every so-manieth row and column, counted from the centre.
    """

    every: int = 5

    def parts(self, name: str, axes: int) -> tuple[str, ...]:
        """What its numbers are called on a map of so many axes.

        Raises
        ------
        ArgumentError
            Where there are no axes.
        """
        if axes not in ENTRIES:
            raise ArgumentError(
                found=f"The quantity {name!r} at single points.",
                why="It is the curvature along the axes of a line or a plane.",
                instead="Measure land.hessian(point=...), or draw a plane.",
            )
        return tuple(f"{name} {entry}" for entry in ENTRIES[axes])

    def numbers(
        self, land: Landscape, point: Float[Tensor, " p"], axes: Float[Tensor, "k p"]
    ) -> list[float]:
        """The entries at a point, row by row; NaN where a product is no number.

        Raises
        ------
        ProductError, LossError, ModelError
            When a product cannot be computed.
        """
        products = (land.hessian(point=point) @ axes.T).T
        matrix = torch.stack([inner(axes, product) for product in products])
        # both products tell of the mixed entry: it is their mean
        matrix = (matrix + matrix.T) / 2
        first, second = torch.triu_indices(len(axes), len(axes))
        return matrix[first, second].tolist()
