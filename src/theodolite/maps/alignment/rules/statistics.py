"""Rules for reductions, softmax and normalisation."""

from theodolite.maps.alignment.axes import Layout, independent_of, pinned, split
from theodolite.maps.alignment.relations import aligned, broadcast, mixed, reduced
from theodolite.maps.alignment.rules.call import Call, Result, rule
from theodolite.maps.alignment.shapes import as_one


@rule("sum", "mean", "amax", "amin", "prod", "var", "std", "var_mean", "std_mean")
@rule("logsumexp", "linalg_vector_norm", "norm", "any", "all", "nansum", "max", "min")
@rule("count_nonzero")
def reduction(call: Call) -> Result:
    """A statistic in which the order of entries does not count."""
    layout: Layout = call.layout()
    with_index = len(call.outputs) == 2 and call.name in ("max", "min")
    if with_index:  # a place comes out
        layout = pinned(call.sets, layout, call.dim())
    result = reduced(
        call.sets, layout, call.dims(), keep=bool(call.get("keepdim", False))
    )
    return [result] * len(call.outputs)


@rule("argmax", "argmin")
def place_of_extreme(call: Call) -> Result:
    """The place counts."""
    layout: Layout = call.layout()
    for dim in call.dims():
        layout = pinned(call.sets, layout, dim)
    return reduced(call.sets, layout, call.dims(), keep=bool(call["keepdim"]))


@rule("_softmax", "_log_softmax", "_safe_softmax")
def softmax(call: Call) -> Result:
    """Each entry depends on all along a dimension, in whatever order they are."""
    return mixed(call.sets, call.layout(), [call.dim()])


@rule("native_layer_norm", "_fused_rms_norm")
def layer_norm(call: Call) -> Result:
    """Statistics over the last dimensions, then an affine map of each entry."""
    layout = call.layout("input")
    dims = range(len(layout) - len(call["normalized_shape"]), len(layout))
    result = mixed(call.sets, layout, dims)
    for other in [*call.optional("weight"), *call.optional("bias")]:
        pairs = [(dim, dim - dims.start) for dim in dims]
        result = _paired(call, result, other, pairs)
    statistics = tuple(() if i in dims else d for i, d in enumerate(result))
    return [result] + [statistics] * (len(call.outputs) - 1)


@rule("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm")
@rule("_native_batch_norm_legit_no_training", "miopen_batch_norm")
@rule("_batch_norm_with_update")
def batch_norm(call: Call) -> Result:
    """An affine map of each channel, with statistics over all other dimensions."""
    layout = call.layout("input")
    if call.get("training", False):
        layout = mixed(call.sets, layout, [0, *range(2, len(layout))])
    for name in ("weight", "bias", "running_mean", "running_var"):
        for other in call.optional(name):
            layout = _paired(call, layout, other, [(1, 0)])
    channels = independent_of(
        call.sets,
        layout,
        [a.key for i, d in enumerate(layout) for a in d if i != 1],
    )[1:2]
    return [layout] + [
        channels if tensor.shape == call.shape[1:2] else ((),) * tensor.ndim
        for tensor in call.outputs[1:]
    ]


@rule("native_group_norm")
def group_norm(call: Call) -> Result:
    """Statistics over groups of channels and all places."""
    layout, groups = call.layout("input"), call["group"]
    for other in [*call.optional("weight"), *call.optional("bias")]:
        layout = _paired(call, layout, other, [(1, 0)])
    layout = channels_in_groups(call, layout, 1, groups)
    # statistics of a group mix the channels in it, where there are several
    within = layout[1][1 if groups > 1 else 0 :]
    keys = [axis.key for dimension in layout[2:] for axis in dimension]
    layout = independent_of(call.sets, layout, [*keys, *(a.key for a in within)])
    statistics: Layout = (layout[0], layout[1][: 1 if groups > 1 else 0])
    return [layout, statistics, statistics]


@rule("_weight_norm_interface")
def weight_norm(call: Call) -> Result:
    """A weight's directions with lengths of their own along one dimension."""
    weight = call.layout("v")
    others = [dim for dim in range(len(weight)) if dim != call.dim(of="v")]
    lengths = reduced(call.sets, weight, others, keep=True)
    lengths = broadcast(call.sets, [lengths, call.layout("g")])
    return [
        broadcast(call.sets, [mixed(call.sets, weight, others), lengths]),
        lengths,
    ]


def channels_in_groups(call: Call, layout: Layout, dim: int, groups: int) -> Layout:
    """A dimension whose first axis counts groups."""
    if groups > 1 and layout[dim][0].size % groups:
        layout = as_one(call.sets, layout, dim)
    if groups == 1 or layout[dim][0].size == groups:
        return layout
    return split(call.sets, layout, layout[dim][0].key, groups)


def _paired(
    call: Call, layout: Layout, other: Layout, pairs: list[tuple[int, int]]
) -> Layout:
    """A layout some of whose dimensions are those of another tensor as well."""
    result, _, alike = aligned(call.sets, layout, other, pairs)
    return tuple(tuple(alike.get(a.key, a) for a in dimension) for dimension in result)
