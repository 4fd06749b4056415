"""The landscape of a model and of a function: values, gradients, its own names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import theodolite as td
from networks import MLP
from problems import PROBLEMS, labels, normal
from theodolite.errors import ParameterError

F64 = torch.float64


def test_linear_regression_has_the_textbook_hessian() -> None:
    x, y = normal(40, 3, dtype=F64), normal(40, 1, dtype=F64, seed=2)
    land = td.Landscape(nn.Linear(3, 1).double(), nn.MSELoss(), (x, y))
    design = torch.cat([x, torch.ones(40, 1, dtype=F64)], 1)
    wanted = 2 * design.T @ design / 40
    torch.testing.assert_close(land.hessian().dense(), wanted, rtol=0, atol=1e-10)


def test_linear_regression_has_its_minimum_at_the_least_squares_solution() -> None:
    x, y = normal(40, 3, dtype=F64), normal(40, 1, dtype=F64, seed=2)
    land = td.Landscape(nn.Linear(3, 1).double(), nn.MSELoss(), (x, y))
    design = torch.cat([x, torch.ones(40, 1, dtype=F64)], 1)
    solution = torch.linalg.lstsq(design, y).solution[:, 0]
    assert float(land.gradient(solution).norm()) <= 1e-12
    residual = (design @ solution - y[:, 0]).square().mean()
    assert land.loss(solution) == pytest.approx(float(residual), rel=1e-12)


def test_a_function_is_its_own_landscape() -> None:
    land = td.Landscape.from_function(
        lambda w: w[0] ** 3 - w[1] ** 2, torch.tensor([1.0, 0.0])
    )
    assert land.size == 2
    assert land.loss() == 1
    assert land.loss(torch.tensor([2.0, 3.0])) == -1
    assert land.gradient().tolist() == [3, 0]
    assert land.gradient(torch.tensor([2.0, 3.0])).tolist() == [12, -6]
    assert land.hessian().dense().tolist() == [[6, 0], [0, -2]]
    assert td.eigsh(land.hessian(), 2).values.tolist() == pytest.approx([6, -2])


def test_a_quadratic_has_its_matrix_as_hessian_everywhere() -> None:
    matrix = normal(5, 5, dtype=F64)
    matrix = matrix + matrix.T
    land = td.Landscape.from_function(
        lambda w: w @ matrix @ w / 2 + w.sum(), torch.ones(5, dtype=F64)
    )
    for point in (None, normal(5, dtype=F64, seed=3)):
        torch.testing.assert_close(land.hessian(point=point).dense(), matrix)


def test_a_linear_function_has_a_hessian_of_zeros() -> None:
    land = td.Landscape.from_function(lambda w: 3 * w.sum(), torch.ones(4))
    assert land.gradient().tolist() == [3, 3, 3, 3]
    assert not land.hessian().dense().any()


def test_moving_the_functions_point_afterwards_changes_nothing() -> None:
    point = torch.ones(2)
    land = td.Landscape.from_function(lambda w: (w**3).sum(), point)
    point.zero_()
    assert land.loss() == 2
    assert land.gradient().tolist() == [3, 3]


@pytest.mark.parametrize(
    "point", [torch.ones(2, 2), torch.ones(2).int(), torch.zeros(0), torch.tensor(1.0)]
)
def test_a_point_is_a_flat_tensor_of_floats(point: Tensor) -> None:
    with pytest.raises((ParameterError, TypeError)):
        td.Landscape.from_function(lambda w: w.sum(), point)


def test_the_landscape_follows_its_model() -> None:
    case = PROBLEMS["mlp"](F64)
    land = case.landscape()
    before = land.loss()
    with torch.no_grad():
        case.model.get_parameter("fc2.bias").copy_(torch.tensor([5.0, 0.0, 0.0]))
    after = float(case.average(case.point()).detach())
    assert land.loss() == pytest.approx(after, rel=1e-12)
    assert land.loss() != before
    torch.testing.assert_close(land.hessian().dense(), case.hessian())


def test_away_from_the_model_infinity_is_a_value() -> None:
    land = td.Landscape.from_function(lambda w: w.exp().sum(), torch.zeros(2))
    assert land.loss(torch.full((2,), 1e4)) == float("inf")


def test_a_point_of_another_type_is_converted() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    point = land.point.float()
    assert land.loss(point) == pytest.approx(land.loss(point.double()), rel=1e-12)


def test_held_out_data_has_a_landscape_of_its_own() -> None:
    case = PROBLEMS["mlp"](F64)
    test = (normal(10, 4, dtype=F64, seed=9), labels(3, 10))
    land = case.landscape(test=test, name="fit")
    wanted = F.cross_entropy(case.model(test[0]), test[1]).detach()
    assert land.test is not None
    assert land.test.loss() == pytest.approx(float(wanted), rel=1e-12)
    assert land.test.name == "fit (test)"
    assert case.landscape().test is None


def test_a_landscape_says_what_it_is() -> None:
    land = PROBLEMS["mlp"](torch.float32).landscape()
    assert repr(land) == (
        "Landscape(MLP, 43 parameters in 2 layers, torch.float32 on cpu)".replace(
            "torch.", ""
        )
    )
    assert (land.name, land.loss_name) == ("MLP", "CrossEntropyLoss")


def test_parameters_of_a_layer_are_the_models_own() -> None:
    case = PROBLEMS["mlp"](F64)
    weight, bias = case.landscape().parameters_of("fc2")
    assert weight is case.model.get_parameter("fc2.weight")
    assert bias is case.model.get_parameter("fc2.bias")


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "wrap", [torch.compile, nn.DataParallel], ids=["compile", "DataParallel"]
)
def test_a_wrapped_model_is_the_model_inside(wrap: Any) -> None:
    model = MLP(4, 5, 3)
    data = (torch.zeros(2, 4), labels(3, 2))
    land = td.Landscape(wrap(model), nn.CrossEntropyLoss(), data)
    assert land.model is model
    assert land.parameters.names[0] == "fc1.weight"


@pytest.mark.parametrize("memory", ["1GiB", "500 MB", 2**20, 0, 1.5e6])
def test_memory_is_given_in_bytes_or_units(memory: object) -> None:
    land = PROBLEMS["mlp"](F64).landscape(memory=memory)
    sizes = {"1GiB": 2**30, "500 MB": 500 * 10**6}
    assert land.memory == sizes.get(str(memory), memory)


def test_memory_is_half_of_what_is_free_by_default() -> None:
    assert PROBLEMS["mlp"](F64).landscape().memory > 2**20


def test_every_output_is_handed_over_in_order() -> None:
    case = PROBLEMS["mlp"](F64)
    seen: list[Tensor] = []
    case.landscape().each_output(lambda output, batch: seen.append(output))
    inputs = torch.cat([batch[0] for batch in case.batches])
    torch.testing.assert_close(torch.cat(seen), case.model(inputs).detach())


def test_samples_are_counted_in_every_batch() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    assert land.batch_sizes == [32, 32, 32, 4]
    assert land.samples == 100


class Force(nn.Module):
    """The gradient of an attention's energy by its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            q = self.embed(x)
            energy = nn.functional.scaled_dot_product_attention(q, q, q).square().sum()
            return torch.autograd.grad(energy, x, create_graph=True)[0]


def test_the_gradient_of_a_model_that_differentiates_attention_is_right() -> None:
    model, x = Force().double(), normal(3, 4, 2, dtype=torch.float64)
    land = td.Landscape(model, nn.MSELoss(), (x, torch.zeros_like(x)))
    vector = normal(land.size, dtype=torch.float64)
    step = 1e-6 * vector
    rise = land.loss(land.point + step) - land.loss(land.point - step)
    assert float(land.gradient() @ vector) == pytest.approx(rise / 2e-6, rel=1e-6)
