"""Certificates of a place: its kind, its floor, and the way out of a saddle."""

import pytest
import torch
from torch import Tensor

import theodolite as td
from dense import F64
from spectra import SPECTRA, filled, quadratic, with_spectrum

POSITIVE = torch.linspace(0.5, 3, 300, dtype=F64)


def at(values: Tensor, size: float = 0.0) -> td.Landscape:
    generator = torch.Generator().manual_seed(3)
    point = torch.randn(len(values), generator=generator, dtype=F64)
    return quadratic(values, size * point)


def test_a_minimum_is_certified_by_a_floor_above_zero() -> None:
    place = td.classify(at(POSITIVE))
    assert place.kind == "minimum"
    assert 0 < place.floor <= 0.5
    assert place.ceiling >= 3
    assert place.confidence == 0.999
    assert "0.999" in repr(place)


def test_a_minimum_that_was_not_certified_is_not_called_one() -> None:
    # a budget that sees the smallest eigenvalue, and nothing that rules out others
    place = td.classify(at(POSITIVE), budget=5)
    assert place.lowest > 0
    assert place.kind == "degenerate"
    assert not place.outcome.good


def test_one_negative_ritz_value_proves_a_saddle_before_it_converged() -> None:
    place = td.classify(at(filled(3.0, -2.0)), budget=5)
    assert place.kind == "saddle"
    assert not place.outcome.good


def test_small_landscapes_are_known_for_sure() -> None:
    place = td.classify(at(torch.tensor([1.0, 2.0], dtype=F64)))
    assert (place.kind, place.confidence) == ("minimum", 1.0)
    assert place.floor == pytest.approx(1.0)


@pytest.mark.parametrize("size", [20, 300], ids=["all eigenvalues", "both ends"])
def test_a_gradient_that_does_not_bend_is_gradient_flat(size: int) -> None:
    values = torch.zeros(size, dtype=F64)
    values[:5] = torch.arange(1, 6)
    matrix = with_spectrum(values)
    flat = torch.linalg.eigh(matrix)[1][:, 0]
    land = td.Landscape.from_function(
        lambda w: w @ matrix @ w / 2 + w @ flat, torch.zeros(size, dtype=F64)
    )
    place = td.classify(land)
    assert place.kind == "slope"
    assert place.flatness <= 1e-10
    assert place.gradient_flat
    assert "gradient-flat" in repr(place)
    steep = td.classify(at(values, size=1.0))
    assert steep.kind == "slope"
    assert not steep.gradient_flat
    hessian, gradient = at(values, 1.0).hessian(), at(values, 1.0).gradient()
    wanted = (hessian @ gradient).norm() / 5 / gradient.norm()
    assert steep.flatness == pytest.approx(float(wanted), rel=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_way_out_of_a_saddle_bends_down_and_does_not_rise(seed: int) -> None:
    land = at(SPECTRA["clusters"], size=1e-3)
    way = td.escape_direction(land, seed=seed)
    assert way.direction is not None
    assert float(way.direction.norm()) == pytest.approx(1.0)
    bend = float(way.direction @ (land.hessian() @ way.direction))
    assert bend == pytest.approx(way.curvature, rel=1e-9)
    assert way.curvature == pytest.approx(-2.0, rel=0.05)
    assert way.floor <= -2.0
    slope = float(land.gradient() @ way.direction)
    assert way.slope == pytest.approx(slope, rel=1e-6, abs=1e-12)
    assert slope <= 0
    assert land.loss(land.point + way.direction) < land.loss()


def test_where_nothing_bends_down_the_certificate_says_so() -> None:
    way = td.escape_direction(at(POSITIVE))
    assert way.direction is None
    assert 0 < way.floor <= 0.5
    assert way.to_dict()["found"] is False
    assert "none found below zero" in repr(way)


def test_rounding_is_no_way_out() -> None:
    land = td.Landscape.from_function(lambda w: w.sum() ** 2, torch.zeros(400))
    way = td.escape_direction(land)
    assert way.direction is None
    # rounding of the eigenvalue 800 in float32
    assert way.floor == pytest.approx(0.0, abs=4e-5 * 800)


def test_the_lower_end_of_the_speed_limit_is_the_ceilings() -> None:
    land = at(filled(3.0, 2.9, 1.0, -2.0))
    limit = td.speed_limit(land)
    assert 0.66 < limit.low <= 2 / 3 <= limit.high < 0.67
    cut = td.speed_limit(land, budget=2)
    assert cut.low <= 2 / 3
    assert cut.low < 0.5 * cut.high
    assert not cut.outcome.good


def counted(values: Tensor) -> td.Landscape:
    return at(values, size=0.1)


@pytest.mark.parametrize("spectrum", ["clusters", "plus and minus", "flat"])
def test_the_index_is_inside_its_interval(spectrum: str) -> None:
    values = SPECTRA[spectrum]
    for tolerance in (0.02, 0.5):
        true = int((values < -tolerance).sum())
        inside = 0
        for seed in range(8):
            found = td.index(
                counted(values), tolerance=tolerance, probes=2, steps=30, seed=seed
            )
            assert found.certain <= true
            inside += found.low <= true <= found.high
        # 95 %, and four standard errors of 8 draws
        assert inside >= 8 * 0.95 - 4 * (8 * 0.95 * 0.05) ** 0.5


def test_a_small_landscape_is_counted_exactly() -> None:
    land = at(torch.tensor([3.0, 1.0, 0.0, -1.0, -2.0], dtype=F64))
    found = td.index(land)
    assert (found.low, found.value, found.high, found.certain) == (2, 2, 2, 2)
    assert found.outcome.name == "exact"
    assert "2 of 5" in repr(found)
    assert found.to_dict()["certain"] == float(found) == 2


def test_more_steps_narrow_the_index() -> None:
    land = counted(SPECTRA["flat"])
    few, many = (td.index(land, steps=s, probes=2, tolerance=0.1) for s in (10, 60))
    assert many.high - many.low < few.high - few.low
    assert many.certain > few.certain
