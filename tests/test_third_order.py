"""Three derivatives along a direction, against nested differentiation."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import theodolite as td
from problems import PROBLEMS, Case, labels, normal
from theodolite.errors import ArgumentError, NonFiniteError, SecondDerivativeError
from theodolite.models.digits import digits
from theodolite.site.third_order import third_order

F64 = torch.float64


def direction(size: int, dtype: torch.dtype = F64, seed: int = 5) -> Tensor:
    v = normal(size, dtype=dtype, seed=seed)
    return v / v.norm()


def curvature_slope(case: Case, v: Tensor) -> Tensor:
    """∇(vᵀHv) as a difference of products of the loss written out by hand.

    Independent of any third derivative of torch's; good to eleven digits.
    """

    def product(point: Tensor) -> Tensor:
        point = point.requires_grad_()
        slope = torch.autograd.grad(case.average(point), point, create_graph=True)[0]
        return torch.autograd.grad(slope, point, v)[0]

    def difference(step: float) -> Tensor:
        ahead, behind = (product(case.point() + s * v) for s in (step, -step))
        return (ahead - behind) / (2 * step)

    return (4 * difference(2e-5) - difference(4e-5)) / 3


@pytest.mark.parametrize("problem", PROBLEMS)
def test_third_derivatives_are_those_of_the_average_loss(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    v = direction(len(case.point()))
    found, wanted = third_order(case.landscape(), v), curvature_slope(case, v)
    size = max(float(wanted.norm()), 1e-3)
    assert float((found.gradient - wanted).norm()) <= 1e-8 * size
    assert found.cubic == pytest.approx(float(wanted @ v), rel=1e-8, abs=1e-9)
    assert found.curvature == pytest.approx(float(v @ case.hessian() @ v), rel=1e-9)
    assert found.slope == pytest.approx(float(case.gradient() @ v), rel=1e-9)
    assert found.agrees


def test_third_derivatives_equal_nested_differentiation() -> None:
    case = PROBLEMS["mlp"](F64)
    point, v = case.point().requires_grad_(), direction(len(case.point()))
    wanted: Any = case.average(point)
    for _ in range(2):
        wanted = torch.autograd.grad(wanted, point, create_graph=True)[0] @ v
    wanted = torch.autograd.grad(wanted, point)[0]
    found = third_order(case.landscape(), v)
    torch.testing.assert_close(found.gradient, wanted, rtol=1e-10, atol=1e-13)


def cubed(point: Tensor) -> td.Landscape:
    return td.Landscape.from_function(lambda w: (w**3).sum(), point)


def test_half_the_curvature_is_gone_after_the_walk_that_is_told() -> None:
    point, v = torch.tensor([1.0, 2.0]).double(), torch.tensor([1.0, 0.0]).double()
    found = third_order(cubed(point), v)
    assert (found.curvature, found.cubic) == (pytest.approx(6), pytest.approx(6))
    there = third_order(cubed(point - found.halving * v), v)
    assert there.curvature == pytest.approx(3)
    assert third_order(cubed(point), 3 * v).halving == pytest.approx(found.halving)


def test_everything_else_is_said_of_the_vector_as_it_is_given() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    v = direction(land.size)
    one, three = third_order(land, v), third_order(land, 3 * v)
    assert three.cubic == pytest.approx(27 * one.cubic)
    assert three.curvature == pytest.approx(9 * one.curvature)
    assert three.slope == pytest.approx(3 * one.slope)
    assert three.drift == pytest.approx(9 * one.drift)
    assert three.residual == pytest.approx(one.residual)
    assert three.length == pytest.approx(3)


def test_a_quadratic_keeps_its_curvature_however_far_one_walks() -> None:
    land = td.Landscape.from_function(lambda w: w @ w, torch.ones(4, dtype=F64))
    found = third_order(land, torch.ones(4, dtype=F64))
    assert (found.cubic, found.drift) == (0, 0)
    assert found.halving == float("inf")
    assert found.agrees


def tanh_on_digits() -> td.Landscape:
    """Four tanh layers with squared error, after some steps of descent."""
    images, classes = digits()
    x = images[:100].reshape(100, -1).double()
    y = functional.one_hot(classes[:100], 10).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = [64, 20, 20, 20, 20]
        layers = [
            layer
            for wide, narrow in pairwise(sizes)
            for layer in (nn.Linear(wide, narrow), nn.Tanh())
        ]
        model = nn.Sequential(*layers, nn.Linear(20, 10)).double()
    land = td.Landscape(model, nn.MSELoss(), (x, y))
    point = land.point
    for _ in range(40):
        point -= 0.5 * land.gradient(point)
    nn.utils.vector_to_parameters(point, model.parameters())
    return land


def test_progressive_sharpening_is_a_third_derivative() -> None:
    """λ_max rises along gradient flow as fast as −∇f·∇(vᵀHv) says, to five digits."""
    land = tanh_on_digits()
    top = td.eigsh(land.hessian(), 1, tol=1e-9)
    found = third_order(land, top.vectors[:, 0])
    slope = land.gradient()

    def steepest(time: float) -> float:
        hessian = land.hessian(point=land.point - time * slope)
        return float(td.eigsh(hessian, 1, tol=1e-9).values[0])

    rates = [(steepest(t) - steepest(-t)) / (2 * t) for t in (1e-3, 2e-3)]
    wanted = (4 * rates[0] - rates[1]) / 3
    assert found.drift == pytest.approx(wanted, rel=1e-5)
    assert found.drift > 0
    assert found.residual <= 1e-8 * found.curvature


def test_batches_weigh_what_they_count() -> None:
    x, y = normal(20, 4, dtype=F64), labels(3, 20)
    empty = torch.full_like(y[:4], -100)
    model = PROBLEMS["mlp"](F64).model
    loss = nn.CrossEntropyLoss()
    whole = td.Landscape(model, loss, (x, y))
    parts = [(x[:13], y[:13]), (x[:4], empty), (x[13:], y[13:])]
    v = direction(whole.size)
    one, cut = third_order(whole, v), third_order(td.Landscape(model, loss, parts), v)
    torch.testing.assert_close(one.gradient, cut.gradient, rtol=1e-11, atol=1e-13)
    assert one.cubic == pytest.approx(cut.cubic, rel=1e-10)
    assert cut.difference == pytest.approx(cut.cubic, rel=1e-5)


def test_float32_finds_the_same_and_bfloat16_has_no_difference() -> None:
    wide = PROBLEMS["mlp"](F64).landscape()
    v = direction(wide.size)
    exact = third_order(wide, v)
    narrow = third_order(PROBLEMS["mlp"](torch.float32).landscape(), v)
    assert narrow.cubic == pytest.approx(exact.cubic, rel=1e-4)
    assert narrow.agrees
    half = third_order(PROBLEMS["mlp"](torch.bfloat16).landscape(), v)
    assert half.cubic == pytest.approx(exact.cubic, rel=0.3)
    assert half.difference is None
    assert half.agrees is None


class Kinked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 40)
        self.out = nn.Linear(40, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(x).relu())


def test_jumps_of_the_curvature_at_kinks_are_told() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Kinked()
    data = normal(400, 4, dtype=torch.float32), labels(3, 400)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    found = third_order(land, direction(land.size, torch.float32))
    assert found.kinks == ("relu",)
    assert not found.agrees
    assert "kinks (relu)" in str(found)


class Square(torch.autograd.Function):
    """3x² whose derivative forgets that it depends on x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return 3 * x * x

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * 6 * ctx.saved_tensors[0].detach()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * Square.apply(ctx.saved_tensors[0])


