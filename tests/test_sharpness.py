"""Measures of sharpness against dense references, and what rescaling does to them."""

import json
from math import inf, isnan
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from problems import PROBLEMS, labels, normal
from spectra import bulk, filled, quadratic, with_spectrum
from theodolite.errors import ArgumentError
from theodolite.progress import Watcher
from theodolite.site.sharpness import sharpness
from theodolite.site.sharpness_measures import Sharpness
from theodolite.site.worst_rise import Ball, climbs

F64 = torch.float64


def tilted(values: Tensor, slope: float, seed: int = 4) -> td.Landscape:
    """½ wᵀHw + gᵀw at the origin's neighbour, where all parameters differ from zero."""
    matrix, gradient = with_spectrum(values), slope * normal(len(values), dtype=F64)
    point = normal(len(values), dtype=F64, seed=seed)

    def loss(w: Tensor) -> Tensor:
        return (w - point) @ matrix @ (w - point) / 2 + gradient @ (w - point)

    return td.Landscape.from_function(loss, point)


def highest_in_ball(matrix: Tensor, gradient: Tensor, radius: float) -> float:
    """The largest gᵀu + ½ uᵀAu over a ball, by the secular equation.

    For an A that bends upward somewhere: the maximum lies on the sphere, at
    (μ I − A) u = g with μ above the largest eigenvalue.
    """
    values, vectors = torch.linalg.eigh(matrix)
    inside = vectors.T @ gradient
    low = float(values[-1])
    high = low + float(gradient.norm()) / radius + 1.0
    for _ in range(200):
        middle = (low + high) / 2
        long = float((inside / (middle - values)).norm()) > radius
        low, high = (middle, high) if long else (low, middle)
    u = inside / (high - values)
    return float(inside @ u + (values * u * u).sum() / 2)


SPECTRA = {
    "convex": bulk(40).abs() + 0.1,
    "indefinite": bulk(40),
    "outliers": filled(5.0, 3.0, width=0.2, size=40),
    "steeper downward": filled(1.0, -4.0, width=0.2, size=40),
}


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("slope", [0.003, 0.1])
def test_the_worst_rise_solves_the_trust_region_problem(
    spectrum: str, slope: float
) -> None:
    land, rho = tilted(SPECTRA[spectrum], slope), 0.3
    found = sharpness(land, rho=rho, adaptive_rho=0.2, steps=50, rtol=0.5)
    matrix, gradient = land.hessian().dense(), land.gradient()
    wanted = highest_in_ball(matrix, gradient, rho)
    assert 0.98 * wanted <= found.worst_rise.value <= wanted * (1 + 1e-9)
    scale = land.point.abs()
    relative = scale[:, None] * matrix * scale
    wanted = highest_in_ball(relative, scale * gradient, 0.2)
    rise = found.adaptive_worst_rise
    assert 0.98 * wanted <= rise.value <= wanted * (1 + 1e-9)
    steepest = float(torch.linalg.eigvalsh(relative)[-1])
    assert found.adaptive_eigenvalue.value == pytest.approx(steepest, rel=1e-3)


def test_no_quadratic_rises_above_its_prediction() -> None:
    found = sharpness(tilted(bulk(40), 0.1), rho=0.5, rtol=0.5)
    for rise in (found.worst_rise, found.adaptive_worst_rise):
        assert rise.predicted is not None
        assert rise.value <= rise.predicted * (1 + 1e-3)
        assert (rise.low, rise.high) == (rise.value, inf)
        assert isnan(rise.error)


def test_eigenvalue_trace_and_norm_are_the_matrixs_own() -> None:
    values = filled(5.0, 4.0, 3.0, -1.0, width=0.4, size=120)
    land = quadratic(values)
    for seed in range(2):
        found = sharpness(land, seed=seed, k=3, rho=1.0)
        top = found.largest_eigenvalue
        assert top.low <= float(values.max()) <= top.high
        for measure, wanted in (
            (found.trace, values.sum()),
            (found.frobenius_norm, values.norm()),
        ):
            assert abs(measure.value - float(wanted)) <= 4 * measure.error + 1e-9
            assert measure.low <= measure.value <= measure.high
        rise = found.expected_rise
        wanted = found.sigma**2 / 2 * float(values.sum())
        assert abs(rise.value - wanted) <= 4 * rise.error
        assert found.sigma == pytest.approx(1 / len(values) ** 0.5)


