"""The page's sections: their titles, charts and measurements."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.report.words import CAPTIONS, cautions, sentences

Value = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """One figure: its name in the viewer, how to read it, and its spoken name."""

    name: str
    caption: str
    label: str


@dataclass(frozen=True)
class Section:
    """One section: a paragraph per measurement, cautions, charts, and what lacks."""

    anchor: str
    title: str
    words: list[str]
    cautions: list[str]
    charts: list[Chart]
    lacks: list[str]


_PLAN = (
    ("place", "The place", ("place", "loss")),
    ("speed", "The speed limit", ("speed_limit", "eigenvalues")),
    ("spectrum", "The spectrum", ("density", "trace")),
    ("layers", "The layers", ("layers",)),
    ("noise", "Noise", ("rise",)),
    ("stiffness", "Stiffness", ("stiffness",)),
    ("data", "Other data", ("data",)),
)

NAMES = {
    "loss": "the loss",
    "place": "the kind of place",
    "eigenvalues": "the eigenvalues",
    "speed_limit": "the speed limit",
    "layers": "the layers",
    "trace": "the trace",
    "rise": "the rise under noise",
    "density": "the spectral density",
    "stiffness": "the stiffness",
    "data": "the dependence on the data",
}


def sections(run: Value, measurements: Mapping[str, Value]) -> list[Section]:
    """Return the page's sections, each with what is known about its subject."""
    return [
        Section(
            anchor,
            title,
            [_told(n, measurements, run) for n in names if n in measurements],
            [
                s
                for n in names
                if n in measurements
                for s in cautions(n, measurements[n])
            ],
            [_chart(n, measurements, run) for n in names if _is_drawn(n, measurements)],
            [_lack(n, run) for n in names if n not in measurements],
        )
        for anchor, title, names in _PLAN
        if any(_concerns(name, measurements, run) for name in names)
    ]


def _concerns(name: str, measurements: Mapping[str, Value], run: Value) -> bool:
    """Whether a measurement was made, missed, or is one that every survey has."""
    asked = name in measurements or any(_reasons(name, run))
    return asked or name != "data"


def missing(run: Value) -> list[tuple[str, str]]:
    """Return what the run says it did not measure, and why."""
    rows = run.get("missing") or []
    return [(_name(str(row["name"])), str(row["reason"])) for row in rows]


def _told(name: str, measurements: Mapping[str, Value], run: Value) -> str:
    return " ".join(sentences(name, measurements[name], run))


def _is_drawn(name: str, measurements: Mapping[str, Value]) -> bool:
    return name in CAPTIONS and name in measurements


def _chart(name: str, measurements: Mapping[str, Value], run: Value) -> Chart:
    label = f"Chart of {NAMES[name]}. {_told(name, measurements, run)}"
    return Chart(name, CAPTIONS[name], label)


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
    return f"{shown[0].upper()}{shown[1:]} was not measured{ending}".replace(
        "layers was", "layers were"
    ).replace("eigenvalues was", "eigenvalues were")
