"""Operations with cheaper second derivatives have the same ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import theodolite as td
from dense import dense, relative
from problems import labels, normal, ready
from theodolite.errors import ProductError
from theodolite.products.double_backward import GradientGraph, nodes_behind
from theodolite.products.kinks import kinks_behind
from theodolite.products.lean import layout
from theodolite.products.lean.function import is_lean
from theodolite.products.lean.operations import LeanOperations

F32, F64 = torch.float32, torch.float64
CE = nn.CrossEntropyLoss()

# shape of a sample, and the operation
OPERATIONS: dict[str, tuple[tuple[int, ...], Callable[[], nn.Module]]] = {
    "relu": ((5,), nn.ReLU),
    "conv1d": ((3, 7), lambda: nn.Conv1d(3, 4, 3, padding=1)),
    "conv2d": ((3, 5, 6), lambda: nn.Conv2d(3, 4, 3)),
    "conv3d": ((2, 3, 4, 3), lambda: nn.Conv3d(2, 3, 2)),
    "no bias": ((3, 5, 6), lambda: nn.Conv2d(3, 4, 3, bias=False)),
    "stride": ((3, 5, 6), lambda: nn.Conv2d(3, 4, (3, 2), stride=(2, 1))),
    "dilation": ((3, 7, 6), lambda: nn.Conv2d(3, 2, 3, dilation=2, padding=1)),
    "groups": ((4, 5, 5), lambda: nn.Conv2d(4, 6, 3, groups=2)),
    "depthwise": ((4, 5, 5), lambda: nn.Conv2d(4, 4, 3, groups=4)),
    "one by one": ((3, 4, 4), lambda: nn.Conv2d(3, 4, 1)),
    "same": ((3, 4, 4), lambda: nn.Conv2d(3, 4, 3, padding="same")),
    "circular": ((3, 4, 4), lambda: nn.Conv2d(3, 4, 3, 1, 1, padding_mode="circular")),
    "transposed 1d": ((3, 5), lambda: nn.ConvTranspose1d(3, 2, 3, stride=2)),
    "transposed 2d": (
        (3, 4, 4),
        lambda: nn.ConvTranspose2d(3, 2, 3, 2, padding=1, output_padding=1),
    ),
    "transposed groups": ((4, 3, 3), lambda: nn.ConvTranspose2d(4, 4, 2, groups=2)),
    "frozen weight": ((3, 5, 5), lambda: frozen(nn.Conv2d(3, 4, 3), "weight")),
    "frozen bias": ((3, 5, 5), lambda: frozen(nn.Conv2d(3, 4, 3), "bias")),
    "batch norm 0d": ((5,), lambda: measured(nn.BatchNorm1d(5))),
    "batch norm 1d": ((3, 6), lambda: measured(nn.BatchNorm1d(3))),
    "batch norm 2d": ((3, 4, 4), lambda: measured(nn.BatchNorm2d(3))),
    "batch norm 3d": ((2, 3, 2, 3), lambda: measured(nn.BatchNorm3d(2))),
    "no affine": ((3, 4, 4), lambda: measured(nn.BatchNorm2d(3, affine=False))),
    "no statistics": (
        (3, 4, 4),
        lambda: nn.BatchNorm2d(3, track_running_stats=False).eval(),
    ),
    "frozen scale": (
        (3, 4, 4),
        lambda: frozen(measured(nn.BatchNorm2d(3)), "weight"),
    ),
    "frozen shift": ((3, 4, 4), lambda: frozen(measured(nn.BatchNorm2d(3)), "bias")),
}


def frozen(module: nn.Module, name: str) -> nn.Module:
    module.get_parameter(name).requires_grad_(False)
    return module


def measured(norm: Any) -> nn.Module:
    norm.running_mean = normal(norm.num_features, dtype=F32, seed=5)
    norm.running_var = normal(norm.num_features, dtype=F32, seed=6).square() + 0.5
    return norm.eval()


class Around(nn.Module):
    """An operation whose input bends with parameters, as its output does."""

    def __init__(self, shape: tuple[int, ...], make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.before = nn.Parameter(torch.ones(shape[0], *[1] * (len(shape) - 1)))
        self.operation = make()
        self.after = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        bent = self.operation(torch.tanh(x * self.before)).flatten(1)
        return self.after(torch.tanh(bent @ normal(bent.shape[1], 2, dtype=x.dtype)))


def problem(name: str, dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    shape, make = OPERATIONS[name]
    x, y = normal(4, *shape, dtype=dtype), labels(3, 4)
    return ready(lambda: Around(shape, make), dtype), (x, y)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
def test_products_are_torchs_own(name: str, memory: int | None) -> None:
    model, data = problem(name, F64)
    land = td.Landscape(model, CE, data, memory=memory)

    def average(flat: Tensor) -> Tensor:
        pieces = dict(
            zip(land.parameters.names, land.parameters.split(flat), strict=True)
        )
        return CE(torch.func.functional_call(model, pieces, (data[0],)), data[1])

    wanted = dense(average, land.point)
    assert relative(land.hessian().dense(), wanted) <= 1e-12


@pytest.mark.parametrize("name", OPERATIONS)
def test_gauss_newton_products_are_torchs_own(name: str) -> None:
    model, data = problem(name, F64)
    land = td.Landscape(model, CE, data)
    gauss_newton = land.gauss_newton().dense()
    torch.testing.assert_close(gauss_newton, gauss_newton.T)
    plain = land.gauss_newton(products="primitive-operations").dense()
    assert relative(gauss_newton, plain) <= 1e-12


@pytest.mark.parametrize("name", OPERATIONS)
def test_blocks_ask_for_what_they_need_alone(name: str) -> None:
    model, data = problem(name, F64)
    land = td.Landscape(model, CE, data)
    hessian = land.hessian()
    whole = hessian.dense()
    layers = land.layers
    for row, rows in layers.items():
        for column, columns in layers.items():
            block = hessian.block(row or "before", column or "before").dense()
            torch.testing.assert_close(block, whole[rows, columns])


class Pictures(nn.Module):
    """Convolutions as people write them; in training mode with a dropout."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2)
        self.drop = nn.Dropout(0.3)
        self.last = nn.Linear(5 * 2 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 1)
        x = self.drop(torch.tanh(self.conv2(x)).relu())
        return self.last(x.view(x.size(0), -1))


