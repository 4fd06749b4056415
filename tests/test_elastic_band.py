"""Nudged elastic bands end on passes, keep even, and grow where they are too coarse."""

from math import sqrt

import pytest
import torch
from torch import Tensor

import valleys
from dense import F64
from theodolite.maps.connect import connect
from theodolite.maps.paths.curve import Curve, straight
from theodolite.maps.paths.elastic_band import (
    across,
    highest_inside,
    kinks,
    tangents,
    with_more_images,
)
from theodolite.maps.place import Place
from valleys import at


def chain(*points: Tensor) -> Curve:
    """A chain through points, evenly spaced in its parameter."""
    line = straight(Place(points[0]), Place(points[-1]), len(points))
    return line.moved(torch.stack(points[1:-1]))


def test_a_climbing_band_finds_the_mueller_brown_pass() -> None:
    a, b = valleys.MB_MINIMA[:2]
    land = valleys.of(valleys.mueller_brown, a)
    path = connect(land, a, b, "neb", climb=True)
    assert path.barrier.loss == pytest.approx(valleys.MB_HIGH_LOSS, abs=1e-3)
    torch.testing.assert_close(path.highest.point, valleys.MB_HIGH, rtol=0, atol=1e-3)
    end = valleys.mueller_brown(b)
    assert path.barrier.value == pytest.approx(path.barrier.loss - float(end))
    # a path over a pass cannot be lower than it
    assert path.barrier.loss >= valleys.MB_HIGH_LOSS - 1e-6
    assert path.barrier.error == 0
    assert path.outcome.good


def test_without_climbing_the_barrier_is_near_the_pass_and_not_below() -> None:
    a, b = valleys.HIMMELBLAU_MINIMA[:2]
    land = valleys.of(valleys.himmelblau, a)
    path = connect(land, a, b, "neb", bends=5, budget=1500)
    height = float(valleys.himmelblau(valleys.HIMMELBLAU_PASSES[0]))
    assert height - 1e-9 <= path.barrier.value <= 1.01 * height
    assert path.barrier.value < path.straight_barrier


def test_without_climbing_images_are_evenly_spaced() -> None:
    a, b = at(-1, 0.0), at(1, 0.0)
    path = connect(valleys.of(valleys.ring, a), a, b, "neb", budget=1150)
    gaps = torch.linalg.vector_norm(path.curve.control.diff(dim=0), dim=1)
    # inserted images stand between others, at half a gap
    assert float(gaps.max() / gaps.min()) < 2.2
    covered = torch.cat([gaps.new_zeros(1), gaps.cumsum(0)])
    torch.testing.assert_close(path.curve.knots, covered / covered[-1])
    torch.testing.assert_close(path.distance, path.t * path.length)


def test_a_band_leaves_the_ridge_that_symmetry_holds_it_on() -> None:
    a, b = at(-1, 0.0), at(1, 0.0)
    path = connect(valleys.of(valleys.ring, a), a, b, "neb")
    assert path.straight_barrier == pytest.approx(1.0)
    assert path.barrier.value < 0.01
    # half the circle's length, cut by straight pieces
    assert path.length == pytest.approx(torch.pi, rel=0.05)


def test_tangents_point_to_the_higher_neighbour_and_are_mixed_at_tops() -> None:
    points = torch.tensor([[0, 0], [1, 0], [1, 1], [2, 1], [2, 2], [3, 2]], dtype=F64)
    found = tangents(points, at(0, 1, 3, 2, 1.5, 2))
    up = at(0, 1)
    torch.testing.assert_close(found[0], up)
    # losses 3 at the top: differences 2 behind, 1 ahead; the higher side is ahead
    mixed = at(1, 0) * 2 + at(0, 1) * 1
    torch.testing.assert_close(found[1], mixed / mixed.norm())
    # descending: towards the one before
    torch.testing.assert_close(found[2], at(1, 0))
    # a bottom: differences -0.5 behind and 0.5 ahead, equal neighbours
    assert float(found[3].norm()) == pytest.approx(1)


def test_on_level_ground_a_tangent_halves_the_corner() -> None:
    points = torch.tensor([[0, 0], [1, 0], [1, 1]], dtype=F64)
    found = tangents(points, at(1, 1, 1))
    torch.testing.assert_close(found[0], at(1, 1) / sqrt(2))


def test_forces_lie_across_the_band_and_the_climbers_along_it_is_turned() -> None:
    slopes, ahead = torch.stack([at(3, 4), at(1, 2)]), torch.stack([at(1, 0), at(0, 1)])
    still = across(slopes, ahead, None)
    torch.testing.assert_close(still, torch.stack([at(0, 4), at(1, 0)]))
    climbing = across(slopes, ahead, 1)
    torch.testing.assert_close(climbing, torch.stack([at(0, 4), at(1, -2)]))


def test_only_an_image_above_both_ends_climbs() -> None:
    assert highest_inside(at(0, 2, 5, 1)) == 1
    assert highest_inside(at(0, 2, 5, 6)) is None


def test_a_kink_is_a_sharp_turn() -> None:
    straight_on, turned, back = at(1, 0), at(0, 1), at(-1, 0)
    found = kinks(torch.stack([straight_on, straight_on, turned, -turned, back]))
    torch.testing.assert_close(found, at(0, 1, 1, 1))


def test_images_are_inserted_where_the_loss_exceeds_the_line_between_two() -> None:
    curve = chain(at(0, 0), at(1, 0), at(2, 0), at(3, 0), at(4, 0))
    t = torch.linspace(0, 1, 9, dtype=F64)
    # hills at 0.5 and, higher, at 2.5; a hollow at 3.5 is none
    loss = at(0, 3, 0, 0, 0, 5, 0, -1, 0)
    more = with_more_images(curve, t, loss, most=9, excess=0.2)
    torch.testing.assert_close(more.control[:, 0], at(0, 0.5, 1, 2, 2.5, 3, 4))
    one = with_more_images(curve, t, loss, most=4, excess=0.2)
    torch.testing.assert_close(one.control[:, 0], at(0, 1, 2, 2.5, 3, 4))
    none = with_more_images(curve, t, loss, most=9, excess=0.9)
    assert len(none.control) == 5


def test_a_coarse_band_grows() -> None:
    a, b = at(-1, 0.0), at(1, 0.0)
    path = connect(valleys.of(valleys.ring, a), a, b, "neb", bends=2, budget=1500)
    assert 4 < len(path.curve.control) <= 8
    assert path.barrier.value < 0.1
