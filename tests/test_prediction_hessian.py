"""The Hessian of the loss by the predictions."""

import pytest
import torch
from torch import Tensor

import theodolite as td
from dense import close
from networks import MLP
from problems import PROBLEMS
from theodolite.errors import (
    ModelError,
    NoGradientError,
)

F64 = torch.float64


@pytest.fixture
def land() -> td.Landscape:
    return PROBLEMS["class weights"](F64).landscape()


@pytest.mark.parametrize(
    "problem", ["linear regression", "mlp", "class weights", "tuple inputs", "lstm"]
)
def test_the_prediction_hessian_is_that_of_the_loss_at_the_outputs(
    problem: str,
) -> None:
    case = PROBLEMS[problem](F64)
    land = case.landscape()
    outputs: list[Tensor] = []
    land.each_output(lambda output, batch: outputs.append(output.detach()))
    flat = torch.cat([output.flatten() for output in outputs])
    whole = torch.cat(outputs)

    def average(z: Tensor) -> Tensor:
        return case.whole(lambda *args, **kwargs: z.view_as(whole))

    wanted = torch.autograd.functional.hessian(average, flat)
    found = land.prediction_hessian()
    torch.testing.assert_close(found.dense(), wanted, rtol=1e-8, atol=1e-12)
    blocks = wanted.view(100, -1, 100, wanted.shape[0] // 100)
    assert not blocks[torch.arange(99), :, torch.arange(1, 100)].any()


def test_masked_tokens_weigh_the_prediction_hessian() -> None:
    case = PROBLEMS["scaled dot product"](F64)
    land = case.landscape()
    found = land.prediction_hessian()
    assert found.shape == (100 * 5 * 7, 100 * 5 * 7)
    # softmax: the trace of a token's block is 1 − ‖probabilities‖²
    total, count = 0.0, 0
    outputs: list[tuple[Tensor, Tensor]] = []
    land.each_output(lambda output, b: outputs.append((output.detach(), b.target)))
    for output, target in outputs:
        chosen = output[target >= 0].softmax(-1)
        total += float((1 - chosen.square().sum(-1)).sum())
        count += len(chosen)
    estimate = td.trace(found, budget=200)
    assert abs(estimate.value - total / count) <= 4 * estimate.error


def test_the_gauss_newton_matrix_is_the_jacobian_around_it() -> None:
    land = PROBLEMS["linear regression"](F64).landscape()
    x = torch.cat([inputs for inputs, _ in PROBLEMS["linear regression"](F64).batches])
    # rows of one sample's outputs, columns of weight (2, 4) and bias (2,)
    weight = torch.einsum("nd,co->ncod", x, torch.eye(2).double()).reshape(200, 8)
    jacobian = torch.cat([weight, torch.eye(2).double().repeat(100, 1)], 1)
    curvature = land.prediction_hessian().dense()
    close(jacobian.T @ curvature @ jacobian, land.hessian().dense())


def test_predictions_that_are_no_tensor_are_refused() -> None:
    land = PROBLEMS["own loss"](F64).landscape()
    with pytest.raises(ModelError, match="logits alone"):
        land.prediction_hessian()
    x = torch.ones(2, 4).double()
    blind = td.Landscape(
        MLP(4, 5, 3).double(), lambda out, y: out.sum() * 0 + y.sum() * 0, (x, x)
    )
    assert not blind.prediction_hessian().dense().any()


def test_a_loss_that_ignores_its_output_is_refused() -> None:
    model = MLP(4, 5, 3).double()
    x = torch.ones(2, 4).double()
    land = td.Landscape(
        model, lambda out, y: sum(w.square().sum() for w in model.parameters()), (x, x)
    )
    with pytest.raises(NoGradientError):
        land.prediction_hessian()
