"""What training a curve removes of a barrier, and when it ends."""

from math import isnan

import pytest
import torch

import valleys
from connections import METHODS, found, small
from theodolite.maps.connect import connect
from theodolite.maps.paths.curve_training import stratified
from valleys import at


def test_the_barrier_between_two_trained_networks_goes_by_95_percent() -> None:
    path, line = found("bezier"), found("straight")
    assert path.straight_barrier == line.barrier.value > 0.5
    assert path.removed >= 0.95
    assert path.outcome.good
    assert path.batch_norm == "re-estimated"
    for side, straight_side in (
        (path.barrier, line.barrier),
        (path.test_barrier, line.test_barrier),
    ):
        assert side is not None
        assert straight_side is not None
        assert 0 < straight_side.error < 0.1
        assert 0 <= side.error < 0.05
        assert side.value <= 0.05 * straight_side.value + 4 * side.error


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_curve_removes_a_small_networks_barrier(method: str) -> None:
    land, other = small(1000)
    path = connect(land, None, other, method, rtol=0.2, seed=1)
    assert path.straight_barrier > 0.1
    assert path.removed >= 0.8
    assert path.outcome.name == "converged"
    # batches of 64 or so count as parts of a pass: a step costs no more than one
    assert 0 < path.gradients < 150


@pytest.mark.parametrize("method", METHODS)
def test_curves_go_around_a_hill(method: str) -> None:
    a, b = at(-1, 0), at(1, 0)
    path = connect(valleys.of(valleys.ring, a), a, b, method, rtol=0.1)
    assert path.straight_barrier == pytest.approx(1)
    assert path.removed >= 0.9
    assert path.outcome.name == "converged"


def test_more_bends_follow_a_valley_more_closely() -> None:
    a, b = at(-1, 0), at(1, 0)
    land = valleys.of(valleys.ring, a)
    one, three = (connect(land, a, b, bends=n, budget=450) for n in (1, 4))
    assert len(three.curve.control) == 6
    assert three.barrier.value < one.barrier.value


@pytest.mark.parametrize("method", METHODS)
def test_no_curve_is_worse_than_the_straight_line(method: str) -> None:
    # the line crosses the pass itself
    a, b = at(-1, 0, 0), at(1, 0, 0)
    path = connect(valleys.of(valleys.double_well, a), a, b, method, budget=300)
    assert path.straight_barrier == pytest.approx(1)
    assert path.barrier.value <= path.straight_barrier
    assert path.barrier.value == pytest.approx(1, abs=1e-3)


def test_a_line_that_does_not_rise_needs_no_curve() -> None:
    land = valleys.of(lambda w: w.square().sum(), at(1, 2))
    path = connect(land, at(1, 2), at(-1, 1))
    assert path.barrier.value == 0
    assert path.gradients == 0
    assert path.outcome.good
    assert "does not rise" in str(path.outcome)
    assert isnan(path.removed)


def test_the_same_seed_finds_the_same_path() -> None:
    land, other = small()
    first, again, else_where = (
        connect(land, None, other, budget=9, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.curve.control, again.curve.control)
    assert torch.equal(first.loss, again.loss)
    assert not torch.equal(first.curve.control, else_where.curve.control)
    assert connect(land, None, other, budget=2, seed=2**63 - 1).seed == 2**63 - 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [3, "1ms"])
def test_a_budget_that_ends_first_gives_the_best_so_far(
    method: str, budget: int | str
) -> None:
    a, b = valleys.MB_MINIMA[:2]
    land = valleys.of(valleys.mueller_brown, a)
    path = connect(land, a, b, method, budget=budget)
    assert path.barrier.value <= path.straight_barrier
    assert path.outcome.name == "budget"
    assert "Raise budget" in str(path.outcome)
    if isinstance(budget, int):
        # one step of a band of seven images may go beyond
        assert path.gradients <= budget + 8


def test_parameters_of_a_window_of_steps_are_spread_evenly() -> None:
    drawn = torch.tensor(list(stratified(40, 3)))
    for window in (drawn[:16], drawn[16:32], drawn[32:]):
        parts = (window * len(window)).long().sort().values
        assert parts.tolist() == list(range(len(window)))
