"""Maps from few points: exact where they can be, and honest where they cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import theodolite as td
from theodolite.maps.adaptive import CHECKS, Interpolant, Refinement
from theodolite.maps.grid import around, as_intervals, as_steps, axis, coarse_to_fine
from theodolite.maps.leja import MOST, at_own_points, leja_points, newton_polynomials

F64 = torch.float64


class TestLejaPoints:
    def test_they_are_different_and_reach_both_ends(self) -> None:
        points = leja_points()
        assert len(points) == MOST
        assert points[:3].tolist() == [0.0, 1.0, -1.0]
        assert np.abs(points).max() == 1.0
        assert np.diff(np.sort(points)).min() > 1e-4

    @pytest.mark.parametrize("count", [5, 17, 33, 65])
    def test_each_lies_farthest_from_those_before_it(self, count: int) -> None:
        before = leja_points()[: count - 1]

        def distance(t: Any) -> Any:
            return np.abs(np.subtract.outer(t, before)).prod(-1)

        finest = distance(np.linspace(-1, 1, 20_001)).max()
        # candidates are 4,001: the maximum is flat, they miss it by a little
        assert distance(leja_points()[count - 1]) >= 0.99 * finest

    @pytest.mark.parametrize("count", [9, 17, 33, 65])
    def test_interpolation_on_them_is_about_as_good_as_on_chebyshevs(
        self, count: int
    ) -> None:
        t = np.linspace(-1, 1, 2001)
        nodes = leja_points()[:count]
        others = nodes[:, None] - nodes + np.eye(count)
        weights = 1 / others.prod(1)
        basis = np.abs(
            (t[:, None] - nodes + 1e-300).prod(1)[:, None]
            * weights
            / (t[:, None] - nodes + 1e-300)
        )
        # the Lebesgue constant of Chebyshev's points is 2/π log n + 1; of Leja's it
        # grows slower than any power, and below n where it was computed
        assert basis.sum(1).max() < count

    def test_newtons_polynomials_are_one_at_their_own_point_and_zero_before(
        self,
    ) -> None:
        values = at_own_points()
        assert np.abs(np.tril(values, -1)[:, :]).max() == 0.0
        assert np.diag(values).tolist() == [1.0] * MOST
        few = newton_polynomials(np.array([0.3, -0.9]), 5)
        assert np.array_equal(few, newton_polynomials(np.array([0.3, -0.9]))[:5])


class TestInterpolant:
    @pytest.mark.parametrize("interval", [(-1.0, 1.0), (0.0, 1.0), (-0.3, 1.2)])
    def test_a_polynomial_of_its_degree_is_reproduced(
        self, interval: tuple[float, float]
    ) -> None:
        coefficients = np.random.default_rng(0).normal(size=12)
        found = Interpolant([interval])
        for k in range(12):
            (t,) = found.coordinates((k,))
            found.add((k,), float(np.polyval(coefficients, t)))
        t = torch.linspace(*interval, 101, dtype=F64)
        exact = np.polyval(coefficients, t.numpy())
        # float64, a Lebesgue constant below 12, and numbers up to the sum of all
        scale = np.abs(coefficients).sum() * 1.2**11
        assert np.abs(found.on([t]).numpy() - exact).max() < 1e-14 * 12 * scale

    def test_so_is_one_of_two_numbers_over_any_closed_set_of_degrees(self) -> None:
        closed = [(0, 0), (1, 0), (0, 1), (2, 0), (0, 2), (3, 0), (0, 3), (1, 1)]
        found = Interpolant([(-1.0, 2.0), (-1.0, 1.0)])

        def exact(x: Any, y: Any) -> Any:
            return 1 + 2 * x - y + x**3 - 4 * y**3 + 3 * x * y + x**2

        for index in closed:
            found.add(index, exact(*found.coordinates(index)))
        x = torch.linspace(-1, 2, 7, dtype=F64)
        y = torch.linspace(-1, 1, 9, dtype=F64)
        grid = exact(x[:, None], y[None])
        torch.testing.assert_close(found.on([x, y]), grid, rtol=1e-13, atol=1e-12)
        at = found.at([(0.3, -0.7), (1.9, 0.2)])
        assert at == pytest.approx([exact(0.3, -0.7), exact(1.9, 0.2)], rel=1e-12)

    def test_the_surplus_is_how_wrong_it_was_before(self) -> None:
        found = Interpolant([(-1.0, 1.0)])
        found.add((0,), 2.0)
        found.add((1,), 5.0)
        assert found.surplus == {(0,): 2.0, (1,): 3.0}
        # the line through (0, 2) and (1, 5) is −1 at −1
        found.add((2,), 0.0)
        assert found.surplus[2,] == 1.0


def test_degrees_are_followed_downwards_closed() -> None:
    found = Interpolant([(-1.0, 1.0), (-1.0, 1.0)])
    refinement = Refinement(found, 2)
    seen: set[tuple[int, ...]] = set()
    source = np.random.default_rng(1)
    for _ in range(200):
        for index in refinement.following(3):
            below = [
                (index[0] - 1, index[1]) if index[0] else None,
                (index[0], index[1] - 1) if index[1] else None,
            ]
            assert all(b is None or b in seen for b in below)
            assert index not in seen
            found.add(index, float(source.normal()))
            seen.add(index)
            refinement.measured([index])
    assert len(seen) > 200


def test_refinement_ends_where_all_degrees_are_used() -> None:
    found = Interpolant([(-1.0, 1.0)])
    refinement, count = Refinement(found, 1), 0
    while indices := refinement.following(3):
        for index in indices:
            found.add(index, 1.0)
        refinement.measured(indices)
        count += len(indices)
    assert count == MOST


# by what is smooth, what has kinks and jumps, and what hardly changes
FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bowl": lambda x, y: x**2 + 3 * y**2 + x * y,
    "exponential": lambda x, y: torch.exp(2 * x + y),
    "runge": lambda x, y: 1 / (1 + 25 * x**2) + 0 * y,
    "ridge": lambda x, y: torch.exp(-8 * (x - y) ** 2),
    "anisotropic": lambda x, y: torch.sin(12 * x) + 0.01 * y,
    "hill": lambda x, y: torch.exp(-20 * ((x - 0.4) ** 2 + (y + 0.3) ** 2)),
    "kink": lambda x, y: (x - 0.3).abs() + y,
    "network": lambda x, y: torch.relu(x + y - 0.2) + torch.relu(y - x) / 2,
    "jump": lambda x, y: torch.where(x > 0.31, 1.0, 0.0) + 0.1 * y,
    "constant": lambda x, y: 2.0 + 0 * x * y,
    "noise": lambda x, y: x**2 + y**2 + 1e-6 * torch.sin(1e5 * x * y + 77 * x),
}


def mapped(f: Callable[[Tensor, Tensor], Tensor], **more: Any) -> td.Plane:
    land = td.Landscape.from_function(
        lambda w: f(w[0], w[1]), torch.zeros(2, dtype=F64)
    )
    return td.plane(land, None, (0, 1), **{"steps": 31, "span": 1.0, **more})


def exactly(f: Callable[[Tensor, Tensor], Tensor], plane: td.Plane) -> Tensor:
    return f(plane.x[:, None], plane.y[None])


@pytest.mark.parametrize("rtol", [0.1, 0.01])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_map_is_as_right_as_it_says(name: str, rtol: float) -> None:
    f = FUNCTIONS[name]
    plane = mapped(f, rtol=rtol)
    exact = exactly(f, plane)
    off = float((plane.loss - exact).abs().max())
    reach = float(exact.max() - exact.min())
    assert plane.outcome.good
    assert plane.error <= rtol * reach
    measured = plane["loss"].measured
    assert torch.equal(plane.loss[measured], exact[measured])
    # points kept for checking do not see everything, of a jump least of all
    allowed = reach if name == "jump" and rtol == 0.1 else 3 * plane.error
    assert off <= allowed + 1e-12


@pytest.mark.parametrize("name", ["bowl", "anisotropic", "constant", "exponential"])
def test_a_smooth_map_needs_few_points_on_any_grid(name: str) -> None:
    few = mapped(FUNCTIONS[name], rtol=0.01, steps=31)
    many = mapped(FUNCTIONS[name], rtol=0.01, steps=101)
    assert few.evaluations <= 80
    assert abs(many.evaluations - few.evaluations) <= 20


def test_what_has_no_smooth_form_is_measured_as_a_whole() -> None:
    plane = mapped(FUNCTIONS["jump"], rtol=0.001)
    assert plane.outcome.name == "exact"
    assert bool(plane["loss"].measured.all())
    assert plane.error == 0.0


@pytest.mark.parametrize("steps", [4, 5, (7, 30)])
def test_an_axis_that_was_shifted_lies_inside_the_polynomial(steps: Any) -> None:
    f = FUNCTIONS["exponential"]
    plane = mapped(f, rtol=0.001, steps=steps, span=((-0.25, 1.25), (-1.0, 0.3)))
    off = float((plane.loss - exactly(f, plane)).abs().max())
    assert off <= max(3 * plane.error, 1e-12)


@pytest.mark.parametrize("budget", [5, 15, 22, 40, 61])
def test_a_budget_is_kept_and_what_is_left_open_is_said(budget: int) -> None:
    f = FUNCTIONS["hill"]
    plane = mapped(f, rtol=1e-6, budget=budget)
    assert plane.evaluations <= budget
    assert plane.outcome.name == "budget"
    assert "Raise budget=" in plane.outcome.text
    if budget >= 22:
        # enough to know the error, which is not small
        assert 0.01 < plane.error < float("inf")
        assert not plane["loss"].missing


def test_a_budget_of_time_leaves_an_error_as_well() -> None:
    import time

    def slow(x: Tensor, y: Tensor) -> Tensor:
        time.sleep(0.003)
        return FUNCTIONS["hill"](x, y)

    plane = mapped(slow, rtol=1e-6, budget="300ms")
    assert plane.outcome.name == "budget"
    assert plane.error < float("inf")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_measured_and_never_filled_in(bad: float) -> None:
    def f(x: Tensor, y: Tensor) -> Tensor:
        return torch.where(x > 0.5, bad, x**2 + y)

    plane = mapped(f, rtol=0.01, steps=21)
    exact = exactly(f, plane)
    assert torch.equal(plane.loss.nan_to_num(1e9), exact.nan_to_num(1e9))
    assert int(plane["loss"].broken.sum()) == int((~exact.isfinite()).sum())
    assert "no number at" in plane.outcome.text


def test_every_quantity_has_an_error_of_its_own() -> None:
    def slope(output: Tensor, target: Any) -> Tensor:
        return torch.exp(output[0])

    def steep(output: Tensor, target: Any) -> Tensor:
        return 1 / (1 + 50 * output[0] ** 2)

    def holed(output: Tensor, target: Any) -> Tensor:
        return torch.log(output[0] + 0.2)

    quantities = {"slope": slope, "steep": steep, "holed": holed}
    plane = mapped(FUNCTIONS["bowl"], rtol=0.01, quantities=quantities)
    x = plane.x[:, None].expand(31, 31)
    for name, exact in (("slope", torch.exp(x)), ("steep", 1 / (1 + 50 * x**2))):
        field = plane[name]
        off = float((field.values - exact).abs().max())
        assert 0 < off <= 3 * field.error, name
    assert plane["steep"].error > plane["slope"].error > plane.error
    # no polynomial passes through what is no number
    assert plane["holed"].error == float("inf")


def test_a_line_is_refined_as_a_plane_is() -> None:
    land = td.Landscape.from_function(
        lambda w: 1 / (1 + 25 * w[0] ** 2), torch.zeros(1, dtype=F64)
    )
    line = td.line(land, direction=0, steps=301, span=1.0, rtol=0.001)
    off = float((line.loss - 1 / (1 + 25 * line.t**2)).abs().max())
    assert line.evaluations <= MOST + CHECKS
    assert off <= 3 * line.error <= 0.003


class TestGrid:
    @settings(max_examples=200, deadline=None)
    @given(low=st.floats(-10, 0.0), high=st.floats(0.01, 10), steps=st.integers(2, 60))
    def test_zero_is_a_coordinate_and_one_where_it_is_asked_for(
        self, low: float, high: float, steps: int
    ) -> None:
        for to_one in (False, True):
            values = axis((low, high), steps, to_one=to_one)
            assert len(values) == steps
            assert 0.0 in values
            widths = values.diff()
            assert float(widths.min()) > 0
            torch.testing.assert_close(widths, widths.mean().expand_as(widths))
            wide = float(widths.mean())
            if to_one and high >= 1 and (high - low) / (steps - 1) <= 1:
                assert 1.0 in values
            else:
                assert abs(float(values[0]) - low) <= 1.001 * wide
                assert abs(float(values[-1]) - high) <= 1.001 * wide
            inner, outer = around((low, high), values), (low, high)
            assert inner[0] <= outer[0] <= outer[1] <= inner[1]

    def test_every_point_comes_once_the_coarse_ones_first(self) -> None:
        axes = [axis((-1.0, 1.0), 17), axis((-1.0, 1.0), 9)]
        order = coarse_to_fine(axes)
        assert order[0] == (0.0, 0.0)
        assert len(set(order)) == 17 * 9
        # every eighth row and column: three and two of them
        assert set(order[:3]) == {(x, 0.0) for x in (-1.0, 0.0, 1.0)}

    @pytest.mark.parametrize(
        ("span", "wanted"),
        [
            (0.5, [(-0.5, 0.5), (-0.5, 0.5)]),
            ((1, 2), [(-1.0, 1.0), (-2.0, 2.0)]),
            (((0, 1), 2.0), [(0.0, 1.0), (-2.0, 2.0)]),
            ([(0.0, 1.0), (-1.0, 3.0)], [(0.0, 1.0), (-1.0, 3.0)]),
        ],
    )
    def test_spans_are_read_as_people_write_them(self, span: Any, wanted: Any) -> None:
        assert as_intervals(span, 2) == wanted

    def test_steps_are_read_as_people_write_them(self) -> None:
        steps: Any = np.int64(5)
        assert as_steps(5, 2) == (5, 5)
        assert as_steps((5, 3), 2) == (5, 3)
        assert as_steps(steps.item(), 1) == (5,)
