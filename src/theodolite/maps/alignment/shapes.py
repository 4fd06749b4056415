"""Operations that put the entries of tensors elsewhere, and leave them as they are."""

from collections.abc import Sequence
from math import prod

import numpy as np

from theodolite.maps.alignment.axes import (
    Axis,
    Dimension,
    Layout,
    NoRuleError,
    all_axes,
    axis_of,
    fixed,
    independent_of,
    new_key,
    pinned,
    sizes,
    split,
    taken,
    tied_along,
    uniform,
)
from theodolite.maps.alignment.relations import aligned
from theodolite.maps.alignment.unit_sets import UnitSets


def viewed(sets: UnitSets, layout: Layout, shape: Sequence[int]) -> Layout:
    """The same entries in the same order under another shape."""
    result: list[Dimension] = []
    place = 0
    for size in shape:
        dimension: list[Axis] = []
        while prod(axis.size for axis in dimension) < size:
            axes = all_axes(layout)
            if place == len(axes):
                raise NoRuleError
            wanted = size // prod(axis.size for axis in dimension)
            axis = axes[place]
            if axis.size > wanted:
                layout = split(sets, layout, axis.key, wanted)
            elif wanted % axis.size:
                raise NoRuleError
            else:
                dimension.append(axis)
                place += 1
        result.append(tuple(dimension))
    # a split further on has changed what depends on it
    latest = {axis.key: axis for axis in all_axes(layout)}
    return tuple(tuple(latest[a.key] for a in dimension) for dimension in result)


def expanded(layout: Layout, shape: Sequence[int]) -> Layout:
    """Repeated along dimensions of size one, and along new ones in front."""
    padded = ((),) * (len(shape) - len(layout)) + layout
    return tuple(
        uniform(size) if not dimension and size not in (1, -1) else dimension
        for dimension, size in zip(padded, shape, strict=True)
    )


def repeated(layout: Layout, times: Sequence[int]) -> Layout:
    """Whole copies one after the other."""
    padded = ((),) * (len(times) - len(layout)) + layout
    return tuple(
        (*uniform(number), *dimension)
        for dimension, number in zip(padded, times, strict=True)
    )


def narrowed(
    sets: UnitSets, layout: Layout, dim: int, start: int, length: int
) -> Layout:
    """A range of a dimension."""
    whole = sizes(layout)[dim]
    if length == whole:
        return layout
    if length == 1:
        rest = taken(sets, layout, dim, start)
        return (*rest[:dim], (), *rest[dim:])
    first, *others = layout[dim]
    each = prod(axis.size for axis in others)
    if start % each or length % each:
        layout = pinned(sets, layout, dim)
        (first,), each = layout[dim], 1
    start, length = start // each, length // each
    if length == 1:
        return _first_taken(sets, layout, dim, start)
    return _first_narrowed(sets, layout, first, start, length)


def _first_taken(sets: UnitSets, layout: Layout, dim: int, index: int) -> Layout:
    """One block of a dimension."""
    apart = (*layout[:dim], layout[dim][:1], layout[dim][1:], *layout[dim + 1 :])
    return taken(sets, apart, dim, index)


def _first_narrowed(
    sets: UnitSets, layout: Layout, axis: Axis, start: int, length: int
) -> Layout:
    cut = None if axis.sets is None else np.empty_like(axis.sets)
    lengths = [start, length, axis.size - start - length]
    wanted = [size for size in lengths if size]
    if cut is not None and axis.sets is not None:
        for place, number in np.ndenumerate(axis.sets):
            cut[place] = sets.cut(int(number), wanted)[1 if start else 0]
    part = Axis(new_key(), length, cut, axis.over)

    def changed(other: Axis) -> Axis:
        if other.key == axis.key:
            return part
        if other.sets is None or axis.key not in other.over:
            return other
        at = other.over.index(axis.key)
        rows = other.sets.take(range(start, start + length), at)
        over = (*other.over[:at], part.key, *other.over[at + 1 :])
        return Axis(other.key, other.size, rows, over)

    return tuple(tuple(map(changed, dimension)) for dimension in layout)


def concatenated(sets: UnitSets, layouts: Sequence[Layout], dim: int) -> Layout:
    """Tensors one after the other along a dimension, like elsewhere."""
    merged = [_merged(sets, layout, dim) for layout in layouts]
    result, numbers = merged[0]
    for layout, number in merged[1:]:
        pairs = [(i, i) for i in range(len(result)) if i != dim]
        result, _, alike = aligned(sets, result, layout, pairs)
        result = tuple(
            tuple(alike.get(axis.key, axis) for axis in dimension)
            for dimension in result
        )
        numbers = [*numbers, *number]
    joined = sets.joined(numbers)
    return (*result[:dim], (axis_of(joined, sets.size(joined)),), *result[dim + 1 :])


def _merged(sets: UnitSets, layout: Layout, dim: int) -> tuple[Layout, list[int]]:
    """The layout without what depends on a dimension, and that dimension's set."""
    inside = [axis.key for axis in layout[dim]]
    # a set can be made of blocks in the order of the axes alone
    alone = tuple(
        tied_along(sets, axis, inside[:i]) for i, axis in enumerate(layout[dim])
    )
    rest = independent_of(sets, (*layout[:dim], (), *layout[dim + 1 :]), inside)
    return rest, [composed(sets, alone)]


def as_one(sets: UnitSets, layout: Layout, dim: int) -> Layout:
    """A dimension with a single axis, on which no other depends."""
    if len(layout[dim]) <= 1:
        return layout
    rest, (number,) = _merged(sets, layout, dim)
    axis = axis_of(number, sets.size(number))
    return (*rest[:dim], (axis,), *rest[dim + 1 :])


def composed(sets: UnitSets, axes: Dimension, at: dict[int, int] | None = None) -> int:
    """The one set of a dimension whose axes depend on nothing outside of it."""
    at = at or {}
    if not axes:
        return sets.fixed(1)
    first, rest = axes[0], axes[1:]
    if first.sets is None:
        outer = sets.free(first.size)
    else:
        outer = int(first.sets[tuple(at[key] for key in first.over)])
    if not rest:
        return outer
    if all(axis.sets is None or not axis.over for axis in rest):
        # not written out for each place: there may be very many
        blocks = [composed(sets, rest, at)] * first.size
    else:
        places = range(first.size)
        blocks = [composed(sets, rest, {**at, first.key: i}) for i in places]
    return sets.grouped(outer, blocks)


def stacked(sets: UnitSets, layouts: Sequence[Layout], dim: int) -> Layout:
    """Tensors of one shape along a new dimension."""
    result = layouts[0]
    for layout in layouts[1:]:
        pairs = [(i, i) for i in range(len(result))]
        result, _, alike = aligned(sets, result, layout, pairs)
        result = tuple(
            tuple(alike.get(axis.key, axis) for axis in dimension)
            for dimension in result
        )
    (new,) = fixed(sets, [len(layouts)])
    return (*result[:dim], new, *result[dim:])
