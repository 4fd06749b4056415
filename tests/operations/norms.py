"""Normalisations behind a trainable layer, and of the weights themselves."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from operations.row import Row, between, on_images, through, training
from theodolite.errors import RandomLossError

START = torch.tensor([[1.0, 0.5, 0, -1], [0, 1, 0.3, 0], [-1, 0, 0.4, 1]])


class HandRMS(nn.Module):
    """As language models write it, with the mean square kept in a wide type."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


class HandWeightNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.length, self.weight = nn.Parameter(torch.ones(3, 1)), nn.Parameter(START)

    def forward(self, x: Tensor) -> Tensor:
        norm = self.weight.norm(dim=1, keepdim=True)
        return F.linear(x, self.length * self.weight / norm)


def old(norm: Callable[..., Any], **settings: Any) -> Callable[[], nn.Module]:
    """The forms before parametrizations, which warn that they are deprecated."""

    def make() -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return norm(nn.Linear(4, 3), **settings)

    return make


def new(norm: Callable[..., Any], **settings: Any) -> Callable[[], nn.Module]:
    return lambda: norm(nn.Linear(4, 3), **settings)


def converged(model: nn.Module) -> None:
    """In training mode, power iteration at its end: two evaluations agree."""
    model.train()
    for _ in range(300):
        model(torch.zeros(1, 2, dtype=torch.float64))


spectral = parametrizations.spectral_norm
instance = partial(nn.InstanceNorm2d, 2)

NORMS: dict[str, Row] = {
    "LayerNorm": between(partial(nn.LayerNorm, 4)),
    "LayerNorm without weights": between(
        partial(nn.LayerNorm, 4, elementwise_affine=False)
    ),
    "LayerNorm over images": on_images(partial(nn.LayerNorm, [4, 4])),
    "RMSNorm": between(partial(nn.RMSNorm, 4)),
    "RMSNorm by hand": between(HandRMS),
    "GroupNorm": on_images(partial(nn.GroupNorm, 2, 4), 4),
    "InstanceNorm1d": through(lambda x: F.instance_norm(x.view(-1, 2, 3)), 6),
    "InstanceNorm2d": on_images(instance),
    "InstanceNorm2d with weights": on_images(partial(instance, affine=True)),
    "InstanceNorm2d in eval mode, tracking": on_images(
        partial(instance, affine=True, track_running_stats=True)
    ),
    "InstanceNorm2d in training mode, tracking": on_images(
        partial(instance, affine=True, track_running_stats=True), prepare=training
    ),
    "BatchNorm1d in eval mode": between(partial(nn.BatchNorm1d, 4)),
    "BatchNorm1d in training mode": between(
        partial(nn.BatchNorm1d, 4), prepare=training
    ),
    "BatchNorm1d that tracks nothing": between(
        partial(nn.BatchNorm1d, 4, track_running_stats=False)
    ),
    "BatchNorm2d in eval mode": on_images(partial(nn.BatchNorm2d, 2)),
    "BatchNorm2d in training mode": on_images(
        partial(nn.BatchNorm2d, 2), prepare=training
    ),
    "BatchNorm2d without weights": on_images(
        partial(nn.BatchNorm2d, 2, affine=False), prepare=training
    ),
    "SyncBatchNorm in eval mode": on_images(partial(nn.SyncBatchNorm, 2)),
    "LocalResponseNorm": on_images(partial(nn.LocalResponseNorm, 2), 3),
    "normalize": through(F.normalize),
    "weight_norm, parametrized": between(new(parametrizations.weight_norm)),
    "weight_norm as a whole, parametrized": between(
        new(parametrizations.weight_norm, dim=None)
    ),
    "weight_norm, old form": between(old(nn.utils.weight_norm)),
    "weight_norm by hand": between(HandWeightNorm),
    "spectral_norm in eval mode, parametrized": between(new(spectral)),
    "spectral_norm in eval mode, old form": between(old(nn.utils.spectral_norm)),
    "spectral_norm in training mode, parametrized": between(
        new(spectral), prepare=training
    ).refused(RandomLossError, "the loss"),
    "spectral_norm in training mode, old form": between(
        old(nn.utils.spectral_norm), prepare=training
    ).refused(RandomLossError, "the loss"),
    "spectral_norm in training mode, converged": between(
        new(spectral), prepare=converged
    ).denied(),
    "orthogonal by the matrix exponential": between(
        new(parametrizations.orthogonal, orthogonal_map="matrix_exp")
    ),
    "orthogonal by Cayley": between(
        new(parametrizations.orthogonal, orthogonal_map="cayley")
    ),
    "orthogonal by Householder": between(
        new(parametrizations.orthogonal, orthogonal_map="householder")
    ),
}
