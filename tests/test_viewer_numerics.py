"""Surfaces, contours and heights in the browser are what they are in Python."""

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch
from contourpy import LineType, contour_generator

from theodolite.maps.descending.bicubic import Bicubic
from theodolite.maps.page_record import packed
from viewer_numerics import (
    F64,
    SHEETS,
    Ask,
    Sheet,
    asking,
    numbers,
    rugged,
    settings,
    sheet,
    spelled,
)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    return asking(tmp_path_factory.mktemp("numerics"))


def spots(on: Sheet, count: int = 40) -> list[list[float]]:
    """Points all over a plane, at its nodes, at its ends and beyond."""
    generator = torch.Generator().manual_seed(0)
    share = torch.rand(count, 2, generator=generator, dtype=F64) * 1.06 - 0.03
    low = torch.stack([on.x[0], on.y[0]])
    wide = torch.stack([on.x[-1], on.y[-1]]) - low
    nodes = [[float(x), float(y)] for x in on.x[::7] for y in on.y[::9]]
    ends = [[float(on.x[-1]), float(on.y[-1])], [float(on.x[0]), float(on.y[-1])]]
    return [*(low + share * wide).tolist(), *nodes, *ends]


# the surface


@pytest.fixture(scope="module")
def surfaces(ask: Ask) -> dict[str, Any]:
    cases = [
        {"ask": "surface", "plane": on.record, "at": spots(on)}
        for on in SHEETS.values()
    ]
    return dict(zip(SHEETS, ask(cases), strict=True))


@pytest.mark.parametrize("name", list(SHEETS))
def test_the_surface_is_pythons(name: str, surfaces: dict[str, Any]) -> None:
    on, found = SHEETS[name], surfaces[name]
    surface = Bicubic(on.x, on.y, on.loss)
    wanted = [surface.at(*point) for point in spots(on)]
    assert [there["patch"] is None for there in found] == [w is None for w in wanted]
    assert {there["value"] for there in found if not there["patch"]} <= {"NaN"}
    known = [w for w in wanted if w is not None]
    here = {
        "value": torch.tensor([patch.value for patch in known], dtype=F64),
        "gradient": torch.stack([patch.gradient for patch in known]),
        "hessian": torch.stack([patch.hessian for patch in known]),
    }
    patches = [there["patch"] for there in found if there["patch"]]
    near = 1e-13 * float(on.loss[on.loss.isfinite()].abs().max())
    for key, values in here.items():
        mine = numbers([patch[key] for patch in patches])
        torch.testing.assert_close(mine, values, rtol=1e-11, atol=near)
        near *= 10 / float(min(on.x.diff().min(), on.y.diff().min()))
    heights = numbers([there["value"] for there in found if there["patch"]])
    torch.testing.assert_close(heights, here["value"], rtol=1e-11, atol=1e-12)


def test_the_lowest_point_is_pythons(ask: Ask) -> None:
    # the bottom of a gully is a whole line
    all_ = [on for name, on in SHEETS.items() if name != "gully"]
    found = ask([{"ask": "lowest", "plane": on.record} for on in all_])
    for on, there in zip(all_, found, strict=True):
        wide = float(on.x[-1] - on.x[0])
        wanted = Bicubic(on.x, on.y, on.loss).lowest()
        assert there == pytest.approx(wanted, abs=1e-7 * wide)


def test_nothing_finite_has_no_lowest_point_and_no_race(ask: Ask) -> None:
    nothing = sheet(lambda x, y: nan * x * y, 1.0, 5, 5).record
    started = {"start": [0, 0], "settings": settings(0.1)}
    cases = [
        {"ask": "lowest"},
        {"ask": "race", **started},
        {"ask": "rates", "steps": 9, "momentum": 0},
    ]
    assert ask([{**case, "plane": nothing} for case in cases]) == [None] * 3


def test_lengths_and_curvatures_are_those_of_the_parameters(ask: Ask) -> None:
    generator = torch.Generator().manual_seed(1)
    cases, wanted = [], []
    for _ in range(20):
        rows = torch.randn(2, 5, generator=generator, dtype=F64)
        bend = torch.randn(2, 2, generator=generator, dtype=F64)
        bend, step = bend + bend.T, torch.randn(2, generator=generator, dtype=F64)
        metric = rows @ rows.T
        asked = {"of": bend.tolist(), "metric": metric.tolist(), "step": step.tolist()}
        cases.append({"ask": "metric", **asked})
        whole = torch.linalg.eigvals(torch.linalg.solve(metric, bend)).real
        wanted.append((bend, whole.sort().values, rows, step))
    for there, (bend, whole, rows, step) in zip(ask(cases), wanted, strict=True):
        values, vectors = torch.linalg.eigh(bend)
        torch.testing.assert_close(numbers(there["eigen"]["values"]), values)
        turned = numbers(there["eigen"]["vectors"]) @ vectors
        torch.testing.assert_close(turned.abs(), torch.eye(2, dtype=F64))
        torch.testing.assert_close(numbers(there["curvature"]), whole)
        assert there["far"] == pytest.approx(float((step @ rows).norm()))
        inside = torch.linalg.pinv(rows) @ step
        assert there["norm"] == pytest.approx(float(inside.norm()))


