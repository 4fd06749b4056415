"""Losses over a model's outputs, each with data, for everything that splits at them.

The reference treats all samples as one batch: the Jacobian of the outputs and the
loss's Hessian by torch.autograd.functional.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call
from torch.nn import functional as F

import theodolite as td
from problems import labels, normal, ready

# uneven, and the last batch of another kind of rows
CUTS = (4, 4, 3)
SAMPLES = sum(CUTS)


class Shaped(nn.Module):
    """Three numbers in, outputs of any shape out."""

    def __init__(self, *shape: int, log: bool = False) -> None:
        super().__init__()
        self.shape, self.log = shape, log
        self.fc1 = nn.Linear(3, 4)
        self.fc2 = nn.Linear(4, torch.Size(shape).numel())

    def forward(self, x: Tensor) -> Tensor:
        z = self.fc2(torch.tanh(self.fc1(x))).reshape(-1, *self.shape)
        return z.log_softmax(1) if self.log else z


class Answer(OrderedDict):
    """Attributes beside items, as transformers' outputs have them."""

    def __getattr__(self, name: str) -> Tensor:
        return self[name]


class Nested(Shaped):
    """Two outputs that the loss looks at, and one that it does not."""

    def __init__(self) -> None:
        super().__init__(3)
        self.scale = nn.Linear(3, 1)

    def forward(self, x: Tensor) -> Answer:
        logits = super().forward(x)
        return Answer(logits=logits, more=(self.scale(x), [x]), hidden=2 * logits)


