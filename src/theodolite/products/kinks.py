"""Which operations of a loss have kinks, read off its graph."""

from collections.abc import Iterable

from torch import Tensor

from theodolite.products.double_backward import nodes_behind

# names of autograd's nodes, without their number
_KINKED = {
    "Relu": "relu",
    "ReLU": "relu",
    "Threshold": "threshold",
    "LeakyRelu": "leaky_relu",
    "PreluKernel": "prelu",
    "RreluWithNoise": "rrelu",
    "Hardtanh": "hardtanh",
    "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid",
    "Hardshrink": "hardshrink",
    "Softshrink": "softshrink",
    "Abs": "abs",
    "Clamp": "clamp",
    "ClampMin": "clamp",
    "ClampMax": "clamp",
    "Max": "max",
    "Min": "min",
    "Amax": "max",
    "Amin": "min",
    "Aminmax": "max",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "MaxPool2DWithIndices": "max-pooling",
    "MaxPool3DWithIndices": "max-pooling",
    "AdaptiveMaxPool2D": "max-pooling",
    "AdaptiveMaxPool3D": "max-pooling",
    "FractionalMaxPool2D": "max-pooling",
    "MkldnnMaxPool2D": "max-pooling",
    "Sort": "sort",
    "Topk": "topk",
    "Median": "median",
    "Kthvalue": "kthvalue",
    "L1Loss": "l1_loss",
    "Round": "round",
    "Floor": "floor",
    "Ceil": "ceil",
    "Sign": "sign",
    "MarginRankingLoss": "margin",
    "MultiMarginLoss": "margin",
    "MultilabelMarginLoss": "margin",
}


def kinks_behind(tensors: Iterable[Tensor]) -> list[str]:
    """Operations with kinks in the graph that made some tensors, each once."""
    names = (
        type(node).__name__.partition("Backward")[0] for node in nodes_behind(tensors)
    )
    return sorted({_KINKED[name] for name in names if name in _KINKED})
