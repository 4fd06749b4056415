"""Losses in primitive operations.

torch's own have a backward that cannot be differentiated at all (the margin losses,
CTC), or not in forward mode (squared error, Huber, soft margin).
"""

from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, autocast, widened

rewrites = Rewrites()
_nn: Any = vars(torch._C)["_nn"]


@rewrites(_nn.cross_entropy_loss)
@autocast(torch.float32, "cpu", "cuda")
def cross_entropy_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: int = 1,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the scores' differences to the right class's.

    torch's subtracts probabilities from one: where a class is all but certain, so
    little is left of the difference that its derivatives have no right digit.
    """
    if label_smoothing or target.is_floating_point() or input.ndim < 2:
        return NotImplemented
    counted = target != ignore_index
    label = torch.where(counted, target, 0).unsqueeze(1)
    right = torch.zeros_like(input, dtype=torch.bool).scatter(1, label, True)
    scores = widened(input)
    ahead = (scores - scores.gather(1, label)).masked_fill(right, -torch.inf)
    most = ahead.detach().amax(1, keepdim=True).clamp_min(0)
    rest = torch.expm1(-most) + (ahead - most).exp().sum(1, keepdim=True)
    loss = (most + torch.log1p(rest)).squeeze(1).to(input.dtype)
    share = counted.to(loss.dtype)
    if weight is not None:
        share = share * weight[label.squeeze(1)]
    loss = torch.where(counted, loss * share, 0)
    return loss.sum() / share.sum() if reduction == 1 else _reduced(loss, reduction)


@rewrites(_nn.mse_loss)
@autocast(torch.float32, "cpu", "cuda")
def mse_loss(input: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """The squared error."""
    return _reduced((input - target).square(), reduction)


@rewrites(_nn.huber_loss)
@autocast(torch.float32, "cpu", "cuda")
def huber_loss(
    input: Tensor, target: Tensor, reduction: int = 1, delta: float = 1.0
) -> Tensor:
    """Half the squared error where it is small, the absolute error beyond."""
    error = (input - target).abs()
    far = delta * (error - 0.5 * delta)
    return _reduced(torch.where(error <= delta, 0.5 * error * error, far), reduction)


@rewrites(_nn.soft_margin_loss)
@autocast(torch.float32, "cpu", "cuda")
def soft_margin_loss(input: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """The logistic loss of labels ±1."""
    loss = _nn.softplus(-target * input).to(input.dtype)
    return _reduced(loss, reduction)


@rewrites(_nn.multi_margin_loss)
@autocast(torch.float32, "cpu", "cuda")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: int = 1,
) -> Tensor:
    """How far every wrong class comes within the margin of the right one."""
    scores, label = input.reshape(-1, input.shape[-1]), target.reshape(-1, 1)
    short = (margin - scores.gather(1, label) + scores).clamp_min(0)
    wrong = label != torch.arange(scores.shape[1], device=label.device)
    loss = torch.where(wrong, short if p == 1 else short * short, 0)
    if weight is not None:
        loss = loss * weight[label]
    return _reduced(loss.mean(1).reshape(target.shape), reduction)


@rewrites(_nn.multilabel_margin_loss)
@autocast(torch.float32, "cpu", "cuda")
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: int = 1) -> Tensor:
    """How far every wrong class comes within 1 of every right one.

    The right classes come first in the target; the first -1 ends them.
    """
    classes = input.shape[-1]
    given = (target < 0).cumsum(-1) == 0
    label = target.clamp_min(0)
    right = torch.zeros_like(target).scatter_add(-1, label, given.to(target.dtype)) > 0
    apart = input.gather(-1, label).unsqueeze(-1) - input.unsqueeze(-2)
    counted = given.unsqueeze(-1) & ~right.unsqueeze(-2)
    loss = torch.where(counted, (1 - apart).clamp_min(0), 0)
    return _reduced(loss.sum((-1, -2)) / classes, reduction)


def _reduced(loss: Tensor, reduction: int) -> Tensor:
    """All of the losses (0), their mean (1) or their sum (2)."""
    if reduction == 0:
        return loss
    return loss.mean() if reduction == 1 else loss.sum()
