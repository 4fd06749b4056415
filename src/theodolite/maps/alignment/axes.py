"""The dimensions of a tensor as axes of units, which operations split and relate.

A dimension is a product of axes, the last one running fastest; a dimension of size one
has none. Which set of units an axis runs over may depend on where one is along others:
the value dimensions of attention heads are a set of their own for each head.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import prod
from typing import final

import numpy as np

from theodolite.maps.alignment.unit_sets import UnitSets

_keys = count()


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a tensor.

    Attributes
    ----------
    key : int
        By which others refer to it.
    size : int
        How many units.
    sets : ndarray or None
        The set of units at each place along the axes ``over``; ``None`` where the
        tensor is the same all along the axis.
    over : tuple of int
        Keys of the axes that choose the set, one for each dimension of ``sets``.
    """

    key: int
    size: int
    sets: np.ndarray | None
    over: tuple[int, ...] = ()


Dimension = tuple[Axis, ...]
Layout = tuple[Dimension, ...]


class NoRuleError(Exception):
    """An operation that the algebra of axes does not cover; never shown to users."""


def new_key() -> int:
    """A key that no axis has."""
    return next(_keys)


def axis_of(unit_set: int, size: int) -> Axis:
    """An axis over one set."""
    return Axis(new_key(), size, np.array(unit_set))


def uniform(size: int) -> Dimension:
    """A dimension along which nothing changes."""
    return (Axis(new_key(), size, None),) if size != 1 else ()


def has_uniform(layout: Layout) -> bool:
    """Whether nothing changes along one of the axes."""
    return any(axis.sets is None for axis in all_axes(layout))


def without_uniform(sets: UnitSets, layout: Layout) -> Layout:
    """The same where axes along which nothing changed are fixed."""
    return tuple(
        tuple(
            replace(axis, sets=np.array(sets.fixed(axis.size)))
            if axis.sets is None
            else axis
            for axis in dimension
        )
        for dimension in layout
    )


def fixed(sets: UnitSets, shape: Iterable[int]) -> Layout:
    """Nothing may move."""
    return tuple(
        (axis_of(sets.fixed(size), size),) if size != 1 else () for size in shape
    )


def free(sets: UnitSets, shape: Iterable[int]) -> Layout:
    """Each dimension may be permuted, as far as is known."""
    return tuple(
        (axis_of(sets.free(size), size),) if size > 1 else uniform(size)
        for size in shape
    )


def sizes(layout: Layout) -> tuple[int, ...]:
    """The shape of a tensor."""
    return tuple(prod(axis.size for axis in dimension) for dimension in layout)


def all_axes(layout: Layout) -> list[Axis]:
    """The axes in their order."""
    return [axis for dimension in layout for axis in dimension]


def unit_sets_of(layout: Layout) -> list[int]:
    """All sets that the axes run over."""
    arrays = [axis.sets for axis in all_axes(layout) if axis.sets is not None]
    return [int(number) for array in arrays for number in array.flat]


def renamed(layout: Layout) -> Layout:
    """The same axes with keys of their own."""
    keys = {axis.key: new_key() for axis in all_axes(layout)}
    return tuple(
        tuple(
            replace(axis, key=keys[axis.key], over=tuple(keys[k] for k in axis.over))
            for axis in dimension
        )
        for dimension in layout
    )


def simplified(sets: UnitSets, axis: Axis) -> Axis:
    """An axis that is fixed everywhere depends on nothing."""
    if axis.sets is None or not axis.over:
        return axis
    if all(sets.is_fixed(int(number)) for number in axis.sets.flat):
        return replace(axis, sets=np.array(sets.fixed(axis.size)), over=())
    return axis


def tied_along(sets: UnitSets, axis: Axis, kept: Sequence[int]) -> Axis:
    """The axis with one set for all places along the axes that are not kept."""
    if axis.sets is None or all(key in kept for key in axis.over):
        return axis
    places = [i for i, key in enumerate(axis.over) if key in kept]
    front = np.moveaxis(axis.sets, places, range(len(places)))
    shape = front.shape[: len(places)]
    rows = front.reshape(*shape, -1).reshape(prod(shape), -1)
    for row in rows:
        for number in row[1:]:
            sets.tie(int(row[0]), int(number))
    over = tuple(axis.over[i] for i in places)
    return replace(axis, sets=rows[:, 0].reshape(shape), over=over)


