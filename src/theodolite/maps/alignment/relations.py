"""What operations on two tensors ask of their axes: to be permuted alike."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from theodolite.maps.alignment.axes import (
    Axis,
    Dimension,
    Layout,
    NoRuleError,
    all_axes,
    independent_of,
    pinned,
    renamed,
    sizes,
    split,
    tied_along,
    unit_sets_of,
)
from theodolite.maps.alignment.unit_sets import UnitSets

Pairs = Sequence[tuple[int, int]]


def broadcast(sets: UnitSets, layouts: Sequence[Layout]) -> Layout:
    """The layout of a function of the entries of some tensors, entry by entry."""
    if not layouts:
        raise NoRuleError
    result = layouts[0]
    for layout in layouts[1:]:
        result = _broadcast_two(sets, result, layout)
    return result


def _broadcast_two(sets: UnitSets, one: Layout, other: Layout) -> Layout:
    rank = max(len(one), len(other))
    one, other = (((),) * (rank - len(layout)) + layout for layout in (one, other))
    shapes = zip(sizes(one), sizes(other), strict=True)
    pairs = [(i, i) for i, (size, against) in enumerate(shapes) if size == against]
    one, other, alike = aligned(sets, one, other, pairs)
    result: list[Dimension] = []
    for dimension, against in zip(one, other, strict=True):
        chosen = dimension or against
        result.append(tuple(alike.get(axis.key, axis) for axis in chosen))
    return tuple(result)


def contracted(
    sets: UnitSets, one: Layout, other: Layout, *, batch: Pairs, summed: Pairs
) -> Layout:
    """Sums of products over the ``summed`` dimensions.

    The result has the ``batch`` dimensions, then the other dimensions of the one, then
    those of the other.
    """
    one, other, alike = aligned(sets, one, other, [*batch, *summed])
    for i, j in summed:
        _note_untested(sets, one[i], other[j])
    used, theirs = ({pair[i] for pair in (*batch, *summed)} for i in (0, 1))
    joint = [tuple(alike[axis.key] for axis in one[i]) for i, _ in batch]
    rest = [one[i] for i in range(len(one)) if i not in used]
    more = [other[i] for i in range(len(other)) if i not in theirs]
    gone = [alike[axis.key].key for i, _ in summed for axis in one[i]]
    return independent_of(sets, (*joint, *rest, *more), gone)


def _note_untested(sets: UnitSets, one: Dimension, other: Dimension) -> None:
    """Remember sets that are summed over beside what is the same all along.

    As recurrent networks begin at zero: that alone says nothing of their weights.
    """
    for mine, theirs in zip(one, other, strict=True):
        if (mine.sets is None) != (theirs.sets is None):
            sets.untested += unit_sets_of(((mine, theirs),))


def aligned(
    sets: UnitSets, one: Layout, other: Layout, pairs: Pairs
) -> tuple[Layout, Layout, dict[int, Axis]]:
    """Two layouts whose paired dimensions have the same axes, permuted alike.

    Returns
    -------
    Layout, Layout
        The two, split as far as the pairs ask for; the other one refers to axes of the
        first where they are paired.
    dict
        Key of each paired axis of the first to what a result has in its place.
    """
    other = renamed(other)
    for i, j in pairs:
        one, other = _split_alike(sets, one, other, i, j)
    matches = [match for i, j in pairs for match in zip(one[i], other[j], strict=True)]
    keys = {theirs.key: mine.key for mine, theirs in matches}
    other = _with_keys(other, keys)
    alike = {
        mine.key: _tied(sets, mine, _renamed_over(theirs, keys))
        for mine, theirs in matches
    }
    present = {axis.key for layout in (one, other) for axis in all_axes(layout)}
    lost = {key for axis in alike.values() for key in axis.over} - present
    if lost:
        raise NoRuleError
    return one, other, alike


def _split_alike(
    sets: UnitSets, one: Layout, other: Layout, i: int, j: int
) -> tuple[Layout, Layout]:
    """Split axes of a dimension of each until they have the same sizes."""
    if sizes(one)[i] != sizes(other)[j]:
        raise NoRuleError
    place = 0
    while place < min(len(one[i]), len(other[j])):
        mine, theirs = one[i][place], other[j][place]
        if mine.size == theirs.size:
            place += 1
        elif mine.size > theirs.size and mine.size % theirs.size == 0:
            one = split(sets, one, mine.key, theirs.size)
        elif theirs.size > mine.size and theirs.size % mine.size == 0:
            other = split(sets, other, theirs.key, mine.size)
        else:
            return pinned(sets, one, i), pinned(sets, other, j)
    return one, other


def _with_keys(layout: Layout, keys: dict[int, int]) -> Layout:
    return tuple(
        tuple(
            replace(_renamed_over(axis, keys), key=keys.get(axis.key, axis.key))
            for axis in dimension
        )
        for dimension in layout
    )


def _renamed_over(axis: Axis, keys: dict[int, int]) -> Axis:
    return replace(axis, over=tuple(keys.get(key, key) for key in axis.over))


def _tied(sets: UnitSets, mine: Axis, theirs: Axis) -> Axis:
    """What a result has along two axes, which are permuted alike from now on."""
    if mine.sets is None or theirs.sets is None:
        return replace(theirs if mine.sets is None else mine, key=mine.key)
    common = [key for key in mine.over if key in theirs.over]
    one, two = (tied_along(sets, axis, common) for axis in (mine, theirs))
    assert one.sets is not None
    assert two.sets is not None
    # tied_along keeps each axis's own order
    order = [two.over.index(key) for key in one.over]
    for number, against in zip(
        one.sets.flat, two.sets.transpose(order).flat, strict=True
    ):
        sets.tie(int(number), int(against))
    return one


def reduced(
    sets: UnitSets, layout: Layout, dims: Iterable[int], *, keep: bool
) -> Layout:
    """A statistic over some dimensions, in which their order does not count."""
    gone = {dim % len(layout) for dim in dims} if layout else set()
    rest = mixed(sets, layout, gone)
    return tuple(
        () if i in gone else dimension
        for i, dimension in enumerate(rest)
        if keep or i not in gone
    )


def mixed(sets: UnitSets, layout: Layout, dims: Iterable[int]) -> Layout:
    """Entries that depend on all others along some dimensions, like a softmax."""
    keys = [axis.key for dim in dims for axis in layout[dim]]
    return independent_of(sets, layout, keys)
