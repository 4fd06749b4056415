"""Convolutions, pooling, resampling."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from operations.row import (
    F64,
    Apply,
    Readout,
    Row,
    classified,
    on_images,
    on_series,
)
from problems import normal
from theodolite.errors import RandomLossError


def on_volumes(*layers: Any) -> Row:
    """Layers on volumes (2, 1, 3, 3, 3)."""
    return classified(
        lambda: nn.Sequential(*(make() for make in layers), nn.Tanh(), Readout()),
        lambda: normal(2, 1, 3, 3, 3, dtype=F64),
        samples=2,
    )


def on_signals(*layers: Any) -> Row:
    return on_series(lambda: nn.Sequential(*(make() for make in layers), nn.Tanh()), 6)


def conv(*args: Any, **settings: Any) -> Row:
    return on_images(
        lambda: nn.Sequential(nn.Conv2d(*args, **settings), nn.Tanh()), args[0]
    )


def transposed(**settings: Any) -> Row:
    return on_images(
        lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2, **settings), nn.Tanh())
    )


def resized(**settings: Any) -> Row:
    return on_images(lambda: Apply(lambda x: F.interpolate(x, **settings).tanh()))


def curved(middle: Any, channels: int = 2) -> Row:
    return on_images(lambda: nn.Sequential(nn.Tanh(), middle()), channels)


class Unpooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pooled, places = F.max_pool2d_with_indices(x, [2, 2])
        return F.max_unpool2d(pooled.tanh(), places, [2, 2])


class Warped(nn.Module):
    """A spatial transformer: an affine grid that is trained, and its samples."""

    def __init__(self, mode: str = "bilinear") -> None:
        super().__init__()
        self.mode = mode
        self.theta = nn.Parameter(torch.tensor([[0.8, 0.2, 0.1], [-0.1, 0.7, 0.05]]))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta.expand(len(x), 2, 3)
        grid = F.affine_grid(theta, [*x.shape], align_corners=False)
        return F.grid_sample(x, grid, mode=self.mode, align_corners=False)


PLACES = torch.tensor([[[0.3, 0.6], [0.7, 0.2]]] * 3, dtype=F64)


def fractional(**settings: Any) -> Row:
    pool = partial(nn.FractionalMaxPool2d, 2, 4, **settings)
    return curved(lambda: nn.Sequential(nn.ReflectionPad2d(1), pool()))


SPATIAL: dict[str, Row] = {
    "Conv1d": on_signals(partial(nn.Conv1d, 4, 2, 3)),
    "Conv2d": conv(2, 2, 2),
    "Conv2d without bias": conv(2, 2, 2, bias=False),
    "Conv2d grouped": conv(4, 4, 2, groups=2),
    "Conv2d depthwise": conv(4, 4, 2, groups=4),
    "Conv2d dilated": conv(2, 2, 2, dilation=2),
    "Conv2d strided": conv(2, 2, 3, stride=2, padding=1),
    "Conv2d padded the same": conv(2, 2, 3, padding="same"),
    "Conv2d circular": conv(2, 2, 3, padding=1, padding_mode="circular"),
    "Conv2d reflecting": conv(2, 2, 3, padding=1, padding_mode="reflect"),
    "Conv2d replicating": conv(2, 2, 3, padding=1, padding_mode="replicate"),
    "Conv3d": on_volumes(partial(nn.Conv3d, 1, 2, 2), nn.Tanh),
    "ConvTranspose1d": on_signals(partial(nn.ConvTranspose1d, 4, 2, 2, stride=2)),
    "ConvTranspose2d": transposed(),
    "ConvTranspose2d strided": transposed(stride=2, output_padding=1),
    "ConvTranspose2d grouped, dilated": transposed(groups=2, dilation=2),
    "ConvTranspose3d": on_volumes(partial(nn.ConvTranspose3d, 1, 2, 2), nn.Tanh),
    "MaxPool1d": on_signals(partial(nn.MaxPool1d, 2)),
    "MaxPool2d": curved(partial(nn.MaxPool2d, 2)),
    "MaxPool2d overlapping": curved(partial(nn.MaxPool2d, 3, 1, 1)),
    "MaxPool3d": on_volumes(partial(nn.Conv3d, 1, 2, 2), partial(nn.MaxPool3d, 2)),
    "MaxUnpool2d": on_images(Unpooled),
    "AvgPool1d": on_signals(partial(nn.AvgPool1d, 2)),
    "AvgPool2d": curved(partial(nn.AvgPool2d, 2)),
    "AvgPool3d": on_volumes(partial(nn.Conv3d, 1, 2, 2), partial(nn.AvgPool3d, 2)),
    "AdaptiveAvgPool2d": curved(partial(nn.AdaptiveAvgPool2d, 3)),
    "AdaptiveMaxPool2d": curved(partial(nn.AdaptiveMaxPool2d, 3)),
    "LPPool1d": on_signals(partial(nn.LPPool1d, 2, 2)),
    "LPPool2d": curved(partial(nn.LPPool2d, 2, 2)),
    "FractionalMaxPool2d": fractional().refused(RandomLossError, "the loss"),
    "FractionalMaxPool2d at given places": fractional(_random_samples=PLACES),
    "nearest upsampling": resized(scale_factor=2),
    "linear upsampling": on_signals(partial(nn.Upsample, size=9, mode="linear")),
    "bilinear upsampling": resized(size=7, mode="bilinear"),
    "bilinear, antialiased": resized(size=3, mode="bilinear", antialias=True),
    "bicubic upsampling": resized(size=7, mode="bicubic", align_corners=True),
    "area resampling": resized(size=3, mode="area"),
    "trilinear upsampling": on_volumes(
        partial(nn.Conv3d, 1, 2, 2), partial(nn.Upsample, size=3, mode="trilinear")
    ),
    "PixelShuffle": curved(partial(nn.PixelShuffle, 2), 4),
    "PixelUnshuffle": curved(partial(nn.PixelUnshuffle, 2)),
    "ChannelShuffle": curved(partial(nn.ChannelShuffle, 2), 4),
    "Unfold": curved(partial(nn.Unfold, 2)),
    "Fold": on_images(lambda: Apply(lambda x: F.fold(F.unfold(x, 2), 4, 2).tanh())),
    "ReflectionPad2d": curved(partial(nn.ReflectionPad2d, 1)),
    "ReplicationPad2d": curved(partial(nn.ReplicationPad2d, 1)),
    "CircularPad2d": curved(partial(nn.CircularPad2d, 1)),
    "ConstantPad2d": curved(partial(nn.ConstantPad2d, 1, 0.5)),
    "spatial transformer": on_images(Warped),
    "spatial transformer, bicubic": on_images(partial(Warped, "bicubic")),
}
