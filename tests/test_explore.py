"""The explorer: what its lessons measured, and the page that tells them."""

import io
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser
from math import inf, log, nan, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch

from theodolite.cli import explore
from theodolite.cli.explore import run_explore, spoken
from theodolite.exploring import course
from theodolite.exploring.engraving import SIZE, Engraving, engraved, walked
from theodolite.exploring.frontispiece import frontispiece
from theodolite.exploring.isolines import isolines, levels_of
from theodolite.exploring.lesson import Detail, Lesson
from theodolite.exploring.lessons import networks
from theodolite.exploring.lessons.deep_linear import (
    all_kept,
    critical_point,
    index_by_formula,
    wide,
)
from theodolite.exploring.lessons.spin_glass import rank_correlation
from theodolite.exploring.page import render
from theodolite.exploring.words import Told, number, same, told
from theodolite.maps.page_record import unpacked

COARSE = Detail(steps=13, repeats=60, training=200, networks=False)
HOSTILE = "</script><script>alert(1)</script>"
# HTML elements that have no end
VOID = {"meta", "link", "br", "img", "input"}
# keys of the viewer's state that a lesson may open with
STATE = {"start", "rate", "methods", "log", "clip", "momentum", "noise", "field"}
# what is the same in both languages though it has letters
NAMES = re.compile(r"Dice|digits-\w+|λmax|ηλmax/2|w₁|w₂|tr H")
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def lessons() -> dict[str, Lesson]:
    return {lesson.anchor: lesson for lesson in course.lessons(COARSE)}


@pytest.fixture(scope="module")
def page(lessons: dict[str, Lesson]) -> str:
    return render(list(lessons.values()), frontispiece(COARSE))


def every_told(part: Any) -> Iterator[Told]:
    """All that is told anywhere inside a lesson."""
    if isinstance(part, Told):
        yield part
    elif is_dataclass(part):
        for field in fields(part):
            yield from every_told(getattr(part, field.name))
    elif isinstance(part, tuple | list):
        for one in part:
            yield from every_told(one)


# The numbers of the lessons, against what is known


def test_the_bottom_of_the_bowl_is_the_least_squares_solution(
    lessons: dict[str, Lesson],
):
    n = lessons["bowl"].numbers
    assert n["off"] < 1e-12
    assert n["loss"] == pytest.approx(n["residual"], rel=1e-12)
    assert n["hessian_off"] < 1e-12
    assert 0 < n["small"] < n["large"]
    assert n["newton_steps"] == 1


def test_swings_and_divergence_begin_where_the_curvature_says(
    lessons: dict[str, Lesson],
):
    n = lessons["steps"].numbers
    assert n["swings"] == pytest.approx(1 / n["large"])
    assert n["swings_low"] <= 1.01 / n["large"]
    assert n["swings_high"] >= 0.99 / n["large"]
    assert n["limit_low"] <= 2 / n["large"] <= n["limit_high"]
    assert n["as_predicted"] == 5
    assert n["large"] == pytest.approx(lessons["bowl"].numbers["large"])


def test_the_cubic_is_a_slope_that_bends_by_6_and_minus_2(lessons: dict[str, Lesson]):
    n = lessons["saddles"].numbers
    assert (n["up"], n["down"], n["gradient"]) == pytest.approx((6, -2, 3))
    assert n["index"] == 1
    assert n["out"] == pytest.approx(1)


@pytest.mark.parametrize("beside", [1e-2, 1e-4, 1e-8])
def test_leaving_a_saddle_takes_a_logarithm_of_steps(
    lessons: dict[str, Lesson], beside: float
):
    steps = lessons["saddles"].numbers[f"steps from {beside:g}"]
    assert abs(steps - log(1 / beside) / log(1.1)) <= 1


