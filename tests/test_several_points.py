"""Several points in one pass say what they say one by one, or are not taken."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from problems import PROBLEMS
from theodolite.maps import several_points, tour
from theodolite.maps.place import Place
from theodolite.maps.quantities import LOSS, OfOutput
from theodolite.maps.several_points import (
    ALONE,
    SEVERAL,
    TOGETHER,
    Row,
    SeveralPoints,
    pays,
    trial,
)
from theodolite.maps.sweep import swept
from watch import nothing_changes

F64 = torch.float64
# operations without a batched form, and statistics that would be written to
ALONE_ONLY = {"lstm", "batch statistics"}


def near(land: td.Landscape, count: int) -> Tensor:
    source = torch.Generator().manual_seed(5)
    noise = torch.randn(count, land.size, generator=source, dtype=F64)
    return land.point + 0.1 * noise


def rows_of(
    land: td.Landscape, points: Tensor, quantities: dict[str, OfOutput] | None = None
) -> list[Row]:
    with land.held_at(land.parameters.split(land.point)) as evaluate:
        lands = [(land, evaluate)]
        if land.test is not None:
            lands.append((land.test, land.test.evaluation))
        return SeveralPoints(lands, quantities or {}).rows(points)


@pytest.mark.parametrize(
    "problem", [name for name in PROBLEMS if name not in ALONE_ONLY]
)
def test_rows_are_those_of_one_point_after_another(problem: str) -> None:
    land = PROBLEMS[problem](F64).landscape()
    points = near(land, TOGETHER)
    single = swept(land, [Place(point) for point in points])[LOSS]
    with nothing_changes(land.model):
        rows = rows_of(land, points)
    # float64, sums of 100 terms in another order
    assert [row[LOSS] for row in rows] == pytest.approx(single.tolist(), rel=1e-13)


def test_test_data_and_quantities_are_measured_along() -> None:
    case = PROBLEMS["class weights"](F64)
    land = case.landscape(test=case.batches[:2])

    def error(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        counted = target >= 0
        return (output.argmax(1) != target)[None].mul(
            counted
        ).sum().double(), counted.sum()

    quantities = {
        "error": OfOutput(error),
        "size": OfOutput(lambda output, target: output.square().mean()),
        "loss again": OfOutput(case.loss),
    }
    points = near(land, 3)
    wanted = swept(land, [Place(point) for point in points], quantities=quantities)
    rows = rows_of(land, points, quantities)
    assert len(rows) == 3
    for name, values in wanted.items():
        found = [row[name] for row in rows]
        assert found == pytest.approx(values.tolist(), rel=1e-13), name
    assert wanted["loss again"].tolist() == wanted["loss"].tolist()


def test_a_batch_in_which_nothing_counts_has_no_say() -> None:
    model = nn.Linear(4, 3).double()
    inputs = torch.randn(8, 4, dtype=F64)
    ignored, counted = torch.full((4,), -100), torch.tensor([0, 1, 2, 0])
    batches = [(inputs[:4], ignored), (inputs[4:], counted)]
    land = td.Landscape(model, nn.CrossEntropyLoss(), batches)
    (row,) = rows_of(land, land.point[None])
    assert row[LOSS] == pytest.approx(land.loss(), rel=1e-13)


def test_what_is_no_number_stays_at_its_own_point() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    points = near(land, 3)
    points[1] = float("nan")
    found = [row[LOSS] for row in rows_of(land, points)]
    single = swept(land, [Place(points[0]), Place(points[2])])[LOSS].tolist()
    assert found[1] != found[1]
    assert [found[0], found[2]] == pytest.approx(single, rel=1e-13)


def test_a_points_last_bit_hangs_on_no_other() -> None:
    land = PROBLEMS["cnn with batch norm"](F64).landscape()
    points = near(land, TOGETHER)
    whole = [row[LOSS] for row in rows_of(land, points)]
    assert [rows_of(land, points[n : n + 1])[0][LOSS] for n in range(TOGETHER)] == whole
    assert [row[LOSS] for row in rows_of(land, points.flip(0))] == whole[::-1]


def clock(*times: float) -> SimpleNamespace:
    """Stands for the module ``time``; says these times one after another."""
    left: Iterator[float] = iter(times)
    return SimpleNamespace(perf_counter=lambda: next(left))


def taking(single: float, together: float) -> SimpleNamespace:
    """A clock by which one point takes so long, and eight points so long."""
    return clock(0.0, single, 10.0, 10.0 + together)


def rows(*losses: float) -> Callable[[], list[Row]]:
    return lambda: [{LOSS: loss} for loss in losses]


@pytest.mark.parametrize(
    ("single", "together", "good", "said"),
    [
        (1.0, 2.0, True, f"{SEVERAL}, in 0.25 of the time"),
        (1.0, 6.0, True, f"{SEVERAL}, in 0.75 of the time"),
        (1.0, 6.1, False, f"{ALONE}, as several at once took 0.76 of the time"),
        (1.0, 16.0, False, f"{ALONE}, as several at once took 2.00 of the time"),
    ],
)
def test_the_faster_way_is_taken(
    single: float,
    together: float,
    good: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(several_points, "time", taking(single, together))
    assert trial(rows(0.5, 0.7), lambda: {LOSS: 0.5}) == (good, said)


@pytest.mark.parametrize("loss", [0.51, float("nan"), float("inf")])
def test_another_result_is_not_taken_however_fast(
    loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several_points, "time", taking(1.0, 0.1))
    good, said = trial(rows(loss), lambda: {LOSS: 0.5})
    assert not good
    assert "another result" in said


def test_results_are_the_same_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_points, "time", taking(1.0, 0.1))
    assert trial(rows(0.5 * (1 + 1e-6)), lambda: {LOSS: 0.5})[0]


def test_what_cannot_be_run_at_once_is_said() -> None:
    def fails() -> list[Row]:
        message = "no batched form. Please file a bug\nwith all of this"
        raise RuntimeError(message)

    good, said = trial(fails, lambda: {LOSS: 0.5})
    assert not good
    assert said == f"{ALONE}, as several cannot be run at once: no batched form"


def test_a_trial_is_made_for_many_quick_points_only() -> None:
    assert pays(1000, 0.1, batches=3)
    assert not pays(999, 0.1, batches=3)
    assert not pays(1000, 0.0009, batches=3)
    # operations that long are not worth calling once for eight points
    assert not pays(1000, 0.2, batches=3)


class Looks(nn.Module):
    """Looks at its values."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return x if float(x.detach().abs().max()) < 1e3 else x.tanh()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial for every map, which several points at once win."""
    monkeypatch.setattr(tour, "pays", lambda *_: True)
    monkeypatch.setattr(several_points, "_GAIN", float("inf"))


