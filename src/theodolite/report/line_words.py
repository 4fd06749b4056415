"""A line in words: what it leads through, how the loss goes, what lies between."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from theodolite.report.amounts import amount, counted, is_known, number, percent, rough
from theodolite.report.prose import name_of

Value = Mapping[str, Any]

CAPTION = (
    "The loss along the line. Dots are where it was measured; between them the curve"
    " is interpolated, and the band is by how much that may be off."
)
CHANGE = (
    "Another direction would show another curve. On other data the whole curve moves,"
    " the test curve most; a barrier between two networks often shrinks once their"
    " units are put in the same order."
)


OTHERS = "What else was measured along the same line, each on its own scale."


def groups(record: Value) -> list[list[str]]:
    """Return the quantities that share a scale: each with the one on test data."""
    names = dict.fromkeys(name.removeprefix("test ") for name in record["fields"])
    return [
        [name for name in (plain, f"test {plain}") if name in record["fields"]]
        for plain in names
    ]


def is_between(record: Value) -> bool:
    """Tell whether the line leads from one checkpoint to another."""
    return record["axis"]["kind"] == "checkpoint"


def ends(record: Value) -> list[str] | None:
    """Return what lies at 0 and at 1, for a line between two checkpoints."""
    return [str(record["name"] or "a"), "b"] if is_between(record) else None


def cut(record: Value) -> list[str]:
    """Tell where the line leads, and how far it reaches."""
    axis, t = record["axis"], record["t"]
    length = number(axis["length"])
    drawn = counted(len(t), "point is", "points are")
    told = (
        f"A line through {record['name'] or 'the point'}, {name_of(axis['label'])}:"
        f" {drawn} drawn, the loss was measured at {record['points']}."
    )
    if not t:
        return [told]
    scale = number(record["scale"])
    size = f", {percent(length / scale)} of the weights’ own length" if scale else ""
    unit = f"One unit of t is {amount(length)} in parameter units{size}; t goes from"
    return [told, f"{unit} {amount(t[0])} to {amount(t[-1])}."]


def heights(record: Value) -> list[str]:
    """Tell how high every quantity goes along the line."""
    return [_range(name, field) for name, field in record["fields"].items()]


def _range(name: str, field: Value) -> str:
    values = [number(value) for value in field["values"]]
    known = [value for value in values if isfinite(value)]
    if not known:
        return f"The {name} is nowhere a number."
    error = number(field.get("error"))
    doubt = f" (interpolated to ±\u00a0{rough(error)})" if error > 0 else ""
    broken = len(values) - len(known)
    more = (
        f"; at {counted(broken, 'point', 'points')} it is no number" if broken else ""
    )
    ends_told = f"{amount(min(known))} to {amount(max(known))}"
    return f"The {name} goes from {ends_told}{doubt}{more}."


def between(record: Value) -> list[str]:
    """Tell the barrier between two checkpoints."""
    if not is_between(record):
        return []
    if not is_known(record["barrier"]):
        return ["Whether a barrier lies between both ends is not known."]
    height = number(record["barrier"])
    if height <= max(number(record["fields"]["loss"].get("error")), 0.0):
        return ["Between both ends the loss never rises above the higher of them."]
    return [
        f"Between both ends lies a barrier: the loss rises {amount(height)} above the"
        " higher of them. A curved way may well go around it; theodolite connect"
        " looks for one."
    ]


def hidden(record: Value) -> list[str]:
    """Tell what a line does not show."""
    return [
        "What it does not show: all other directions. A curve that is flat here says"
        " nothing of how the loss bends across it."
    ]


def summary(record: Value) -> str:
    """Return the whole line in two sentences."""
    told = _range("loss", record["fields"]["loss"])
    rise = between(record)
    # the advice stands further down
    return f"{told} {rise[0].partition(' A curved way')[0]}" if rise else told