def test_a_wrong_third_derivative_is_found_out() -> None:
    def forgetful(w: Tensor) -> Tensor:
        return Cube.apply(w).sum()

    land = td.Landscape.from_function(forgetful, torch.ones(3, dtype=F64))
    v = torch.ones(3, dtype=F64)
    found = third_order(land, v)
    assert found.curvature == pytest.approx(18)
    assert found.cubic != pytest.approx(18)
    assert found.difference == pytest.approx(18, rel=1e-6)
    assert not found.agrees
    assert third_order(land, v, check=False).agrees is None


def test_a_second_derivative_that_is_lost_is_found_out() -> None:
    land = td.Landscape.from_function(
        lambda w: Once.apply(w).sum(), torch.ones(3, dtype=F64)
    )
    found = third_order(land, torch.ones(3, dtype=F64))
    assert found.curvature == 0
    assert not found.agrees
    assert "vᵀHv = 18" in str(found)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient * 3 * ctx.saved_tensors[0] ** 2


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (
            lambda w: Once.apply(w).square().sum(),
            SecondDerivativeError,
            "once_differentiable",
        ),
        (lambda w: (w - 1).abs().pow(2.5).sum(), NonFiniteError, "third order"),
    ],
    ids=["differentiable once", "no third derivative here"],
)
def test_what_has_no_third_derivative_is_refused(
    function: Callable[[Tensor], Tensor], kind: type[Exception], words: str
) -> None:
    land = td.Landscape.from_function(function, torch.ones(3, dtype=F64))
    with pytest.raises(kind, match=words):
        third_order(land, torch.ones(3, dtype=F64))


@pytest.mark.parametrize(
    ("v", "words"),
    [
        (torch.ones(3), r"shape \(3,\).*\n→ .*\(4,\)"),
        (torch.zeros(4), "length 0"),
        (torch.full((4,), torch.nan), "length nan"),
    ],
)
def test_a_direction_has_the_shape_and_a_length(v: Tensor, words: str) -> None:
    land = td.Landscape.from_function(lambda w: w @ w, torch.ones(4))
    with pytest.raises(ArgumentError, match=words):
        third_order(land, v)


def test_the_result_is_plain_and_the_model_as_it_was() -> None:
    case = PROBLEMS["cnn with batch norm"](F64)
    before = {name: t.clone() for name, t in case.model.state_dict().items()}
    random = torch.get_rng_state()
    land = case.landscape()
    found = third_order(land, direction(land.size))
    again = third_order(land, direction(land.size))
    assert torch.equal(found.gradient, again.gradient)
    assert torch.equal(random, torch.get_rng_state())
    for name, tensor in case.model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.grad is None and p.requires_grad for p in case.model.parameters())
    told = json.loads(json.dumps(found.to_dict()))
    assert told["cubic"] == found.cubic
    assert told["outcome"] == "exact"
    assert told["products"] == 4
    assert "curvature" in repr(found)


def test_where_there_is_no_curvature_half_of_it_is_gone_at_once() -> None:
    land = td.Landscape.from_function(
        lambda w: w[0] ** 3, torch.zeros(2, dtype=torch.float64)
    )
    found = td.third_order(land, torch.ones(2, dtype=torch.float64))
    assert found.cubic == pytest.approx(6.0, rel=1e-12)
    assert found.curvature == 0
    assert found.halving == 0
    assert found.outcome.good