def pictures(dtype: torch.dtype) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    model = ready(Pictures, dtype).eval()
    return model, (normal(6, 2, 6, 6, dtype=dtype), labels(3, 6))


def parts(dtype: torch.dtype) -> tuple[nn.Module, nn.Module, tuple[Tensor, Tensor]]:
    model, data = pictures(dtype)
    return model, CE, data


class Calls(TorchDispatchMode):
    """Which parts of convolutions are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = self.backward = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.forward += 1
        if func is torch.ops.aten.convolution_backward.default:
            self.backward += sum(args[-1][:2])
        return func(*args, **(kwargs or {}))


def calls(operator: Any) -> tuple[int, int]:
    """Convolutions in one product, after the first: forward and backward."""
    v = torch.ones(operator.shape[1], dtype=operator.dtype)
    operator @ v
    with Calls() as counted:
        operator @ v
    return counted.forward, counted.backward


def test_nothing_is_computed_that_nobody_asked_for() -> None:
    model, data = pictures(F64)
    land = td.Landscape(model, CE, data)
    # two layers, the first without a tangent of its input
    assert calls(land.hessian()) == (3, 2 + 2 + 1 + 1 - 1)
    assert calls(land.gauss_newton()) == (3, 3)
    assert calls(land.hessian().block("conv2")) == (1, 1)
    plain = calls(land.gauss_newton(products="primitive-operations"))
    assert sum(plain) > 6


def test_graphs_with_lean_functions_need_nothing_held() -> None:
    model, data = pictures(F32)
    hessian = td.Landscape(model, CE, data).hessian()
    hessian @ torch.ones(hessian.shape[1])
    assert hessian.engine == "retained graph, channels last"
    [product] = hessian.store._kept.values()
    assert isinstance(product, GradientGraph)
    gradients = [g for g in product.gradients if g is not None]
    assert any(map(is_lean, nodes_behind(gradients)))
    assert not product.runs_python
    assert kinks_behind(gradients) == ["max-pooling", "relu"]


@pytest.mark.parametrize("products", ["auto", "double-backward", "traced"])
def test_channels_last_change_rounding_alone(products: str) -> None:
    model, data = pictures(F64)
    wanted = td.Landscape(model, CE, data).hessian(products="primitive-operations")
    model, data = pictures(F32)
    hessian = td.Landscape(model, CE, data).hessian(products=products)
    assert relative(hessian.dense(), wanted.dense()) <= 1e-5
    assert hessian.engine.endswith("channels last")


def test_a_mask_that_would_be_another_keeps_channels_first() -> None:
    model, data = pictures(F32)
    land = td.Landscape(model.train(), CE, [data], seed=0, batch_statistics=True)
    hessian = land.hessian()
    v = normal(land.size, dtype=F32)
    found = hessian @ v
    assert hessian.engine == "retained graph, lean operations"
    tried = [(check.engine, check.right) for check in hessian.store.choice.checks]
    assert tried[0] == ("double backward, channels last", False)
    assert relative(found, land.hessian(products="primitive-operations") @ v) <= 1e-5


class Blind(nn.Module):
    """A dropout that neither loss nor output shows: what follows it is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop = nn.Conv2d(2, 4, 3), nn.Dropout(0.5)
        self.last = nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.drop(torch.tanh(self.conv(x))).flatten(1))


