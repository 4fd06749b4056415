"""The permutation symmetries of a network: groups of units that move together."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

import numpy as np
from torch import Tensor

from theodolite.maps.alignment.axes import Layout, all_axes, unit_sets_of
from theodolite.maps.alignment.seats import Seat, arranged, seats
from theodolite.maps.alignment.tracing import Site
from theodolite.maps.alignment.unit_sets import Blocks, Parts, UnitSets

Orders = dict[int, np.ndarray]


@dataclass(frozen=True)
class Group:
    """Units that may be permuted, in all the tensors in which they occur.

    Attributes
    ----------
    root : int
        The set of units.
    size : int
        How many.
    columns : tuple
        For units that are blocks, like heads: the sets inside of each of them, the same
        kinds in the same order for all.
    """

    root: int
    size: int
    columns: tuple[tuple[int, ...], ...] = ()

    @property
    def rows(self) -> list[tuple[int, ...]]:
        """Each kind of set inside, one for each unit."""
        return list(zip(*self.columns, strict=True))

    @property
    def roots(self) -> list[int]:
        """The set itself and all inside."""
        return [self.root, *(root for column in self.columns for root in column)]


@final
@dataclass(eq=False)
class Symmetry:
    """Which units of a network may be permuted together.

    Attributes
    ----------
    sets : UnitSets
        The sets of units.
    layouts : dict
        The axes of each parameter and buffer that the model has used.
    notes : list of str
        What stays where it is, and why.
    sites : list of Site
        Where in a forward pass activations can be seen.
    """

    sets: UnitSets
    layouts: dict[str, Layout]
    notes: list[str] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = [
            number
            for layout in self.layouts.values()
            for number in (*unit_sets_of(layout), *_families(self.sets, layout))
        ]
        self._settle()

    def _settle(self) -> None:
        """Bring all blocks into one form, and pin those that are not alike."""
        while True:
            self.__dict__.pop("by_root", None)
            self.__dict__.pop("seats", None)
            for number in self._numbers:
                _unfold(self.sets, number)
            unlike = [h for h, rows in self._blocks().items() if not self._alike(rows)]
            if not unlike:
                return
            for root in unlike:
                self.sets.pin(root)

    def pin(self, roots: Iterable[int]) -> None:
        """Let some sets stay where they are."""
        for root in roots:
            self.sets.pin(root)
        self._settle()

    @cached_property
    def seats(self) -> dict[int, list[Seat]]:
        """Where the units of each free set sit, in all tensors."""
        found: dict[int, list[Seat]] = {}
        for name, layout in self.layouts.items():
            for root, seat in seats(self.sets, layout, name):
                found.setdefault(root, []).append(seat)
        return found

    @cached_property
    def by_root(self) -> dict[int, Group]:
        """Every free set as a group of its own, also those inside of blocks."""
        rows = self._blocks()
        return {
            root: Group(
                root, self.sets.size(root), self._columns(rows.get(root, set()))
            )
            for root in self.seats
        }

    @property
    def groups(self) -> list[Group]:
        """All groups; those inside of blocks belong to the group of their blocks."""
        inside = {r for group in self.by_root.values() for r in group.roots[1:]}
        return [group for root, group in self.by_root.items() if root not in inside]

    def arranged(
        self, tensors: Mapping[str, Tensor], orders: Orders
    ) -> dict[str, Tensor]:
        """Tensors with their units in another order; those not used as they are."""
        return {
            name: arranged(self.sets, self.layouts[name], tensor, orders)
            if name in self.layouts
            else tensor.clone()
            for name, tensor in tensors.items()
        }

    def identity(self) -> Orders:
        """Every unit where it is."""
        return {root: np.arange(self.sets.size(root)) for root in self.seats}

    def _blocks(self) -> dict[int, set[tuple[int, ...]]]:
        """Rows of blocks by the set that moves them."""
        found: dict[int, set[tuple[int, ...]]] = {}
        for number in self._numbers:
            for index, blocks in _blocks_in(self.sets, number):
                found.setdefault(index, set()).add(blocks)
        return found

    def _columns(self, rows: set[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
        """The free sets in each of the blocks, without those that all share."""
        if not rows:
            return ()
        columns = [
            list(dict.fromkeys(r for n in column for r in free_roots(self.sets, n)))
            for column in zip(*sorted(rows), strict=True)
        ]
        shared = set.intersection(*map(set, columns))
        kept = tuple(tuple(r for r in c if r not in shared) for c in columns)
        return kept if kept[0] else ()

    def _alike(self, rows: set[tuple[int, ...]]) -> bool:
        """Whether exchanging two blocks leaves the structure as it is."""
        columns = list(zip(*sorted(rows), strict=True))
        roots = [{r for n in c for r in free_roots(self.sets, n)} for c in columns]
        shared = set.intersection(*roots)
        own = [column - shared for column in roots]
        if sum(map(len, own)) != len(set.union(*own)):
            return False
        shapes = set()
        for column in columns:
            labels = {root: -1 - i for i, root in enumerate(sorted(shared))}
            shapes.add(tuple(_shape(self.sets, number, labels) for number in column))
        return len(shapes) == 1


def free_roots(sets: UnitSets, number: int) -> list[int]:
    """The free sets inside a set, in their order, each once."""
    if sets.is_fixed(number):
        return []
    split = sets.split(number)
    if split is None:
        return [sets.root(number)]
    inside = [split.index, *split.sets] if isinstance(split, Blocks) else split.sets
    return list(dict.fromkeys(r for part in inside for r in free_roots(sets, part)))


def _unfold(sets: UnitSets, number: int) -> None:
    """Let every index set inside a set be free or fixed, not made of others."""
    while isinstance(split := sets.split(number), Blocks):
        index = sets.split(split.index)
        each = sets.size(split.sets[0])
        if index is None or sets.is_fixed(split.index):
            break
        if isinstance(index, Blocks):
            sets.blocks(number, len(index.sets))
        else:
            sets.cut(number, [each * sets.size(part) for part in index.sets])
    for part in split.sets if split else ():
        _unfold(sets, part)


def _blocks_in(sets: UnitSets, number: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The blocks inside a set that move, and the set that moves them."""
    split = sets.split(number)
    if isinstance(split, Blocks) and sets.is_free(split.index):
        yield sets.root(split.index), tuple(map(sets.root, split.sets))
    if isinstance(split, Blocks):
        yield from _blocks_in(sets, split.index)
    for part in split.sets if split else ():
        yield from _blocks_in(sets, part)