# contours


def contours(on: Sheet, level: float) -> list[np.ndarray]:
    """Those of contourpy, cells beside a hole left out."""
    values = np.ma.masked_invalid(on.loss.T.numpy())
    maker = contour_generator(
        on.x.numpy(),
        on.y.numpy(),
        values,
        name="serial",
        corner_mask=False,
        line_type=LineType.Separate,
    )
    return maker.lines(level)


def length(line: Any) -> float:
    return float(np.linalg.norm(np.diff(np.asarray(line), axis=0), axis=1).sum())


LEVELLED = ("bowl", "saddle", "Himmelblau", "rugged", "rugged with holes", "checks")


def test_isolines_are_those_of_contourpy(ask: Ask) -> None:
    levels = {
        name: torch.quantile(
            SHEETS[name].loss[SHEETS[name].loss.isfinite()],
            torch.tensor([0.01, 0.1, 0.3, 0.51, 0.7, 0.9, 0.999], dtype=F64),
        ).tolist()
        for name in LEVELLED
    }
    cases = [
        {"ask": "isolines", "plane": SHEETS[name].record, "levels": levels[name]}
        for name in LEVELLED
    ]
    for name, found in zip(LEVELLED, ask(cases), strict=True):
        for level, lines in zip(levels[name], found, strict=True):
            wanted = contours(SHEETS[name], level)
            assert len(lines) == len(wanted), (name, level)
            mine, theirs = sorted(map(length, lines)), sorted(map(length, wanted))
            assert mine == pytest.approx(theirs, rel=1e-9)
            closed = [sum(is_closed(line) for line in all_) for all_ in (lines, wanted)]
            assert closed[0] == closed[1]
            for line in lines:
                assert all(on_an_edge(SHEETS[name], level, *point) for point in line)


def is_closed(line: Any) -> bool:
    return bool(np.array_equal(line[0], line[-1]))


def on_an_edge(on: Sheet, level: float, x: float, y: float) -> bool:
    """Whether a point lies on an edge of the grid, and the level at it."""
    loss, xs, ys = on.loss.numpy(), on.x.numpy(), on.y.numpy()
    if x in xs:
        at = np.interp(y, ys, loss[int(np.searchsorted(xs, x))])
    else:
        at = np.interp(x, xs, loss[:, int(np.searchsorted(ys, y))])
    return bool(abs(at - level) <= 1e-9 * (1 + abs(level)))


def test_isolines_have_what_is_higher_on_their_left(ask: Ask) -> None:
    on = SHEETS["bowl"]
    asked = {"ask": "isolines", "plane": on.record, "levels": [1.0]}
    ((line,),) = ask([asked])[0]
    x, y = np.asarray(line).T
    # clockwise around the bottom
    assert float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) < 0


def test_isolines_at_a_level_of_the_nodes_neither_break_nor_double(ask: Ask) -> None:
    on = sheet(lambda x, y: x.abs() + y.abs() + 0 * x * y, 2.0, 9, 9)
    asked = {"ask": "isolines", "plane": on.record, "levels": [1.0, 0.0, 4.0, 9.0, inf]}
    asked["levels"] = spelled(asked["levels"])
    square, bottom, corners, beyond, nowhere = ask([asked])[0]
    assert [len(lines) for lines in (bottom, corners, beyond, nowhere)] == [0] * 4
    assert len(square) == 1
    assert is_closed(square[0])
    assert length(square[0]) == pytest.approx(4 * 2**0.5)


# heights and colours


def heights(
    values: Sequence[float], log: bool, clip: float, of: Sequence[float], count: int = 8
) -> dict[str, Any]:
    line = torch.tensor(values, dtype=F64)[:, None]
    x = torch.arange(len(values), dtype=F64)
    one = torch.zeros(1, dtype=F64)
    shares = torch.linspace(0, 1, 11).tolist()
    return {
        "ask": "heights",
        "plane": Sheet(x, one, line, torch.eye(2, dtype=F64)).record,
        "log": log,
        "clip": clip,
        "of": spelled([*of]),
        "shares": shares,
        "count": count,
    }


def test_heights_go_from_zero_to_one_and_back(ask: Ask) -> None:
    values = [0.01, 0.5, 2.0, 100.0, nan, inf]
    of = [0.01, 1.0, 50.0, 100.0, 1e9, -5.0, inf, nan]
    kinds = [(log, clip) for log in (False, True) for clip in (1.0, 0.5, 0.01)]
    cases = [heights(values, *kind, of) for kind in kinds]
    for (log, clip), there in zip(kinds, ask(cases), strict=True):
        top = 0.01 * 10 ** (4 * clip) if log else 0.01 + 99.99 * clip
        assert there["ends"] == pytest.approx([0.01, top])
        if clip == 1:
            assert there["ends"] == [0.01, 100.0]
        assert (there["log"], there["shift"]) == (log, 0)
        plain = [np.log10(v / 0.01) / 4 if log else (v - 0.01) / 99.99 for v in of[:4]]
        wanted = [*(min(1, p / clip) for p in plain), 1, 0, 1]
        assert there["at"][:-1] == pytest.approx(wanted)
        assert there["at"][-1] == "NaN"
        over = [v > top * (1 + 1e-12) for v in of]
        assert there["clipped"] == over
        assert there["values"][0] == pytest.approx(0.01)
        assert there["values"][-1] == pytest.approx(top)
        low, high = there["ends"]
        assert all(low < level < high for level in there["levels"])
        assert 4 <= len(there["levels"]) <= 14


