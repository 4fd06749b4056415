"""Passes between minima: found, and verified to be saddles of index one."""

import json

import pytest
import torch
from torch import Tensor

import theodolite as td
import valleys
from dense import F64
from theodolite.errors import ArgumentError
from theodolite.maps.connect import connect
from theodolite.maps.elsewhere import standing_at
from theodolite.maps.paths.pass_between import pass_between
from theodolite.maps.paths.quadratic_model import quadratic_model
from valleys import at


@pytest.mark.parametrize(
    ("ends", "point", "loss", "given"),
    [
        ((0, 1), valleys.MB_HIGH, valleys.MB_HIGH_LOSS, False),
        ((2, 1), valleys.MB_LOW, valleys.MB_LOW_LOSS, True),
    ],
    ids=["high, by a band of its own", "low, from a curve"],
)
def test_the_passes_of_mueller_and_brown(
    ends: tuple[int, int], point: Tensor, loss: float, given: bool
) -> None:
    a, b = (valleys.MB_MINIMA[end] for end in ends)
    land = valleys.of(valleys.mueller_brown, a)
    path = connect(land, a, b, budget=150) if given else None
    found = pass_between(land, a, b, path=path, images=5)
    torch.testing.assert_close(found.point, point, rtol=0, atol=1e-6)
    assert found.loss == pytest.approx(loss, abs=1e-6)
    assert found.above_a == pytest.approx(loss - land.loss(a), abs=1e-6)
    assert found.above_b == pytest.approx(loss - land.loss(b), abs=1e-6)
    assert found.verified
    assert (found.place.kind, found.index) == ("saddle", 1)
    assert found.gradient_norm <= 1e-4
    values, vectors = torch.linalg.eigh(land.hessian(point=point).dense())
    assert found.lowest == pytest.approx(float(values[0]), rel=1e-6)
    bends = found.direction @ vectors[:, 0]
    assert abs(float(bends)) == pytest.approx(1, abs=1e-6)
    assert float(found.direction @ (b - a)) > 0


@pytest.mark.parametrize("number", [0, 2])
def test_the_passes_of_himmelblau_from_a_line_that_only_comes_near(number: int) -> None:
    minima = valleys.HIMMELBLAU_MINIMA
    a, b = minima[number], minima[(number + 1) % 4]
    land = valleys.of(valleys.himmelblau, a)
    line = connect(land, a, b, "straight")
    found = pass_between(land, a, b, path=line, gtol=1e-6)
    wanted = valleys.HIMMELBLAU_PASSES[number]
    torch.testing.assert_close(found.point, wanted, rtol=0, atol=1e-6)
    assert found.verified
    assert found.above_a == pytest.approx(float(valleys.himmelblau(wanted)), rel=1e-6)
    # nothing but Newton's steps
    assert found.gradients < 50


def test_the_pass_between_two_signs_of_a_networks_hidden_unit() -> None:
    model, loss = valleys.xor_network()
    land = td.Landscape(model, loss, valleys.exclusive_or())
    other = land.point
    # weights into the second unit, its bias, and the weight out of it
    other[[2, 3, 5, 7]] *= -1
    assert land.loss(other) == pytest.approx(land.loss())
    before = land.point
    band = connect(land, None, other, "neb", bends=5, climb=True, budget=1200)
    found = pass_between(land, None, other, path=band)
    assert found.verified
    assert found.outcome.good
    assert found.above_a == pytest.approx(found.above_b)
    # a path over the pass climbs no less than it
    assert 0 < found.above_a <= band.barrier.value + 1e-9
    values = torch.linalg.eigvalsh(land.hessian(point=found.point).dense())
    assert values[0] < -1e-4
    assert values[1] > 1e-4
    torch.testing.assert_close(land.point, before, rtol=0, atol=0)


