"""Pages of maps, ways and comparisons, and of several runs side by side."""

import json
import math
import re
from pathlib import Path

import pytest
import torch

import theodolite as td
from runs import (
    Run,
    compare_run,
    connect_run,
    every_kind,
    line_run,
    plane_run,
    survey_run,
)
from surveys import NASTY
from theodolite.maps.page_record import packed
from theodolite.report import line_words, map_words, ways_words
from theodolite.report.checkpoints_words import sharpest
from theodolite.report.page import render_runs
from theodolite.report.plate import plate
from theodolite.report.runs_words import summary
from theodolite.report.unpacking import unpacked


def plain(html: str) -> str:
    """The page's words, without its data and its script."""
    return html.split('<script type="application/json"')[0].replace("\u00a0", " ")


def data(html: str) -> dict:
    found = re.search(r'id="page-data">(.*?)</script>', html, re.S)
    assert found is not None
    return json.loads(found[1])


# One run


def test_a_map_in_memory_makes_the_page_that_its_folder_makes(tmp_path: Path):
    land = td.builtin("saddle")
    measured = td.plane(land, directions=(0, 1), steps=7, span=1.0)
    page = measured.report(tmp_path / "plane.html").read_text("utf-8")
    assert 'data-plane="0"' in page
    assert "What it does not show" in page or "directions" in page
    assert measured.report(tmp_path / "again.html").read_text("utf-8") == page
    along = td.line(land, direction=0, steps=7, span=1.0).report(tmp_path / "line.html")
    assert 'data-chart="line"' in along.read_text("utf-8")


@pytest.mark.parametrize("found", every_kind(), ids=lambda found: found["kind"])
def test_every_kind_of_run_has_words_numbers_and_a_picture(found: Run):
    html = render_runs([found])
    words = plain(html)
    assert "<h1" in words
    assert "What would change it." in words
    assert "<table>" in words
    assert 'class="verdict"' in words
    assert 'data-chart="' in words or 'class="instrument"' in words


@pytest.mark.parametrize("found", every_kind(), ids=lambda found: found["kind"])
def test_figures_point_at_what_the_page_holds(found: Run):
    html = render_runs([found])
    held = data(html)
    for name, number in re.findall(r'data-chart="(\w+)" data-of="(\d+)"', html):
        assert int(number) < len(held["charts"].get(name, held["surveys"]))
    for number in re.findall(r'data-plane="(\d+)"', html):
        assert int(number) < len(held["planes"])


def test_a_survey_shows_its_plane_once_and_no_sketch():
    html = render_runs([survey_run()])
    held = data(html)
    assert len(held["planes"]) == 1
    assert "plane" not in held["surveys"][0]["measurements"]
    assert html.count('class="instrument"') == 1
    assert 'data-chart="place"' not in html


def test_a_plane_tells_its_lowest_point_and_what_it_hides():
    record = plane_run(shift=0.5)["plane"]
    words = " ".join(map_words.told(record) + map_words.hidden(record))
    assert "Lowest it is at (0.5, 0.5)" in words
    assert "0.5 below the centre" in words
    assert "the other 1 direction." in words


def test_a_centre_that_is_lowest_is_called_so():
    record = plane_run()["plane"]
    assert "Lowest it is at the centre" in " ".join(map_words.heights(record))
    assert "as far as the picture can tell" in map_words.summary(record)


def test_a_gain_within_the_error_of_interpolation_is_no_gain():
    record = plane_run(shift=0.5)["plane"]
    record["fields"]["loss"]["error"] = 0.4
    assert "cannot be told from the centre" in " ".join(map_words.heights(record))


def test_a_plane_without_a_number_says_so():
    record = plane_run()["plane"]
    nothing = packed(torch.full((9, 9), math.nan, dtype=torch.float64))
    record["fields"]["loss"]["values"] = nothing
    assert "nowhere a number" in map_words.summary(record)
    assert render_runs([{**plane_run(), "plane": record}])


def test_tracks_off_the_plane_are_told_with_what_the_plane_shows_too_much():
    record = plane_run()["plane"]
    numbers = {
        key: packed(torch.tensor(values, dtype=torch.float64))
        for key, values in {
            "x": [0.1, 0.2],
            "y": [0.1, 0.2],
            "distance": [0.5, 1.5],
            "loss": [1.0, 0.5],
            "plane_loss": [1.0, 0.75],
        }.items()
    }
    record["tracks"] = [{"name": "SGD", "labels": ["0", "1"], **numbers}]
    (told,) = map_words.tracks(record)
    assert "2 checkpoints of SGD lie up to 1.5 off this plane" in told
    assert "differ by up to 0.25" in told


def test_packed_numbers_are_read_as_they_were():
    values = torch.tensor([[1.5, math.inf], [-2.0, 0.0]], dtype=torch.float64)
    assert unpacked(packed(values)) == [1.5, math.inf, -2.0, 0.0]
    assert unpacked(packed(values[1] > -1, "u1")) == [0, 1]