def relu(dtype: torch.dtype = F64) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)


def over_data(model: nn.Module, dtype: torch.dtype = F64) -> td.Landscape:
    data = normal(60, 4, dtype=dtype), labels(3, 60)
    return td.Landscape(model, nn.CrossEntropyLoss(), data)


def rescaled(model: nn.Sequential, factor: float) -> nn.Sequential:
    """The same function: the first layer times a number, the second divided by it."""
    first, last = model[0], model[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        first.weight *= factor
        first.bias.mul_(factor)
        last.weight /= factor
    return model


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_rescaled_layers_change_what_is_not_invariant_alone(factor: float) -> None:
    before = sharpness(over_data(relu()), rtol=0.3)
    after = sharpness(over_data(rescaled(relu(), factor)), rtol=0.3)
    assert after.loss == pytest.approx(before.loss, rel=1e-12)
    moved = {
        name: abs(after.measures[name].value / measure.value - 1)
        for name, measure in before.measures.items()
    }
    kept = {name for name, measure in before.measures.items() if measure.invariant}
    assert kept == {"adaptive_eigenvalue", "adaptive_worst_rise", "fisher_rao"}
    for name, by in moved.items():
        assert by <= 2e-3 if name in kept else by >= 0.1, name
    assert moved["fisher_rao"] <= 1e-10


def test_the_fisher_rao_norm_is_the_gauss_newton_length_of_the_point() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    found = sharpness(land, rtol=0.2).fisher_rao
    assert found is not None
    wanted = float(land.point @ land.gauss_newton().dense() @ land.point)
    assert found.value == pytest.approx(wanted, rel=1e-12)
    assert found.low <= wanted <= found.high


@pytest.mark.parametrize("problem", ["own loss", None])
def test_why_there_is_no_fisher_rao_norm_is_told(problem: str | None) -> None:
    land = (
        quadratic(bulk(20)) if problem is None else PROBLEMS[problem](F64).landscape()
    )
    found = sharpness(land, rtol=0.3)
    assert found.fisher_rao is None
    assert "fisher_rao" not in found.measures
    assert found.missing
    assert found.missing in repr(found)


def test_of_two_equally_low_minima_the_sharper_is_sharper_by_every_measure() -> None:
    def at(width: float) -> dict[str, float]:
        values = (bulk(40).abs() + 0.1) / width**2
        land = quadratic(values, at=torch.full((40,), 1e-6, dtype=F64))
        found = sharpness(land, rtol=0.3)
        names = ("largest_eigenvalue", "trace", "frobenius_norm")
        rises = ("expected_rise", "worst_rise")
        return {name: found.measures[name].value for name in (*names, *rises)}

    flat, sharp = at(1.0), at(0.5)
    for name, value in flat.items():
        assert sharp[name] == pytest.approx(4 * value, rel=0.01), name


def test_at_the_top_of_a_hill_nothing_rises() -> None:
    found = sharpness(quadratic(-bulk(20).abs() - 0.1), rtol=0.3)
    assert found.worst_rise.value == 0
    assert found.worst_rise.outcome.good
    assert found.largest_eigenvalue.value < 0


def test_parameters_that_are_zero_take_no_part_in_relative_changes() -> None:
    found = sharpness(quadratic(bulk(20)), budget=60, rtol=0.3)
    assert found.adaptive_eigenvalue.value == 0
    assert found.adaptive_worst_rise.value == 0


def test_a_climb_never_ends_below_where_it_began() -> None:
    """Also where full steps fall: the loss bends down more than up."""
    land = tilted(filled(0.5, -8.0, -6.0, width=0.1, size=40), 0.02)
    ball, starts = Ball(land, 1.0), {"random": normal(40, dtype=F64, seed=7)}
    ends = [climbs(ball, starts, steps=n).highest for n in (0, 1, 3, 10, 30)]
    assert ends == sorted(ends)
    assert ends[-1] > ends[0]


def test_defaults_hold_on_a_trained_network_in_float32() -> None:
    land = td.builtin("digits-mlp")
    found = sharpness(land)
    wide = land.to(F64)
    top = td.eigsh(wide.hessian(), 1, tol=1e-8)
    assert found.largest_eigenvalue.value == pytest.approx(
        float(top.values[0]), rel=1e-4
    )
    assert found.outcome.good
    assert found.products <= 300
    assert found.worst_rise.value > 0.5 * float(top.values[0]) * found.rho**2 / 2


def test_the_seed_decides_everything_random() -> None:
    land = quadratic(filled(3.0, 2.0, size=100))
    first, again, other = (
        sharpness(land, seed=seed, rtol=0.2, k=3) for seed in (1, 1, 2)
    )
    assert plain(first) == plain(again)
    assert first.trace.value != other.trace.value


def plain(found: Sharpness) -> dict[str, Any]:
    told = json.loads(json.dumps(found.to_dict()))
    assert isnan(told["worst_rise"].pop("error"))
    assert isnan(told["adaptive_worst_rise"].pop("error"))
    del told["seconds"]
    return told


def test_a_short_budget_ends_everything_early_and_says_so() -> None:
    land = quadratic(filled(3.0, 2.0, size=100))
    found = sharpness(land, budget=15, rtol=0.1)
    assert found.products <= 20
    assert not found.outcome.good
    assert "Raise budget" in repr(found)
    assert not sharpness(land, budget="1ms").outcome.good


def test_the_result_is_a_table_that_a_stranger_understands() -> None:
    text = repr(sharpness(over_data(relu()), rtol=0.3))
    for word in ("largest eigenvalue", "worst rise, ρ = 0.05", "quadratic says"):
        assert word in text
    assert "keep it" in text
    assert "change it" in text


def test_the_model_is_as_it_was_and_the_watcher_let_go() -> None:
    model = relu(torch.float32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    random, told = torch.get_rng_state(), Told()
    sharpness(over_data(model, torch.float32), rtol=0.3, progress=told)
    assert isinstance(told, Watcher)
    assert told.closed
    assert told.stages
    assert torch.equal(random, torch.get_rng_state())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.closed = False

    def update(self, stage: str, done: float, left: float) -> None:
        self.stages.append(stage)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("wrong", [0.0, -1.0, inf])
@pytest.mark.parametrize("name", ["rho", "adaptive_rho", "sigma"])
def test_radii_and_noise_are_positive(name: str, wrong: float) -> None:
    settings: Any = {name: wrong}
    with pytest.raises(ArgumentError, match=f"{name}={wrong}"):
        sharpness(quadratic(bulk(5)), **settings)


@pytest.mark.parametrize("name", ["k", "steps"])
def test_counts_are_positive(name: str) -> None:
    settings: Any = {name: 0}
    with pytest.raises(ArgumentError, match=f"{name}=0"):
        sharpness(quadratic(bulk(5)), **settings)


@pytest.mark.parametrize("budget", [3, 30])
def test_a_budget_that_ends_early_leaves_no_false_bounds(budget: int) -> None:
    """A residual says that an eigenvalue is near, and not that none is above."""
    land = td.builtin("digits-mlp")
    true = td.sharpness(land)
    cut = td.sharpness(land, budget=budget)
    for name in ("largest_eigenvalue", "trace", "frobenius_norm"):
        found, wanted = getattr(cut, name), getattr(true, name).value
        assert found.low <= wanted <= found.high, name
    relative = cut.adaptive_eigenvalue
    assert relative.low <= true.adaptive_eigenvalue.value <= relative.high
    assert "not known" in repr(cut) or budget > 3
