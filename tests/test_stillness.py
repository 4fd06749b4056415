"""The model comes back as it was, whatever was measured and however it ended."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
from networks import MLP
from problems import PROBLEMS, labels, normal
from theodolite.errors import ModelError, SecondDerivativeError, TheodoliteError
from theodolite.stillness import held_still, seed_everything
from watch import nothing_changes, random_state

F64 = torch.float64

pytestmark = [
    # what torch says to those who use its tracer, and its transforms
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]

# tracing and compiling take too long for every test
ENGINES = ("retained-graph", "double-backward", "primitive-operations")


def products_by(land: td.Landscape, products: str) -> Tensor:
    return land.hessian(products=products).dense()


MEASUREMENTS: dict[str, Callable[[td.Landscape], Any]] = {
    "loss": lambda land: land.loss(),
    "loss elsewhere": lambda land: land.loss(land.point + 0.1),
    "gradient": lambda land: land.gradient(),
    "gradient elsewhere": lambda land: land.gradient(land.point + 0.1),
    "products": lambda land: land.hessian().dense(),
    "products elsewhere": lambda land: land.hessian(point=land.point + 0.1).dense(),
    "block": lambda land: land.hessian(layers=next(iter(land.layers))).dense(),
    "eigsh": lambda land: td.eigsh(land.hessian(), 2),
    "power iteration": lambda land: td.power_iteration(land.hessian(), budget=20),
    "lanczos": lambda land: td.lanczos(land.hessian(), 5),
    "trace": lambda land: td.trace(land.hessian()),
    "density": lambda land: td.spectral_density(land.hessian(), probes=2, steps=5),
    "solve": lambda land: td.solve(land.hessian(), land.gradient(), damping=5.0),
    "layers": td.layer_eigenvalues,
    "rates": td.layer_learning_rates,
    "classify": td.classify,
    "speed limit": td.speed_limit,
    "expected rise": lambda land: td.expected_rise(land, 0.01, budget=3),
    "stiffness": td.stiffness,
    "diagonal": lambda land: td.diagonal(land.hessian()),
    "frobenius norm": lambda land: td.frobenius_norm(land.hessian()),
    "layer traces": td.layer_traces,
    "interactions": td.interactions,
    "moments": lambda land: td.moments(land.hessian()),
    "third order": lambda land: td.third_order(land, torch.ones(land.size)),
    "sharpness": lambda land: td.sharpness(land, steps=2, k=2),
    "data error": td.data_error,
    "escape": td.escape_direction,
    "index": lambda land: td.index(land, probes=2, steps=5),
    "algebra": lambda land: (
        (land.hessian() - land.gauss_newton()) @ torch.ones(land.size)
    ),
    "wider type": lambda land: land.to(F64).hessian().dense(),
    **{
        f"{products} products": partial(products_by, products=products)
        for products in ENGINES
    },
}

# what has no second derivative of the model to fail in, or hardly one
FIRST_DERIVATIVES: dict[str, Callable[[td.Landscape], Any]] = {
    "block between layers": lambda land: land.hessian().block("fc1", "fc2").dense(),
    "gauss newton": lambda land: land.gauss_newton().dense(),
    "gauss newton elsewhere": lambda land: land.gauss_newton(
        point=land.point + 0.1
    ).dense(),
    "fisher": lambda land: land.fisher().dense(),
    "empirical fisher": lambda land: land.fisher(empirical=True).dense(),
    "gauss newton trace": td.gauss_newton_trace,
    "gauss newton diagonal": td.gauss_newton_diagonal,
    "prediction hessian": lambda land: land.prediction_hessian().dense(),
    "gradient-difference products": partial(
        products_by, products="gradient-difference"
    ),
}
EVERYTHING = MEASUREMENTS | FIRST_DERIVATIVES


class Fragile(nn.Module):
    """Half trained: mixed modes, gradients, buffers that every pass changes.

    Fails on demand in a forward pass, or in the backward pass of a product.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(4, 6), nn.BatchNorm1d(6)
        self.fc2, self.drop = nn.Linear(6, 3), nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("cache", None)
        self.failing = Failing()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.cache = x.detach()
        x = self.failing.tanh(self.norm(self.fc1(x)))
        return self.fc2(self.drop(x))


