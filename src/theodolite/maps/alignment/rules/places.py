"""Rules for operations in which places count: pooling, padding, look-up."""

import re

import torch

from theodolite.maps.alignment.axes import (
    Layout,
    NoRuleError,
    fixed,
    pinned,
    sizes,
    uniform,
)
from theodolite.maps.alignment.rules.call import Call, Result, rule
from theodolite.maps.alignment.shapes import concatenated, viewed

_NUMBER_OF_PLACES = re.compile(r"([123])d")


@rule("avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d")
@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool3d")
@rule("max_pool2d_with_indices", "max_pool3d_with_indices")
@rule("adaptive_max_pool2d", "adaptive_max_pool3d", "upsample_linear1d")
@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
@rule("_upsample_nearest_exact1d", "_upsample_nearest_exact2d")
@rule("upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d")
@rule("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")
@rule("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
@rule("replication_pad1d", "replication_pad2d", "replication_pad3d")
def over_places(call: Call) -> Result:
    """The last dimensions change by their places; nothing happens along others."""
    match = _NUMBER_OF_PLACES.search(call.name)
    layout: Layout = call.layout("self" if "self" in call.arguments else "input")
    first = len(layout) - int(match[1]) if match else 0
    for dim in range(first, len(layout)):
        layout = pinned(call.sets, layout, dim)
    result = (*layout[:first], *fixed(call.sets, call.shape[first:]))
    return [result] * len(call.outputs)


@rule("constant_pad_nd")
def constant_pad(call: Call) -> Result:
    """The same constant in front of and behind the entries."""
    layout: Layout = call.layout()
    pad = call["pad"]
    if min(pad) < 0:
        raise NoRuleError
    for dim, before, after in zip(
        reversed(range(len(layout))), pad[::2], pad[1::2], strict=False
    ):
        parts = [_constant(layout, dim, before), layout, _constant(layout, dim, after)]
        kept = [part for part in parts if sizes(part)[dim]]
        layout = concatenated(call.sets, kept, dim) if len(kept) > 1 else layout
    return layout


def _constant(layout: Layout, dim: int, size: int) -> Layout:
    """A layout of the same shape but for one dimension, the same everywhere."""
    shape = sizes(layout)
    return tuple(map(uniform, (*shape[:dim], size, *shape[dim + 1 :])))


@rule("embedding")
def embedding(call: Call) -> Result:
    """Rows of a table."""
    table = pinned(call.sets, call.layout("weight"), 0)
    return (*_rank(call.layout("indices"), call), *table[1:])


def _rank(indices: Layout, call: Call) -> Layout:
    """The dimensions of indices, which stay where they are."""
    for dim in range(len(indices)):
        indices = pinned(call.sets, indices, dim)
    return indices


@rule("index_select")
def index_select(call: Call) -> Result:
    """Entries of one dimension by their places."""
    dim = call.dim()
    layout = pinned(call.sets, call.layout(), dim)
    _rank(call.layout("index"), call)
    (new,) = fixed(call.sets, [call.shape[dim]])
    return (*layout[:dim], new, *layout[dim + 1 :])


@rule("index", "_unsafe_index")
def index(call: Call) -> Result:
    """Entries by their places along some dimensions, of which others know nothing."""
    layout: Layout = call.layout()
    indices = call["indices"]
    used = [i for i, tensor in enumerate(indices) if tensor is not None]
    if not used:
        raise NoRuleError
    whole = [tensor for tensor in indices if tensor is not None]
    if any(tensor.dtype in (torch.bool, torch.uint8) for tensor in whole):
        raise NoRuleError
    for dim in used:
        layout = pinned(call.sets, layout, dim)
    for tensor in whole:
        _rank(call.layout_of(tensor), call)
    rank = len(call.shape) - (len(layout) - len(used))
    # torch puts what was looked up first, unless its dimensions lie side by side
    beside = used == list(range(used[0], used[-1] + 1))
    at = used[0] if beside else 0
    found = fixed(call.sets, call.shape[at : at + rank])
    rest = [dimension for i, dimension in enumerate(layout) if i not in used]
    return (*rest[:at], *found, *rest[at:])


@rule("pixel_shuffle")
def pixel_shuffle(call: Call) -> Result:
    """Channels become places."""
    *front, channels, _, _ = call.shape
    *_, high, wide = call["self"].shape
    apart = (*front, channels, call["upscale_factor"] ** 2, high, wide)
    layout = viewed(call.sets, call.layout(), apart)
    for dim in range(len(layout) - 3, len(layout)):
        layout = pinned(call.sets, layout, dim)
    return (*layout[:-3], *fixed(call.sets, call.shape[-2:]))


@rule("pixel_unshuffle")
def pixel_unshuffle(call: Call) -> Result:
    """Places become channels."""
    layout: Layout = call.layout()
    for dim in (len(layout) - 2, len(layout) - 1):
        layout = pinned(call.sets, layout, dim)
    more, high, wide = fixed(
        call.sets, [call["downscale_factor"] ** 2, *call.shape[-2:]]
    )
    return (*layout[:-3], (*layout[-3], *more), high, wide)
