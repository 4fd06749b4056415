"""How much noise lifts the loss, and how slow stiffness makes descent."""

from math import isnan

import pytest
import torch

import theodolite as td
from problems import normal
from spectra import bulk, quadratic
from theodolite.errors import ArgumentError

F64 = torch.float64


def test_the_predicted_rise_is_half_the_trace_times_the_variance() -> None:
    values = bulk(40) + 3
    rise = td.expected_rise(quadratic(values), 0.1)
    wanted = 0.1**2 / 2 * float(values.sum())
    assert abs(rise.predicted.value - wanted) <= 4 * rise.predicted.error + 1e-12
    exact = td.trace(quadratic(values).hessian(), rtol=1e-9)
    rise = td.expected_rise(quadratic(values), 0.1, trace=exact)
    assert rise.predicted.value == pytest.approx(wanted, rel=1e-9)
    assert rise.predicted.error == 0
    assert rise.agrees


def test_the_measured_rises_errors_are_calibrated() -> None:
    values = bulk(60).abs()
    land, sigma = quadratic(values, at=normal(60, dtype=F64)), 0.1
    wanted = sigma**2 / 2 * float(values.sum())
    trace = td.trace(land.hessian(), rtol=1e-9)
    off = []
    for seed in range(60):
        rise = td.expected_rise(land, sigma, seed=seed, trace=trace, rtol=0.1)
        off.append((rise.measured.value - wanted) / rise.measured.error)
        assert abs(off[-1]) <= 4
    spread = torch.tensor(off)
    assert abs(float(spread.mean())) <= 4 / 60**0.5
    assert 0.7 <= float(spread.std()) <= 1.4


def test_the_rise_parts_from_the_prediction_where_the_quadratic_ends() -> None:
    land = td.Landscape.from_function(
        lambda w: (w**2 - w**4).sum(), torch.zeros(30, dtype=F64)
    )
    assert td.expected_rise(land, 0.01).agrees
    assert not td.expected_rise(land, 0.8).agrees
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="sigma"):
            td.expected_rise(land, sigma)


def test_a_rise_out_of_budget_says_so() -> None:
    rise = td.expected_rise(quadratic(bulk(30)), 0.1, rtol=1e-6, budget=15)
    assert rise.measured.outcome.name == "budget"
    assert rise.measured.probes == 15


@pytest.mark.parametrize("condition", [3.0, 50.0, 1000.0])
@pytest.mark.parametrize("size", [20, 400], ids=["small", "large"])
def test_predicted_steps_are_those_of_gradient_descent(
    condition: float, size: int
) -> None:
    values = torch.linspace(1, condition, size, dtype=F64)
    land = td.Landscape.from_function(
        lambda w: (values * w * w).sum() / 2, torch.ones(size, dtype=F64)
    )
    stiffness = td.stiffness(land)
    point, steps = land.point, 0
    while float(point[0]) > 1e-3:
        point = point - values * point / condition
        steps += 1
    assert stiffness.steps == pytest.approx(steps, rel=0.05, abs=1)
    assert stiffness.condition == pytest.approx(condition, rel=0.05)
    assert not stiffness.is_lower_bound


def test_the_condition_of_an_indefinite_landscape_is_bounded_from_below() -> None:
    values = torch.cat([torch.logspace(-3, 1, 380), -torch.rand(20) / 10]).double()
    stiffness = td.stiffness(quadratic(values))
    assert stiffness.is_lower_bound
    assert 10 <= stiffness.condition <= 1e4
    assert stiffness.largest == pytest.approx(10, rel=1e-3)


def test_zero_curvatures_do_not_count_as_stiff() -> None:
    stiffness = td.stiffness(quadratic(torch.tensor([4.0, 2.0, 0.0, 0.0]).double()))
    assert stiffness.condition == pytest.approx(2)
    downward = td.stiffness(quadratic(-torch.ones(4, dtype=F64)))
    assert isnan(downward.condition)
    alike = td.stiffness(quadratic(torch.ones(4, dtype=F64)))
    assert (alike.condition, alike.steps) == (pytest.approx(1), pytest.approx(1))
    with pytest.raises(ArgumentError, match="reduction=2"):
        td.stiffness(quadratic(bulk(4)), reduction=2.0)