class Failing:
    """tanh by hand, which raises at the n-th forward or second backward pass."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.where, self.after = "", 0

    def arm(self, where: str, error: BaseException, after: int = 0) -> None:
        self.where, self.error, self.after = where, error, after

    def reach(self, where: str) -> None:
        if self.error is not None and where == self.where:
            if self.after == 0:
                raise self.error
            self.after -= 1

    def tanh(self, x: Tensor) -> Tensor:
        self.reach("forward")
        torch.rand(3)  # a pass may draw
        return _Tanh.apply(x, self)


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, failing: Failing) -> Tensor:
        ctx.failing = failing
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        [x] = ctx.saved_tensors
        return gradient * _Slope.apply(x, ctx.failing), None


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, failing: Failing) -> Tensor:
        ctx.failing = failing
        ctx.save_for_backward(x)
        return 1 - x.tanh().square()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.failing.reach("product")
        [x] = ctx.saved_tensors
        return -2 * gradient * x.tanh() * (1 - x.tanh().square()), None


def half_trained() -> Fragile:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Fragile().double()
        model(normal(8, 4, dtype=F64)).sum().backward()
    model.norm.eval()
    model.drop.eval()
    model.fc1.bias.requires_grad_(False)
    model.fc2.weight.grad = None
    return model


def surveyed(model: nn.Module, **settings: Any) -> td.Landscape:
    data = [(normal(8, 4, dtype=F64), labels(3, 8)), (normal(3, 4, dtype=F64),) * 2]
    data[1] = (data[1][0], labels(3, 3))
    return td.Landscape(model, nn.CrossEntropyLoss(), data, **settings)


@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
@pytest.mark.parametrize("measurement", EVERYTHING)
def test_every_measurement_leaves_no_trace(measurement: str, memory: Any) -> None:
    model = half_trained()
    land = surveyed(model, memory=memory)
    with nothing_changes(model):
        EVERYTHING[measurement](land)


@pytest.mark.parametrize("measurement", EVERYTHING)
@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("after", [0, 3, 5])
def test_an_interrupted_forward_pass_leaves_no_trace(
    measurement: str, interruption: type[BaseException], after: int
) -> None:
    model = half_trained()
    land = surveyed(model, memory=0)
    model.failing.arm("forward", interruption("stop"), after)
    expected = ModelError if interruption is ValueError else interruption
    with nothing_changes(model), pytest.raises(expected, match="stop"):
        until_it_fails(EVERYTHING[measurement], land)


def until_it_fails(measure: Callable[[td.Landscape], Any], land: td.Landscape) -> None:
    """Some measurements end before the pass that fails."""
    measure(land)
    land.loss()
    land.loss()


WITHOUT_PRODUCTS = {"loss", "loss elsewhere", "gradient", "gradient elsewhere"}


@pytest.mark.parametrize("measurement", sorted({*MEASUREMENTS} - WITHOUT_PRODUCTS))
@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
def test_an_interrupted_product_leaves_no_trace(
    measurement: str, interruption: type[BaseException], memory: Any
) -> None:
    model = half_trained()
    land = surveyed(model, memory=memory)
    land.gradient()
    model.failing.arm("product", interruption("stop"), after=3)
    expected = SecondDerivativeError if interruption is RuntimeError else interruption
    with nothing_changes(model), pytest.raises(expected, match="stop"):
        MEASUREMENTS[measurement](land)


def until_a_product_fails(operator: Any, model: nn.Module) -> None:
    """A program, once it is written down, does not fail in the model's code."""
    operator.dense()
    surveyed(model).hessian(products="double-backward").dense()


WORKING_AGAIN = [
    (products, memory, interruption)
    for products in (*ENGINES, "traced", "gradient-difference")
    for memory in (None, 0)
    for interruption in (ValueError, KeyboardInterrupt)
    if products != "traced" or (memory is None) == (interruption is ValueError)
]


