"""What people bring and mistake: each measured rightly, or refused with the remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import theodolite as td
from theodolite import errors
from theodolite.surveying.run_folder import RunFolder

F64 = torch.float64
GENERATOR = torch.Generator().manual_seed(5)
INPUTS = torch.randn(40, 10, generator=GENERATOR, dtype=F64)
LABELS = torch.randint(0, 3, (40,), generator=GENERATOR)


def linear(*sizes: int) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(*sizes).double()


class ByList(nn.Module):
    """A parameter that the forward pass reaches through a list."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(10, 3, dtype=F64))
        self.all = [self.weight]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.all[0]


class Differential(nn.Module):
    """A physics-informed network: the residual of u' + u = 0."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layers = nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1)
        self.net = nn.Sequential(*layers).double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone().requires_grad_()
        u = self.net(x)
        return torch.autograd.grad(u.sum(), x, create_graph=True)[0] + u


def test_a_parameter_reached_through_a_list_is_refused() -> None:
    land = td.Landscape(ByList(), nn.CrossEntropyLoss(), (INPUTS, LABELS))
    with pytest.raises(errors.ParameterError, match="'weight' by another way"):
        td.speed_limit(land)


def test_a_penalty_over_a_list_made_beforehand_is_refused() -> None:
    model = linear(10, 3)
    held = list(model.parameters())

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target) + sum(w.pow(2).sum() for w in held)

    with pytest.raises(errors.ParameterError, match="inside the loss"):
        td.Landscape(model, loss, (INPUTS, LABELS)).gradient()


def test_a_penalty_that_asks_the_model_is_measured() -> None:
    model = linear(10, 3)

    def penalised(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        penalty = sum(w.pow(2).sum() for w in model.parameters())
        return F.cross_entropy(output, target) + 0.5 * penalty

    plain = td.Landscape(model, F.cross_entropy, (INPUTS, LABELS)).hessian().dense()
    found = td.Landscape(model, penalised, (INPUTS, LABELS)).hessian().dense()
    identity = torch.eye(33, dtype=F64)
    torch.testing.assert_close(found, plain + identity, rtol=0, atol=1e-12)


def test_a_physics_informed_network_is_measured() -> None:
    x = torch.linspace(0, 1, 20, dtype=F64)[:, None]
    model = Differential()
    land = td.Landscape(model, nn.MSELoss(), (x, torch.zeros_like(x)))
    assert land.loss() == pytest.approx(float(model(x).detach().square().mean()))
    step, vector = 1e-5, torch.ones(land.size, dtype=F64)
    ahead, behind = (land.gradient(land.point + s * vector) for s in (step, -step))
    expected = (ahead - behind) / (2 * step)
    torch.testing.assert_close(land.hessian() @ vector, expected, rtol=1e-6, atol=1e-8)


def test_a_wrong_second_derivative_is_noticed() -> None:
    """A function whose backward is right once and wrong when differentiated."""

    class Twisted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return (x**3).sum()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            # right in value; its derivative couples neighbours one way only
            wrong = x.roll(1) - x.roll(1).detach()
            return gradient * (3 * x**2 + wrong)

    for size in (5, 400):
        point = torch.linspace(1, 2, size, dtype=F64)
        land = td.Landscape.from_function(Twisted.apply, point)
        with pytest.raises(errors.ProductError, match="not symmetric"):
            td.classify(land)


def test_a_matrix_that_is_not_symmetric_is_refused() -> None:
    with pytest.raises(errors.ProductError, match="not symmetric"):
        td.eigsh(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), 1)
    with pytest.raises(errors.ArgumentError, match="complex"):
        td.eigsh(torch.eye(3).cfloat(), 1)


def test_nan_in_a_later_batch_is_found_and_counted() -> None:
    broken = INPUTS.clone()
    broken[-1] = float("nan")
    land = td.Landscape(
        linear(10, 3), nn.CrossEntropyLoss(), (broken, LABELS), batch_size=16
    )
    for measure in (land.loss, land.gradient):
        with pytest.raises(errors.NonFiniteError, match="batch 2"):
            measure()


@pytest.mark.parametrize(
    "measure",
    [
        td.classify,
        td.speed_limit,
        td.stiffness,
        td.layer_eigenvalues,
        td.layer_learning_rates,
        lambda land: td.expected_rise(land, 0.1),
        td.survey,
    ],
)
def test_a_model_in_place_of_a_landscape_is_said(measure: Callable[..., Any]) -> None:
    undecorated = getattr(measure, "__wrapped__", measure)
    with pytest.raises(Exception, match=r"Landscape"):
        undecorated(linear(10, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_that_cannot_be_measured_are_refused() -> None:
    traced = torch.jit.trace(linear(10, 3), INPUTS)
    meta = nn.Linear(10, 3, device="meta")
    for model, word in ((traced, "scripted"), (meta, "meta")):
        with pytest.raises(errors.ModelError, match=word):
            td.Landscape(model, nn.CrossEntropyLoss(), (INPUTS, LABELS))


@pytest.mark.parametrize(
    "call",
    [
        lambda: td.solve(torch.eye(3), torch.ones(3), tol=-1.0),
        lambda: td.trace(torch.eye(3), rtol=float("nan")),
        lambda: td.classify(td.builtin("saddle"), gtol=float("nan")),
    ],
)
def test_tolerances_that_are_none_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(errors.ArgumentError):
        call()


def test_a_finished_survey_is_not_overwritten(tmp_path: Path) -> None:
    land = td.builtin("linear-regression")
    td.survey(land, sigmas=(1e-3,), out=tmp_path)
    with pytest.raises(errors.RunFolderError, match="holds a survey already"):
        td.survey(land, sigmas=(1e-3,), out=tmp_path)
    with pytest.raises(errors.RunFolderError, match="seed"):
        td.survey(land, sigmas=(1e-3,), out=tmp_path, seed=7, resume=True)
    with pytest.raises(errors.ArgumentError, match="out=folder"):
        td.survey(land, resume=True)


def test_a_resumed_condition_is_that_of_an_uninterrupted_survey(tmp_path: Path) -> None:
    from test_survey import FEW, network

    whole = td.survey(network(), sigmas=FEW, out=tmp_path)
    lines = (tmp_path / "measurements.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "measurements.jsonl").write_text("".join(lines[:2]))
    again = td.survey(network(), sigmas=FEW, out=tmp_path, resume=True)
    assert again["stiffness"] == whole["stiffness"]
    assert set(RunFolder(tmp_path).measurements()) == set(whole.measurements)


def test_noise_without_an_error_agrees_with_nothing() -> None:
    from dataclasses import replace

    rise = td.expected_rise(td.builtin("linear-regression"), 1e-3)
    assert rise.agrees
    vague = replace(rise.predicted, error=float("inf"))
    assert not replace(rise, predicted=vague).agrees


def test_a_degenerate_top_is_told_from_a_degenerate_bottom() -> None:
    from theodolite.report.place_words import place

    land = td.Landscape.from_function(
        lambda w: -(w[0] ** 2) + 0 * w[1], torch.zeros(2, dtype=F64)
    )
    found = td.survey(land, sigmas=(1e-3,))
    text = " ".join(place(found["place"], found.run))
    assert "The highest eigenvalue" in text
    assert "maximum" in text
