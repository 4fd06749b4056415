"""A plane in words: what was cut, how far, how high, how it bends, what it hides."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Any

from theodolite.report.amounts import (
    amount,
    counted,
    is_known,
    number,
    percent,
    rough,
    whole,
)
from theodolite.report.prose import name_of
from theodolite.report.unpacking import finite, unpacked

Value = Mapping[str, Any]

CAPTION = (
    "Height and colour are the loss, measured at the dots, interpolated between them."
    " Where contours crowd it is steep; a ball rolls as gradient descent would in these"
    " two directions alone."
)
CHANGE = (
    "Other directions cut another picture through the same landscape; a wider span"
    " shows walls that this one does not reach; other data move all of it."
)
# of the directions' kinds, what their picture leaves out
_HIDDEN = {
    "eigenvector": (
        "Both axes are eigenvectors at the centre, so that the picture shows the"
        " extremes there, and not what most directions look like."
    ),
    "filter": (
        "Both directions are random: they show the average bend, not the steepest or"
        " the lowest, which random directions all but miss."
    ),
    "checkpoint": (
        "The plane goes through checkpoints; between them it need not follow the way"
        " that training took."
    ),
}
_HIDDEN |= dict.fromkeys(("layer", "random"), _HIDDEN["filter"])


@dataclass(frozen=True)
class Lowest:
    """The lowest drawn point of a plane, and the point next to its centre."""

    x: float
    y: float
    value: float
    centre: float


def extent(field: Value) -> tuple[float, float]:
    """Return the lowest and the highest number of a plane's quantity, or NaN."""
    values = finite(field["values"])
    return (min(values), max(values)) if values else (nan, nan)


def range_told(field: Value) -> str:
    """Return from where to where a quantity goes, with its error."""
    low, high = extent(field)
    if not isfinite(low):
        return "nowhere a number"
    error = number(field.get("error"))
    told = f"from {amount(low)} to {amount(high)}"
    return f"{told} (interpolated to ±\u00a0{rough(error)})" if error > 0 else told