@pytest.mark.parametrize(("products", "memory", "interruption"), WORKING_AGAIN)
def test_an_operator_works_again_after_an_interruption(
    products: str, memory: Any, interruption: type[BaseException]
) -> None:
    model = half_trained()
    wanted = surveyed(model).hessian().dense()
    hessian = surveyed(model, memory=memory).hessian(products=products)
    # explained where the model raises it; from the keyboard it is as it was
    expected = (interruption, TheodoliteError)
    # a difference has no second derivative, but more forward passes
    later = "forward" if products == "gradient-difference" else "product"
    for where, after in (("forward", 0), ("forward", 2), (later, 0), (later, 5)):
        model.failing.arm(where, interruption("stop"), after)
        with nothing_changes(model), pytest.raises(expected, match="stop"):
            until_a_product_fails(hessian, model)
    model.failing.arm("", interruption())
    tolerance = 1e-4 if products == "gradient-difference" else 1e-9
    with nothing_changes(model):
        found = hessian.dense()
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("make", ["gauss_newton", "fisher"])
@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
def test_other_curvatures_work_again_too(make: str, memory: Any) -> None:
    model = half_trained()
    wanted = getattr(surveyed(model), make)().dense()
    curvature = getattr(surveyed(model, memory=memory), make)()
    for after in (0, 2):
        model.failing.arm("forward", KeyboardInterrupt("stop"), after)
        with nothing_changes(model), pytest.raises(KeyboardInterrupt):
            until_a_product_fails(curvature, model)
    model.failing.arm("", KeyboardInterrupt())
    torch.testing.assert_close(curvature.dense(), wanted)


@pytest.mark.parametrize("problem", ["batch statistics", "lstm", "checkpointed"])
def test_difficult_models_come_back_untouched(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    hessian = case.landscape().hessian()
    for _ in range(2):
        with nothing_changes(case.model):
            hessian @ torch.ones(hessian.shape[0])


@pytest.mark.parametrize("memory", [None, 1], ids=["kept", "streamed"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_loaders_own_generator_is_given_back(memory: Any, fails: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    data = TensorDataset(normal(20, 4, dtype=F64), labels(3, 20))
    loader = DataLoader(data, batch_size=6, shuffle=True, generator=generator)
    model = half_trained()
    land = td.Landscape(model, nn.CrossEntropyLoss(), loader, memory=memory)
    state = generator.get_state()
    if fails:
        model.failing.arm("forward", KeyboardInterrupt(), after=2)
        with pytest.raises(KeyboardInterrupt):
            land.hessian().dense()
    else:
        land.hessian() @ torch.ones(land.size)
    assert torch.equal(generator.get_state(), state)


def test_the_callers_precision_and_kernels_are_given_back() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    torch.set_float32_matmul_precision("medium")
    try:
        with (
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
            torch.autocast("cpu", torch.bfloat16),
            torch.no_grad(),
            nothing_changes(land.model),
        ):
            land.gradient()
            land.hessian() @ torch.ones(land.size)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_random_numbers_drawn_inside_do_not_show_outside() -> None:
    before = random_state()
    with held_still(None):
        seed_everything(5)
        torch.rand(10)
    assert random_state() == before


def test_shared_buffers_stay_shared_inside() -> None:
    model = nn.ModuleList([nn.BatchNorm1d(2), nn.BatchNorm1d(2)])
    model[1].running_mean = model[0].running_mean
    with nothing_changes(model), held_still(model):
        model[0].running_mean.add_(1)
        assert model[1].running_mean is model[0].running_mean


def test_a_frozen_submodule_in_eval_mode_stays_so() -> None:
    model = nn.Sequential(MLP(4, 5, 3), nn.Dropout()).double()
    model[1].eval()
    land = td.Landscape(
        model, nn.CrossEntropyLoss(), (normal(8, 4, dtype=F64), labels(3, 8))
    )
    with nothing_changes(model):
        td.eigsh(land.hessian(), 1)
    assert model.training
    assert not model[1].training