def independent_of(sets: UnitSets, layout: Layout, keys: Iterable[int]) -> Layout:
    """No axis beside these depends on them any more."""
    gone = set(keys)

    def alone(axis: Axis) -> Axis:
        if axis.key in gone:
            return axis
        return tied_along(sets, axis, [key for key in axis.over if key not in gone])

    return tuple(tuple(map(alone, dimension)) for dimension in layout)


def pinned(sets: UnitSets, layout: Layout, dim: int) -> Layout:
    """A dimension whose entries stay where they are, as one axis."""
    for number in unit_sets_of((layout[dim],)):
        sets.pin(number)
    rest = independent_of(sets, layout, [axis.key for axis in layout[dim]])
    (whole,) = fixed(sets, [sizes(layout)[dim]])
    return (*rest[:dim], whole, *rest[dim + 1 :])


def pin_all(sets: UnitSets, layout: Layout) -> bool:
    """Let nothing in a tensor move; whether anything could have."""
    moved = [n for n in unit_sets_of(layout) if not sets.is_fixed(n)]
    for number in moved:
        sets.pin(number)
    return bool(moved)


def taken(sets: UnitSets, layout: Layout, dim: int, index: int) -> Layout:
    """One entry of a dimension: its axes are pinned, and others keep its sets."""
    for number in unit_sets_of((layout[dim],)):
        sets.pin(number)
    shape = [axis.size for axis in layout[dim]]
    places = np.unravel_index(index, shape) if shape else ()
    at = {a.key: int(i) for a, i in zip(layout[dim], places, strict=True)}
    rest = (*layout[:dim], *layout[dim + 1 :])
    return tuple(tuple(_at(axis, at) for axis in dimension) for dimension in rest)


def _at(axis: Axis, places: dict[int, int]) -> Axis:
    """An axis at a place along some that it depends on."""
    if axis.sets is None or not any(key in places for key in axis.over):
        return axis
    index = tuple(places.get(key, slice(None)) for key in axis.over)
    over = tuple(key for key in axis.over if key not in places)
    return replace(axis, sets=np.asarray(axis.sets[index]), over=over)


def split(sets: UnitSets, layout: Layout, key: int, number: int) -> Layout:
    """One axis as an axis of ``number`` blocks and an axis along each block."""
    axis = next(axis for axis in all_axes(layout) if axis.key == key)
    if axis.size % number:
        raise NoRuleError
    outer, inner = _halves(sets, axis, number)

    def changed(other: Axis) -> Axis:
        if other.sets is None or key not in other.over:
            return other
        at = other.over.index(key)
        shape = other.sets.shape
        cut = other.sets.reshape(*shape[:at], number, inner.size, *shape[at + 1 :])
        over = (*other.over[:at], outer.key, inner.key, *other.over[at + 1 :])
        return replace(other, sets=cut, over=over)

    return tuple(
        tuple(
            made
            for old in dimension
            for made in ((outer, inner) if old.key == key else (changed(old),))
        )
        for dimension in layout
    )


def _halves(sets: UnitSets, axis: Axis, number: int) -> tuple[Axis, Axis]:
    each = axis.size // number
    outer = Axis(new_key(), number, None)
    inner = Axis(new_key(), each, None)
    if axis.sets is None:
        return outer, inner
    if not axis.over and sets.is_fixed(int(axis.sets)):
        # not written out for each place: there may be very many
        return axis_of(sets.fixed(number), number), axis_of(sets.fixed(each), each)
    pairs = [sets.blocks(int(unit_set), number) for unit_set in axis.sets.flat]
    shape = axis.sets.shape
    index = np.array([index for index, _ in pairs]).reshape(shape)
    blocks = np.array([blocks for _, blocks in pairs]).reshape(*shape, number)
    return (
        simplified(sets, replace(outer, sets=index, over=axis.over)),
        simplified(sets, replace(inner, sets=blocks, over=(*axis.over, outer.key))),
    )
