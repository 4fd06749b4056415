"""What is measured of the landscape around points: gradients, curvatures."""

from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm, Buffers, normalising, policy_for
from theodolite.maps.elsewhere import standing_at
from theodolite.maps.place import Place
from theodolite.maps.points import Points
from theodolite.maps.quantities import AtNodes


@final
class Around:
    """A landscape that is asked for quantities at points, with the buffers of each.

    Parameters
    ----------
    land : Landscape
        What is measured.
    batch_norm : str
        The policy for running statistics.
    statistics : Landscape, optional
        Over whose data they are re-estimated; the landscape itself by default.
    axes : Tensor, optional
        ``(k, p)``: directions of the map that the points belong to; none by default.
    """

    def __init__(
        self,
        land: Landscape,
        batch_norm: BatchNorm,
        statistics: Landscape | None = None,
        axes: Float[Tensor, "k p"] | None = None,
    ) -> None:
        self._moving = batch_norm != "frozen" and bool(normalising(land.model))
        self._land = land
        self._batch_norm: BatchNorm = batch_norm
        self._batches = (statistics or land).batches
        self._flat = torch.empty(land.size, dtype=land.dtype, device=land.device)
        self._axes = self._flat.new_empty(0, land.size) if axes is None else axes

    def numbers(self, quantity: AtNodes, points: Points, number: int) -> list[float]:
        """A quantity's numbers at one of the points, in the order of its parts."""
        points.write(number, self._flat)
        land = self._land
        if self._moving:
            buffers = self._buffers(partial(points.buffers, number))
            land = standing_at(land, Place(land.point, buffers))
        return quantity.numbers(land, self._flat.clone(), self._axes)

    def _buffers(self, buffers: Buffers) -> dict[str, Tensor]:
        """Those that the model has at the point."""
        land, model = self._land, self._land.model
        assert model is not None
        leaves = land.parameters.split(self._flat)
        with land.held_at(leaves) as evaluate:
            output = partial(evaluate.output, leaves)
            policy = policy_for(self._batch_norm, model, self._batches, output)
            policy.arrive(buffers)
            return {name: b.clone() for name, b in model.named_buffers()}