@dataclass(frozen=True)
class Over:
    """A loss over the outputs of a small model.

    ``outer`` is the part whose curvature G takes, where that is not the loss itself;
    ``inner`` what it is taken of.
    """

    loss: Callable[[Any, Any], Any]
    target: Tensor
    model: Callable[[], nn.Module]
    outer: Callable[[Tensor, Tensor], Tensor] | None = None
    inner: Callable[[Any], Tensor] = lambda output: output
    likelihood: bool = False

    def landscape(self, dtype: torch.dtype, **settings: Any) -> td.Landscape:
        batches = list(
            zip(*(t.split(list(CUTS)) for t in self.data(dtype)), strict=True)
        )
        return td.Landscape(ready(self.model, dtype), self.loss, batches, **settings)

    def data(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        target = self.target
        return normal(SAMPLES, 3, dtype=dtype), (
            target.to(dtype) if target.is_floating_point() else target
        )

    def reference(self) -> Tensor:
        """The dense Gauss–Newton matrix in float64."""
        x, y = self.data(torch.float64)
        model = ready(self.model, torch.float64)
        names = [name for name, _ in model.named_parameters()]
        weights = [weight.detach() for weight in model.parameters()]

        def outputs(*given: Tensor) -> Tensor:
            replaced = dict(zip(names, given, strict=True))
            return self.inner(functional_call(model, replaced, (x,)))

        at = outputs(*weights)
        parts: Any = jacobian(outputs, tuple(weights))
        rows = torch.cat([part.reshape(at.numel(), -1) for part in parts], 1)
        outer: Any = self.outer or self.loss
        inner: Any = hessian(lambda z: outer(z, y), at)
        return rows.T @ inner.reshape(at.numel(), at.numel()) @ rows


def soft(*shape: int) -> Tensor:
    return normal(*shape, dtype=torch.float64, seed=7).softmax(1).float().double()


def dropped(target: Tensor, number: int = -100) -> Tensor:
    """Some targets ignored, more in the later batches."""
    places = torch.arange(target.numel()).reshape(target.shape)
    return torch.where(places % 7 < places * 4 // target.numel(), number, target)


def tokens_last(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-1)


def sum_and_count(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    total = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=-1, reduction="sum"
    )
    return total, (target != -1).sum()


def masked_by_hand(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    mask = target != -1
    terms = F.cross_entropy(
        logits.transpose(1, 2), target.clamp_min(0), reduction="none"
    )
    return (terms * mask).sum(), mask.sum()


def tokens_whole(logits: Tensor, target: Tensor) -> Tensor:
    rows = logits.log_softmax(-1).gather(-1, target.clamp_min(0)[..., None])[..., 0]
    mask = target != -1
    return -(rows * mask).sum() / mask.sum()


def cooled(logits: Tensor, target: Tensor) -> Tensor:
    """A likelihood of what is no linear function of the outputs."""
    return F.cross_entropy(torch.tanh(logits), target)


def penalised(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target) + 0.1 * logits.pow(4).mean()


def nested(output: Answer, target: Tensor) -> Tensor:
    factor = torch.exp(output.more[0])
    return F.cross_entropy(output.logits * factor, target)


def nested_whole(z: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(z[:, :3] * torch.exp(z[:, 3:]), target)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Not convex in its outputs; a mean over samples."""
    share = torch.sigmoid(logits)
    ratio = (2 * (share * target).sum(1) + 1) / (share.sum(1) + target.sum(1) + 1)
    return (1 - ratio).mean()


WEIGHT = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)


def weighted(loss: Callable[..., Tensor], **settings: Any) -> Callable[..., Tensor]:
    """A function with tensors among its settings, in the outputs' own type."""

    def call(z: Tensor, y: Tensor) -> Tensor:
        cast = {
            key: s.to(z.dtype) if isinstance(s, Tensor) else s
            for key, s in settings.items()
        }
        return loss(z, y, **cast)

    return call


three = partial(Shaped, 3)
binary = labels(2, SAMPLES, 3).double()
LIKELIHOODS: dict[str, Over] = {
    "cross-entropy": Over(nn.CrossEntropyLoss(), labels(3, SAMPLES), three),
    "ignored": Over(nn.CrossEntropyLoss(), dropped(labels(3, SAMPLES)), three),
    "partial": Over(
        partial(F.cross_entropy, label_smoothing=0.2), labels(3, SAMPLES), three
    ),
    "smoothed, positions": Over(
        nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=1),
        dropped(labels(3, SAMPLES, 2, 2), 1),
        partial(Shaped, 3, 2, 2),
    ),
    "shares of classes": Over(
        nn.CrossEntropyLoss(label_smoothing=0.1),
        soft(SAMPLES, 3, 2),
        partial(Shaped, 3, 2),
    ),
    "squared error": Over(
        nn.MSELoss(), normal(SAMPLES, 2, 2, dtype=torch.float64), partial(Shaped, 2, 2)
    ),
    "binary": Over(nn.BCEWithLogitsLoss(), binary, three),
    "binary, weighted": Over(
        weighted(
            F.binary_cross_entropy_with_logits,
            weight=WEIGHT,
            pos_weight=WEIGHT.flip(0),
        ),
        0.25 + binary / 2,
        three,
    ),
    "log-probabilities": Over(
        nn.NLLLoss(),
        labels(3, SAMPLES, 2),
        partial(Shaped, 3, 2, log=True),
        outer=F.cross_entropy,
    ),
    "tokens last": Over(
        sum_and_count,
        dropped(labels(3, SAMPLES, 4), -1),
        partial(Shaped, 4, 3),
        tokens_whole,
    ),
    "masked by hand": Over(
        masked_by_hand,
        dropped(labels(3, SAMPLES, 4), -1),
        partial(Shaped, 4, 3),
        tokens_whole,
    ),
}
OTHERS: dict[str, Over] = {
    "smooth L1": Over(
        nn.SmoothL1Loss(beta=0.5), normal(SAMPLES, 3, dtype=torch.float64), three
    ),
    "Poisson": Over(nn.PoissonNLLLoss(), binary, three),
    "not linear before": Over(cooled, labels(3, SAMPLES), three),
    "with a penalty of outputs": Over(penalised, labels(3, SAMPLES), three),
    "nested outputs": Over(
        nested,
        labels(3, SAMPLES),
        Nested,
        nested_whole,
        inner=lambda output: torch.cat([output["logits"], output["more"][0]], 1),
    ),
    "dice": Over(dice, binary, three),
}
