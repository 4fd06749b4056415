"""The charts of lines, ways, layers' interactions and several runs in a browser."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import OVERFLOW, Opened, chromium
from runs import compare_run, connect_run, every_kind, line_run, survey_run
from surveys import NASTY
from theodolite.report.page import render_runs
from theodolite.report.plate import plate

pytestmark = pytest.mark.browser
NAN = math.nan
# the text of each figure's drawing, by its place on the page
DRAWINGS = """() => [...document.querySelectorAll('figure[data-chart] .drawing')].map(
  drawing => drawing.querySelector('svg') ? 'drawn' : drawing.textContent)"""
SPOKEN = "() => document.querySelector('output.spoken').textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


def interactions(count: int, names: list[str] | None = None) -> dict[str, Any]:
    rows = range(count)
    norms = [[10.0 ** -abs(i - j) for j in rows] for i in rows]
    return {
        "names": names or [f"blocks.{i}.attention.projection" for i in rows],
        "norms": norms,
        "errors": [[0.05 * x if x > 0.05 else x for x in row] for row in norms],
        "norm": math.hypot(*(x for row in norms for x in row)),
        "off_diagonal": 0.1,
        "off_diagonal_error": 0.01,
    }


def alone(chart: str, *records: Any) -> str:
    figures = [{"chart": chart, "of": i, "caption": chart} for i in range(len(records))]
    return plate({"charts": {chart: list(records)}}, figures, chart)


@pytest.mark.parametrize("make", [line_run, connect_run, compare_run])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_new_chart_draws_at_every_width(
    browser: Any, tmp_path: Path, make: Any, width: int
):
    size = {"width": width, "height": 800}
    html = render_runs([make()])
    with Opened(browser, tmp_path / "page.html", html, viewport=size) as opened:
        found = opened.page.evaluate(DRAWINGS)
        assert found
        assert set(found) == {"drawn"}
        assert opened.page.evaluate(OVERFLOW) <= 0
        assert opened.complaints == []
        assert opened.requests == [opened.url]


def test_the_arrow_keys_walk_over_the_squares_of_a_matrix(browser: Any, tmp_path: Path):
    html = alone("interactions", interactions(3, ["a", "b", "c"]))
    with Opened(browser, tmp_path / "page.html", html) as opened:
        plate_of = opened.page.locator(".drawing")
        plate_of.focus()
        plate_of.press("ArrowRight")
        assert opened.page.evaluate(SPOKEN).startswith("a by itself")
        plate_of.press("ArrowDown")
        assert opened.page.evaluate(SPOKEN).startswith("b and a, Frobenius norm")
        tip = opened.page.locator(".drawing > svg [aria-label=tip] text")
        tip.first.wait_for(state="attached")


def test_forty_layers_fit_a_phone(browser: Any, tmp_path: Path):
    size = {"width": 360, "height": 800}
    html = alone("interactions", interactions(40))
    with Opened(browser, tmp_path / "page.html", html, viewport=size) as opened:
        assert opened.page.evaluate(OVERFLOW) <= 0
        squares = opened.page.locator("[aria-label=cell] rect")
        assert squares.count() == 2 * 40 * 40


def test_the_legend_of_ways_tells_their_barriers_with_errors(
    browser: Any, tmp_path: Path
):
    html = render_runs([connect_run()])
    with Opened(browser, tmp_path / "page.html", html) as opened:
        told = opened.page.locator(".legend .meant").all_text_contents()
        assert told[0].replace("\u00a0", " ").startswith("straight barrier 0.80 ± 0.01")
        assert "barrier none" in told[1]


def test_a_closed_run_is_drawn_once_it_is_opened(browser: Any, tmp_path: Path):
    html = render_runs([survey_run("a"), connect_run("b")])
    with Opened(browser, tmp_path / "page.html", html) as opened:
        opened.page.locator("#run2 > summary").click()
        chart = opened.page.locator("#run2 [data-chart=profile] .drawing > svg")
        chart.wait_for(state="visible")
        assert (chart.bounding_box() or {})["width"] > 400


def test_runs_of_every_kind_open_without_complaints(browser: Any, tmp_path: Path):
    html = render_runs(every_kind())
    size = {"width": 390, "height": 844}
    with Opened(browser, tmp_path / "page.html", html, viewport=size) as opened:
        assert opened.page.evaluate(OVERFLOW) <= 0
        assert opened.complaints == []
        opened.page.emulate_media(media="print")
        opened.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("details.run:not([open])").count() == 0


def test_numbers_that_are_none_leave_a_sentence(browser: Any, tmp_path: Path):
    line = line_run()["line"]
    line["fields"]["loss"]["values"] = [NAN] * len(line["t"])
    pages = {
        "line": line,
        "beside": {"title": "x", "points": []},
        "densities": {"runs": []},
        "profile": {"ends": None, "ways": []},
        "interactions": {**interactions(2), "norm": NAN},
    }
    for chart, record in pages.items():
        with Opened(browser, tmp_path / "page.html", alone(chart, record)) as opened:
            (said,) = opened.page.evaluate(DRAWINGS)
            assert "nothing here that can be drawn" in said
            assert opened.complaints == []


def test_hostile_names_are_drawn_as_text(browser: Any, tmp_path: Path):
    names = [NASTY, '"><img src=x onerror="alert(2)">', "inf"]
    line = {**line_run()["line"], "ends": [NASTY, NASTY]}
    points = [{"name": n, "value": 1.0, "low": 0.0, "high": 2.0} for n in names]
    held = {
        "interactions": [interactions(3, names)],
        "line": [line],
        "beside": [{"title": NASTY, "points": points}],
    }
    figures = [{"chart": name, "of": 0, "caption": NASTY} for name in held]
    html = plate({"charts": held}, figures, NASTY)
    with Opened(browser, tmp_path / "page.html", html) as opened:
        assert opened.page.evaluate(DRAWINGS) == ["drawn"] * 3
        assert opened.page.locator("img").count() == 0
        assert opened.complaints == []