def test_two_minima_of_equal_loss_differ_in_their_traces(lessons: dict[str, Lesson]):
    n = lessons["minima"].numbers
    assert n["flat_loss"] == n["sharp_loss"] == 0
    assert n["flat_trace"] == pytest.approx(1.6)
    assert n["sharp_trace"] == pytest.approx(60)
    assert n["sharp_holds"] <= n["flat_holds"]
    assert n["sharp_stay"] < 0.2
    assert n["flat_stay"] > 0.8


def test_the_canyon_takes_as_many_steps_as_its_condition_says(
    lessons: dict[str, Lesson],
):
    n = lessons["canyon"].numbers
    assert n["condition"] == pytest.approx(100)
    assert abs(n["steps"] - log(1e-3) / log(1 - 1 / 100)) <= 1
    assert abs(n["best"] - log(1e-3) / log(99 / 101)) <= 1
    assert n["momentum"] < 6 * sqrt(n["condition"])
    assert n["newton"] == 1
    assert n["newton_left"] < 1e-12
    assert n["banana_condition"] == pytest.approx(2508.01, rel=1e-5)
    assert n["banana_off"] < 1e-9
    assert n["banana_rises"] >= 1


def test_cross_entropy_is_separable_and_dice_dies_on_black(lessons: dict[str, Lesson]):
    n = lessons["losses"].numbers
    assert n["cross-entropy coupling"] == 0
    assert n["dice coupling"] > 1e-3
    assert n["cross-entropy downward"] == 0
    assert 0.3 < n["dice downward"] < 1
    assert n["dice black"] == 0
    # half of the sigmoids of (−1, 0.5)
    share = torch.tensor([-1.0, 0.5], dtype=torch.float64).sigmoid() / 2
    assert n["cross-entropy black"] == pytest.approx(float(share.norm()))


def test_a_shared_sum_has_flat_directions_and_a_conserved_difference(
    lessons: dict[str, Lesson],
):
    n = lessons["symmetry"].numbers
    assert (n["flat"], n["bent"]) == (3, 3)
    assert n["along"] < 1e-14 * n["gradient"]
    assert n["drift"] < 1e-13
    assert n["sum_off"] < 1e-9 < n["sum_off_first"]


def test_critical_points_of_a_deep_linear_network_are_those_of_theory(
    lessons: dict[str, Lesson],
):
    n = lessons["deep-linear"].numbers
    assert (n["two_low"], n["two_high"]) == pytest.approx((-1, 1))
    assert n["three_low"] == n["three_high"] == 0
    assert n["critical"] == n["right"] == 11
    assert n["without_way_down"] == 1
    assert abs(n["worst_excess"]) < 1e-9
    assert n["drift at 0.04"] / n["drift at 0.02"] == pytest.approx(2, rel=0.05)
    assert n["drift at 0.02"] / n["drift at 0.01"] == pytest.approx(2, rel=0.05)


def test_the_enumerated_points_of_a_deep_linear_network_are_critical():
    for kept in all_kept():
        gradient = torch.func.grad(wide)(critical_point(kept))
        assert float(gradient.abs().max()) < 1e-12
    assert index_by_formula((0, 1)) == 0
    assert index_by_formula(()) == 8


def test_himmelblau_has_its_four_minima_and_its_passes(lessons: dict[str, Lesson]):
    n = lessons["himmelblau"].numbers
    found = sorted((n[f"x{k}"], n[f"y{k}"]) for k in range(1, 5))
    known = [
        (-3.779310, -3.283186),
        (-2.805118, 3.131313),
        (3.0, 2.0),
        (3.584428, -1.848127),
    ]
    assert found == [pytest.approx(point, abs=1e-5) for point in known]
    assert (n["minima"], n["passes"]) == (4, 3)
    assert n["lowest_pass"] == pytest.approx(13.3119, rel=1e-4)
    assert n["highest_pass"] == pytest.approx(104.0152, rel=1e-4)
    assert n["summit"] == pytest.approx(181.6165, rel=1e-5)
    assert sum(n[f"share {k}"] for k in range(1, 5)) == pytest.approx(1)


