"""Rules for sums of products: matrix products and convolutions."""

import numpy as np

from theodolite.maps.alignment.axes import (
    Axis,
    Layout,
    NoRuleError,
    fixed,
    new_key,
    pinned,
    sizes,
)
from theodolite.maps.alignment.relations import aligned, broadcast, contracted
from theodolite.maps.alignment.rules.call import Call, Result, rule
from theodolite.maps.alignment.rules.statistics import channels_in_groups


@rule("mm")
def matrix_product(call: Call) -> Result:
    """Of two matrices."""
    return _product(call, call.layout(), call.layout("mat2"))


@rule("bmm")
def batched_product(call: Call) -> Result:
    """Of many pairs of matrices."""
    return _product(call, call.layout(), call.layout("mat2"))


@rule("addmm")
def added_product(call: Call) -> Result:
    """A matrix product added to something."""
    product = _product(call, call.layout("mat1"), call.layout("mat2"))
    return broadcast(call.sets, [product, call.layout()])


@rule("baddbmm")
def added_batched_product(call: Call) -> Result:
    """Many matrix products added to something."""
    product = _product(call, call.layout("batch1"), call.layout("batch2"))
    return broadcast(call.sets, [product, call.layout()])


@rule("mv", "dot", "vdot")
def vector_product(call: Call) -> Result:
    """Of a matrix or a vector with a vector."""
    other = "vec" if call.name == "mv" else "other" if call.name == "vdot" else "tensor"
    return _product(call, call.layout(), call.layout(other))


@rule("addmv")
def added_vector_product(call: Call) -> Result:
    """A matrix times a vector, added to something."""
    product = _product(call, call.layout("mat"), call.layout("vec"))
    return broadcast(call.sets, [product, call.layout()])


def _product(call: Call, one: Layout, other: Layout) -> Layout:
    """The last dimension of one with the last but one, or only one, of the other."""
    batch = [(i, i) for i in range(max(0, len(other) - 2))]
    summed = [(len(one) - 1, max(0, len(other) - 2))]
    return contracted(call.sets, one, other, batch=batch, summed=summed)


@rule("convolution", "convolution_overrideable")
def convolution(call: Call) -> Result:
    """Channels are summed over, in groups; places count."""
    signal, weight = call.layout("input"), call.layout("weight")
    places = len(weight) - 2
    if len(signal) != len(weight):
        raise NoRuleError
    for dim in range(2, len(signal)):
        signal = pinned(call.sets, signal, dim)
        weight = pinned(call.sets, weight, dim)
    if call["groups"] > 1:
        result = _in_groups(call, signal[:2], weight)
    else:
        ends = (0, 1) if call["transposed"] else (1, 0)
        kept = (weight[0], weight[1])
        result = contracted(
            call.sets, signal[:2], kept, batch=[], summed=[(1, ends[0])]
        )
    for bias in call.optional("bias"):
        result, _, alike = aligned(call.sets, result, bias, [(1, 0)])
        result = (result[0], tuple(alike.get(a.key, a) for a in result[1]))
    return (*result, *fixed(call.sets, call.shape[-places:] if places else ()))


def _in_groups(call: Call, signal: Layout, weight: Layout) -> Layout:
    """Each group of channels in goes to a group of channels out.

    Laid out as ``(samples, groups, in)`` times ``(groups, out, in)``, or
    ``(groups, in, out)`` for transposed convolutions.
    """
    groups, transposed = call["groups"], call["transposed"]
    signal = channels_in_groups(call, signal, 1, groups)
    weight = _kernel_in_groups(call, weight, groups)
    apart = (signal[0], signal[1][:1], signal[1][1:])
    kernel = (weight[0][:1], weight[0][1:], weight[1])
    result = contracted(
        call.sets, apart, kernel, batch=[(1, 0)], summed=[(2, 1 if transposed else 2)]
    )
    group, samples, out = result
    return (samples, (*group, *out))


def _kernel_in_groups(call: Call, weight: Layout, groups: int) -> Layout:
    """A kernel's first dimension in groups, with the second one of its own in each.

    A parameter's second dimension depends on the group from its first use on: then it
    is laid out anew.
    """
    weight = channels_in_groups(call, weight, 0, groups)
    size = sizes(weight)[1]
    if size == 1 or not call.unused("weight"):
        return weight
    sets = np.array([call.sets.free(size) for _ in range(groups)])
    second = Axis(new_key(), size, sets, (weight[0][0].key,))
    weight = (weight[0], (second,), *weight[2:])
    call.lay_out("weight", weight)
    return weight
