"""Results in a notebook's cell: a frame of its own, in which text stays text."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
from torch import nn

import theodolite as td
from dense import F64
from networks import MLP
from problems import labels, normal, ready
from spectra import quadratic
from surveys import NASTY, QUOTED
from theodolite.maps.page_record import line_record, plane_record, unpacked
from theodolite.report.notebook import SHOWN, chart, framed, surface


def network() -> td.Landscape:
    x, y = normal(30, 4, dtype=F64), labels(3, 30)
    model = ready(lambda: MLP(4, 5, 3), F64)
    return td.Landscape(model, nn.CrossEntropyLoss(), (x, y), name=NASTY)


def other() -> torch.Tensor:
    land = network()
    return land.point + 0.1 * normal(land.size, dtype=F64, seed=5)


def ends() -> td.EigenPairs:
    return td.eigsh(network().hessian(), 4, "BE")


def mapped() -> td.Plane:
    return td.plane(network(), steps=7, span=0.5, quantities="hessian")


def compared() -> Any:
    return td.maps.compare(network(), {NASTY: None, QUOTED: other()}, budget="2s")


def trained() -> Any:
    rows = [network().point + t * other() for t in (0.0, 0.01, 0.02)]
    rows[1] = rows[1] + 0.01 * normal(len(rows[1]), dtype=F64, seed=6)
    return td.maps.trajectory_plane(network(), {NASTY: rows}, steps=5)


# result -> what its page draws, "plane" or a chart
RESULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "EigenPairs": (ends, "eigenvalues"),
    "SpectralDensity": (
        lambda: td.spectral_density(network().hessian(), probes=2, steps=8),
        "density",
    ),
    "LayerEigenvalues": (lambda: td.layer_eigenvalues(network()), "layers"),
    "Rises": (lambda: td.expected_rise(network(), [1e-3, 1e-2], budget=20), "rise"),
    "Stiffness": (lambda: td.stiffness(network()), "stiffness"),
    "SpeedLimit": (lambda: td.speed_limit(network()), "speed_limit"),
    "Interactions": (lambda: td.interactions(network(), rtol=0.5), "interactions"),
    "Plane": (mapped, "plane"),
    "TrajectoryPlane": (trained, "plane"),
    "Line": (lambda: td.line(network(), b=other(), steps=5), "line"),
    "Path": (lambda: td.connect(network(), None, other(), "straight"), "profile"),
    "Ways": (
        lambda: td.maps.ways(network(), None, other(), ("straight",)),
        "profile",
    ),
    "Comparison": (compared, "beside"),
}


class Frames(HTMLParser):
    """The elements of a cell, and the text between them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


FUNCTION = quadratic(torch.tensor([1.0, 2.0, -1.0], dtype=F64))


@pytest.fixture(scope="module")
def surveyed() -> td.Survey:
    return td.survey(FUNCTION, sigmas=(0.1,))


def frame(cell: str) -> dict[str, str | None]:
    """The attributes of the one element that a cell consists of."""
    parser = Frames()
    parser.feed(cell)
    parser.close()
    ((tag, attributes),) = parser.found
    assert tag == "iframe"
    assert parser.text == ""
    return attributes


def data_of(page: str) -> dict[str, Any]:
    """What the page's script draws."""
    pattern = r'<script type="application/json" id="page-data">(.*?)</script>'
    (text,) = re.findall(pattern, page, re.DOTALL)
    return json.loads(text)


@pytest.fixture(scope="module", params=RESULTS)
def shown(request: pytest.FixtureRequest) -> tuple[Any, str, str]:
    """A result, what draws it, and its page."""
    make, drawn = RESULTS[request.param]
    result = make()
    assert type(result).__name__ == request.param
    return result, drawn, frame(result._repr_html_())["srcdoc"] or ""


def test_every_result_shows_what_it_found(shown: tuple[Any, str, str]) -> None:
    _, drawn, page = shown
    assert page.startswith("<!doctype html>")
    data = data_of(page)
    if drawn == "plane":
        assert 'class="instrument" data-plane="0" id="plane"' in page
        assert len(data["planes"]) == 1
    else:
        assert f'data-chart="{drawn}" data-of="0"' in page
        surveys = data["surveys"]
        held = surveys[0]["measurements"] if drawn in SHOWN else data["charts"]
        assert drawn in held


def test_no_name_becomes_markup(shown: tuple[Any, str, str]) -> None:
    _, _, page = shown
    assert NASTY not in page
    assert QUOTED not in page


