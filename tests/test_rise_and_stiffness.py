"""How much noise lifts the loss, and how slow stiffness makes descent."""

from math import isnan

import pytest
import torch
from torch import Tensor

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


def test_known_eigenpairs_save_pairs_and_leave_errors_calibrated() -> None:
    values = torch.cat([torch.tensor([30.0, 20.0, 10.0]).double(), bulk(57).abs()])
    land, sigma = quadratic(values, at=normal(60, dtype=F64)), 0.1
    wanted = sigma**2 / 2 * float(values.sum())
    trace = td.trace(land.hessian(), rtol=1e-9)
    # crude vectors explain less, and bias nothing
    for tol in (1e-3, 0.3):
        pairs = td.eigsh(land.hessian(), 3, tol=tol)
        off, spent = [], []
        for seed in range(60):
            rise = td.expected_rise(land, sigma, seed=seed, trace=trace, deflate=pairs)
            off.append((rise.measured.value - wanted) / rise.measured.error)
            spent.append(rise.measured.probes)
        spread = torch.tensor(off)
        assert abs(float(spread.mean())) <= 4 / 60**0.5
        assert 0.7 <= float(spread.std()) <= 1.4
        # 2 ‖H‖² / (0.05 tr H)² = 165 without
        assert sum(spent) / 60 <= 16


def test_the_losss_own_rounding_is_part_of_the_error() -> None:
    """It is the same in every pair, so that no spread between pairs shows it."""
    matrix = torch.diag(bulk(50).abs() + 1)
    lands = [
        td.Landscape.from_function(
            lambda w: 3 + w @ matrix.to(w) @ w / 2, normal(50, dtype=dtype)
        )
        for dtype in (torch.float32, F64)
    ]
    for sigma in (1e-6, 1e-5, 1e-4, 1e-2):
        rough, fine = (td.expected_rise(land, sigma).measured for land in lands)
        errors = (rough.error**2 + fine.error**2) ** 0.5
        assert abs(rough.value - fine.value) <= 4 * errors
    told = td.expected_rise(lands[0], 1e-6)
    assert told.outcome.name == "rounding"
    assert "float64" in repr(told)
    # what rounds away is no sign against the prediction
    assert td.expected_rise(lands[0], [1e-6, 1e-3, 1e-2]).holds_up_to == 1e-2


def test_the_rise_parts_from_the_prediction_where_the_quadratic_ends() -> None:
    land = td.Landscape.from_function(
        lambda w: (w**2 - w**4).sum(), torch.zeros(30, dtype=F64)
    )
    assert td.expected_rise(land, 0.01).agrees
    assert not td.expected_rise(land, 0.8).agrees
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match="sigma"):
            td.expected_rise(land, sigma)


def quartic() -> td.Landscape:
    """Rises by n (σ² − 3σ⁴) in the mean: 3σ² less than its quadratic part."""
    return td.Landscape.from_function(
        lambda w: (w**2 - w**4).sum(), torch.zeros(4000, dtype=F64)
    )


def test_the_prediction_holds_up_to_where_the_quadratic_ends() -> None:
    rises = td.expected_rise(quartic(), [0.3, 0.01, 0.03, 0.1, 0.5], rtol=0.01)
    assert [rise.sigma for rise in rises] == [0.01, 0.03, 0.1, 0.3, 0.5]
    for rise in rises:
        wanted = 4000 * (rise.sigma**2 - 3 * rise.sigma**4)
        assert abs(rise.measured.value - wanted) <= 4 * rise.measured.error
        assert rise.predicted.value == pytest.approx(4000 * rise.sigma**2, rel=1e-6)
    assert [rise.agrees for rise in rises] == [True, True, True, False, False]
    assert rises.holds_up_to == 0.1
    assert "up to σ = 0.1" in repr(rises)
    assert rises.to_dict()["holds_up_to"] == 0.1
    assert len(rises.to_dict()["rows"]) == len(rises) == 5


