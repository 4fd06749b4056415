"""The numbers of planes, lines and layers' interactions as rows."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from theodolite.report.amounts import amount, is_known, number, percent, rough, whole
from theodolite.report.map_words import extent, lowest
from theodolite.report.part import Rows
from theodolite.report.prose import name_of
from theodolite.report.unpacking import unpacked

Value = Mapping[str, Any]
_PAIRS = 10


def plane_table(record: Value) -> tuple[tuple[str, ...], Rows]:
    """Return a plane's size, its axes, its quantities and its lowest point."""
    shape = " × ".join(whole(len(unpacked(record[axis]))) for axis in ("x", "y"))
    rows: Rows = [
        ("points drawn", shape),
        ("points measured", whole(record["points"])),
        *_axes(record),
        *_quantities(record),
    ]
    best = lowest(record)
    if best is not None:
        where = f"({amount(best.x)}, {amount(best.y)})"
        rows += [
            ("loss at the centre", amount(best.centre)),
            (f"lowest loss, at {where}", amount(best.value)),
        ]
    return ("quantity", "value"), rows


def _axes(record: Value) -> Iterator[tuple[str, ...]]:
    for name, axis in zip("xy", record["axes"], strict=True):
        ends = unpacked(record[name])
        span = f"{amount(ends[0])} to {amount(ends[-1])}" if ends else "empty"
        yield f"{name}: {name_of(axis['label'])}", span
        yield f"parameter units that {name} moves", amount(axis["length"])
        if is_known(axis.get("curvature")):
            yield f"curvature along {name} at the centre", amount(axis["curvature"])


def _quantities(record: Value) -> Iterator[tuple[str, ...]]:
    for name, field in record["fields"].items():
        low, high = extent(field)
        yield name, f"{amount(low)} to {amount(high)}"
        if number(field.get("error")) > 0:
            yield f"error of what is interpolated of the {name}", rough(field["error"])


def tracks_table(record: Value) -> tuple[tuple[str, ...], Rows]:
    """Return how far each run's checkpoints lie off the plane."""
    rows: Rows = []
    for track in record["tracks"]:
        far = [d for d in unpacked(track["distance"]) if isfinite(d)]
        losses = unpacked(track["loss"])
        ends = (amount(losses[0]), amount(losses[-1])) if losses else ("–", "–")
        rows.append(
            (
                str(track["name"]),
                whole(len(track["labels"])),
                amount(max(far)) if far else "–",
                *ends,
            )
        )
    return ("run", "checkpoints", "farthest off", "first loss", "last loss"), rows


def line_table(record: Value) -> tuple[tuple[str, ...], Rows]:
    """Return a line's reach, its quantities and its barrier."""
    t, axis = record["t"], record["axis"]
    span = f"{amount(t[0])} to {amount(t[-1])}" if t else "empty"
    rows: Rows = [
        ("points drawn", whole(len(t))),
        ("points measured", whole(record["points"])),
        (f"t: {name_of(axis['label'])}", span),
        ("parameter units that t moves", amount(axis["length"])),
    ]
    if is_known(axis.get("curvature")):
        rows.append(("curvature along it at 0", amount(axis["curvature"])))
    for name, field in record["fields"].items():
        known = [value for value in map(number, field["values"]) if isfinite(value)]
        ends = (min(known), max(known)) if known else ("nan", "nan")
        rows.append((name, f"{amount(ends[0])} to {amount(ends[1])}"))
        if number(field.get("error")) > 0:
            told = f"error of what is interpolated of the {name}"
            rows.append((told, rough(field["error"])))
    if is_known(record["barrier"]):
        rows.append(("barrier above the higher end", amount(record["barrier"])))
    return ("quantity", "value"), rows


def interactions_table(value: Value) -> tuple[tuple[str, ...], Rows]:
    """Return the strongest blocks of the Hessian between layers."""
    names, norms, errors = value["names"], value["norms"], value["errors"]
    pairs = [
        (number(norms[i][j]), number(errors[i][j]), j, i)
        for i in range(len(names))
        for j in range(i)
    ]
    pairs.sort(key=lambda pair: (not isfinite(pair[0]), -pair[0]))
    rows: Rows = [
        (f"{names[a]} – {names[b]}", amount(norm, error), _share(norm, value))
        for norm, error, a, b in pairs[:_PAIRS]
    ]
    return ("layers", "norm of their block", "of ‖H‖_F"), [*rows, *_whole(value)]


def _share(norm: float, value: Value) -> str:
    whole_norm = number(value["norm"])
    return percent(norm / whole_norm) if whole_norm > 0 else "–"


def _whole(value: Value) -> Iterator[tuple[str, ...]]:
    yield "all layers, ‖H‖_F", amount(value["norm"], value["norm_error"]), ""
    share, doubt = value["off_diagonal"], number(value["off_diagonal_error"])
    spread = f" ± {percent(doubt, 1)}" if isfinite(doubt) and doubt > 0 else ""
    yield "‖H‖_F² between layers", f"{percent(share)}{spread}", ""
