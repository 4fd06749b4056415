"""What cannot be measured: how it comes about, the error, and what that says."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
from networks import MLP
from problems import labels, normal
from theodolite import errors

CE = nn.CrossEntropyLoss()
PAIR = (normal(8, 4, dtype=torch.float32), labels(3, 8))
TWO = [PAIR, PAIR]


def mlp() -> MLP:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP(4, 5, 3)


def broken(value: float) -> MLP:
    model = mlp()
    with torch.no_grad():
        model.fc2.weight[1, 2] = value
    return model


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * (1 - ctx.saved_tensors[0].tanh().square())


class OnceActivation(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Once.apply(x)


class Segments(nn.Module):
    """The mean of two rows at a time, by an operation without second derivative."""

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((len(x) // 2,), 2)
        means = torch.segment_reduce(x.tanh(), "mean", lengths=lengths, axis=0)
        return means.repeat_interleave(2, 0)


class Reversed(torch.autograd.Function):
    """The identity, with the gradient's sign turned."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Reversal(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Reversed.apply(x.tanh())


class Reentrant(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(super().forward, x, use_reentrant=True)


def between(middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), middle, nn.Linear(3, 3))


def with_dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Linear(5, 3))


def with_batch_norm(**settings: Any) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, **settings))


def frozen() -> nn.Module:
    return mlp().requires_grad_(False)


def iterable(x: Any) -> Any:
    return (batch for batch in x)


def land(
    model: Callable[[], nn.Module] = mlp, data: Any = PAIR, loss: Any = CE, **kw: Any
) -> Callable[[], tuple[nn.Module, Callable[[], Any]]]:
    """The model, and what a user would do with it."""

    def build() -> tuple[nn.Module, Callable[[], Any]]:
        made = model()

        def use() -> Any:
            landscape = td.Landscape(
                made, loss, data() if callable(data) else data, **kw
            )
            return landscape.hessian() @ torch.ones(landscape.size)

        return made, use

    return build


IMAGES = (torch.zeros(8, 7), PAIR[1])
NAN_INPUTS = (torch.full((8, 4), float("nan")), PAIR[1])
ONE_CLASS = (PAIR[0], torch.zeros(8))
DATASET = TensorDataset(*PAIR)