@pytest.mark.parametrize("products", ["auto", "traced"])
def test_nor_do_channels_move_where_the_loss_cannot_see_the_mask(products: str) -> None:
    model = ready(Blind, F32).train()
    nn.init.zeros_(model.get_parameter("last.weight"))
    data = (normal(6, 2, 6, 6, dtype=F32), labels(3, 6))
    land = td.Landscape(model, CE, data, seed=0)
    hessian, v = land.hessian(products=products), normal(land.size, dtype=F32)
    wanted = land.hessian(products="primitive-operations") @ v
    assert relative(hessian @ v, wanted) <= 1e-5
    assert hessian.engine.endswith("lean operations")


class Writing(nn.Module):
    """Samples that are marked are blanked through a view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x).tanh() * 1
        if bool((x > 100).any()):
            z.view(len(x), -1)[x[:, 0, 0, 0] > 100] = 0.0
        return self.last(z.flatten(1))


@pytest.mark.parametrize("marked", [0, 1], ids=["first batch", "second batch"])
def test_writes_through_a_view_that_is_none_are_noticed(marked: int) -> None:
    batches = [(normal(6, 2, 6, 6, dtype=F32, seed=s), labels(3, 6)) for s in (1, 2)]
    batches[marked][0][2:4, 0, 0, 0] = 101.0
    land = td.Landscape(ready(Writing, F32), CE, batches)
    hessian, v = land.hessian(), normal(land.size, dtype=F32)
    if marked:
        with pytest.raises(ProductError, match="writes through a view"):
            hessian @ v
        return
    wanted = land.hessian(products="primitive-operations") @ v
    assert relative(hessian @ v, wanted) <= 1e-5
    assert hessian.engine == "retained graph, lean operations"


class Recomputed(Pictures):
    """The same, computed again when it is differentiated."""

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(super().forward, x, use_reentrant=False)


def test_nothing_is_remembered_of_what_is_computed_again() -> None:
    _, data = pictures(F32)
    hessian = td.Landscape(ready(Recomputed, F32), CE, data).hessian()
    v = normal(hessian.shape[0], dtype=F32)
    assert torch.equal(hessian @ v, hessian @ v)
    assert hessian.engine.endswith("channels last")
    assert layout._copies is None


class Mapped(Pictures):
    """The same, one sample at a time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda one: super(Mapped, self).forward(one[None])[0])(x)


def test_models_that_map_over_samples_are_measured_with_torchs_own() -> None:
    _, data = pictures(F32)
    model = ready(Mapped, F32).eval()
    hessian = td.Landscape(model, CE, data).hessian()
    v = normal(hessian.shape[1], dtype=F32)
    plain = td.Landscape(pictures(F32)[0], CE, data).hessian()
    assert relative(hessian @ v, plain @ v) <= 1e-5
    assert hessian.engine == "retained graph, channels last"


class Insisting(Pictures):
    """A model that looks at how its numbers lie in memory."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.conv1(x).is_contiguous():
            message = "channels first, please"
            raise ValueError(message)
        return super().forward(x)


def test_models_that_insist_on_channels_first_get_them() -> None:
    _, data = pictures(F32)
    model = ready(Insisting, F32).eval()
    hessian = td.Landscape(model, CE, data).hessian()
    v = normal(hessian.shape[1], dtype=F32)
    assert relative(hessian @ v, td.Landscape(*parts(F32)).hessian() @ v) <= 1e-5
    assert hessian.engine == "retained graph, lean operations"


@pytest.mark.parametrize(
    ("shape", "kwargs"),
    [
        ((2, 5, 5), {}),
        ((1, 2, 5, 5), {"padding": "same"}),
        ((1, 2, 5, 5), {"padding": "valid"}),
    ],
    ids=str,
)
def test_every_form_of_call_is_torchs_own(shape: tuple[int, ...], kwargs: Any) -> None:
    x, weight = normal(*shape, dtype=F32), normal(3, 2, 3, 3, dtype=F32)
    wanted = F.conv2d(x, weight, **kwargs)
    with LeanOperations(channels_last=True):
        found = F.conv2d(x, weight, **kwargs)
    torch.testing.assert_close(found, wanted)


def test_autocast_casts_as_it_does_without() -> None:
    x, weight = normal(2, 2, 5, 5, dtype=F32), normal(3, 2, 3, 3, dtype=F32)
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        wanted = F.conv2d(x, weight)
        with LeanOperations():
            found = F.conv2d(x, weight)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted)
    [gradient] = torch.autograd.grad(found.float().sum(), weight)
    assert gradient.dtype == F32
