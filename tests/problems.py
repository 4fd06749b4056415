"""The problems that every generic test runs on, each with its own dense reference.

The reference is independent of theodolite's products: the loss over all samples as
one batch, written out by hand, differentiated by torch.autograd.functional.hessian.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import theodolite as td
from networks import (
    CNN,
    LSTM,
    MLP,
    Checkpointed,
    Encoder,
    Norms,
    OwnLoss,
    SelfAttention,
    Tied,
    TwoInputs,
    Unused,
)

CUTS = (32, 32, 32, 4)
SAMPLES = sum(CUTS)


@dataclass(frozen=True)
class Case:
    """A model, its loss and its data, and the average loss over one big batch.

    ``whole(call)`` is the reference: ``call`` is the model with parameters given from
    outside.
    """

    model: nn.Module
    loss: Callable[[Any, Any], Any]
    batches: Sequence[Any]
    whole: Callable[[Callable[..., Any]], Tensor]
    parameters: str = "*"
    # stands in for the model in the reference, where functional_call misleads
    twin: nn.Module | None = None

    def landscape(self, **settings: Any) -> td.Landscape:
        return td.Landscape(
            self.model,
            self.loss,
            self.batches,
            **{"parameters": self.parameters, **settings},
        )

    def names(self) -> list[str]:
        """The chosen parameters, by a rule of the tests' own."""
        prefix = self.parameters.removesuffix("*")
        return [
            name
            for name, parameter in self.model.named_parameters()
            if parameter.requires_grad and name.startswith(prefix)
        ]

    def average(self, flat: Tensor) -> Tensor:
        """The average loss as a function of the chosen parameters."""
        weights = dict(self.model.named_parameters())
        names = self.names()
        pieces = flat.split([weights[name].numel() for name in names])
        replaced = {
            name: piece.view_as(weights[name])
            for name, piece in zip(names, pieces, strict=True)
        }

        def call(*args: Any, **kwargs: Any) -> Any:
            return functional_call(self.twin or self.model, replaced, args, kwargs)

        with sdpa_kernel(SDPBackend.MATH):
            return self.whole(call)

    def point(self) -> Tensor:
        weights = dict(self.model.named_parameters())
        return torch.cat([weights[name].detach().flatten() for name in self.names()])

    def hessian(self, point: Tensor | None = None) -> Tensor:
        at = self.point() if point is None else point
        return torch.autograd.functional.hessian(self.average, at)

    def gradient(self, point: Tensor | None = None) -> Tensor:
        at = (self.point() if point is None else point).requires_grad_()
        return torch.autograd.grad(self.average(at), at)[0]


def cut(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.split(list(CUTS)) for tensor in tensors), strict=True))


def exact(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers that float32 holds too: both types then see the same problem."""
    return tensor.float().to(dtype)


def normal(*shape: int, dtype: torch.dtype, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return exact(torch.randn(*shape, generator=generator), dtype)


def labels(high: int, *shape: int, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, shape or (SAMPLES,), generator=generator)


def ready(make: Callable[[], nn.Module], dtype: torch.dtype) -> nn.Module:
    """A model in eval mode from a fixed seed; no two weights or buffers alike."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = make().eval()
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor))
    return model.to(dtype)


def classifier(
    make: Callable[[], nn.Module],
    *shape: int,
    tokens: int = 0,
    parameters: str = "*",
    prepare: Callable[[nn.Module], Any] = lambda model: None,
) -> Callable[[torch.dtype], Case]:
    """Three classes by plain cross-entropy."""

    def build(dtype: torch.dtype) -> Case:
        model = ready(make, dtype)
        prepare(model)
        inputs = (
            labels(tokens, SAMPLES, *shape)
            if tokens
            else normal(SAMPLES, *shape, dtype=dtype)
        )
        target = labels(3)

        def whole(call: Callable[..., Any]) -> Tensor:
            chosen = call(inputs).log_softmax(-1).gather(1, target[:, None])
            return -chosen.sum() / SAMPLES

        return Case(
            model, nn.CrossEntropyLoss(), cut(inputs, target), whole, parameters
        )

    return build


def regression(dtype: torch.dtype) -> Case:
    model = ready(partial(nn.Linear, 4, 2), dtype)
    x, y = normal(SAMPLES, 4, dtype=dtype), normal(SAMPLES, 2, dtype=dtype, seed=5)
    return Case(
        model,
        nn.MSELoss(),
        cut(x, y),
        lambda call: (call(x) - y).square().sum() / (2 * SAMPLES),
    )


