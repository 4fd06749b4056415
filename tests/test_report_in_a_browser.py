"""The report as a browser shows it."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import BACKGROUND, OVERFLOW, Opened, chromium
from surveys import NASTY, QUOTED, Survey, page, survey_on_file, value

CHARTS = {
    "speed_limit",
    "eigenvalues",
    "density",
    "layers",
    "interactions",
    "rise",
    "stiffness",
}


@pytest.fixture
def survey() -> Survey:
    return survey_on_file()


def degenerate(survey: Survey) -> Survey:
    """Every number that can go wrong has gone wrong."""
    numbers = dict.fromkeys(("value", "residual", "error"), "nan")
    value(survey, "place").update(lowest={**numbers, "converged": False})
    value(survey, "eigenvalues").update(top=[], bottom=[])
    value(survey, "speed_limit").update(value="inf", low="inf", high="inf")
    value(survey, "layers").update(rows=[], coupling="nan")
    value(survey, "rise").update(rows=[], holds_up_to=None)
    empty = {key: [] for key in ("grid", "density", "low", "high", "outliers")}
    value(survey, "density").update(empty)
    value(survey, "stiffness").update(condition="inf", decades="inf", steps="inf")
    value(survey, "trace").update(value="nan", error="nan")
    return survey


def many_layers(survey: Survey) -> Survey:
    layers = value(survey, "layers")
    names = [f"blocks.{i}.attention.projection" for i in range(300)]
    names[7] = "very.long." * 60
    names[8] = QUOTED
    first = layers["rows"][0]
    layers["rows"] = [{**first, "name": name} for name in names]
    layers["rows"][3] = {**first, "eigenvalue": -0.2, "learning_rate": "inf"}
    layers["rows"][4] = {**first, "eigenvalue": "nan", "residual": "nan"}
    survey["run"]["target"]["name"] = "a_very_long_module_name." * 12
    return survey


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


MARKS = """() => Object.fromEntries(
  [...document.querySelectorAll('figure[data-chart]')].map(figure => [
    figure.dataset.chart,
    [...figure.querySelectorAll('path, rect, circle')].filter(
      mark => !mark.closest('[aria-label*="axis"], [aria-label*="grid"], defs')
    ).length
  ]))"""


@pytest.mark.browser
def test_every_chart_draws_and_nothing_is_fetched(
    browser: Any, survey: Survey, tmp_path: Path
):
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    marks = opened.page.evaluate(MARKS)
    assert set(marks) == CHARTS
    assert min(marks.values()) > 0
    assert opened.requests == [opened.url]
    assert opened.complaints == []
    opened.page.close()


@pytest.mark.browser
def test_without_a_plane_a_sketch_stands_beside_the_title(
    browser: Any, survey: Survey, tmp_path: Path
):
    del survey["measurements"]["plane"]
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    assert opened.page.evaluate(MARKS)["place"] > 0
    assert opened.page.locator(".instrument").count() == 0
    opened.page.close()


@pytest.mark.browser
def test_every_chart_has_a_spoken_name(browser: Any, survey: Survey, tmp_path: Path):
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    images = opened.page.locator("figure[data-chart] [role=img]")
    names = [images.nth(i).get_attribute("aria-label") for i in range(images.count())]
    assert len(names) == len(CHARTS)
    assert all(name.startswith("Chart of the ") for name in names)
    opened.page.close()


@pytest.mark.browser
def test_light_and_dark_follow_the_system_and_the_button(
    browser: Any, survey: Survey, tmp_path: Path
):
    seen = {}
    for scheme in ("light", "dark"):
        file = tmp_path / f"{scheme}.html"
        opened = Opened(browser, file, page(survey), color_scheme=scheme)
        seen[scheme] = opened.page.evaluate(BACKGROUND)
        opened.page.locator("[data-theme-toggle]").click()
        seen[f"{scheme}, pressed"] = opened.page.evaluate(BACKGROUND)
        opened.page.close()
    assert seen["light"] != seen["dark"]
    assert seen["light, pressed"] == seen["dark"]
    assert seen["dark, pressed"] == seen["light"]


@pytest.mark.browser
@pytest.mark.parametrize("change", [copy.deepcopy, many_layers, degenerate])
def test_a_phone_never_scrolls_sideways(
    browser: Any, survey: Survey, tmp_path: Path, change: Any
):
    size = {"width": 390, "height": 844}
    html = page(change(survey))
    opened = Opened(browser, tmp_path / "report.html", html, viewport=size)
    assert opened.page.evaluate(OVERFLOW) <= 0
    assert opened.complaints == []
    opened.page.close()


@pytest.mark.browser
def test_charts_are_redrawn_when_the_window_narrows(
    browser: Any, survey: Survey, tmp_path: Path
):
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    width = "() => +document.querySelector('[data-chart=rise] svg').clientWidth"
    before = opened.page.evaluate(width)
    opened.page.set_viewport_size({"width": 390, "height": 844})
    opened.page.wait_for_function(f"({width})() < {before}")
    opened.page.close()


@pytest.mark.browser
def test_the_arrow_keys_read_a_chart(browser: Any, survey: Survey, tmp_path: Path):
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    plate = opened.page.locator("[data-chart=eigenvalues] .drawing")
    plate.focus()
    plate.press("ArrowDown")
    spoken = opened.page.locator("[data-chart=eigenvalues] output").text_content()
    assert spoken.replace("\u00a0", " ") == "1st eigenvalue: 14.2076 ± 0.0003"
    tips = opened.page.locator("[data-chart=eigenvalues] [aria-label=tip] text")
    tips.first.wait_for(state="attached")
    opened.page.close()


@pytest.mark.browser
def test_three_hundred_layers_scroll_within_their_list(
    browser: Any, survey: Survey, tmp_path: Path
):
    opened = Opened(browser, tmp_path / "report.html", page(many_layers(survey)))
    heights = opened.page.evaluate(
        "() => { const list = document.querySelector('.list');"
        " return [list.clientHeight, list.scrollHeight]; }"
    )
    assert heights[0] < 700 < heights[1]
    opened.page.close()


@pytest.mark.browser
def test_a_survey_with_nothing_finite_still_opens(
    browser: Any, survey: Survey, tmp_path: Path
):
    opened = Opened(browser, tmp_path / "report.html", page(degenerate(survey)))
    assert opened.complaints == []
    assert opened.page.get_by_text("nothing here that can be drawn").count() >= 5
    opened.page.close()


@pytest.mark.browser
def test_a_hostile_name_does_not_execute(browser: Any, survey: Survey, tmp_path: Path):
    survey["run"]["target"]["name"] = NASTY
    survey["run"]["notes"] = [QUOTED]
    for row in value(survey, "layers")["rows"]:
        row["name"] = QUOTED
    opened = Opened(browser, tmp_path / "report.html", page(survey))
    assert opened.page.locator("h1").text_content() == NASTY
    assert opened.requests == [opened.url]
    assert opened.complaints == []
    opened.page.close()


@pytest.mark.browser
def test_words_and_tables_are_there_without_javascript(
    browser: Any, survey: Survey, tmp_path: Path
):
    file = tmp_path / "report.html"
    file.write_text(page(survey), encoding="utf-8")
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(file.as_uri())
    assert plain.get_by_role("row").count() > 40
    assert plain.get_by_text("This chart needs JavaScript").first.is_visible()
    assert not plain.locator("button").is_visible()
    plain.close()


@pytest.mark.browser
def test_the_arrow_keys_scroll_a_long_list(
    browser: Any, survey: Survey, tmp_path: Path
):
    opened = Opened(browser, tmp_path / "report.html", page(many_layers(survey)))
    plate = opened.page.locator("[data-chart=layers] .drawing")
    plate.focus()
    for _ in range(60):
        plate.press("ArrowDown")
    assert opened.page.evaluate("() => document.querySelector('.list').scrollTop") > 500
    tip = opened.page.locator("[data-chart=layers] .list > svg [aria-label=tip] text")
    tip.first.wait_for(state="attached")
    assert "blocks.59." in (tip.first.text_content() or "")
    opened.page.close()
