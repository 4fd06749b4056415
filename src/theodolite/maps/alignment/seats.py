"""Where in a tensor the units of a set sit, so that they can be read and moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from theodolite.maps.alignment.axes import Layout, all_axes, sizes
from theodolite.maps.alignment.shapes import composed
from theodolite.maps.alignment.unit_sets import Blocks, UnitSets


@dataclass(frozen=True, eq=False)
class Seat:
    """The places of a set's units along one axis of a tensor.

    Attributes
    ----------
    tensor : str
        Its name.
    shape : tuple of int
        The shape under which the axis is counted.
    axis : int
        Which one.
    positions : ndarray
        Row i holds the positions of unit i, ``(n, width)``.
    within : dict
        Only at these positions of other axes.
    """

    tensor: str
    shape: tuple[int, ...]
    axis: int
    positions: Int[np.ndarray, "n width"]
    within: dict[int, int]

    def read(self, tensor: Tensor) -> Tensor:
        """All entries of each unit, ``(n, entries)``."""
        part = self._part(tensor)
        chosen = part[torch.from_numpy(self.positions.ravel()).to(part.device)]
        return chosen.reshape(len(self.positions), -1)

    def rearrange(self, tensor: Tensor, order: Int[np.ndarray, " n"]) -> None:
        """Put unit ``order[i]`` where unit i is, in place."""
        part = self._part(tensor)
        to, by = (
            torch.from_numpy(rows.ravel()).to(part.device)
            for rows in (self.positions, self.positions[order])
        )
        part[to] = part[by]

    def clear(self, tensor: Tensor) -> None:
        """Put zeros in place of all units."""
        part = self._part(tensor)
        part[torch.from_numpy(self.positions.ravel()).to(part.device)] = 0

    def _part(self, tensor: Tensor) -> Tensor:
        """A view of what lies within, with the axis in front."""
        whole = tensor.view(self.shape)
        index = tuple(self.within.get(i, slice(None)) for i in range(len(self.shape)))
        axis = self.axis - sum(other < self.axis for other in self.within)
        return whole[index].movedim(axis, 0)


def seats(sets: UnitSets, layout: Layout, name: str) -> list[tuple[int, Seat]]:
    """Every free set in a tensor, and where its units sit."""
    if not any(axis.over for axis in all_axes(layout)):
        shape = sizes(layout)
        whole = [
            (i, composed(sets, dimension), {}) for i, dimension in enumerate(layout)
        ]
    else:
        shape = tuple(axis.size for axis in all_axes(layout))
        whole = list(_by_axis(layout))
    return [
        (root, Seat(name, shape, i, positions, within))
        for i, number, within in whole
        for root, positions in walk(
            sets, number, np.arange(shape[i], dtype=np.int64)[:, None]
        )
    ]


def _by_axis(layout: Layout) -> Iterator[tuple[int, int, dict[int, int]]]:
    """Each axis and its set, at each place along those that it depends on."""
    axes = all_axes(layout)
    where = {axis.key: i for i, axis in enumerate(axes)}
    for i, axis in enumerate(axes):
        if axis.sets is not None:
            for at in product(*map(range, axis.sets.shape)):
                within = {where[k]: j for k, j in zip(axis.over, at, strict=True)}
                yield i, int(axis.sets[at]), within


def walk(
    sets: UnitSets, number: int, positions: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """The free sets inside a set whose units sit at some positions."""
    split = sets.split(number)
    if sets.is_fixed(number):
        return
    if split is None:
        yield sets.root(number), positions
        return
    if isinstance(split, Blocks):
        rows = positions.reshape(len(split.sets), -1)
        yield from walk(sets, split.index, rows)
    start = 0
    for part in split.sets:
        end = start + sets.size(part)
        yield from walk(sets, part, positions[start:end])
        start = end


def order_of(
    sets: UnitSets, number: int, orders: dict[int, np.ndarray]
) -> Int[np.ndarray, " n"]:
    """Which unit of a set comes to each place, given that of every free set."""
    size, split = sets.size(number), sets.split(number)
    if split is None or sets.is_fixed(number):
        # a fixed set is in no table
        return orders.get(sets.root(number), np.arange(size))
    inside = [order_of(sets, part, orders) for part in split.sets]
    if isinstance(split, Blocks):
        index = order_of(sets, split.index, orders)
        each = size // len(inside)
        return np.concatenate(
            [each * i + o for i, o in zip(index, inside, strict=True)]
        )
    starts = np.cumsum([0] + [len(order) for order in inside])
    return np.concatenate([s + o for s, o in zip(starts, inside, strict=False)])


def arranged(
    sets: UnitSets, layout: Layout, tensor: Tensor, orders: dict[int, np.ndarray]
) -> Tensor:
    """A tensor with its units in another order, as a new tensor."""
    axes = all_axes(layout)
    where = {axis.key: i for i, axis in enumerate(axes)}
    result = tensor.reshape([axis.size for axis in axes])
    index = []
    for i, axis in enumerate(axes):
        shape = [1] * len(axes)
        shape[i] = axis.size
        if axis.sets is None:
            rows = np.arange(axis.size)
        else:
            for key in axis.over:
                shape[where[key]] = axes[where[key]].size
            rows = np.stack([order_of(sets, int(n), orders) for n in axis.sets.flat])
            # dimensions in the order of the axes that they run along
            rows = rows.reshape(*axis.sets.shape, axis.size)
            rows = rows.transpose(np.argsort([*(where[k] for k in axis.over), i]))
        index.append(torch.from_numpy(rows.reshape(shape)).to(tensor.device))
    return result[tuple(index)].reshape(tensor.shape) if axes else tensor.clone()
