"""Paths between two points: what is measured on them, refused, and said."""

import json
from copy import deepcopy
from math import isnan, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
import valleys
from connections import EVERY, digits, few, found, small
from dense import F64
from networks import CNN, MLP
from problems import labels, normal, ready
from theodolite.errors import (
    ArgumentError,
    ParameterError,
    TheodoliteError,
)
from theodolite.maps.connect import connect
from theodolite.maps.paths.curve import bernstein, straight
from theodolite.maps.place import Place
from theodolite.maps.sweep import swept
from valleys import at


def test_the_barrier_of_a_line_is_the_functions_maximum() -> None:
    def skew(w: Tensor) -> Tensor:
        return (w[0] ** 2 - 1) ** 2 + 0.3 * w[0] + w[1] ** 2

    a, b = at(-1, 0), at(1, 0)
    path = connect(valleys.of(skew, a), a, b, "straight", steps=7)
    # 4 w³ − 4 w + 0.3 = 0 between the ends
    top = 0.07542849
    height = (top**2 - 1) ** 2 + 0.3 * top - 0.3
    assert path.barrier.value == pytest.approx(height, rel=1e-3)
    assert path.barrier.value <= height
    assert height <= path.barrier.value + path.barrier.resolution + 1e-4
    assert path.barrier.t == pytest.approx((1 + top) / 2, abs=0.02)
    assert path.barrier.end == pytest.approx(0.3)
    assert path.straight_barrier == path.barrier.value
    assert (path.length, path.straight_length) == (2, 2)
    assert path.barrier.error == 0
    assert path.gradients == 0


def test_a_narrow_wall_is_looked_at_until_its_top_is_known() -> None:
    def wall(w: Tensor) -> Tensor:
        return torch.exp(-(((w[0] - 0.03) / 0.1) ** 2))

    path = connect(valleys.of(wall, at(-1)), at(-1), at(1), "straight", steps=17)
    assert path.barrier.value == pytest.approx(1, rel=1e-3)
    assert len(path.t) > 17


@pytest.mark.parametrize("method", EVERY)
def test_losses_belong_to_the_points_and_distances_to_the_curve(method: str) -> None:
    land, other = small()
    path = connect(land, None, other, method, budget=30)
    assert torch.equal(path.points[0], land.point)
    assert torch.equal(path.points[-1], other)
    assert path.t[0] == 0
    assert path.t[-1] == 1
    assert bool((path.t.diff() > 0).all())
    direct = [land.loss(point) for point in path.points]
    torch.testing.assert_close(path.loss, torch.tensor(direct, dtype=F64))
    assert path.loss.dtype == F64
    # chords are never longer than the curve, and nearly as long where it is sampled
    chords = torch.linalg.vector_norm(path.points.diff(dim=0), dim=1)
    pieces = path.distance.diff()
    assert bool((chords <= pieces + 1e-6 * path.length).all())
    assert float(chords.sum()) == pytest.approx(path.length, rel=2e-2)
    assert path.length >= path.straight_length - 1e-9
    place = path.place(float(path.t[3]))
    torch.testing.assert_close(place.point, path.points[3])
    assert land.loss(path.highest.point) == pytest.approx(path.barrier.loss)


def test_a_bezier_curves_length_is_its_integral() -> None:
    # the parabola (2 t, 2 t (1 − t)): ∫ √(4 + (2 − 4 t)²) dt = √2 + asinh 1
    line = straight(Place(at(0, 0)), Place(at(2, 0)), 3, "bezier")
    curve = line.moved(at(1, 1)[None])
    exact = sqrt(2) + float(torch.asinh(at(1)))
    assert curve.length == pytest.approx(exact, rel=1e-6)
    half = float(curve.distances(at(0.5))[0])
    assert half == pytest.approx(exact / 2, rel=1e-6)


def test_bernstein_polynomials_share_one_between_them() -> None:
    shares = bernstein(torch.linspace(0, 1, 7, dtype=F64), 4)
    torch.testing.assert_close(shares.sum(1), torch.ones(7, dtype=F64))
    torch.testing.assert_close(shares[3], at(1, 4, 6, 4, 1) / 16)


def test_the_data_error_is_that_of_paired_samples() -> None:
    land, other = small(samples=2000)
    path = connect(land, None, other, "straight")
    higher = land.point if path.loss[0] >= path.loss[-1] else other
    x, y = few(2000)

    def each(point: Tensor) -> Tensor:
        model = deepcopy(land.model)
        assert model is not None
        nn.utils.vector_to_parameters(point, model.parameters())
        return nn.functional.cross_entropy(model(x), y, reduction="none").detach()

    difference = each(path.highest.point) - each(higher)
    wanted = float(difference.std()) / sqrt(2000)
    assert path.barrier.groups == 40
    # the spread of 40 groups is known to 1 in √78; four of that
    assert path.barrier.error == pytest.approx(wanted, rel=4 / sqrt(78))


def test_one_batch_that_cannot_be_cut_has_an_unknown_error() -> None:
    model = ready(lambda: MLP(4, 5, 3), F64)

    def coupled(output: Tensor, target: Tensor) -> Tensor:
        return output.mean(0).square().sum() + 0 * target.sum()

    data = normal(32, 4, dtype=F64), labels(3, 32)
    land = td.Landscape(model, coupled, data)
    path = connect(land, None, land.point + 1, "straight")
    assert isnan(path.barrier.error)
    assert path.barrier.groups == 0
    assert "±" not in repr(path.barrier)
    lower = connect(land, None, land.point + 1, "bezier", budget=40)
    assert lower.barrier.value <= path.barrier.value


