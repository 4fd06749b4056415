"""One row of the table: a model, its loss, its data, and what is expected of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from problems import labels, normal
from theodolite.errors import ProductError, TheodoliteError

SAMPLES = 11
F64 = torch.float64


@dataclass(frozen=True)
class Problem:
    """A model in the mode it is measured in, and one batch."""

    model: nn.Module
    loss: Callable[[Any, Any], Any]
    inputs: Any
    target: Any


@dataclass(frozen=True)
class Row:
    """How a problem comes about, the same each time, and what is to be found.

    ``error`` and ``says``: the refusal that is due, and a part of its text.
    """

    build: Callable[[], Problem]
    # the same function in a plainer form, for the reference
    plain: Callable[[], Problem] | None = None
    error: type[TheodoliteError] | None = None
    says: str = ""

    def like(self, other: "Row") -> "Row":
        return replace(self, plain=other.build)

    def refused(self, error: type[TheodoliteError], says: str) -> "Row":
        return replace(self, error=error, says=says)

    def denied(self) -> "Row":
        """The gradient is not that of the loss: no product can be right."""
        return self.refused(ProductError, "No product is right here")


class Apply(nn.Module):
    """A function as a layer."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


class Readout(nn.Module):
    """All features into three classes, by weights that are fixed and all different."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        weights = torch.sin(1.7 * torch.arange(1.0, 1.0 + 3 * flat.shape[1]))
        weights = weights.to(flat) / math.sqrt(flat.shape[1])
        return 2 * flat @ weights.view(-1, 3)


def ready(make: Callable[[], nn.Module], seed: int = 3) -> nn.Module:
    """A float64 model in eval mode from a fixed seed; no two weights alike."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = make().double().eval()
        for weight in model.parameters():
            weight.add_(0.2 * torch.rand_like(weight))
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.add_(0.2 * torch.rand_like(buffer))
    return model


def classified(
    make: Callable[[], nn.Module],
    inputs: Callable[[], Any],
    *,
    samples: int = SAMPLES,
    prepare: Callable[[nn.Module], Any] = lambda model: None,
    seed: int = 3,
) -> Row:
    """Three classes by cross-entropy."""

    def build() -> Problem:
        model = ready(make, seed)
        prepare(model)
        return Problem(model, nn.CrossEntropyLoss(), inputs(), labels(3, samples))

    return Row(build)


def between(middle: Callable[[], nn.Module], width: int = 4, **settings: Any) -> Row:
    """Vectors: a linear layer in front, and a fixed readout behind."""
    return classified(
        lambda: nn.Sequential(nn.Linear(2, width), middle(), Readout()),
        lambda: normal(SAMPLES, 2, dtype=F64),
        **settings,
    )


def through(function: Callable[[Tensor], Any], width: int = 4, **settings: Any) -> Row:
    """A function of the (11, width) output of a linear layer."""
    return between(lambda: Apply(function), width, **settings)


def on_images(
    middle: Callable[[], nn.Module], channels: int = 2, **settings: Any
) -> Row:
    """Images (3, channels, 4, 4) that a trainable pointwise convolution has mixed."""
    return classified(
        lambda: nn.Sequential(nn.Conv2d(2, channels, 1), middle(), Readout()),
        lambda: normal(3, 2, 4, 4, dtype=F64),
        samples=3,
        **settings,
    )


def on_series(middle: Callable[[], nn.Module], width: int = 4, **settings: Any) -> Row:
    """Series (5, 4, width), batch first, that a linear layer has mixed."""
    return classified(
        lambda: nn.Sequential(nn.Linear(2, width), middle(), Readout()),
        lambda: normal(5, 4, 2, dtype=F64),
        samples=5,
        **settings,
    )


def wrapped(row: Row, wrap: Callable[[nn.Module], nn.Module]) -> Row:
    """The model of a row inside another; the reference stays without."""

    def build() -> Problem:
        problem = row.build()
        return replace(problem, model=wrap(problem.model))

    return Row(build).like(row)


def training(model: nn.Module) -> None:
    model.train()
