"""Activations behind a trainable layer."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from operations.row import Row, between, on_images, through, training
from theodolite.errors import RandomLossError

ACTIVATIONS: dict[str, Row] = {
    "ReLU": between(nn.ReLU),
    "ReLU6": between(nn.ReLU6),
    "ReLU in place": between(partial(nn.ReLU, inplace=True)),
    "squared ReLU": through(lambda x: x.relu().square()),
    "LeakyReLU": between(nn.LeakyReLU),
    "PReLU": between(nn.PReLU),
    "PReLU per channel": between(partial(nn.PReLU, 4)),
    "RReLU in eval mode": between(nn.RReLU),
    "RReLU in training mode": between(nn.RReLU, prepare=training).refused(
        RandomLossError, "1 (RReLU) in training mode"
    ),
    "dropout in eval mode": between(nn.Dropout),
    "dropout in training mode": between(nn.Dropout, prepare=training).refused(
        RandomLossError, "1 (Dropout) in training mode"
    ),
    "alpha dropout in training mode": between(
        nn.AlphaDropout, prepare=training
    ).refused(RandomLossError, "1 (AlphaDropout) in training mode"),
    "noise by hand": through(lambda x: x + torch.randn_like(x)).refused(
        RandomLossError, "the loss"
    ),
    "ELU": between(partial(nn.ELU, alpha=1.3)),
    "ELU in place": between(partial(nn.ELU, inplace=True)),
    "SELU": between(nn.SELU),
    "CELU": between(partial(nn.CELU, alpha=0.7)),
    "GELU": between(nn.GELU),
    "GELU by tanh": between(partial(nn.GELU, approximate="tanh")),
    "SiLU": between(nn.SiLU),
    "SiLU in place": between(partial(nn.SiLU, inplace=True)),
    "Mish": between(nn.Mish),
    "Softplus": between(nn.Softplus),
    "Softplus with a threshold": between(partial(nn.Softplus, beta=2, threshold=1)),
    "Softsign": between(nn.Softsign),
    "Sigmoid": between(nn.Sigmoid),
    "Tanh": between(nn.Tanh),
    "Hardswish": between(nn.Hardswish),
    "Hardsigmoid": between(nn.Hardsigmoid),
    "Hardtanh": between(nn.Hardtanh),
    "Hardshrink": between(nn.Hardshrink),
    "Softshrink": between(nn.Softshrink),
    "Tanhshrink": between(nn.Tanhshrink),
    "LogSigmoid": between(nn.LogSigmoid),
    "Threshold": between(partial(nn.Threshold, 0.1, 0.2)),
    "GLU": between(nn.GLU, 6),
    "SwiGLU": through(lambda x: F.silu(x[:, :3]) * x[:, 3:], 6),
    "Softmax": between(partial(nn.Softmax, -1)),
    "Softmax over images": on_images(nn.Softmax2d, 3),
    "Softmin": between(partial(nn.Softmin, -1)),
    "LogSoftmax": between(partial(nn.LogSoftmax, -1)),
    "sine": through(lambda x: torch.sin(3 * x)),
    "maxout": through(lambda x: x.unflatten(1, (3, 2)).amax(-1), 6),
}