def mapped(make: Callable[[], nn.Module], **settings: Any) -> td.Plane:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make().double()
        data = torch.randn(20, 4, dtype=F64), torch.randint(0, 3, (20,))
    land = td.Landscape(model, nn.CrossEntropyLoss(), data, batch_size=8)
    return td.plane(land, directions="random", steps=9, span=0.5, **settings)


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


@pytest.mark.usefixtures("eager")
def test_a_model_that_looks_at_its_values_is_measured_one_by_one() -> None:
    plane = mapped(Looks)
    assert plane.outcome.name == "exact"
    assert plane.run["evaluation"].startswith(f"{ALONE}, as several cannot be run")
    assert "item()" in plane.run["evaluation"]


@pytest.mark.usefixtures("eager")
def test_a_map_of_several_points_at_once_is_the_same_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    several = mapped(small)
    assert several.run["evaluation"].startswith(SEVERAL)
    monkeypatch.setattr(tour, "pays", lambda *_: False)
    single = mapped(small)
    assert single.run["evaluation"] == ALONE
    torch.testing.assert_close(several.loss, single.loss, rtol=1e-13, atol=0)
    # the centre was measured alone
    assert several.loss[4, 4] == single.loss[4, 4]


@pytest.mark.usefixtures("eager")
def test_a_budget_of_points_is_kept() -> None:
    assert mapped(small, budget=20).evaluations == 20


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("budget", [10, 20, 21])
def test_a_map_is_gone_on_with_in_the_way_that_it_began(
    budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mapped(small)
    cut = mapped(small, out=tmp_path, budget=budget)
    assert cut.run["evaluation"].startswith(SEVERAL)

    def never(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(tour, "trial", never)
    ended = mapped(small, out=tmp_path, resume=True)
    assert ended.run["evaluation"] == cut.run["evaluation"]
    assert torch.equal(ended.loss, whole.loss)


def test_a_map_that_began_one_by_one_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mapped(small)
    mapped(small, out=tmp_path, budget=20)
    monkeypatch.setattr(tour, "pays", lambda *_: True)
    monkeypatch.setattr(several_points, "_GAIN", float("inf"))
    ended = mapped(small, out=tmp_path, resume=True)
    assert ended.run["evaluation"] == ALONE
    assert torch.equal(ended.loss, whole.loss)
