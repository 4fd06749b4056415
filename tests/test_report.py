"""What the report says, without a browser."""

import json
import math

import pytest

from surveys import NASTY, QUOTED, Survey, page, survey_on_file, value
from theodolite.report.amounts import amount, interval, number, whole
from theodolite.report.embedding import embed
from theodolite.report.headline import verdict
from theodolite.report.words import cautions, sentences


@pytest.fixture
def survey() -> Survey:
    return survey_on_file()


def told(survey: Survey, name: str) -> str:
    words = sentences(name, survey["measurements"][name], survey["run"])
    return " ".join(words).replace("\u00a0", " ")


# Numbers


@pytest.mark.parametrize(
    ("stored", "error", "shown"),
    [
        (0.3104, 0.0012, "0.310 ± 0.001"),
        (6.4, 0.01, "6.40 ± 0.01"),
        (30.1, 4, "30 ± 4"),
        (-0.01, 0.5, "−0.0 ± 0.5"),
        (1234567, 1000, "(1.235 ± 0.001) × 10⁶"),
        (2.5e-5, 3e-7, "(2.50 ± 0.03) × 10⁻⁵"),
        (1.0, 1e-9, "1 ± 1 × 10⁻⁹"),
        (0.02, None, "0.02"),
        (44896, None, "44,900"),
        (1e-4, None, "1 × 10⁻⁴"),
        (9.999e-4, None, "0.001"),
        (0, None, "0"),
        (2.0, "nan", "2 (error unknown)"),
        ("inf", 0.1, "∞"),
        ("-inf", None, "−∞"),
        (None, None, "not a number"),
    ],
)
def test_the_error_decides_the_digits(stored: object, error: object, shown: str):
    assert amount(stored, error).replace("\u00a0", " ") == shown


def test_an_interval_is_shown_with_the_digits_it_needs():
    assert interval(0.3094, 0.31, 0.3106) == ("0.3094", "0.3100", "0.3106")


def test_a_spelled_number_is_read():
    assert number("inf") == math.inf
    assert math.isnan(number("nan"))
    assert whole("nan") == "not a number"


# Words


@pytest.mark.parametrize(
    ("kind", "phrase"),
    [
        ("minimum", "bends upward in every direction"),
        ("saddle", "bends down along at least 3 directions"),
        ("maximum", "bends downward in every direction"),
        ("degenerate", "cannot be told from zero"),
        ("slope", "not a critical point"),
        ("plateau", "“plateau”"),
    ],
)
def test_every_kind_of_place_has_its_words(survey: Survey, kind: str, phrase: str):
    value(survey, "place")["kind"] = kind
    assert phrase in told(survey, "place")
    assert kind in page(survey)


def test_an_exact_index_is_not_called_a_lower_bound(survey: Survey):
    value(survey, "place").update(kind="saddle", index=1, index_is_exact=True)
    assert "along 1 direction," in told(survey, "place")
    assert "at least" not in verdict(survey["measurements"])


def test_an_unconverged_end_of_the_spectrum_says_so(survey: Survey):
    value(survey, "place").update(kind="minimum")
    value(survey, "place")["lowest"]["converged"] = False
    assert "(not converged)" in told(survey, "place")


def test_the_speed_limit_names_the_rate_that_diverges_and_its_half(survey: Survey):
    speed = {"value": 0.31, "low": 0.309, "high": 0.311}
    value(survey, "speed_limit").update(speed, eigenvalue=6.4516, residual=0.02)
    words = told(survey, "speed_limit")
    assert "above 0.310 (between 0.309 and 0.311) will diverge" in words
    assert "eigenvalue is 6.45 ± 0.02" in words
    assert "half of it, 0.1550," in words


def test_a_place_that_bends_nowhere_upward_has_no_speed_limit(survey: Survey):
    nothing = {"value": "inf", "low": "inf", "high": "inf", "eigenvalue": -0.2}
    value(survey, "speed_limit").update(nothing)
    assert "no speed limit" in told(survey, "speed_limit")
    assert "Nothing was found that limits" in verdict(survey["measurements"])
    assert "∞" in page(survey)


def test_an_unconverged_speed_limit_warns_that_it_may_be_lower(survey: Survey):
    measurement = survey["measurements"]["speed_limit"]
    measurement["outcome"] = {"name": "budget", "text": "Allow more products."}
    warnings = cautions("speed_limit", measurement)
    assert "true limit may be lower" in warnings[0]
    assert warnings[1] == "Allow more products."
    assert "or already below it" in verdict(survey["measurements"])


def test_a_converged_measurement_needs_no_caution(survey: Survey):
    assert cautions("speed_limit", survey["measurements"]["speed_limit"]) == []


def test_unconverged_eigenvalues_are_counted(survey: Survey):
    assert "3 of 13 have not converged" in told(survey, "eigenvalues")


def test_a_single_layer_is_not_compared(survey: Survey):
    layers = value(survey, "layers")
    layers["rows"] = layers["rows"][:1]
    assert "The one layer, conv1," in told(survey, "layers")