def weighted(functional: bool) -> Callable[[torch.dtype], Case]:
    """Class weights and an ignored class, whose share differs between batches."""

    def build(dtype: torch.dtype) -> Case:
        model = ready(partial(MLP, 4, 5, 3), dtype)
        x, y = normal(SAMPLES, 4, dtype=dtype), labels(3)
        y = torch.where(torch.arange(SAMPLES) % 5 < torch.arange(SAMPLES) // 30, -1, y)
        weights = torch.tensor([1.0, 3.0, 0.5], dtype=dtype)

        def whole(call: Callable[..., Any]) -> Tensor:
            counted = y >= 0
            rows = call(x)[counted].log_softmax(-1)
            share = weights[y[counted]]
            return -(share @ rows.gather(1, y[counted, None])[:, 0]) / share.sum()

        settings: dict[str, Any] = {"weight": weights, "ignore_index": -1}
        loss = (
            partial(F.cross_entropy, **settings)
            if functional
            else nn.CrossEntropyLoss(**settings)
        )
        return Case(model, loss, cut(x, y), whole)

    return build


def masked_tokens(dtype: torch.dtype) -> Case:
    """Padding is masked: every batch counts another number of tokens."""
    model = ready(partial(SelfAttention, 7, 4, 7), dtype)
    tokens = labels(7, SAMPLES, 5)
    lengths = labels(5, SAMPLES, seed=9) + torch.arange(SAMPLES) // 50

    def sum_and_count(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        mask = target >= 0
        rows = logits[mask].log_softmax(-1)
        return -rows.gather(1, target[mask][:, None]).sum(), mask.sum()

    target = torch.where(torch.arange(5)[None] < lengths[:, None], tokens, -1)

    def whole(call: Callable[..., Any]) -> Tensor:
        counted = target >= 0
        return F.cross_entropy(call(tokens)[counted], target[counted])

    return Case(model, sum_and_count, cut(tokens, target), whole)


def tuple_inputs(dtype: torch.dtype) -> Case:
    model = ready(TwoInputs, dtype)
    a, b = normal(SAMPLES, 3, dtype=dtype), normal(SAMPLES, 2, dtype=dtype, seed=6)
    y = labels(3)
    batches = [((i, j), k) for i, j, k in cut(a, b, y)]
    return Case(
        model,
        nn.CrossEntropyLoss(),
        batches,
        lambda call: F.nll_loss(call(a, b).log_softmax(-1), y),
    )


def dict_inputs(dtype: torch.dtype) -> Case:
    case = tuple_inputs(dtype)
    batches = [({"a": a, "b": b}, y) for (a, b), y in case.batches]
    return Case(case.model, case.loss, batches, case.whole)


def own_loss(dtype: torch.dtype) -> Case:
    """A batch that is one dict, and a model that answers with its loss."""
    model = ready(OwnLoss, dtype)
    x, y = normal(SAMPLES, 4, dtype=dtype), labels(3)
    batches = [{"inputs": a, "labels": b} for a, b in cut(x, y)]
    return Case(
        model,
        lambda output, batch: output["loss"],
        batches,
        lambda call: call(inputs=x, labels=y)["loss"],
    )


def batch_statistics(dtype: torch.dtype) -> Case:
    """Batch norm in training mode couples the samples: one batch only."""
    case = classifier(CNN, 2, 4, 4)(dtype)
    case.model.train()
    x, y = (torch.cat(parts) for parts in zip(*case.batches, strict=True))
    return Case(case.model, case.loss, [(x, y)], case.whole)


def checkpointed(dtype: torch.dtype) -> Case:
    """The reference keeps what is computed again here."""
    case = classifier(Checkpointed, 4)(dtype)
    return replace(case, twin=MLP(4, 5, 3).to(dtype))


def freeze_first(model: nn.Module) -> None:
    model.get_submodule("fc1").requires_grad_(False)


PROBLEMS: dict[str, Callable[[torch.dtype], Case]] = {
    "linear regression": regression,
    "mlp": classifier(partial(MLP, 4, 5, 3), 4),
    "cnn with batch norm": classifier(CNN, 2, 4, 4),
    "batch statistics": batch_statistics,
    "other norms": classifier(Norms, 2, 4, 4),
    "transformer encoder layer": classifier(Encoder, 3, 4),
    "scaled dot product": masked_tokens,
    "lstm": classifier(LSTM, 4, 2),
    "tied weights": classifier(Tied, 4, tokens=3),
    "frozen layer": classifier(partial(MLP, 4, 5, 3), 4, prepare=freeze_first),
    "unused parameter": classifier(Unused, 4),
    "chosen by pattern": classifier(partial(MLP, 4, 5, 3), 4, parameters="fc2.*"),
    "checkpointed": checkpointed,
    "class weights": weighted(functional=False),
    "class weights, partial": weighted(functional=True),
    "tuple inputs": tuple_inputs,
    "dict inputs": dict_inputs,
    "own loss": own_loss,
}


@cache
def dense_reference(problem: str) -> Tensor:
    return PROBLEMS[problem](torch.float64).hessian()
