"""A survey's sections: their titles, words, charts, and what lacks."""

from collections.abc import Iterator, Mapping
from typing import Any

from theodolite.report.part import Chart, Section
from theodolite.report.prose import capital
from theodolite.report.words import CAPTIONS, CHANGES, cautions, sentences

Value = Mapping[str, Any]
Measurements = Mapping[str, Value]

_PLAN = (
    ("place", "The place", ("place", "loss")),
    ("plane", "The plane", ("plane",)),
    ("speed", "The speed limit", ("speed_limit", "eigenvalues")),
    ("spectrum", "The spectrum", ("density", "trace")),
    ("layers", "The layers", ("layers", "interactions")),
    ("noise", "Noise", ("rise",)),
    ("stiffness", "Stiffness", ("stiffness",)),
    ("data", "Other data", ("data",)),
)
# of what not every survey has
_OPTIONAL = ("plane", "interactions", "data")
_MANY = ("eigenvalues", "layers", "interactions")

NAMES = {
    "loss": "the loss",
    "place": "the kind of place",
    "plane": "the plane",
    "eigenvalues": "the eigenvalues",
    "speed_limit": "the speed limit",
    "layers": "the layers",
    "interactions": "the interactions of layers",
    "trace": "the trace",
    "rise": "the rise under noise",
    "density": "the spectral density",
    "stiffness": "the stiffness",
    "data": "the dependence on the data",
}


def sections(run: Value, measurements: Measurements, number: int = 0) -> list[Section]:
    """Return the page's sections, each with what is known about its subject.

    Parameters
    ----------
    run, measurements
        As :func:`theodolite.report.page.render` takes them.
    number
        The survey's among those of its page.
    """
    return [
        Section(
            anchor,
            title,
            [
                paragraph
                for n in names
                if n in measurements
                for paragraph in _paragraphs(n, measurements, run)
            ],
            [
                s
                for n in names
                if n in measurements
                for s in cautions(n, measurements[n])
            ],
            [
                chart
                for n in names
                if n != "place" and (chart := chart_of(n, measurements, run, number))
            ],
            [
                _lack(n, run)
                for n in names
                if n not in measurements and _concerns(n, measurements, run)
            ],
        )
        for anchor, title, names in _PLAN
        if any(_concerns(name, measurements, run) for name in names)
    ]


def _concerns(name: str, measurements: Measurements, run: Value) -> bool:
    """Whether a measurement was made, missed, or is one that every survey has."""
    asked = name in measurements or any(_reasons(name, run))
    return asked or name not in _OPTIONAL


def missing(run: Value) -> list[tuple[str, str]]:
    """Return what the run says it did not measure, and why."""
    rows = run.get("missing") or []
    return [(capital(_name(str(row["name"]))), str(row["reason"])) for row in rows]


def _told(name: str, measurements: Measurements, run: Value) -> str:
    return " ".join(sentences(name, measurements[name], run))


def _paragraphs(name: str, measurements: Measurements, run: Value) -> list[str]:
    """One paragraph a measurement; a plane's sentences are one each."""
    if name == "plane":
        return sentences(name, measurements[name], run)
    return [_told(name, measurements, run)]


def chart_of(
    name: str, measurements: Measurements, run: Value, number: int
) -> Chart | None:
    """Return the chart of one measurement, where it has one."""
    if name not in CAPTIONS or name not in measurements:
        return None
    label = f"Chart of {NAMES[name]}. {_told(name, measurements, run)}"
    return Chart(name, CAPTIONS[name], CHANGES[name], label, number)


def _name(name: str) -> str:
    return NAMES.get(name, name)


def _reasons(name: str, run: Value) -> Iterator[str]:
    for row in run.get("missing") or []:
        if row["name"] == name:
            yield str(row["reason"])


def _lack(name: str, run: Value) -> str:
    shown = _name(name)
    reason = next(_reasons(name, run), "")
    ending = f": {reason.rstrip('.')}." if reason else "."
    were = "were" if name in _MANY else "was"
    return f"{capital(shown)} {were} not measured{ending}"