# what is done: (the error, what its message says of found, why and instead)
REFUSED = {
    "NaN weight": (
        land(lambda: broken(float("nan"))),
        errors.NonFiniteError,
        ["'fc2.weight' has 1 NaN", "before the divergence"],
    ),
    "infinite weight": (
        land(lambda: broken(float("inf"))),
        errors.NonFiniteError,
        ["'fc2.weight' has 1 NaN or infinite"],
    ),
    "NaN inputs": (
        land(data=NAN_INPUTS),
        errors.NonFiniteError,
        ["loss of batch 0 (counted from 0) is nan", "Check the data"],
    ),
    "NaN loss": (
        land(loss=lambda out, y: CE(out, y) / 0),
        errors.NonFiniteError,
        ["loss of batch 0 (counted from 0) is inf"],
    ),
    "empty list": (land(data=[]), errors.DataError, ["empty list", "at least one"]),
    "empty loader": (
        land(data=lambda: DataLoader(TensorDataset(*(t[:0] for t in PAIR)))),
        errors.DataError,
        ["no batch", "drop_last"],
    ),
    "no rows": (
        land(data=tuple(t[:0] for t in PAIR)),
        errors.DataError,
        ["no rows", "at least one sample"],
    ),
    "iterator": (
        land(data=lambda: iter(TWO)),
        errors.DataError,
        ["one-shot iterator", "list(data)"],
    ),
    "generator": (
        land(data=lambda: iterable(TWO)),
        errors.DataError,
        ["one-shot iterator (generator)", "another pass"],
    ),
    "bare dataset": (
        land(data=DATASET),
        errors.DataError,
        ["dataset (TensorDataset) of single samples", "DataLoader(dataset"],
    ),
    "three in a tuple": (
        land(data=(*PAIR, PAIR[0])),
        errors.DataError,
        ["A tuple of 3", "((input_1, input_2), targets)"],
    ),
    "tensors without targets": (
        land(data=[PAIR[0]]),
        errors.DataError,
        ["A batch that is a Tensor", "pair (inputs, targets)"],
    ),
    "a tensor": (land(data=PAIR[0]), errors.DataError, ["type Tensor"]),
    "batch_size zero": (
        land(batch_size=0),
        errors.DataError,
        ["batch_size=0", "positive integer"],
    ),
    "batch_size with batches": (
        land(data=TWO, batch_size=4),
        errors.DataError,
        ["batch_size=4", "in batches already"],
    ),
    "a dataset that fails": (
        land(data=lambda: DataLoader(DATASET, collate_fn=lambda rows: 1 / 0)),
        errors.DataError,
        ["Reading the data failed: ZeroDivisionError", "for batch in data"],
    ),
    "everything ignored": (
        land(data=(PAIR[0], torch.full((8,), -100))),
        errors.DataError,
        ["add up to 0", "ignore_index"],
    ),
    "loss of a vector": (
        land(loss=nn.CrossEntropyLoss(reduction="none")),
        errors.LossError,
        ["tensor of shape (8,)", "(sum, count)"],
    ),
    "loss of a float": (
        land(loss=lambda out, y: 3.0),
        errors.LossError,
        ["returned a float", "scalar mean"],
    ),
    "loss of integers": (
        land(loss=lambda out, y: out.argmax().sum()),
        errors.LossError,
        ["torch.int64"],
    ),
    "loss that fails": (
        land(data=(PAIR[0], PAIR[1][:5])),
        errors.LossError,
        ["The loss failed: ValueError", "(8, 3) float32", "(5,) int64"],
    ),
    "detached loss": (
        land(loss=lambda out, y: CE(out.detach(), y)),
        errors.NoGradientError,
        ["no gradient", ".detach()"],
    ),
    "pattern without match": (
        land(parameters="fc_1.*"),
        errors.ParameterError,
        ["No parameter matches 'fc_1.*'", "'fc1."],
    ),
    "one of two patterns without match": (
        land(parameters=["fc1.*", "norm.*"]),
        errors.ParameterError,
        ["No parameter matches 'norm.*'"],
    ),
    "no pattern": (land(parameters=[]), errors.ParameterError, ["empty list"]),
    "all frozen": (
        land(frozen),
        errors.ParameterError,
        ["All 4 parameters that match '*' are frozen", "requires_grad_(True)"],
    ),
    "no parameters": (
        land(nn.Identity),
        errors.ParameterError,
        ["no parameters", "from_function"],
    ),
    "lazy module": (
        land(lambda: nn.Sequential(nn.LazyLinear(3))),
        errors.ParameterError,
        ["'0.weight' has no shape yet", "model(inputs) once"],
    ),
    "complex weights": (
        land(lambda: nn.Linear(4, 3, dtype=torch.complex64)),
        errors.ParameterError,
        ["'weight' is torch.complex64", "view_as_real"],
    ),
    "dropout": (
        land(with_dropout),
        errors.RandomLossError,
        ["1 (Dropout) in training mode", "model.eval()"],
    ),
    "dropout in bfloat16": (
        land(lambda: with_dropout().bfloat16(), (PAIR[0].bfloat16(), PAIR[1])),
        errors.RandomLossError,
        ["1 (Dropout) in training mode"],
    ),
    "functional dropout": (
        land(mlp, loss=lambda out, y: CE(F.dropout(out), y)),
        errors.RandomLossError,
        ["has the loss", "two products with the same vector differ"],
    ),
    "batch norm in training mode": (
        land(with_batch_norm, TWO),
        errors.RandomLossError,
        ["1 (BatchNorm1d) in training mode", "how the batches are cut", "model.eval()"],
    ),
    "batch norm without statistics": (
        land(lambda: with_batch_norm(track_running_stats=False).eval(), TWO),
        errors.RandomLossError,
        ["1 (BatchNorm1d) in eval mode", "one batch"],
    ),
    "segments": (
        land(lambda: between(Segments())),
        errors.SecondDerivativeError,
        ["'1' (Segments)", "_segment_reduce_backward"],
    ),
    "another gradient": (
        land(lambda: between(Reversal())),
        errors.ProductError,
        ["% from a difference of gradients", 'products="gradient-difference"'],
    ),
    "once differentiable": (
        land(lambda: between(OnceActivation())),
        errors.SecondDerivativeError,
        ["'1' (OnceActivation)", "@once_differentiable"],
    ),
    "reentrant checkpoint": (
        land(lambda: between(Reentrant(3, 3))),
        errors.NoGradientError,
        ["use_reentrant=True", "'1.weight'", "use_reentrant=False"],
    ),
    "model that fails": (
        land(data=IMAGES),
        errors.ModelError,
        ["The model failed: RuntimeError", "(8, 7) float32", "model(inputs) yourself"],
    ),
    "memory without a unit": (
        land(memory="lots"),
        errors.ArgumentError,
        ["memory='lots'", '"8GiB"'],
    ),
    "memory with two dots": (
        land(memory="1.2.3GiB"),
        errors.ArgumentError,
        ["memory='1.2.3GiB'"],
    ),
}