def test_train_and_test_have_barriers_of_their_own() -> None:
    land, other = small(test=few(64, seed=4))
    path = connect(land, None, other, "straight")
    assert path.test_loss is not None
    assert path.test_barrier is not None
    assert land.test is not None
    direct = [land.test.loss(point) for point in path.points]
    torch.testing.assert_close(path.test_loss, torch.tensor(direct, dtype=F64))
    top = max(direct)
    ends = max(direct[0], direct[-1])
    assert path.test_barrier.value == pytest.approx(top - ends)
    assert connect(small()[0], None, other, "straight").test_barrier is None


def test_statistics_are_re_estimated_between_two_models_unless_there_are_none() -> None:
    land, other = digits()
    path = found("straight")
    places = [Place(point) for point in path.points]
    again = swept(land, places, batch_norm="re-estimated")
    torch.testing.assert_close(path.loss, again["loss"])
    short = connect(land, None, other, "straight", steps=3, batch_norm="auto")
    assert short.batch_norm == "re-estimated"
    assert connect(*small(), None, "straight").batch_norm == "frozen"


def test_interpolated_statistics_are_each_models_own_at_its_end() -> None:
    land, other = digits()
    path = connect(land, None, other, steps=9, batch_norm="interpolated", budget=8)
    assert path.loss[0] == pytest.approx(land.loss(), rel=1e-5)
    assert path.loss[-1] == pytest.approx(
        td.builtin("digits-cnn", seed=1).loss(), rel=1e-5
    )
    assert path.removed > 0.9
    middle = path.place(0.25).buffers["norm1.running_var"]
    assert land.model is not None
    one, two = (m.get_buffer("norm1.running_var") for m in (land.model, other))
    torch.testing.assert_close(middle, 0.75 * one + 0.25 * two)


def test_frozen_statistics_are_the_landscapes_own_at_every_point() -> None:
    land, other = digits()
    path = connect(land, None, other, "straight", batch_norm="frozen", steps=5)
    direct = [land.loss(point) for point in path.points]
    torch.testing.assert_close(path.loss, torch.tensor(direct, dtype=F64))


def test_batch_statistics_of_the_landscape_need_no_policy() -> None:
    model = ready(CNN, F64).train()
    data = normal(48, 2, 4, 4, dtype=F64), labels(3, 48)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    path = connect(land, None, -land.point, budget=30)
    assert path.batch_norm == "frozen"
    direct = [land.loss(point) for point in path.points]
    torch.testing.assert_close(path.loss, torch.tensor(direct, dtype=F64))
    assert model.training


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"method": "string"}, ArgumentError, "method='string'"),
        ({"bends": 0}, ArgumentError, "bends=0"),
        ({"steps": 2}, ArgumentError, "steps=2"),
        ({"rtol": 0}, ArgumentError, "rtol=0"),
        ({"climb": True}, ArgumentError, "climb=True"),
        ({"bends": 2, "method": "straight"}, ArgumentError, "bends=2"),
        ({"budget": 0}, ArgumentError, "budget=0"),
        ({"seed": 2**64}, ArgumentError, "seed"),
        ({"batch_norm": "none"}, ArgumentError, "batch_norm"),
        ({"a": torch.zeros(3)}, ParameterError, "shape"),
        ({"b": torch.full((43,), torch.nan)}, ArgumentError, "NaN"),
    ],
)
def test_what_cannot_be_used_is_refused_with_advice(
    settings: dict[str, Any], error: type[TheodoliteError], words: str
) -> None:
    land, other = small()
    assert land.size == 43
    with pytest.raises(error, match=words):
        connect(**{"land": land, "a": None, "b": other, **settings})


def test_statistics_of_a_flat_vector_are_not_made_up() -> None:
    land, _ = digits()
    with pytest.raises(ArgumentError, match="flat tensor"):
        connect(land, None, -land.point, batch_norm="interpolated")


def test_a_path_prints_itself_and_is_plain() -> None:
    path = found("bezier")
    shown = repr(path)
    for words in ("Path (bezier)", "±", "on test", "% removed", "re-estimated"):
        assert words in shown
    plain = json.loads(json.dumps(path.to_dict()))
    assert plain["method"] == "bezier"
    assert plain["barrier"]["value"] == path.barrier.value
    assert plain["removed"] == path.removed
    assert len(plain["loss"]) == len(path.t)
    assert plain["outcome"] == "converged"
    assert float(path.barrier) == path.barrier.value


def test_a_watcher_is_told_and_let_go() -> None:
    told: list[tuple[str, float, float]] = []

    class Watcher:
        closed = 0

        def update(self, stage: str, done: float, left: float) -> None:
            told.append((stage, done, left))

        def close(self) -> None:
            self.closed += 1

    watcher = Watcher()
    land, other = small()
    connect(land, None, other, budget=5, progress=watcher)
    assert watcher.closed == 1
    assert told
    assert all("bezier" in stage and 0 <= done <= 1 for stage, done, _ in told)


@pytest.mark.parametrize("method", EVERY)
def test_the_way_from_a_point_to_itself_is_no_way(method: str) -> None:
    land, _ = small()
    path = connect(land, None, land.point, method)
    assert (path.barrier.value, path.length) == (0, 0)
    assert path.outcome.name == "exact"
    assert "same point" in repr(path)


def test_models_state_dicts_and_flat_points_are_the_same_ends() -> None:
    land, other = digits()
    wanted = found("straight").loss
    for end in (other, other.state_dict(), Place(found("straight").points[-1])):
        path = connect(land, None, end, "straight", steps=5)
        torch.testing.assert_close(path.loss[[0, -1]], wanted[[0, -1]])
