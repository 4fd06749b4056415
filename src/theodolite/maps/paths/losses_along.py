"""The loss at parameters of a curve, whose points are mixed as they are visited."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.curve import Curve
from theodolite.maps.quantities import LOSS, TEST
from theodolite.maps.tour import touring


@final
class _Along:
    """Points of a curve, for a sweep; none is held but the one that is visited."""

    def __init__(self, curve: Curve, t: Float[Tensor, " m"]) -> None:
        self._curve, self._t = curve, t

    def __len__(self) -> int:
        return len(self._t)

    def write(self, number: int, flat: Float[Tensor, " p"]) -> None:
        """Mix one point into memory."""
        flat.copy_(self._curve.points(self._t[number : number + 1])[0])

    def buffers(self, number: int) -> Mapping[str, Tensor]:
        """The buffers that belong to it."""
        return self._curve.buffers(float(self._t[number]))


def losses_along(
    land: Landscape, curve: Curve, t: Float[Tensor, " m"], batch_norm: BatchNorm
) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"] | None]:
    """Training and test losses ``(m,)``, NaN and infinity included."""
    with touring(land, _Along(curve, t), {}, batch_norm) as tour:
        rows = [row for _, row in tour.rows(range(len(t)))]
    sides = [LOSS] if land.test is None else [LOSS, TEST + LOSS]
    train, *test = (
        torch.tensor([row[side] for row in rows], dtype=torch.float64) for side in sides
    )
    return train, test[0] if test else None
