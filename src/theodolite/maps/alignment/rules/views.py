"""Rules for operations that give the entries another shape or order."""

from itertools import accumulate

from theodolite.maps.alignment.axes import Layout, fixed, pinned, taken
from theodolite.maps.alignment.rules.call import Call, Result, rule
from theodolite.maps.alignment.shapes import (
    concatenated,
    expanded,
    narrowed,
    repeated,
    stacked,
    viewed,
)


@rule("view", "view_copy", "_unsafe_view", "_reshape_alias", "_reshape_copy")
@rule("squeeze", "squeeze_copy", "unsqueeze", "unsqueeze_copy")
def view(call: Call) -> Result:
    """The same entries in the same order."""
    return viewed(call.sets, call.layout(), call.shape)


@rule("permute", "permute_copy")
def permute(call: Call) -> Result:
    """Dimensions in another order."""
    layout = call.layout()
    return tuple(layout[dim] for dim in call.dims("dims"))


@rule("transpose", "transpose_copy")
def transpose(call: Call) -> Result:
    """Two dimensions exchanged."""
    layout = list(call.layout())
    if layout:
        one, other = call.dim("dim0"), call.dim("dim1")
        layout[one], layout[other] = layout[other], layout[one]
    return tuple(layout)


@rule("t", "t_copy")
def reverse(call: Call) -> Result:
    """Dimensions from the last to the first."""
    return call.layout()[::-1]


@rule("expand", "expand_copy")
def expand(call: Call) -> Result:
    """The same along a dimension of size one."""
    return expanded(call.layout(), call.shape)


@rule("repeat")
def repeat(call: Call) -> Result:
    """Copies one after the other."""
    return repeated(call.layout(), call["repeats"])


@rule("select", "select_copy")
def select(call: Call) -> Result:
    """One entry of a dimension."""
    dim = call.dim()
    index = call["index"] % call["self"].shape[dim]
    return taken(call.sets, call.layout(), dim, index)


@rule("unbind", "unbind_copy")
def unbind(call: Call) -> Result:
    """Every entry of a dimension."""
    layout, dim = call.layout(), call.dim()
    return [taken(call.sets, layout, dim, i) for i in range(len(call.outputs))]


@rule("slice", "slice_copy")
def slices(call: Call) -> Result:
    """A range of a dimension, or every so many of its entries."""
    layout: Layout = call.layout()
    dim = call.dim()
    chosen = slice(call["start"], call["end"], call["step"])
    start, _, step = chosen.indices(call["self"].shape[dim])
    length = call.shape[dim]
    if step == 1:
        return narrowed(call.sets, layout, dim, start, length)
    # every so many: their places count
    layout = pinned(call.sets, layout, dim)
    return (*layout[:dim], *fixed(call.sets, [length]), *layout[dim + 1 :])


@rule("split", "split_copy", "unsafe_split")
@rule("split_with_sizes", "split_with_sizes_copy", "unsafe_split_with_sizes")
def split(call: Call) -> Result:
    """A dimension cut into ranges."""
    layout, dim = call.layout(), call.dim()
    lengths = [tensor.shape[dim] for tensor in call.outputs]
    starts = accumulate(lengths[:-1], initial=0)
    return [
        narrowed(call.sets, layout, dim, start, length)
        for start, length in zip(starts, lengths, strict=True)
    ]


@rule("cat")
def concatenate(call: Call) -> Result:
    """Tensors one after the other."""
    dim = call["dim"] % len(call.shape)
    # torch allows empty vectors among them, whatever the shape of the others
    layouts = [
        layout
        for tensor, layout in zip(call["tensors"], call.layouts(), strict=True)
        if tensor.numel()
    ]
    return concatenated(call.sets, layouts, dim)


@rule("stack")
def stack(call: Call) -> Result:
    """Tensors along a new dimension."""
    return stacked(call.sets, call.layouts(), call["dim"] % len(call.shape))


@rule("channel_shuffle")
def channel_shuffle(call: Call) -> Result:
    """Channels as rows of a table, read by columns."""
    shape = call.shape
    table = (shape[0], call["groups"], shape[1] // call["groups"], *shape[2:])
    layout = viewed(call.sets, call.layout(), table)
    return (layout[0], (*layout[2], *layout[1]), *layout[3:])
