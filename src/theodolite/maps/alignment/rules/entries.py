"""Rules for operations that work entry by entry, and for constants."""

from theodolite.maps.alignment.axes import Layout, pinned, uniform
from theodolite.maps.alignment.relations import broadcast
from theodolite.maps.alignment.rules.call import Call, Result, rule
from theodolite.maps.alignment.shapes import narrowed


# those that torch does not mark as pointwise
@rule("alias", "alias_copy", "detach", "detach_copy", "lift", "lift_fresh")
@rule("lift_fresh_copy", "_to_copy", "copy", "fill", "zero", "_conj")
@rule("_prelu_kernel", "hardswish", "log_sigmoid_forward")
def entrywise(call: Call) -> Result:
    """Every entry of the result depends on the entries at its own place."""
    result = call.broadcast()
    return [result if t.shape == call.shape else () for t in call.outputs]


@rule(
    "zeros", "ones", "full", "empty", "new_zeros", "new_ones", "new_full", "new_empty"
)
@rule("zeros_like", "ones_like", "full_like", "empty_like", "scalar_tensor")
@rule("empty_strided", "new_empty_strided", "empty_permuted")
def constant(call: Call) -> Result:
    """The same everywhere."""
    return [tuple(map(uniform, tensor.shape)) for tensor in call.outputs]


@rule("glu")
def gated(call: Call) -> Result:
    """One half of a dimension gates the other."""
    dim, half = call.dim(), call.shape[call.dim()]
    halves = [
        narrowed(call.sets, call.layout(), dim, start, half) for start in (0, half)
    ]
    return broadcast(call.sets, halves)


@rule("tril", "triu")
def triangle(call: Call) -> Result:
    """Entries are kept by their place in the last two dimensions."""
    layout: Layout = call.layout()
    for dim in (len(layout) - 2, len(layout) - 1):
        layout = pinned(call.sets, layout, dim)
    return layout


@rule("cumsum", "cumprod", "logcumsumexp", "flip", "roll")
def in_order(call: Call) -> Result:
    """Places along some dimensions count; elsewhere nothing happens."""
    layout: Layout = call.layout()
    if not call.get("dims", True):
        dims = list(range(len(layout)))
    else:
        dims = call.dims("dims" if "dims" in call.arguments else "dim")
    for dim in dims:
        layout = pinned(call.sets, layout, dim)
    return layout