def test_a_prediction_that_fails_once_holds_no_further() -> None:
    """f = w² − 6w⁴ + 8w⁶ rises by σ² − 18σ⁴ + 120σ⁶: it meets σ² again at 0.387."""
    land = td.Landscape.from_function(
        lambda w: (w**2 - 6 * w**4 + 8 * w**6).sum(), torch.zeros(4000, dtype=F64)
    )
    again = (18 / 120) ** 0.5
    rises = td.expected_rise(land, (0.02, 0.2, again), rtol=0.01)
    assert [rise.agrees for rise in rises] == [True, False, True]
    assert rises.holds_up_to == 0.02
    assert td.expected_rise(land, [0.2, again], rtol=0.01).holds_up_to is None


def test_several_sizes_of_noise_share_directions_and_trace() -> None:
    land = quadratic(bulk(40).abs(), at=normal(40, dtype=F64))
    trace = td.trace(land.hessian())
    rises = td.expected_rise(land, [0.1, 0.2, 0.4], seed=3, budget=15, trace=trace)
    for rise in rises:
        alone = td.expected_rise(land, rise.sigma, seed=3, budget=15, trace=trace)
        assert alone.measured.value == rise.measured.value
        assert alone.predicted.value == rise.predicted.value
    # on a quadratic the same directions rise as σ² to rounding
    first, last = rises[0].measured, rises[2].measured
    assert last.value == pytest.approx(16 * first.value, rel=1e-9)
    other = td.expected_rise(land, 0.1, seed=4, budget=15, trace=trace)
    assert other.measured.value != rises[0].measured.value


@pytest.mark.parametrize("wrong", [[], [0.1, 0.0], [0.1, float("nan")]])
def test_several_sizes_are_all_positive_and_there_are_some(wrong: list[float]) -> None:
    with pytest.raises(ArgumentError, match="sigma="):
        td.expected_rise(quadratic(bulk(5)), wrong)


def test_a_rise_out_of_budget_says_so() -> None:
    rise = td.expected_rise(quadratic(bulk(30)), 0.1, rtol=1e-6, budget=15)
    assert rise.measured.outcome.name == "budget"
    assert rise.measured.probes == 15


CONDITIONS = [3.0, 50.0, 1000.0]


def stretched(condition: float, size: int) -> tuple[Tensor, td.Landscape]:
    values = torch.linspace(1, condition, size, dtype=F64)
    land = td.Landscape.from_function(
        lambda w: (values * w * w).sum() / 2, torch.ones(size, dtype=F64)
    )
    return values, land


@pytest.mark.parametrize("condition", CONDITIONS)
def test_steps_at_the_best_rate_are_those_of_gradient_descent(
    condition: float,
) -> None:
    values, land = stretched(condition, 30)
    stiffness = td.stiffness(land, reduction=1e-4)
    assert stiffness.best_rate == pytest.approx(2 / (1 + condition))
    point, steps = land.point, 0
    while float(point.abs().max()) > 1e-4:
        point -= stiffness.best_rate * values * point
        steps += 1
    assert stiffness.steps_at_best_rate == pytest.approx(steps, rel=0.1, abs=1)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_conjugate_gradients_need_no_more_steps_than_predicted(
    condition: float, seed: int
) -> None:
    """In the energy norm, from starts of as much energy in every direction."""
    values, land = stretched(condition, 250)
    predicted = td.stiffness(land).steps_of_conjugate_gradients
    point = normal(250, dtype=F64, seed=seed) / values.sqrt()
    start = energy = float((values * point * point).sum()) ** 0.5
    residual = -values * point
    way, steps = residual.clone(), 0
    while energy > 1e-3 * start:
        square = float(residual @ residual)
        rate = square / float(way @ (values * way))
        point = point + rate * way
        residual = residual - rate * values * way
        way = residual + float(residual @ residual) / square * way
        energy = float((values * point * point).sum()) ** 0.5
        steps += 1
    assert steps <= predicted + 1
    # and the bound is not an empty one
    assert steps >= 0.3 * predicted


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("size", [20, 400], ids=["small", "large"])
def test_predicted_steps_are_those_of_gradient_descent(
    condition: float, size: int
) -> None:
    values, land = stretched(condition, size)
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


def test_where_nothing_bends_there_is_no_condition() -> None:
    land = td.Landscape.from_function(lambda w: -(w @ w), torch.zeros(4, dtype=F64))
    found = td.stiffness(land)
    assert "nothing bends upward" in repr(found)
    assert "nan" not in repr(found)