def test_the_index_grows_with_the_energy_of_a_spin_glass(lessons: dict[str, Lesson]):
    n = lessons["spin-glass"].numbers
    assert n["found"] > 20
    assert n["worst_gradient"] < 1e-9
    assert n["rank"] > 0.9
    assert n["threshold"] - 0.2 < n["lowest"] < n["threshold"] + 0.2


def test_a_rank_correlation_minds_ties_and_the_order_alone():
    rising = torch.tensor([1.0, 2.0, 3.0, 10.0])
    assert rank_correlation(rising, rising.exp()) == pytest.approx(1)
    assert rank_correlation(rising, -rising) == pytest.approx(-1)
    tied = torch.tensor([1.0, 1.0, 2.0, 2.0])
    assert rank_correlation(rising, tied) == pytest.approx(2 / sqrt(5))


def test_a_fast_run_walks_at_the_edge_of_stability(lessons: dict[str, Lesson]):
    n = lessons["training"].numbers
    assert n["fast_first"] < 0.9
    assert 0.9 < n["fast_late"] < 1.2
    assert n["slow_curvature"] > n["fast_curvature"]
    assert 0.5 < n["explained"] <= 1
    assert n["off"] > 0


def test_networks_are_left_out_only_when_asked(lessons: dict[str, Lesson]):
    assert "networks" not in lessons
    assert len(lessons) == len(course.COURSE) - 1
    made = [make for _, make, _ in course.COURSE]
    assert networks.networks_lesson in made


def test_how_far_it_is_never_goes_back(monkeypatch: pytest.MonkeyPatch):
    def nothing(detail: Detail) -> Lesson:
        return lesson_of("nothing")

    monkeypatch.setattr(course, "COURSE", (("a", nothing, 1.0), ("b", nothing, 3.0)))
    told_of: list[tuple[str, float, float]] = []

    class Watching:
        def update(self, stage: str, done: float, left: float) -> None:
            told_of.append((stage, done, left))

        def close(self) -> None:
            told_of.append(("", 1.0, 0.0))

    assert len(course.lessons(COARSE, Watching())) == 2
    assert [row[:2] for row in told_of] == [("a", 0.0), ("b", 0.25), ("", 1.0)]
    assert told_of[0][2] == inf


# Both languages


def test_all_that_is_told_is_told_in_both_languages(lessons: dict[str, Lesson]):
    for anchor, lesson in lessons.items():
        for words in every_told(lesson):
            english, chinese = words.en.striptags(), words.zh.striptags()
            assert not HAN.search(english), (anchor, english)
            if english == chinese:
                rest = NAMES.sub("", english)
                assert not re.search(r"[A-Za-z]{3}", rest), (anchor, english)
            else:
                assert HAN.search(chinese), (anchor, english, chinese)


def test_no_sentence_waits_for_a_number(lessons: dict[str, Lesson]):
    for lesson in lessons.values():
        for words in every_told(lesson):
            assert not re.search(r"[{}]|nan|not a number", words.en + words.zh)


def test_pictures_are_labelled_in_both_languages(lessons: dict[str, Lesson]):
    for lesson in lessons.values():
        for instrument in lesson.instruments:
            for plane in instrument.planes:
                labelled = [plane["title"], *(mark["text"] for mark in plane["marks"])]
                labelled += [axis["label"] for axis in plane["axes"]]
                for words in labelled:
                    assert set(words) == {"en", "zh"}
                    assert all(words.values())
                    assert "<" not in words["en"] + words["zh"]


def test_the_chinese_is_in_the_words_of_the_field(page: str):
    for term in ("损失景观", "海森矩阵", "特征值", "鞍点", "学习率", "梯度下降"):
        assert page.count(term) > 2
    assert 'lang="zh">中文' in page


