"""Whether a model's outputs are straight in every single parameter, by its graph.

A perceptron or a convolutional network with ReLU, whose weights are each used once,
is: moving one weight moves the outputs along straight lines between kinks. Then the
model itself has no curvature on the Hessian's diagonal, and diag H = diag G.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from theodolite.products.double_backward import nodes_behind

# names of autograd's nodes without their number: sums, shapes and kinks
_STRAIGHT = {
    *("T", "Transpose", "Permute", "View", "UnsafeView", "ReshapeAlias", "Reshape"),
    *("Expand", "Squeeze", "Unsqueeze", "Slice", "Select", "Index", "IndexSelect"),
    *("Cat", "Stack", "Split", "SplitWithSizes", "Chunk", "Narrow", "Clone", "Alias"),
    *("ToCopy", "Flatten", "Unflatten", "Repeat", "Flip", "Roll", "ConstantPadNd"),
    *("ReflectionPad1D", "ReflectionPad2D", "ReplicationPad1D", "ReplicationPad2D"),
    *("Mean", "Sum", "Add", "Sub", "Neg", "Relu", "ReLU", "Threshold", "LeakyRelu"),
    *("Hardtanh", "Abs", "Clamp", "ClampMin", "ClampMax", "Amax", "Amin", "Maximum"),
    *("Minimum", "MaxPool2DWithIndices", "MaxPool3DWithIndices", "AvgPool2D"),
    *("AvgPool3D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D", "AdaptiveMaxPool2D"),
    *("MkldnnMaxPool2D", "UpsampleNearest2D", "UpsampleBilinear2D", "Embedding"),
    "AccumulateGrad",
}
# those that multiply their operands: straight where no parameter is behind two
_PRODUCTS = {
    *("Mul", "Mm", "Mv", "Bmm", "Addmm", "Addmv", "Addbmm", "Baddbmm", "Linear"),
    *("Convolution", "MkldnnConvolution", "CudnnConvolution", "ThnnConv2D"),
    *("NativeBatchNorm", "CudnnBatchNorm", "PreluKernel"),
}
# straight in what is divided alone
_QUOTIENTS = {"Div"}


def straight_in_each(outputs: Iterable[Tensor]) -> bool:
    """Whether no output bends along a single parameter, but for kinks.

    What is not known to be straight is taken as bent.
    """
    roots = list(outputs)
    behind: dict[Any, frozenset[int]] = {}
    for node in _parts_first(roots):
        parts = [after for after, _ in node.next_functions if after is not None]
        sets = [behind[part] for part in parts]
        if not _is_straight(node, sets):
            return False
        own = getattr(node, "variable", None)
        leaf = frozenset() if own is None else frozenset([id(own)])
        behind[node] = leaf.union(*sets)
    return True


def _is_straight(node: Any, sets: list[frozenset[int]]) -> bool:
    name = type(node).__name__.partition("Backward")[0]
    if name in _STRAIGHT:
        return True
    if name in _QUOTIENTS:
        divisor = node.next_functions[1][0]
        return divisor is None
    if name not in _PRODUCTS or getattr(node, "_saved_training", False):
        return False
    return sum(map(len, sets)) == len(frozenset().union(*sets))


def _parts_first(roots: list[Tensor]) -> list[Any]:
    """All nodes, each after those that it is made of."""
    left = {
        node: {after for after, _ in node.next_functions if after is not None}
        for node in nodes_behind(roots)
    }
    users: dict[Any, list[Any]] = {}
    for node, parts in left.items():
        for part in parts:
            users.setdefault(part, []).append(node)
    ready = [node for node, parts in left.items() if not parts]
    for node in ready:
        for user in users.get(node, []):
            left[user].discard(node)
            if not left[user]:
                ready.append(user)
    return ready