def test_terminals_print_as_they_did(shown: tuple[Any, str, str]) -> None:
    result, _, _ = shown
    assert "iframe" not in repr(result)


def test_every_chart_of_the_table_belongs_to_a_result() -> None:
    assert {drawn for _, drawn in RESULTS.values()} >= {*SHOWN}


def test_a_survey_shows_its_whole_report(surveyed: td.Survey) -> None:
    assert frame(surveyed._repr_html_())["srcdoc"] == surveyed.html()


def test_the_frame_holds_the_page_to_the_letter() -> None:
    page = f"<!doctype html><title>{QUOTED}</title><p>λ & \"'</iframe>{NASTY}\n\t<b>"
    held = frame(framed(page, 300, f'"{NASTY}'))
    assert held["srcdoc"] == page
    assert held["title"] == f'"{NASTY}'


def test_the_frame_is_shut_off_from_the_notebook() -> None:
    held = frame(framed("<p>", 300, "one"))
    # with an origin of the notebook's it could read and run its cells
    assert held["sandbox"] == "allow-scripts allow-downloads"
    assert held["loading"] == "lazy"
    assert "height: 300px" in (held["style"] or "")
    assert not {"src", "allow", "onload"} & set(held)


def test_hostile_numbers_and_names_reach_the_page_as_they_are() -> None:
    nan, inf = float("nan"), float("inf")
    rows = [{"name": NASTY, "eigenvalue": inf, "learning_rate": nan}]
    page = frame(chart("layers", {"rows": rows}))["srcdoc"] or ""
    (row,) = data_of(page)["surveys"][0]["measurements"]["layers"]["value"]["rows"]
    assert row == {"name": NASTY, "eigenvalue": "inf", "learning_rate": "nan"}
    titled = frame(surface({"name": QUOTED}, NASTY))
    assert data_of(titled["srcdoc"] or "")["planes"][0]["name"] == QUOTED
    assert titled["title"] == NASTY


def test_long_lists_have_high_frames() -> None:
    few, many = (chart("layers", {"rows": []}, rows=rows) for rows in (3, 30))
    heights = [
        int(re.findall(r"height: (\d+)px", frame(cell)["style"] or "")[0])
        for cell in (few, many)
    ]
    rows = SHOWN["layers"].rows
    assert heights[1] - heights[0] == rows(30) - rows(3) > 0


def test_eigenvalues_are_told_by_the_end_that_they_count_from() -> None:
    land = quadratic(torch.linspace(1.0, 40.0, 40, dtype=F64))
    hessian = land.hessian()
    top = td.eigsh(hessian, 3, "LA").to_record()
    assert [round(row["value"]) for row in top["top"]] == [40, 39, 38]
    assert top["bottom"] == []
    # all positive, and yet the lowest
    low = td.eigsh(hessian, 2, "SA").to_record()
    assert low["top"] == []
    assert [round(row["value"]) for row in low["bottom"]] == [1, 2]
    pairs = td.eigsh(hessian, 4, "BE")
    assert [pairs.at(slice(k, None)).lowest for k in range(4)] == [2, 2, 2, 1]
    both = pairs.to_record()
    assert [round(row["value"]) for row in both["top"]] == [40, 39]
    assert [round(row["value"]) for row in both["bottom"]] == [1, 2]


def test_what_a_survey_shows_is_what_its_results_show(surveyed: td.Survey) -> None:
    results = {
        "stiffness": td.stiffness(FUNCTION),
        "speed_limit": td.speed_limit(FUNCTION),
        "rise": td.expected_rise(FUNCTION, [0.1]),
        "density": td.spectral_density(FUNCTION.hessian()),
        "eigenvalues": td.eigsh(FUNCTION.hessian(), 2, "BE"),
    }
    for name, result in results.items():
        assert set(result.to_record()) == set(surveyed[name]), name
    (row,) = td.layer_eigenvalues(FUNCTION).to_record()["rows"]
    assert set(row) == set(surveyed["layers"]["rows"][0])


def test_records_hold_the_numbers_to_the_last_bit() -> None:
    plane = mapped()
    record = json.loads(json.dumps(plane_record(plane)))
    for name, field in plane.fields.items():
        found = unpacked(record["fields"][name]["values"])
        assert torch.equal(found, field.values), name
    assert torch.equal(unpacked(record["x"]), plane.x)
    line = td.line(network(), b=other(), steps=5)
    assert line_record(line)["fields"]["loss"]["values"] == line.loss.tolist()