def test_many_parameters_take_a_part_of_the_space_at_a_time() -> None:
    generator = torch.Generator().manual_seed(0)
    size = 300
    turned, _ = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=F64))
    stiff = torch.linspace(0.5, 20, size - 1, dtype=F64)
    shift = torch.linspace(-1, 1, size - 1, dtype=F64) / size

    def wells(w: Tensor) -> Tensor:
        v = turned @ w
        # the valley's floor bends, so that the straight line misses the pass
        rest = v[1:] - shift * (1 - v[0] ** 2)
        return (v[0] ** 2 - 1) ** 2 + (stiff * rest.square()).sum()

    ends = [turned.T @ torch.cat([at(s), at(0).expand(size - 1)]) for s in (-1, 1)]
    land = valleys.of(wells, ends[0])
    line = connect(land, *ends, "straight")
    found = pass_between(land, *ends, path=line)
    assert found.place.kind == "saddle"
    assert found.index == 1
    assert found.loss == pytest.approx(1, abs=1e-6)
    wanted = turned.T @ torch.cat([at(0), shift])
    torch.testing.assert_close(found.point, wanted, rtol=0, atol=1e-4)


def test_the_quadratic_of_a_small_landscape_is_its_whole_hessian() -> None:
    land = valleys.of(valleys.mueller_brown, at(-0.5, 1.0))
    gradient = land.gradient()
    model = quadratic_model(land, land.point, gradient, at(1, 1), seed=0)
    values, vectors = torch.linalg.eigh(land.hessian().dense())
    torch.testing.assert_close(model.values, values)
    step = model.move(model.step(1e9))
    along = vectors.T @ gradient
    # up along the lowest, whatever its sign; down along the other
    signs = at(1, -1)
    torch.testing.assert_close(step, vectors @ (signs * along / values.abs()))
    short = model.step(1e-3)
    assert float(short.norm()) == pytest.approx(1e-3, rel=1e-6)


def test_where_the_way_does_not_rise_no_pass_is_claimed() -> None:
    land = valleys.of(valleys.double_well, at(1, 0))
    found = pass_between(land, at(1, 0), at(0.7, 0))
    assert not found.outcome.good
    assert not found.verified
    assert "does not rise" in str(found.outcome)


def test_a_kink_is_no_pass() -> None:
    def tent(w: Tensor) -> Tensor:
        return (w[0].abs() - 1) ** 2 + (w[1] + w[0]) ** 2

    ends = at(-1, 1), at(1.0, -1)
    land = valleys.of(tent, ends[0])
    line = connect(land, *ends, "straight", steps=34)
    found = pass_between(land, *ends, path=line)
    assert not found.verified
    assert not found.outcome.good


def test_a_budget_that_ends_first_is_told() -> None:
    a, b = valleys.MB_MINIMA[:2]
    land = valleys.of(valleys.mueller_brown, a)
    found = pass_between(land, a, b, budget=100)
    assert not found.outcome.good
    assert not found.verified
    assert "not verified" in repr(found)
    assert "Raise" in str(found.outcome)


def test_a_pass_prints_itself_and_is_plain() -> None:
    a, b = valleys.HIMMELBLAU_MINIMA[:2]
    land = valleys.of(valleys.himmelblau, a)
    found = pass_between(land, a, b, path=connect(land, a, b, "straight"))
    assert "saddle of index 1" in repr(found)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["verified"] is True
    assert plain["place"]["kind"] == "saddle"
    assert plain["path"]["method"] == "straight"


def test_a_tolerance_that_nothing_meets_is_refused() -> None:
    land = valleys.of(valleys.himmelblau, at(3, 2))
    with pytest.raises(ArgumentError, match="gtol"):
        pass_between(land, at(3, 2), at(-2.8, 3.1), gtol=0)


def test_a_path_between_other_points_is_refused() -> None:
    a, b, c, _ = valleys.HIMMELBLAU_MINIMA
    land = valleys.of(valleys.himmelblau, a)
    path = connect(land, a, b, "straight")
    with pytest.raises(ArgumentError, match="whose end is not b"):
        pass_between(land, a, c, path=path)


def test_a_landscape_is_measured_elsewhere_without_moving_the_model() -> None:
    # its loss holds the model: a penalty of the weights moves with the point
    model, loss = valleys.xor_network()
    land = td.Landscape(model, loss, valleys.exclusive_or())
    there = land.point + 0.5
    moved = standing_at(land, td.maps.Place(there))
    torch.testing.assert_close(moved.point, there)
    assert moved.loss() == pytest.approx(land.loss(there))
    torch.testing.assert_close(moved.gradient(), land.gradient(there))
    dense, wanted = moved.hessian().dense(), land.hessian(point=there).dense()
    torch.testing.assert_close(dense, wanted)
    torch.testing.assert_close(land.point, there - 0.5)
