"""Batch norm with its running statistics, with a lean second derivative.

It is then an affine map of each channel, ``y = w (x − m) / s + b``, and its second
derivative is made of two of torch's own passes and a sum in place of a dozen products.
"""

from typing import Any, final

import torch
from torch import Tensor

from theodolite.products.lean.function import LeanFunction, is_plain, no_leaf
from theodolite.products.rewriting import Rewrites

_ATEN = torch.ops.aten

rewrites = Rewrites()


@final
class BatchNorm(LeanFunction):
    """``y = w (x − m) / √(v + ε) + b``, for each channel."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
    ) -> Tensor:
        """``(b, c, …)`` to the same."""
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        return _normed(x, weight, bias, mean, variance, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """The gradients by input, weight and bias, themselves differentiable."""
        found = BatchNormBackward.apply(gradients[0], *ctx.saved_tensors, ctx.eps)
        return *found, None, None, None


@final
class BatchNormBackward(LeanFunction):
    """Gradients by x, w and b of ``⟨y, w (x − m) / √(v + ε) + b⟩``."""

    @staticmethod
    def forward(
        ctx: Any,
        y: Tensor,
        x: Tensor,
        weight: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
    ) -> Any:
        """All three."""
        ctx.save_for_backward(y, x, weight, mean, variance)
        ctx.eps = eps
        ctx.set_materialize_grads(False)
        return _pulled_back(y, x, weight, mean, variance, eps, [True] * 3)

    @staticmethod
    def backward(ctx: Any, *tangents: Any) -> Any:
        """By y, x and w, out of tangents of x, w and b."""
        y, x, weight, mean, variance = ctx.saved_tensors
        x_dot, weight_dot, bias_dot = tangents
        nothing, eps = torch.zeros_like(weight), ctx.eps
        of_y = of_x = of_weight = None
        if BatchNormBackward.is_wanted(ctx, 0):
            if weight_dot is not None or bias_dot is not None:
                scale = nothing if weight_dot is None else weight_dot
                shift = nothing if bias_dot is None else bias_dot
                of_y = _normed(x, scale, shift, mean, variance, eps)
            if x_dot is not None:
                rates = (weight * (variance + eps).rsqrt()).view(
                    -1, *[1] * (x.ndim - 2)
                )
                of_y = x_dot * rates if of_y is None else of_y.addcmul_(x_dot, rates)
        wanted = [
            weight_dot is not None and BatchNormBackward.is_wanted(ctx, 1),
            x_dot is not None and BatchNormBackward.is_wanted(ctx, 2),
            False,
        ]
        if any(wanted):
            # what is not given is not used: the two parts do not meet
            of_x, of_weight, _ = _pulled_back(
                y,
                x if x_dot is None else x_dot,
                weight if weight_dot is None else weight_dot,
                torch.zeros_like(mean),
                variance,
                eps,
                wanted,
            )
        return (
            of_y,
            of_x if wanted[0] else None,
            of_weight if wanted[1] else None,
            None,
            None,
            None,
        )


@rewrites(torch.batch_norm)
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """Torch's batch norm in evaluation mode."""
    if training or not is_plain(input, weight, bias, running_mean, running_var):
        return NotImplemented
    assert weight is not None
    assert bias is not None
    parts = [no_leaf(t) for t in (input, weight, bias)]
    return BatchNorm.apply(*parts, running_mean, running_var, eps)


def _normed(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    return _ATEN.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)[0]


def _pulled_back(
    y: Tensor,
    x: Tensor,
    weight: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    wanted: list[bool],
) -> Any:
    return _ATEN.native_batch_norm_backward(
        y, x, weight, mean, variance, None, None, False, eps, wanted
    )
