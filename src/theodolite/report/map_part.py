"""A measured plane, or a measured line, as a part of a page."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from theodolite.report import line_words, map_words
from theodolite.report.amounts import (
    amount,
    duration,
    is_known,
    number,
    percent,
    rough,
    whole,
)
from theodolite.report.map_tables import line_table, plane_table, tracks_table
from theodolite.report.page_data import PageData
from theodolite.report.part import (
    SETTLED,
    Chart,
    Figure,
    Gallery,
    Instrument,
    Part,
    Rows,
    Section,
    Table,
)
from theodolite.report.prose import name_of
from theodolite.report.provenance import provenance

Value = Mapping[str, Any]


def plane_part(
    run: Value, record: Value, data: PageData, *, prefix: str = "", title: str = ""
) -> Part:
    """Return all that a page tells of a plane, and add it to the data."""
    number_of = data.plane({**record, "title": title} if title else record)
    words = map_words.told(record)
    axes = map_words.cut(record)[1:]
    section = Section(
        "plane",
        "The plane",
        [words[0], *axes, *words[1:]],
        [*map_words.hidden(record), *unsettled(record["outcome"])],
        tables=[_table("Plane", plane_table(record), record, run)],
    )
    return Part(
        prefix=prefix,
        kind="Map of a loss landscape",
        name=str(record["name"]) or name_of(record["title"]),
        verdict=map_words.summary(record),
        warning=warning(record["outcome"]),
        notes=[str(note) for note in record["notes"]],
        figures=list(_plane_figures(record)),
        instrument=Instrument(
            (number_of,), f"{prefix}picture", map_words.CAPTION, map_words.CHANGE
        ),
        sections=[section],
        tables=[Table("Checkpoints", *tracks_table(record))]
        if record["tracks"]
        else [],
        provenance=provenance(run),
    )


def line_part(
    run: Value, record: Value, data: PageData, *, prefix: str = "", title: str = ""
) -> Part:
    """Return all that a page tells of a line, and add it to the data."""
    del title
    words = [
        *line_words.cut(record),
        *line_words.heights(record),
        *line_words.between(record),
    ]
    first, *others = _curves(record, data)
    spoken = f"Chart of the loss along a line. {' '.join(words)}"
    chart = replace(
        first,
        caption=line_words.CAPTION,
        change=line_words.CHANGE,
        label=spoken,
    )
    section = Section(
        "line",
        "The line",
        words,
        [*line_words.hidden(record), *unsettled(record["outcome"])],
        [chart],
        gallery=Gallery(others, line_words.OTHERS, "") if others else None,
    )
    return Part(
        prefix=prefix,
        kind="Line through a loss landscape",
        name=str(record["name"]) or name_of(record["title"]),
        verdict=line_words.summary(record),
        warning=warning(record["outcome"]),
        notes=[str(note) for note in record["notes"]],
        figures=list(_line_figures(record)),
        sections=[section],
        tables=[_table("Line", line_table(record), record, run)],
        provenance=provenance(run),
    )


def _curves(record: Value, data: PageData) -> Iterator[Chart]:
    """One chart for each scale that quantities share; the loss comes first."""
    for names in line_words.groups(record):
        fields = {name: record["fields"][name] for name in names}
        ends = line_words.ends(record)
        number_of = data.chart("line", {**record, "fields": fields, "ends": ends})
        label = f"Chart of the {names[0]} along a line."
        yield Chart("line", names[0], "", label, number_of)


def unsettled(outcome: Value) -> list[str]:
    """Return why it was not measured to the end, where it was not."""
    told = "" if outcome.get("name") in SETTLED else str(outcome.get("text") or "")
    return [told] if told else []


def warning(outcome: Value) -> str:
    """Return that a map is not what was asked for, where it is not."""
    if outcome.get("name") in SETTLED:
        return ""
    ended = {"budget": "its budget was spent", "interrupted": "it was interrupted"}
    why = ended.get(str(outcome.get("name")), f"it ended as “{outcome.get('name')}”")
    return f"This map is not as fine as was asked for: {why}."


def _table(
    title: str, shown: tuple[tuple[str, ...], Rows], record: Value, run: Value
) -> Table:
    outcome = record["outcome"]
    seconds = run.get("seconds")
    cost = duration(seconds) if is_known(seconds) else ""
    state, text = str(outcome.get("name", "")), str(outcome.get("text", ""))
    return Table(title, *shown, state, text, cost)


def _plane_figures(record: Value) -> Iterator[Figure]:
    best = map_words.lowest(record)
    field = record["fields"]["loss"]
    doubt = number(field.get("error"))
    error = f"± {rough(doubt)}" if doubt > 0 else ""
    if best is not None:
        yield Figure("Loss at the centre", amount(best.centre), "", "")
        where = f"at ({amount(best.x)}, {amount(best.y)})"
        yield Figure("Lowest loss", amount(best.value), error, where)
        yield Figure(
            "Highest loss", amount(map_words.extent(field)[1]), error, "as drawn"
        )
    yield Figure("Points measured", whole(record["points"]), "", "")
    scale = number(record["scale"])
    lengths = [number(axis["length"]) for axis in record["axes"]]
    if scale > 0 and all(isfinite(length) for length in lengths):
        told = percent(map_words.reach(record) / scale)
        yield Figure("Reach", told, "", "of the weights’ own length")


def _line_figures(record: Value) -> Iterator[Figure]:
    field = record["fields"]["loss"]
    known = [value for value in map(number, field["values"]) if isfinite(value)]
    doubt = number(field.get("error"))
    error = f"± {rough(doubt)}" if doubt > 0 else ""
    if known:
        yield Figure("Lowest loss", amount(min(known)), error, "")
        yield Figure("Highest loss", amount(max(known)), error, "")
    if is_known(record["barrier"]) and line_words.is_between(record):
        yield Figure(
            "Barrier", amount(record["barrier"]), error, "above the higher end"
        )
    yield Figure("Points measured", whole(record["points"]), "", "")