def _families(sets: UnitSets, layout: Layout) -> Iterator[int]:
    """Sets that axes choose by the place along others, as blocks that those move."""
    axes = {axis.key: axis for axis in all_axes(layout)}
    for axis in axes.values():
        for at, key in enumerate(axis.over):
            index = axes[key]
            if index.sets is None or axis.sets is None:
                continue
            others = [other for other in axis.over if other != key]
            rows = np.moveaxis(axis.sets, at, -1)
            for place in np.ndindex(rows.shape[:-1]):
                where = dict(zip(others, place, strict=True))
                chosen = index.sets[tuple(where[other] for other in index.over)]
                yield sets.grouped(int(chosen), list(map(int, rows[place])))


def _shape(sets: UnitSets, number: int, labels: dict[int, int]) -> tuple:
    """What a set is made of, the same for sets that may be exchanged."""
    size, split = sets.size(number), sets.split(number)
    if sets.is_fixed(number):
        return ("fixed", size)
    if split is None:
        label = labels.setdefault(sets.root(number), len(labels))
        return ("free", size, label)
    kind = "parts" if isinstance(split, Parts) else "blocks"
    index = () if isinstance(split, Parts) else _shape(sets, split.index, labels)
    return (kind, size, index, *(_shape(sets, part, labels) for part in split.sets))
