"""Several runs beside each other: their table, and their pictures laid together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theodolite.report.beside import beside
from theodolite.report.page_data import PageData
from theodolite.report.part import Chart, Gallery, Instrument, Part, Section, Table
from theodolite.report.runs_words import doubts, runs_table, summary

Value = Mapping[str, Any]
_DENSITY = ("grid", "density", "low", "high")
_SPREAD = (
    "The spectra of all surveys on one scale; the bands are one standard error over"
    " random probes. What reaches further right is sharper, what is left of zero bends"
    " down."
)
_MORE_PROBES = (
    "More probes narrow the bands. Where bands overlap, the runs cannot be told apart."
)
_ENDS = (
    "One row a run, one panel a quantity, each on its own scale. Bars are residuals of"
    " eigenvalues and one standard error of traces; where there is none, the number is"
    " exact, or its dot is wider than its error."
)
_LONGER = (
    "Training on, another seed or other data move these dots; what lies apart by less"
    " than the difference of two seeds is no difference between methods."
)
_PLANES = (
    "Contours that lie further apart mean a flatter place: the same step changes the"
    " loss less. Scales of length are each plane’s own, as its axes say."
)
_OWN_AXES = (
    "Each plane is cut along its own directions: equal places on two of them are not"
    " equal networks. Measured along common directions, both would be parts of one map."
)


@dataclass(frozen=True)
class SideBySide:
    """What a page tells of several runs together."""

    words: list[str]
    doubts: list[str]
    table: Table
    instrument: Instrument | None
    sections: list[Section]


def side_by_side(
    runs: Sequence[Value],
    labels: Sequence[str],
    parts: Sequence[Part],
    data: PageData,
) -> SideBySide:
    """Return what several runs say together, and add what is drawn of it to the data.

    Parameters
    ----------
    runs
        As :func:`theodolite.report.page.render_runs` takes them.
    labels
        What each is called.
    parts
        What the page tells of each.
    data
        What is gathered for the page's script.
    """
    surveys = [
        (label, found["measurements"])
        for found, label in zip(runs, labels, strict=True)
        if found["kind"] == "survey"
    ]
    return SideBySide(
        words=summary(runs, labels),
        doubts=doubts(runs),
        table=runs_table(runs, labels),
        instrument=_planes(parts),
        sections=[*_spread(surveys, data), *_ends(surveys, data)],
    )


def _planes(parts: Sequence[Part]) -> Instrument | None:
    numbers = [
        number for part in parts if part.instrument for number in part.instrument.planes
    ]
    if len(numbers) < 2:
        return next((part.instrument for part in parts if part.instrument), None)
    return Instrument(tuple(numbers), "planes", _PLANES, _OWN_AXES)


def _spread(surveys: Sequence[tuple[str, Value]], data: PageData) -> Iterator[Section]:
    known = [
        {"name": label, **{key: found["density"]["value"][key] for key in _DENSITY}}
        for label, found in surveys
        if "density" in found
    ]
    if len(known) < 2:
        return
    names = ", ".join(str(one["name"]) for one in known)
    number = data.chart("densities", {"runs": known})
    label = f"Chart of the spectral densities of {names}."
    chart = Chart("densities", _SPREAD, _MORE_PROBES, label, number)
    yield Section("spectra", "The spectra", [], charts=[chart])


def _ends(surveys: Sequence[tuple[str, Value]], data: PageData) -> Iterator[Section]:
    charts = [
        chart
        for title, points in _quantities(surveys)
        for chart in beside(title, points, data)
    ]
    if charts:
        gallery = Gallery(charts, _ENDS, _LONGER)
        yield Section("quantities", "The numbers apart", [], gallery=gallery)


def _quantities(
    surveys: Sequence[tuple[str, Value]],
) -> Iterator[tuple[str, list[Value]]]:
    yield (
        "eigenvalues",
        [
            _point(label, pair["value"], pair["residual"])
            for label, found in surveys
            if "eigenvalues" in found
            for end in ("top", "bottom")
            for pair in found["eigenvalues"]["value"][end]
        ],
    )
    for title, name, key, error in (
        ("λ_max", "speed_limit", "eigenvalue", "residual"),
        ("trace", "trace", "value", "error"),
    ):
        yield (
            title,
            [
                _point(label, found[name]["value"][key], found[name]["value"][error])
                for label, found in surveys
                if name in found
            ],
        )
    for title, side in (("training loss", "train"), ("test loss", "test")):
        yield (
            title,
            [
                _point(label, found["loss"]["value"][side]["loss"], 0.0)
                for label, found in surveys
                if found.get("loss", {}).get("value", {}).get(side)
            ],
        )


def _point(label: str, value: Any, error: Any) -> Value:
    is_number = isinstance(value, int | float) and isinstance(error, int | float)
    ends = (value - error, value + error) if is_number else ("nan", "nan")
    return {"name": label, "value": value, "low": ends[0], "high": ends[1]}