def test_numbers_are_set_into_both_languages_and_escaped():
    words = told("a {x} b", "甲 {x} 乙", x=HOSTILE)
    assert "<script>" not in words.en + words.zh
    assert told("{x}", "{x}", x=1234).zh == "1,234"
    assert told("{x}", "{x}", x=(0.5, 0.01)).en.replace("\u00a0", " ") == "0.50 ± 0.01"
    inner = told("one", "一")
    assert told("<b>{x}</b>", "<b>{x}</b>", x=inner).zh == "<b>一</b>"
    assert number(-2.69316).en == "−2.6932"
    assert same("a < b").en == "a &lt; b"


def test_the_page_opens_in_the_language_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert spoken() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert spoken() == "zh"
    monkeypatch.setenv("LC_ALL", "C")
    assert spoken() == "en"


# The code beside the lessons


@pytest.mark.parametrize("name", [name for name, *_ in course.COURSE])
def test_the_code_of_a_lesson_runs(name: str, lessons: dict[str, Lesson]):
    names = [
        name for name, make, _ in course.COURSE if make != networks.networks_lesson
    ]
    if name in names:
        code = list(lessons.values())[names.index(name)].code
    else:
        code = networks.CODE
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, name, "exec"), {})
    assert printed.getvalue()


# The page


