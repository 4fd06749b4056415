"""Custom functions and other ways to say what a gradient is, right and wrong."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from operations.row import Row, through
from theodolite.errors import SecondDerivativeError


class Tangent(torch.autograd.Function):
    """The old style, with a backward pass that can be differentiated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * (1 - ctx.saved_tensors[0].tanh().square())


class SetUp(torch.autograd.Function):
    """The style of torch.func."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.tanh()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    backward = Tangent.backward


class ValueKept(torch.autograd.Function):
    """Keeps its output, which autograd ties to the graph again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        value = x.tanh()
        ctx.save_for_backward(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * (1 - ctx.saved_tensors[0].square())


class Once(torch.autograd.Function):
    forward = Tangent.forward

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *gradients: Tensor
    ) -> Tensor:
        return gradients[0] * (1 - ctx.saved_tensors[0].tanh().square())


class Detaching(Tangent):
    """The slope is taken for a constant."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * (1 - ctx.saved_tensors[0].detach().tanh().square())


class Scaled(Tangent):
    """The gradient is none: its slope is another function's."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * ctx.saved_tensors[0].cos()


class Cut(torch.autograd.Function):
    """A reversed gradient, as in domain-adversarial training."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


class Rounded(torch.autograd.Function):
    """Straight through: a step whose slope is said to be one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return (4 * x).round() / 4

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def doubled(x: Tensor) -> Tensor:
    """The gradient of a temporary is scaled on its way."""
    if x.requires_grad:
        x.register_hook(lambda gradient: 2 * gradient)
    return x.tanh()


FUNCTIONS: dict[str, Row] = {
    "custom function": through(Tangent.apply),
    "custom function with set-up": through(SetUp.apply),
    "custom function that keeps its value": through(ValueKept.apply),
    "custom function, once differentiable": through(Once.apply).refused(
        SecondDerivativeError, "@once_differentiable"
    ),
    "custom function that detaches": through(Detaching.apply).denied(),
    "custom function with a wrong slope": through(Scaled.apply).denied(),
    "gradient reversal": through(Cut.apply).denied(),
    "straight-through rounding": through(Rounded.apply).denied(),
    "straight-through by detach": through(
        lambda x: x.tanh() + (x.sign() - x.tanh()).detach()
    ).denied(),
    "fake quantisation": through(
        lambda x: torch.fake_quantize_per_tensor_affine(
            x.float(), 0.1, 0, -128, 127
        ).double()
    ).denied(),
    "gradient scaled by a hook": through(doubled).denied(),
    "target behind detach": through(lambda x: x * x.detach().tanh()).denied(),
}
