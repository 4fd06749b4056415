"""The ReLU without the zeros that its second derivative is made of.

Torch fills a tensor with them for every layer, and adds it to what is there.
"""

from typing import Any, final

import torch
from torch import Tensor

from theodolite.products.lean.function import LeanFunction, is_plain, no_leaf
from theodolite.products.rewriting import Rewrites

_ATEN = torch.ops.aten

rewrites = Rewrites()


@final
class ReLU(LeanFunction):
    """``y = max(x, 0)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Of any shape."""
        y = _ATEN.relu(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradient by the input, itself differentiable."""
        [y] = ctx.saved_tensors
        return ReLUBackward.apply(gradients[0], y.detach())


@final
class ReLUBackward(LeanFunction):
    """Gradients pass where the result is positive."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, y: Tensor) -> Tensor:
        """Of any shape."""
        ctx.save_for_backward(y)
        return _ATEN.threshold_backward(gradient, y, 0)

    @staticmethod
    def backward(ctx: Any, *tangents: Any) -> Any:
        """The same once more; where x passes zero there is no second derivative."""
        [y] = ctx.saved_tensors
        return ReLUBackward.apply(tangents[0], y), None


@rewrites(torch.relu, Tensor.relu)
def relu(input: Tensor) -> Any:
    """Torch's ReLU."""
    return ReLU.apply(no_leaf(input)) if is_plain(input) else NotImplemented