def lowest(record: Value) -> Lowest | None:
    """Return the lowest drawn point of the loss; nothing where there is none."""
    field = record["fields"]["loss"]
    x, y = (unpacked(field[axis] or record[axis]) for axis in ("x", "y"))
    values = unpacked(field["values"])
    known = [place for place, value in enumerate(values) if isfinite(value)]
    if not known or not y:
        return None
    best = min(known, key=values.__getitem__)
    centre = _nearest(x) * len(y) + _nearest(y)
    return Lowest(x[best // len(y)], y[best % len(y)], values[best], values[centre])


def _nearest(axis: list[float]) -> int:
    return min(range(len(axis)), key=lambda place: abs(axis[place]))


def cut(record: Value) -> list[str]:
    """Tell what was cut, and how far the picture reaches."""
    shape = " × ".join(whole(len(unpacked(record[axis]))) for axis in ("x", "y"))
    points = counted(record["points"], "point", "points")
    of = whole(record["parameters"])
    told = [
        f"A plane through {record['name'] or 'the point'}, two directions out of {of}:"
        f" {shape} points are drawn, the loss was measured at {points}."
    ]
    return [*told, *_reaches(record)]


def _reaches(record: Value) -> Iterator[str]:
    for name, axis in zip("xy", record["axes"], strict=True):
        ends = unpacked(record[name])
        if ends:
            yield f"{name}: {name_of(axis['label'])}; {_reach(ends, axis, record)}."


def reach(record: Value) -> float:
    """Return how far the picture reaches along its longer axis, in parameter units."""
    far = [
        max(abs(ends[0]), abs(ends[-1])) * number(axis["length"])
        for name, axis in zip("xy", record["axes"], strict=True)
        if (ends := unpacked(record[name]))
    ]
    return max(far, default=nan)


def _reach(ends: list[float], axis: Value, record: Value) -> str:
    far = max(abs(ends[0]), abs(ends[-1])) * number(axis["length"])
    scale = number(record["scale"])
    share = f", {percent(far / scale)} of the weights’ own length" if scale > 0 else ""
    return (
        f"from {amount(ends[0])} to {amount(ends[-1])}, up to {amount(far)} in"
        f" parameter units{share}"
    )


def heights(record: Value) -> list[str]:
    """Tell how high the loss goes, and where it is lowest."""
    field = record["fields"]["loss"]
    told = [f"The loss goes {range_told(field)}."]
    best = lowest(record)
    if best is None:
        return ["Nowhere on this plane is the loss a number."]
    error = number(field.get("error"))
    gain = best.centre - best.value
    where = f"({amount(best.x)}, {amount(best.y)}), where it is {amount(best.value)}"
    if not isfinite(gain):
        told.append(f"Lowest it is at {where}; at the centre it is no number.")
    elif gain == 0:
        told.append(f"Lowest it is at the centre: {amount(best.value)}.")
    elif gain <= 2 * max(error, 0.0):
        told.append(
            f"The lowest drawn point, {where}, cannot be told from the centre by more"
            " than the error."
        )
    else:
        told.append(
            f"Lowest it is at {where}: {amount(gain)} below the centre, so that"
            " a step within this plane would still lower it."
        )
    return [*told, *_others(record)]


def _others(record: Value) -> Iterator[str]:
    for name, field in record["fields"].items():
        if name != "loss" and not name.startswith("hessian "):
            yield f"The {name} goes {range_told(field)}."


def bends(record: Value) -> list[str]:
    """Tell how both axes bend at the centre, where it was measured."""
    known = [
        (name, number(axis["curvature"]))
        for name, axis in zip("xy", record["axes"], strict=True)
        if is_known(axis.get("curvature"))
    ]
    if not known:
        return ["How the loss bends along these axes at the centre was not measured."]
    told = [f"{_bend(value)} along {name}" for name, value in known]
    words = f"At the centre the loss bends {' and '.join(told)}."
    if len(known) == 2 and known[0][1] and known[1][1]:
        ratio = abs(known[0][1] / known[1][1])
        ratio = max(ratio, 1 / ratio)
        if ratio > 1.5:
            words += f" One axis bends {amount(ratio)} times as much as the other."
    return [words]


def _bend(value: float) -> str:
    way = "upward" if value > 0 else "downward" if value < 0 else "not at all"
    return f"{way} (λ = {amount(value)})" if value else way


def tracks(record: Value) -> list[str]:
    """Tell how far checkpoints lie off the plane, and what that means."""
    return [_track(track) for track in record["tracks"] if track["labels"]]


def _track(track: Value) -> str:
    far = max(finite(track["distance"]), default=inf)
    count = counted(len(track["labels"]), "checkpoint", "checkpoints")
    told = f"{count} of {track['name']} lie up to {amount(far)} off this plane"
    gaps = [
        abs(a - b)
        for a, b in zip(
            unpacked(track["plane_loss"]), unpacked(track["loss"]), strict=True
        )
        if isfinite(a - b)
    ]
    if not gaps:
        return f"{told}; their own losses were not measured."
    return (
        f"{told}, where its loss and their own differ by up to {amount(max(gaps))}:"
        " they are drawn at their own heights, and a thread leads to the plane."
    )


def hidden(record: Value) -> list[str]:
    """Tell what this picture does not show."""
    rest = number(record["parameters"]) - 2
    told = []
    if rest > 0:
        told.append(
            "What it does not show: the other"
            f" {counted(rest, 'direction', 'directions')}."
            " What looks like a basin here may open along one of them, and what looks"
            " like a wall may have a way around it."
        )
    kinds = {str(axis["kind"]) for axis in record["axes"]}
    told += [_HIDDEN[kind] for kind in sorted(kinds) if kind in _HIDDEN]
    return told


def summary(record: Value) -> str:
    """Return the whole plane in two or three sentences."""
    field = record["fields"]["loss"]
    best = lowest(record)
    if best is None:
        return "On this plane the loss is nowhere a number."
    low, high = extent(field)
    if low == high:
        return f"On this plane the loss is {amount(low)} wherever it is a number."
    told = f"On this plane the loss goes from {amount(low)} to {amount(high)}."
    gain, error = best.centre - best.value, max(number(field.get("error")), 0.0)
    if isfinite(gain) and gain > 2 * error:
        return f"{told} Its lowest point lies {amount(gain)} below the centre."
    return f"{told} The centre is its lowest point, as far as the picture can tell."


def told(record: Value) -> list[str]:
    """Tell a plane that stands among other measurements."""
    return [*cut(record)[:1], *heights(record), *bends(record), *tracks(record)]