def test_heights_by_logarithm_shift_what_is_not_positive_and_say_so(ask: Ask) -> None:
    (there,) = ask([heights([-1.0, 0.0, 3.0], True, 1.0, [-1.0, 0.0, 3.0])])
    assert there["shift"] == pytest.approx(1 + 4e-3)
    first, middle, last = there["at"]
    assert (first, last) == (0, 1)
    assert middle == pytest.approx(np.log(1.004 / 0.004) / np.log(4.004 / 0.004))


@pytest.mark.parametrize("log", [False, True])
def test_a_flat_field_and_none_have_heights_too(log: bool, ask: Ask) -> None:
    cases = [heights([0.7] * 3, log, 1, [0.7, 1]), heights([nan] * 3, log, 1, [0.7])]
    flat, none = ask(cases)
    assert (flat["at"], flat["levels"], flat["ticks"]) == ([0, 1], [], [0.7])
    assert (none["levels"], none["ticks"]) == ([], [])


@pytest.mark.parametrize("count", [3, 5, 10, 20])
def test_levels_are_round_and_about_as_many_as_wanted(count: int, ask: Ask) -> None:
    spans = [(0.0, 1.0), (-3.2, 17.9), (1e-9, 2e-9), (5.0, 5e6), (1e-30, 1e10), (2, 7)]
    kinds = [(span, log) for span in spans for log in (False, True)]
    cases = [heights(span, log, 1.0, [], count) for span, log in kinds]
    for (span, log), there in zip(kinds, ask(cases), strict=True):
        for levels in (there["levels"], there["ticks"]):
            assert count / 2.6 <= len(levels) <= 2 * count + 1, (span, log, levels)
            assert levels == sorted(set(levels))
            assert all(len(f"{level:.12g}".strip("-0.")) <= 8 for level in levels)


@pytest.mark.parametrize("palette", ["viridis", "cividis", "grey"])
def test_colours_rise_in_lightness(palette: str, ask: Ask) -> None:
    (there,) = ask([{"ask": "colours", "of": palette}])
    table = numbers(there["table"]).reshape(256, 3) / 255
    linear = torch.where(
        table > 0.04045, ((table + 0.055) / 1.055) ** 2.4, table / 12.9
    )
    light = linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=F64)
    assert bool((light.diff() > -3e-3).all())
    assert float(light[-1]) > float(light[0]) + 0.5
    assert there["ends"][2] == "none"


# what the page carries


def test_packed_numbers_come_out_as_they_went_in(ask: Ask) -> None:
    generator = torch.Generator().manual_seed(3)
    few = torch.randn(7, 5, generator=generator, dtype=F64)
    few[0, 0], few[1, 1], few[2, 2] = nan, inf, -inf
    many = torch.randn(200, 100, generator=generator, dtype=F64)
    marks = torch.arange(256)
    cases = [
        {"ask": "unpacked", "of": packed(few)},
        {"ask": "unpacked", "of": packed(many)},
        {"ask": "unpacked", "of": packed(marks, "u1")},
        {"ask": "unpacked", "of": packed(marks > 9, "u1"), "as": "flags"},
    ]
    found = [numbers(answer) for answer in ask(cases)]
    torch.testing.assert_close(found[0], few.flatten(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(
        found[1], many.flatten().float().double(), rtol=0, atol=0
    )
    torch.testing.assert_close(found[2], marks.double(), rtol=0, atol=0)
    assert found[3].bool().tolist() == (marks > 9).tolist()


def test_planes_are_read_as_they_were_written(ask: Ask) -> None:
    on = SHEETS["rugged with holes"]
    (there,) = ask([{"ask": "plane", "plane": on.record}])
    finite = on.loss[on.loss.isfinite()]
    assert there["x"] == on.x.tolist()
    assert (there["low"], there["high"]) == (float(finite.min()), float(finite.max()))
    assert (there["fields"], set(there["measured"])) == (["loss"], {1})


def test_a_million_points_are_a_surface_within_a_second(ask: Ask) -> None:
    on = sheet(rugged, 3.0, 1001, 1001)
    (took,) = ask([{"ask": "seconds", "plane": on.record}])
    # milliseconds, measured 80, 0.0002 and 7 where nothing else runs
    assert took["built"] < 1000
    assert took["value"] < 0.003
    assert took["level"] < 100
