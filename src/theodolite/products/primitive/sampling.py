"""Interpolation at given places in primitive operations.

torch's own has no forward derivative.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, autocast

rewrites = Rewrites()


@rewrites(torch.grid_sampler)
@autocast(torch.float32, "cpu")
def grid_sampler(
    input: Tensor,
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Any:
    """An image at places of which -1 and 1 are the borders; bicubic stays as it is.

    Between the pixels (mode 0) or at the nearest one (1), with zeros (padding 0), the
    border (1) or the reflection (2) outside.
    """
    if interpolation_mode == 2:
        return NotImplemented
    sizes = input.shape[2:]
    # the grid's last axis is width first, the image's last axis is the width
    places = [
        _inside(_pixel(at, size, align_corners), size, padding_mode, align_corners)
        for at, size in zip(grid.unbind(-1), reversed(sizes), strict=True)
    ][::-1]
    if interpolation_mode == 1:
        return _pixels(input, [at.round() for at in places])
    lower = [at.floor() for at in places]
    result = input.new_zeros(())
    for corner in product((0, 1), repeat=len(sizes)):
        share = [
            at - low if far else 1 - (at - low)
            for at, low, far in zip(places, lower, corner, strict=True)
        ]
        pixels = [low + far for low, far in zip(lower, corner, strict=True)]
        result = (
            result + _pixels(input, pixels) * prod(share[1:], start=share[0])[:, None]
        )
    return result


def _pixel(at: Tensor, size: int, align_corners: bool) -> Tensor:
    """The coordinate counted in pixels."""
    return (at + 1) / 2 * (size - 1) if align_corners else ((at + 1) * size - 1) / 2


def _inside(at: Tensor, size: int, padding_mode: int, align_corners: bool) -> Tensor:
    """The place that stands for one beyond the border."""
    if padding_mode == 0:
        return at
    if padding_mode == 2:
        low = 0.0 if align_corners else -0.5
        span = size - 1 if align_corners else size
        # there and back again: a triangle wave
        at = (span - ((at - low) % (2 * span) - span).abs()) + low if span else at * 0
    return at.clamp(0, size - 1)


def _pixels(input: Tensor, at: Sequence[Tensor]) -> Tensor:
    """The image's values at whole coordinates, zeros outside."""
    sizes = input.shape[2:]
    inside = torch.ones_like(at[0], dtype=torch.bool)
    place = torch.zeros_like(at[0], dtype=torch.long)
    for index, size in zip(at, sizes, strict=True):
        inside = inside & (index >= 0) & (index < size)
        place = place * size + index.detach().clamp(0, size - 1).long()
    wanted = place.flatten(1)[:, None].expand(-1, input.shape[1], -1)
    values = input.flatten(2).gather(2, wanted).unflatten(2, at[0].shape[1:])
    return torch.where(inside[:, None], values, 0)
