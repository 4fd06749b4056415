"""A survey as a part of a page."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from theodolite.report import map_words
from theodolite.report.headline import figures, verdict
from theodolite.report.page_data import PageData
from theodolite.report.part import Instrument, Part
from theodolite.report.provenance import day, provenance, state
from theodolite.report.sections import chart_of, missing, sections
from theodolite.report.tables import tables

Value = Mapping[str, Any]
Measurements = Mapping[str, Value]

# tables that stand beside their words
_BESIDE = {"place": ("Place", "Loss"), "plane": ("Plane",)}


def survey_part(
    run: Value,
    measurements: Measurements,
    data: PageData,
    *,
    prefix: str = "",
    title: str = "",
) -> Part:
    """Return all that a page tells of a survey, and add what it draws to the data.

    Parameters
    ----------
    run, measurements
        As :func:`theodolite.report.page.render` takes them.
    data
        What is gathered for the page's script.
    prefix
        Before every anchor.
    title
        Above the plane, where another one is wanted than its own.
    """
    rest = {name: one for name, one in measurements.items() if name != "plane"}
    number = data.survey(run, rest)
    found = sections(run, measurements, number)
    instrument = _instrument(measurements, data, prefix, title)
    numbers = tables(measurements)
    sketch = None if instrument else chart_of("place", measurements, run, number)
    return Part(
        prefix=prefix,
        kind="Survey of a loss landscape",
        name=str(run.get("target", {}).get("name", "")),
        day=day(run),
        verdict=verdict(measurements),
        warning=(
            ""
            if run.get("state") == "complete"
            else f"This survey is not complete: it {state(run)}."
        ),
        notes=[str(note) for note in run.get("notes") or []],
        figures=figures(measurements),
        sketch=sketch,
        instrument=instrument,
        sections=[
            replace(one, tables=[t for t in numbers if t.title in beside])
            for one in found
            for beside in [_BESIDE.get(one.anchor, ())]
        ],
        missing=missing(run),
        tables=[t for t in numbers if not any(t.title in b for b in _BESIDE.values())],
        provenance=provenance(run),
    )


def _instrument(
    measurements: Measurements, data: PageData, prefix: str, title: str
) -> Instrument | None:
    if "plane" not in measurements:
        return None
    record = measurements["plane"]["value"]
    number = data.plane({**record, "title": title} if title else record)
    return Instrument(
        (number,), f"{prefix}picture", map_words.CAPTION, map_words.CHANGE
    )