class Reader(HTMLParser):
    """Checks that elements nest, and gathers what refers to what."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.hosts: list[dict[str, str]] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if given.get("href", "").startswith("#"):
            self.links.append(given["href"][1:])
        elif "href" in given or "src" in given:
            self.outside.append(given.get("href", given.get("src", "")))
        if given.get("class") in ("instrument", "comparison"):
            self.hosts.append(given)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> ends nothing"
        assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def data_of(page: str) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="page-data">(.*?)</script>', page
    )
    assert found
    return json.loads(found[1])


def test_the_page_nests_and_its_links_lead_somewhere(page: str):
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.links) <= set(reader.ids)
    assert reader.outside == ["data:,"]


def test_every_instrument_finds_its_landscapes_and_opens_with_known_keys(page: str):
    planes, used = data_of(page)["planes"], []
    for host in read(page).hosts:
        numbers = host.get("data-plane", host.get("data-planes", ""))
        used += [int(n) for n in numbers.split()]
        assert set(json.loads(host["data-start"])) <= STATE
    assert used == list(range(len(planes)))


def test_a_ball_starts_on_its_landscape(lessons: dict[str, Lesson]):
    for lesson in lessons.values():
        for instrument in lesson.instruments:
            if "start" in instrument.start:
                for plane in instrument.planes:
                    for value, axis in zip(
                        instrument.start["start"], "xy", strict=True
                    ):
                        ends = unpacked(plane[axis])
                        assert float(ends[0]) < value < float(ends[-1])


def test_only_the_pages_own_script_may_run(page: str):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = b64encode(sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_the_page_is_small(page: str):
    assert len(page.encode()) < 3_000_000


def lesson_of(anchor: str, **changes: Any) -> Lesson:
    """The bowl, with something else in it."""
    from theodolite.exploring.lessons.bowl import bowl_lesson

    return replace(bowl_lesson(COARSE), anchor=anchor, **changes)


def test_hostile_names_neither_end_the_data_nor_execute():
    made = lesson_of("bowl", code=HOSTILE, title=same(HOSTILE))
    plane = {**made.instruments[0].planes[0], "name": HOSTILE, "notes": [HOSTILE]}
    start = {**made.instruments[0].start, "field": f"'\"><{HOSTILE}"}
    instrument = replace(made.instruments[0], planes=(plane,), start=start)
    page = render([replace(made, instruments=(instrument,))], Engraving(()))
    assert page.count("<script") == 2
    assert HOSTILE not in page
    assert data_of(page)["planes"][0]["name"] == HOSTILE
    read(page)


def test_a_landscape_without_numbers_still_makes_a_page():
    made = lesson_of("bowl")
    record = dict(made.instruments[0].planes[0])
    flat = engraved(torch.full((5, 5), 1.0))
    nothing = engraved(torch.full((5, 5), nan))
    assert flat.levels == nothing.levels == ()
    instrument = replace(made.instruments[0], planes=(record,), start={})
    read(render([replace(made, instruments=(instrument,))], nothing))


# Line drawings


def test_contour_lines_lie_on_their_level():
    x = torch.linspace(-1, 1, 21, dtype=torch.float64)
    cone = (x[:, None].square() + x[None].square()).sqrt()
    (circle,) = isolines(cone, 0.55)
    assert circle[0] == circle[-1]
    for i, j in circle:
        radius = sqrt((i / 10 - 1) ** 2 + (j / 10 - 1) ** 2)
        assert radius == pytest.approx(0.55, abs=0.01)


def test_contour_lines_end_at_the_border_and_at_holes():
    ramp = torch.arange(6.0).repeat(6, 1).double()
    (line,) = isolines(ramp, 2.5)
    assert sorted([line[0], line[-1]]) == [(0.0, 2.5), (5.0, 2.5)]
    ramp[3, 2] = nan
    assert len(isolines(ramp, 2.5)) == 2


def test_two_lines_of_a_saddle_do_not_cross():
    cell = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).double()
    lines = isolines(cell, 0.0)
    assert len(lines) == 2
    assert all(len(line) == 2 for line in lines)


def test_levels_leave_out_what_is_no_number():
    values = torch.linspace(0, 1, 101, dtype=torch.float64).reshape(1, 101)
    values[0, 3] = inf
    found = levels_of(values, 4)
    assert len(found) == 4
    assert 0 < found[0] < found[-1] < 1


def test_a_walk_is_drawn_where_it_went():
    corner = torch.tensor([[-1.0, -2.0], [1.0, 2.0]], dtype=torch.float64)
    path = walked(corner, [(-1.0, 1.0), (-2.0, 2.0)])
    assert path == f"M0 {SIZE}l{SIZE} {-SIZE}"


# The command


def test_the_command_writes_its_page_and_says_where(
    tmp_path: Path,
    lessons: dict[str, Lesson],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    opened: list[str] = []
    monkeypatch.setattr(explore, "lessons", lambda *_: tuple(lessons.values()))
    monkeypatch.setattr(explore.webbrowser, "open", lambda url: not opened.append(url))
    threads = torch.get_num_threads()
    out = tmp_path / "new" / "folder"
    assert run_explore(out, open_page=True, quiet=True, detail=COARSE) == 0
    written = out / "explore.html"
    assert capsys.readouterr().out == f"Explorer: {written}\n"
    assert written.read_text("utf-8").startswith("<!doctype html>")
    assert [file.name for file in out.iterdir()] == ["explore.html"]
    assert opened == [written.resolve().as_uri()]
    assert torch.get_num_threads() == threads
    assert run_explore(out, open_page=False, quiet=True, detail=COARSE) == 0
    assert len(opened) == 1


def test_an_interruption_leaves_the_older_page_and_no_half_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "explore.html").write_text("older", encoding="utf-8")
    monkeypatch.setattr(explore, "lessons", interrupted)
    assert run_explore(tmp_path, open_page=True, quiet=True) == 130
    assert "no page was written" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["explore.html"]
    assert (tmp_path / "explore.html").read_text("utf-8") == "older"


def test_an_interruption_while_writing_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def half(path: Path, text: str, **_: str) -> None:
        path.write_bytes(text[:9].encode())
        raise KeyboardInterrupt

    monkeypatch.setattr(explore, "lessons", lambda *_: ())
    monkeypatch.setattr(Path, "write_text", half)
    detail = replace(COARSE, steps=5)
    assert run_explore(tmp_path, open_page=False, quiet=True, detail=detail) == 130
    assert list(tmp_path.iterdir()) == []
