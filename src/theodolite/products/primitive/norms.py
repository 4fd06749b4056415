"""Normalisation layers in primitive operations.

torch's own are right to the second reverse derivative. Its forward derivatives of
layer, instance and batch norm cannot be differentiated again, nor can their second
reverse derivatives, and nothing says so; group norm's backward is not batched, and
the fused weight norm is wrong when differentiated twice.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, autocast, widened

rewrites = Rewrites()


@rewrites(torch.layer_norm)
@autocast(torch.float32, "cuda")
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """Zero mean and unit variance over the last dimensions."""
    last = tuple(range(-len(normalized_shape), 0))
    return _affine(_standardized(input, last, eps), weight, bias).to(input.dtype)


@rewrites(torch.group_norm)
@autocast(torch.float32, "cuda")
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """Zero mean and unit variance over each sample's groups of channels."""
    groups = input.reshape(input.shape[0], num_groups, -1)
    result = _standardized(groups, (-1,), eps).reshape(input.shape)
    weight, bias = (_by_channel(t, input) for t in (weight, bias))
    return _affine(result, weight, bias).to(input.dtype)


@rewrites(torch.instance_norm)
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """Zero mean and unit variance over each sample's channels."""
    if not use_input_stats:
        return NotImplemented
    if running_mean is not None:
        settings = running_mean, running_var, True, momentum, eps, cudnn_enabled
        _for_its_statistics(torch.instance_norm, input, settings)
    result = _standardized(input, tuple(range(2, input.ndim)), eps)
    weight, bias = (_by_channel(t, input) for t in (weight, bias))
    return _affine(result, weight, bias).to(input.dtype)


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
    """Zero mean and unit variance over the batch, for each channel."""
    if not training:
        return NotImplemented
    if running_mean is not None:
        settings = running_mean, running_var, True, momentum, eps, cudnn_enabled
        _for_its_statistics(torch.batch_norm, input, settings)
    result = _standardized(input, (0, *range(2, input.ndim)), eps)
    weight, bias = (_by_channel(t, input) for t in (weight, bias))
    return _affine(result, weight, bias).to(input.dtype)


@rewrites(vars(torch)["_weight_norm"])
def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """A direction and its length; ``dim=-1`` takes one length for all."""
    others = None if dim == -1 else [d for d in range(v.ndim) if d != dim]
    wide = widened(v)
    length = torch.linalg.vector_norm(wide, dim=others, keepdim=dim != -1)
    return (wide * (widened(g) / length)).to(v.dtype)


def _for_its_statistics(norm: Any, input: Tensor, settings: tuple[Any, ...]) -> None:
    """Let torch's own operation update the running buffers, and nothing else."""
    with torch.no_grad():
        norm(input.detach(), None, None, *settings)


def _standardized(input: Tensor, dims: tuple[int, ...], eps: float) -> Tensor:
    wide = widened(input)
    centred = wide - wide.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def _by_channel(tensor: Tensor | None, input: Tensor) -> Tensor | None:
    """One number for each channel, in the shape that meets the input's."""
    return None if tensor is None else tensor.reshape(-1, *[1] * (input.ndim - 2))


def _affine(result: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is not None:
        result = result * weight
    return result if bias is None else result + bias
