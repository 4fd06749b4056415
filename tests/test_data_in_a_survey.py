"""What a survey says of the data's own error, in numbers, tables and sentences."""

import math

import pytest
import torch
from torch import nn

import theodolite as td
from dense import F64
from networks import MLP
from problems import labels, normal, ready
from spectra import quadratic
from surveys import page, survey_on_file, value
from theodolite.report.sections import sections
from theodolite.report.words import sentences


def land(samples: int) -> td.Landscape:
    x, y = normal(samples, 4, dtype=F64), labels(3, samples)
    return td.Landscape(ready(lambda: MLP(4, 5, 3), F64), nn.CrossEntropyLoss(), (x, y))


@pytest.fixture(scope="module")
def surveyed() -> td.Survey:
    return td.survey(land(120), sigmas=(1e-3,))


def test_a_survey_says_what_data_error_says(surveyed: td.Survey) -> None:
    alone = td.data_error(land(120), groups=20)
    rows = surveyed["data"]["rows"]
    assert set(rows) == set(alone)
    for name, row in alone.items():
        assert rows[name]["value"] == pytest.approx(row.value, rel=1e-3)
        assert rows[name]["error"] == pytest.approx(row.error, rel=0.2)


def test_tables_and_page_show_it(surveyed: td.Survey) -> None:
    assert "on other 120 samples" in repr(surveyed)
    text = surveyed.html()
    assert "Other data" in text
    assert "95 % interval for all data" in text


def test_functions_have_no_other_data() -> None:
    survey = td.survey(quadratic(torch.tensor([1.0, 2.0, -1.0], dtype=F64)))
    assert "data" not in survey.measurements
    assert survey.complete
    assert "Other data" not in survey.html()


def test_a_survey_of_one_sample_goes_on_without() -> None:
    survey = td.survey(land(1), sigmas=(1e-3,))
    assert "data" not in survey.measurements
    assert survey.complete


def row(**numbers: object) -> dict[str, object]:
    plain = {"value": 2.0, "error": 0.1, "bias": 0.0, "low": 1.8, "high": 2.2}
    return {**plain, **numbers}


def told(**rows: object) -> str:
    measurement = {"value": {"rows": rows, "samples": 300, "groups": 40}}
    return " ".join(sentences("data", measurement, {})).replace("\u00a0", " ")


def test_sentences_name_the_error_and_the_bias() -> None:
    words = told(loss=row(), largest_eigenvalue=row(value=4.0, bias=0.3))
    assert "another 300 samples" in words
    assert "the loss by 0.1 (5 %)" in words
    assert "the largest eigenvalue is too large by about 0.3" in words
    assert "too large" not in told(loss=row())


def test_sentences_survive_what_is_not_known() -> None:
    assert "not known" in told(loss=row(error="nan"))
    assert "not known" in told()
    assert "by 0.1 would" in told(gradient_norm=row(value=0.0))


def test_older_surveys_have_no_such_section() -> None:
    stored = survey_on_file()
    anchors = [s.anchor for s in sections(stored["run"], stored["measurements"])]
    assert "data" not in anchors
    assert "Other data" not in page(stored)


def test_places_that_are_not_certified_say_so() -> None:
    stored = survey_on_file()
    value(stored, "place").update(
        kind="degenerate",
        index=0,
        lowest={"value": 0.5, "residual": 1e-3, "converged": True},
        floor=-0.2,
        ceiling=7.0,
        confidence=0.999,
        flatness=math.pi,
    )
    text = page(stored).replace("\u00a0", " ")
    assert "are not ruled out" in text
    assert "no eigenvalue below, with probability 0.999" in text
    assert "3.14" in text
