"""What users call groups of units, and the order of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from theodolite.maps.alignment.seats import Seat
from theodolite.maps.alignment.symmetry import Orders, Symmetry
from theodolite.parameters import layer_of


@dataclass(frozen=True)
class UnitGroup:
    """Units that may be permuted without a change of the function.

    Attributes
    ----------
    name : str
        The first layer whose rows they are; for heads and the like how many blocks, and
        which rows where there are several groups of one name.
    size : int
        How many units.
    blocks : int
        In so many blocks, each with an order of its own; one for plain units.
    axes : tuple of str
        The dimensions of parameters and buffers along which they lie.
    """

    name: str
    size: int
    blocks: int
    axes: tuple[str, ...]


def unit_groups(
    symmetry: Symmetry, parameters: Mapping[str, Tensor]
) -> dict[UnitGroup, list[int]]:
    """All groups with names, and for each the sets of units: one for each block."""
    found: list[tuple[str, list[int]]] = []
    for group in symmetry.groups:
        layer = _layer(symmetry, group.root, parameters)
        if not group.columns:
            found.append((layer, [group.root]))
            continue
        found.append((f"{layer}: {group.size} blocks", [group.root]))
        found += [
            (f"{layer}: within {group.size} blocks", list(row)) for row in group.rows
        ]
    names = [name for name, _ in found]
    ranges = [
        f"{name} {_range(symmetry, roots)}" if names.count(name) > 1 else name
        for name, roots in found
    ]
    return {
        _group(symmetry, name, roots): roots
        for name, (_, roots) in zip(_unlike(ranges), found, strict=True)
    }


def _range(symmetry: Symmetry, roots: list[int]) -> str:
    """The positions that they have where they occur first."""
    first = [symmetry.seats[root][0].positions for root in roots]
    low = min(int(positions.min()) for positions in first)
    high = max(int(positions.max()) for positions in first)
    return f"[{low}:{high + 1}]"


def permutations_of(
    groups: Mapping[UnitGroup, list[int]], orders: Orders
) -> dict[str, Tensor]:
    """The order of each group, ``(n,)``, or ``(blocks, n)`` inside of blocks."""
    return {
        group.name: torch.from_numpy(
            np.stack([orders[root] for root in roots])
            if group.blocks > 1
            else orders[roots[0]]
        )
        for group, roots in groups.items()
    }


def units_of(groups: Iterable[UnitGroup]) -> int:
    """How many units there are in all groups."""
    return sum(group.size * group.blocks for group in groups)


def _group(symmetry: Symmetry, name: str, roots: list[int]) -> UnitGroup:
    seats = [seat for root in roots for seat in symmetry.seats[root]]
    axes = tuple(dict.fromkeys(_axis(symmetry, seat) for seat in seats))
    return UnitGroup(name, symmetry.sets.size(roots[0]), len(roots), axes)


def _axis(symmetry: Symmetry, seat: Seat) -> str:
    """The dimension of a parameter in which a seat's axis is."""
    inside = [len(dimension) for dimension in symmetry.layouts[seat.tensor]]
    if len(seat.shape) == len(inside):
        return f"{seat.tensor}[{seat.axis}]"
    dim = int(np.searchsorted(np.cumsum(inside), seat.axis, side="right"))
    return f"{seat.tensor}[{dim}]"


def _layer(symmetry: Symmetry, root: int, parameters: Mapping[str, Tensor]) -> str:
    """The first layer that has the units as rows, or that has them at all."""
    seats = symmetry.seats[root]
    rows = [s for s in seats if s.axis == 0 and _rank(s, parameters) > 1]
    return layer_of((rows or seats)[0].tensor)


def _rank(seat: Seat, parameters: Mapping[str, Tensor]) -> int:
    """Dimensions of the parameter that a seat is in; none for a buffer."""
    return parameters[seat.tensor].ndim if seat.tensor in parameters else 0


def _unlike(names: list[str]) -> list[str]:
    """Names with numbers behind those that occur again."""
    return [
        f"{name} #{names[:i].count(name) + 1}" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def moved_units(permutations: Mapping[str, Tensor]) -> int:
    """How many units stand elsewhere than before, in all groups."""
    return sum(
        int((order != torch.arange(order.shape[-1])).sum())
        for order in permutations.values()
    )