def test_a_layer_that_does_not_bend_upward_is_named(survey: Survey):
    value(survey, "layers")["rows"][1]["eigenvalue"] = -0.1
    assert "conv2 does not bend upward" in told(survey, "layers")


def test_an_unconverged_layer_makes_learning_rates_doubtful(survey: Survey):
    assert "1 of 4 layers has not converged" in told(survey, "layers")


def test_the_mean_eigenvalue_is_the_trace_over_the_parameters(survey: Survey):
    survey["run"]["landscape"]["parameters"] = 1000
    value(survey, "trace").update(value=30.0, error=1.0)
    assert "0.030 ± 0.001 on average over 1,000 parameters" in told(survey, "trace")


@pytest.mark.parametrize(
    ("reach", "phrase"),
    [(0.02, "Up to noise of σ = 0.02"), (0.2, "every noise"), (None, "did not hold")],
)
def test_how_far_the_prediction_holds(survey: Survey, reach: object, phrase: str):
    value(survey, "rise")["holds_up_to"] = reach
    assert phrase in told(survey, "rise")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("budget", "it stopped when its budget was spent"),
        ("interrupted", "it was interrupted"),
        ("running", "it was stopped before it could end"),
    ],
)
def test_a_survey_that_is_not_complete_says_why(survey: Survey, state: str, words: str):
    survey["run"]["state"] = state
    assert words in page(survey)


def test_kinks_are_named_where_even_small_noise_raises_more(survey: Survey):
    rise = value(survey, "rise")
    rise["holds_up_to"] = None
    first = rise["rows"][0]
    first["predicted"] = {"value": 1e-6, "error": 1e-8}
    first["measured"] = {"value": 1.8e-6, "error": 5e-8}
    text = told(survey, "rise")
    assert "1.8 times as much as predicted" in text
    assert "kinks" in text
    first["measured"] = {"value": 0.5e-6, "error": 5e-8}
    assert "kinks" not in told(survey, "rise")


def test_nine_tenths_of_an_even_spectrum_are_its_middle(survey: Survey):
    grid = [i / 1000 for i in range(1001)]
    flat = dict.fromkeys(("density", "low", "high"), [1.0] * 1001)
    value(survey, "density").update(flat, grid=grid, outliers=[])
    words = told(survey, "density")
    assert "between 0.05 and 0.95" in words
    assert "one by one" not in words


def test_a_bounded_condition_is_called_a_lower_bound(survey: Survey):
    assert "at least 6,500 times" in told(survey, "stiffness")
    value(survey, "stiffness")["condition_is_lower_bound"] = False
    assert "at least" not in told(survey, "stiffness")


def test_the_loss_without_a_test_set_says_so(survey: Survey):
    value(survey, "loss")["test"] = None
    assert "No test data was given." in told(survey, "loss")


def test_an_unknown_measurement_is_left_out(survey: Survey):
    survey["measurements"]["weather"] = {"value": {"sun": 1}, "seconds": 1}
    assert sentences("weather", survey["measurements"]["weather"], {}) == []
    assert page(survey)


# The page


def test_a_survey_of_nothing_says_what_was_not_measured(survey: Survey):
    survey["measurements"] = {}
    survey["run"]["missing"] = [
        {"name": "density", "reason": "the budget of 60 s was spent"}
    ]
    html = page(survey)
    assert "What was not measured" in html
    assert "spectral density was not measured: the budget of 60 s was spent." in html
    assert "The layers were not measured." in html
    assert "<figure" not in html


@pytest.mark.parametrize(
    "lacking",
    [
        "loss",
        "place",
        "eigenvalues",
        "speed_limit",
        "layers",
        "trace",
        "rise",
        "density",
        "stiffness",
    ],
)
def test_any_measurement_may_be_missing(survey: Survey, lacking: str):
    del survey["measurements"][lacking]
    html = page(survey)
    assert f'data-chart="{lacking}"' not in html
    assert "not measured" in html


def test_words_and_tables_need_no_script(survey: Survey):
    html = page(survey).split('<script type="application/json"')[0]
    for shown in ("14.2076", "conv2", "CrossEntropyLoss", "retained graph", "97.29"):
        assert shown in html


def test_an_incomplete_survey_says_so_on_top(survey: Survey):
    survey["run"]["state"] = "budget"
    assert "stopped when its budget was spent" in page(survey).split("<dl")[0]


def test_a_hostile_name_stays_text(survey: Survey):
    survey["run"]["target"]["name"] = NASTY
    value(survey, "layers")["rows"][0]["name"] = QUOTED
    html = page(survey)
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("</script>") == 2
    assert "49" not in html.split("</h1>")[0].split("<h1")[1]


def test_embedded_data_reads_back_as_it_was():
    data = {"name": NASTY, "lines": "\u2028\u2029&", "list": [1.5, None]}
    text = embed(data)
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == data


def test_numbers_that_are_not_finite_are_spelled():
    assert json.loads(embed([math.nan, math.inf, -math.inf])) == ["nan", "inf", "-inf"]


def test_the_page_is_below_one_and_a_half_megabytes(survey: Survey):
    assert len(page(survey).encode()) < 1_500_000
