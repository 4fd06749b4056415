"""Models that differentiate themselves, as those of differential equations do."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from operations.row import F64, Apply, Readout, Row, classified, training
from operations.sequences import Attention, softmax_attention
from problems import normal


class InputGradient(nn.Module):
    """Answers with the slope of a network by its inputs."""

    def __init__(self, middle: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, 4), middle(), nn.Tanh(), nn.Linear(4, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self.net(x).sum()
            return torch.autograd.grad(value, x, create_graph=True)[0]


def slopes(
    middle: Callable[[], nn.Module],
    prepare: Callable[[nn.Module], Any] = lambda model: None,
) -> Row:
    return classified(
        lambda: nn.Sequential(InputGradient(middle), Readout()),
        lambda: normal(11, 2, dtype=F64),
        prepare=prepare,
    )


class FunctionalSlope(nn.Module):
    """The same by torch.func."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(torch.func.grad(lambda row: self.net(row).sum()))(x)


class Tangents(nn.Module):
    """The slope along one direction, by forward-mode differentiation."""

    def __init__(self, middle: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), middle(), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        along = torch.tensor([1.0, -0.5]).to(x).expand_as(x)
        return torch.func.jvp(self.net, (x,), (along,))[1]


def tangents(middle: Callable[[], nn.Module]) -> Row:
    return classified(
        lambda: nn.Sequential(Tangents(middle), Readout()),
        lambda: normal(11, 2, dtype=F64),
    )


class LayerNormByHand(nn.LayerNorm):
    """torch's own gradient of a tangent through layer norm is wrong."""

    def __init__(self) -> None:
        super().__init__(4)

    def forward(self, input: Tensor) -> Tensor:
        centred = input - input.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + self.eps).sqrt()
        return centred / spread * self.weight + self.bias


class AttentionGradient(nn.Module):
    def __init__(self, attend: Callable[..., Tensor]) -> None:
        super().__init__()
        self.attention = Attention(attend)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = self.attention(x).square().sum()
            return torch.autograd.grad(value, x, create_graph=True)[0]


def attention(attend: Callable[..., Tensor]) -> Row:
    return classified(
        lambda: nn.Sequential(AttentionGradient(attend), Readout()),
        lambda: normal(5, 4, 2, dtype=F64),
        samples=5,
    )


def instances(x: Tensor) -> Tensor:
    return F.instance_norm(x.view(-1, 1, 4), eps=0.1).flatten(1)


SLOPES: dict[str, Row] = {
    "slope by the inputs": slopes(nn.Identity),
    "slope by the inputs, layer norm": slopes(lambda: nn.LayerNorm(4)),
    "slope by the inputs, group norm": slopes(lambda: nn.GroupNorm(1, 4)),
    "slope by the inputs, batch norm": slopes(lambda: nn.BatchNorm1d(4)),
    "slope by the inputs, batch statistics": slopes(
        lambda: nn.BatchNorm1d(4), training
    ),
    "slope by the inputs, RMS norm": slopes(lambda: nn.RMSNorm(4)),
    "slope by the inputs, functional": classified(
        lambda: nn.Sequential(FunctionalSlope(), Readout()),
        lambda: normal(11, 2, dtype=F64),
    ),
    "slope by the inputs, instance norm": slopes(lambda: Apply(instances)),
    "slope by the inputs, SiLU": slopes(nn.SiLU),
    "slope by the inputs, GELU": slopes(nn.GELU),
    "slope by the inputs, softplus": slopes(nn.Softplus),
    "slope by the inputs, attention": attention(F.scaled_dot_product_attention).like(
        attention(softmax_attention)
    ),
    "tangent by the inputs": tangents(nn.Identity),
    "tangent by the inputs, SiLU": tangents(nn.SiLU),
    "tangent by the inputs, group norm": tangents(lambda: nn.GroupNorm(1, 4)),
    "tangent by the inputs, layer norm": tangents(lambda: nn.LayerNorm(4)).like(
        tangents(LayerNormByHand)
    ),
}
