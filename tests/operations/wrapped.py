"""What models are wrapped in: checkpoints, functions, compilers, ties, adapters."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize, prune
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

from operations.row import (
    Row,
    between,
    wrapped,
)
from theodolite.errors import (
    NoGradientError,
    ParameterError,
    RandomLossError,
    SecondDerivativeError,
)


class Recomputed(nn.Module):
    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.layer, self.settings = nn.Linear(4, 3), settings

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(lambda x: self.layer(x).tanh(), x, **self.settings)


def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    del context, args, kwargs
    if operation is torch.ops.aten.addmm.default:
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


def selective() -> nn.Module:
    return Recomputed(
        use_reentrant=False,
        context_fn=partial(create_selective_checkpoint_contexts, policy),
    )


class Sequenced(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint_sequential(self.layers, 2, x, use_reentrant=False)


class Adapted(nn.Module):
    """A frozen layer and a trained one of low rank beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(4, 4)
        self.base.requires_grad_(False)
        self.down, self.up = nn.Linear(4, 2, bias=False), nn.Linear(2, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.base(x) + self.up(self.down(x)))


class Autoencoder(nn.Module):
    """The decoder is the encoder's transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x).tanh() @ self.encode.weight


class Twice(nn.Module):
    """One layer at two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).tanh())


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.softplus(x)


def positive() -> nn.Module:
    layer = nn.Linear(4, 3)
    parametrize.register_parametrization(layer, "weight", Positive())
    return layer


def pruned() -> nn.Module:
    return prune.l1_unstructured(nn.Linear(4, 3), "weight", 0.5)


class Hyper(nn.Module):
    """Its layer's weights are another layer's output."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2, bias=False).requires_grad_(False)
        self.make = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        made = self.make(torch.tensor([1.0, -0.5]).to(x)).view(2, 2)
        out = torch.func.functional_call(self.inner, {"weight": made}, x[:, :2])
        return (out + x[:, 2:]).tanh()


class Routed(nn.Module):
    """The better of two experts for each sample, weighed by the router."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(4, 2)
        self.experts = nn.ModuleList(nn.Linear(4, 2) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        share, chosen = self.router(x).softmax(-1).max(-1)
        out = x.new_zeros(len(x), 2)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            out = out.index_add(0, rows, share[rows, None] * expert(x[rows]).tanh())
        return out


class Hooked(nn.Module):
    """Watched in its backward pass, changed in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.layer.register_full_backward_hook(lambda layer, before, after: None)
        self.layer.register_forward_hook(lambda layer, inputs, output: output.tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Offloaded(nn.Module):
    """What the backward pass needs is packed and unpacked."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autograd.graph.save_on_cpu():
            return self.layer(x).tanh()


class Tracking(nn.Module):
    """A buffer of its own that every pass moves."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        self.centre = 0.9 * self.centre + 0.1 * x.detach().mean(0)
        return (x - self.centre).tanh()


class Listed(nn.Module):
    """A parameter that is also in a plain list, and is reached there."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 3))
        self.all = [self.weight]

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.all[0]).tanh()


def compiled(model: nn.Module, backend: str = "eager") -> Any:
    return torch.compile(model, backend=backend)


def part_compiled() -> nn.Module:
    return compiled(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), "aot_eager")


def compiled_in_place() -> nn.Module:
    layer = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    layer.compile(backend="aot_eager")
    return layer


def layer() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh())


def data_parallel(model: nn.Module) -> nn.Module:
    """Across processes; a group of one is there while the tests run."""
    return nn.parallel.DistributedDataParallel(model)


CHECKPOINTS: dict[str, Row] = {
    "checkpoint": between(lambda: Recomputed(use_reentrant=False)),
    "checkpoint without an early stop": between(
        lambda: Recomputed(use_reentrant=False, early_stop=False)
    ),
    "checkpoint, selective": between(selective).refused(
        SecondDerivativeError, "selective activation checkpoint"
    ),
    "checkpoint, sequential": between(Sequenced),
    "checkpoint, reentrant": between(lambda: Recomputed(use_reentrant=True)).refused(
        NoGradientError, "use_reentrant=False"
    ),
}

WRAPPERS: dict[str, Row] = {
    "compiled": wrapped(between(layer), compiled),
    "compiled for autograd": wrapped(
        between(layer), partial(compiled, backend="aot_eager")
    ),
    "compiled in part": between(part_compiled).like(between(layer)),
    "compiled in place": between(compiled_in_place).like(between(layer)),
    "distributed data parallel": wrapped(between(layer), data_parallel),
    "data parallel": wrapped(between(layer), nn.DataParallel),
    "hooks": between(Hooked).like(between(layer)),
    "offloaded tensors": between(Offloaded).like(between(layer)),
    "buffer that every pass moves": between(Tracking).refused(
        RandomLossError, "the loss"
    ),
    "low-rank adapter": between(Adapted),
    "tied transpose": between(Autoencoder),
    "tied layer": between(Twice),
    "positive weights": between(positive),
    "pruned weights": between(pruned),
    "hypernetwork": between(Hyper),
    "mixture of experts": between(Routed),
    "parameter in a list": between(Listed).refused(ParameterError, "'1.weight'"),
}

WRAPPED = CHECKPOINTS | WRAPPERS
