"""The curvature that an optimiser with a preconditioner feels."""

from typing import Any

import pytest
import torch
from torch import nn

import theodolite as td
from networks import MLP
from problems import PROBLEMS, normal
from theodolite.errors import (
    ArgumentError,
    ParameterError,
)
from theodolite.operators.operator import Operator
from theodolite.operators.preconditioned import preconditioned
from theodolite.site.preconditioner import preconditioner

F64 = torch.float64


@pytest.fixture
def land() -> td.Landscape:
    return PROBLEMS["class weights"](F64).landscape()


def trained(kind: type, **settings: Any) -> tuple[td.Landscape, Any]:
    model = MLP(4, 5, 3).double()
    x, y = normal(50, 4, dtype=F64), normal(50, 3, dtype=F64, seed=2)
    optimizer = kind(model.parameters(), lr=1e-2, **settings)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return td.Landscape(model, nn.MSELoss(), (x, y)), optimizer


OPTIMIZERS: dict[str, tuple[type, dict[str, Any]]] = {
    "Adam": (torch.optim.Adam, {"betas": (0.0, 0.99)}),
    "AMSGrad": (torch.optim.Adam, {"betas": (0.0, 0.9), "amsgrad": True}),
    "AdamW": (torch.optim.AdamW, {"betas": (0.0, 0.99), "weight_decay": 0.0}),
    "large eps": (torch.optim.Adam, {"betas": (0.0, 0.99), "eps": 0.1}),
    "RMSprop": (torch.optim.RMSprop, {}),
    "centred RMSprop": (torch.optim.RMSprop, {"centered": True, "eps": 1e-3}),
    "Adagrad": (torch.optim.Adagrad, {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_optimiser_divides_the_gradient_by_its_preconditioner(name: str) -> None:
    kind, settings = OPTIMIZERS[name]
    land, optimizer = trained(kind, **settings)
    before, gradient = land.point, land.gradient()
    for layer in land.layers:
        for tensor in land.parameters_of(layer):
            tensor.grad = None
    pieces = land.parameters.split(gradient)
    tensors = [t for layer in land.layers for t in land.parameters_of(layer)]
    for tensor, piece in zip(tensors, pieces, strict=True):
        tensor.grad = piece.clone()
    optimizer.step()  # without momentum, a step is −lr · gradient / preconditioner
    step = land.point - before
    wanted = -1e-2 * gradient / preconditioner(land, optimizer)
    torch.testing.assert_close(step, wanted, rtol=1e-6, atol=1e-12)


def test_nadam_divides_as_adam_does() -> None:
    settings = {"betas": (0.0, 0.99), "eps": 1e-6}
    land, nadam = trained(torch.optim.NAdam, **settings)
    state = [
        nadam.state[t]["exp_avg_sq"].flatten() for t in nadam.param_groups[0]["params"]
    ]
    wanted = (torch.cat(state) / (1 - 0.99**5)).sqrt() + 1e-6
    torch.testing.assert_close(preconditioner(land, nadam), wanted)


def test_the_preconditioned_hessian_has_the_eigenvalues_adam_feels() -> None:
    land, adam = trained(torch.optim.Adam)
    diagonal = preconditioner(land, adam)
    felt = preconditioned(land.hessian(), diagonal)
    wanted = torch.linalg.eigvals(land.hessian().dense() / diagonal[:, None]).real
    pairs = td.eigsh(felt, 2, tol=1e-8)
    torch.testing.assert_close(pairs.values, wanted.sort(descending=True).values[:2])
    assert isinstance(felt, Operator)


def stepped(optimizer: Any, model: nn.Module) -> Any:
    model(torch.ones(2, 4, dtype=F64)).square().sum().backward()
    optimizer.step()
    return optimizer


def test_optimisers_without_a_preconditioner_are_refused() -> None:
    model = MLP(4, 5, 3).double()
    land = td.Landscape(
        model, nn.MSELoss(), (torch.ones(2, 4).double(), torch.ones(2, 3).double())
    )
    cases: list[tuple[Any, type[Exception], str]] = [
        (torch.optim.SGD(model.parameters(), 0.1), ArgumentError, "A SGD"),
        (torch.optim.Adam(model.parameters()), ArgumentError, "no state yet"),
        (torch.optim.Adagrad(model.parameters()), ArgumentError, "no state yet"),
        (torch.optim.Adam(model.fc1.parameters()), ParameterError, "'fc2.weight'"),
    ]
    for optimizer, kind, text in cases:
        with pytest.raises(kind, match=text):
            preconditioner(land, optimizer)
    model.fc2.bias.requires_grad_(False)
    adam = stepped(torch.optim.Adam(model.parameters()), model)
    model.fc2.bias.requires_grad_(True)
    with pytest.raises(ParameterError, match=r"no state for 'fc2\.bias'"):
        preconditioner(land, adam)
    fc1 = td.Landscape(
        model,
        nn.MSELoss(),
        (torch.ones(2, 4).double(), torch.ones(2, 3).double()),
        parameters="fc1.*",
    )
    assert preconditioner(fc1, adam).shape == (25,)