def test_a_line_between_checkpoints_tells_its_barrier():
    record = line_run()["line"]
    assert "rises 1 above the higher of them" in line_words.summary(record)
    assert data(render_runs([line_run()]))["charts"]["line"][0]["ends"] is not None


def test_quantities_of_a_line_share_a_scale_with_their_test_data():
    names = ["loss", "error", "test loss", "test error"]
    record = {"fields": dict.fromkeys(names)}
    assert line_words.groups(record) == [["loss", "test loss"], ["error", "test error"]]


def test_ways_without_a_barrier_are_named():
    paths = connect_run()["run"]["paths"]
    told = ways_words.summary(paths)
    assert "a barrier of 0.80 ± 0.01" in told.replace("\u00a0", " ")
    assert "A Bézier curve goes around it" in told


def test_where_no_way_is_free_the_lowest_is_told():
    paths = connect_run()["run"]["paths"]
    paths["bezier"]["barrier"]["value"] = 0.3
    assert "No way without a barrier was found" in ways_words.summary(paths)


def test_measures_of_sharpness_that_disagree_are_told():
    words = plain(render_runs([compare_run()]))
    assert "adam is 3.00 ± 0.02 times as sharp as sgd" in words
    assert "disagree on which is sharpest" in words
    assert "≥ 0.3" in words


# Several


@pytest.mark.parametrize(
    ("values", "errors", "shown"),
    [
        ([2.0, 6.2], [0.0, 0.0], "b is 3.1 times as sharp as a."),
        ([6.0, 2.0], [0.3, 0.1], "a is 3.0 ± 0.2 times as sharp as b."),
        ([2.0, 2.1], [0.3, 0.1], "equally sharp within their errors"),
        ([2.0, "nan"], [0.3, 0.1], ""),
        ([-2.0, 3.0], [0.3, 0.1], ""),
    ],
)
def test_how_much_sharper_is_told_with_its_error(
    values: list, errors: list, shown: str
):
    told = sharpest(["a", "b"], values, errors).replace("\u00a0", " ")
    assert shown in told
    assert bool(told) == bool(shown)


def test_two_surveys_are_compared_before_each_tells_its_own():
    html = render_runs([survey_run("a"), survey_run("b", steeper=3.1)])
    words = plain(html)
    assert "is 3.1 times as sharp as" in words
    assert words.index('id="together"') < words.index('<details class="run"')
    assert 'data-planes="0 1" id="planes"' in words
    assert 'data-chart="densities"' in words
    assert words.count('<details class="run"') == 2
    assert 'class="instrument"' not in words


def test_runs_of_all_kinds_share_a_page():
    html = render_runs(every_kind())
    words = plain(html)
    assert words.count('<details class="run"') == 5
    assert "networks of different sizes" in words
    anchors = re.findall(r' id="([^"]+)"', words)
    assert len(anchors) == len(set(anchors))


def test_one_plane_among_several_runs_needs_no_comparison():
    html = render_runs([plane_run(), connect_run()])
    assert 'data-plane="0"' in html
    assert "data-planes=" not in plain(html)


def test_runs_of_one_target_are_told_apart_by_their_folders():
    words = plain(render_runs([survey_run("old"), survey_run("new")]))
    assert "(old)" in words
    assert "(new)" in words


def test_runs_without_a_common_number_say_so():
    told = summary([line_run(), connect_run()], ["a", "b"])
    assert told == [
        "These runs have no number in common that would tell one from another."
    ]


# Hostile content


def hostile(found: Run) -> Run:
    """Every text of a run, replaced by one that tries to break out."""

    def changed(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {k: changed(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [changed(one, key) for one in value]
        kept = key in ("kind", "data", "type", "state", "outcome", "high", "low")
        is_number = value in ("nan", "inf", "-inf")
        return NASTY if isinstance(value, str) and not (kept or is_number) else value

    new = changed(found)
    assert isinstance(new, dict)
    return new


@pytest.mark.parametrize("found", every_kind(), ids=lambda found: found["kind"])
def test_hostile_names_stay_text_in_every_kind_of_page(found: Run):
    html = render_runs([hostile(found)])
    assert "<script>alert" not in html
    assert html.count("</script>") == 2


def test_hostile_names_stay_text_side_by_side():
    html = render_runs([hostile(found) for found in every_kind()])
    assert "<script>alert" not in html
    assert html.count("</script>") == 2


# Figures alone


def test_a_plate_holds_figures_and_nothing_else():
    record = plane_run()["plane"]
    figures = [
        {"plane": 0, "id": "bowl"},
        {"chart": "line", "of": 0, "caption": NASTY},
    ]
    held = {"planes": [record], "charts": {"line": [line_run()["line"]]}}
    html = plate(held, figures, NASTY)
    assert '<div class="instrument" data-plane="0" id="bowl">' in html
    assert 'data-chart="line" data-of="0"' in html
    assert "<nav" not in html
    assert html.count("</script>") == 2
    assert data(html)["surveys"] == []
