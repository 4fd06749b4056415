"""Several runs beside each other in words, and their headline numbers as one table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from theodolite.report import map_words
from theodolite.report.amounts import amount, is_known, number, percent
from theodolite.report.checkpoints_words import sharpest
from theodolite.report.part import Rows, Table
from theodolite.report.place_words import downward
from theodolite.report.ways_words import barrier

Value = Mapping[str, Any]
_KINDS = {
    "survey": "survey",
    "plane": "plane",
    "line": "line",
    "connect": "ways",
    "compare": "checkpoints",
}


def summary(runs: Sequence[Value], labels: Sequence[str]) -> list[str]:
    """Return what the comparison says, in a few sentences."""
    surveys = [
        (label, found["measurements"])
        for found, label in zip(runs, labels, strict=True)
        if found["kind"] == "survey"
    ]
    told = [
        _sharper(surveys),
        _faster(surveys),
        _lower(surveys),
        _kinds(surveys),
        _heights(runs, labels),
        _ways(runs, labels),
    ]
    return [sentence for sentence in told if sentence] or [
        "These runs have no number in common that would tell one from another."
    ]


def doubts(runs: Sequence[Value]) -> list[str]:
    """Return why these runs compare only roughly, where they do."""
    lands = [found["run"].get("landscape", {}) for found in runs]
    told = []
    sizes = {land.get("parameters") for land in lands}
    if len(sizes) > 1:
        told.append(
            "These are networks of different sizes: traces add up over different"
            " numbers of parameters, and planes cut different spaces."
        )
    data = {(land.get("samples"), land.get("loss")) for land in lands}
    if len(data) > 1:
        told.append(
            "They were measured over different data or different losses: numbers differ"
            " for that alone."
        )
    return told


def _sharper(surveys: Sequence[tuple[str, Value]]) -> str:
    known = [
        (label, found["speed_limit"]["value"])
        for label, found in surveys
        if "speed_limit" in found
    ]
    names = [label for label, _ in known]
    ends = ([value[key] for _, value in known] for key in ("eigenvalue", "residual"))
    return sharpest(names, *ends)


def _faster(surveys: Sequence[tuple[str, Value]]) -> str:
    limits = [
        (number(found["speed_limit"]["value"]["value"]), label)
        for label, found in surveys
        if "speed_limit" in found
    ]
    known = [limit for limit in limits if is_known(limit[0])]
    if len(known) < 2 or max(known)[0] == min(known)[0]:
        return ""
    (low, slow), (high, fast) = min(known), max(known)
    return (
        f"Gradient descent diverges above {amount(low)} in {slow}, and above"
        f" {amount(high)} in {fast}."
    )


def _lower(surveys: Sequence[tuple[str, Value]]) -> str:
    losses = [
        (number(test["loss"]), label)
        for label, found in surveys
        if (test := found.get("loss", {}).get("value", {}).get("test"))
    ]
    known = [loss for loss in losses if is_known(loss[0])]
    if len(known) < 2 or max(known)[0] == min(known)[0]:
        return ""
    (low, best), (high, worst) = min(known), max(known)
    return (
        f"The lowest test loss is that of {best}, {amount(low)}; the highest that of"
        f" {worst}, {amount(high)}."
    )


def _kinds(surveys: Sequence[tuple[str, Value]]) -> str:
    kinds = {
        label: str(found["place"]["value"]["kind"])
        for label, found in surveys
        if "place" in found
    }
    if len(kinds) < 2:
        return ""
    different = set(kinds.values())
    if len(different) == 1:
        return f"All are of one kind: {different.pop()}."
    return f"{', '.join(f'{label} is a {kind}' for label, kind in kinds.items())}."


def _heights(runs: Sequence[Value], labels: Sequence[str]) -> str:
    best = [
        (low.value, label)
        for found, label in zip(runs, labels, strict=True)
        if found["kind"] == "plane" and (low := map_words.lowest(found["plane"]))
    ]
    if len(best) < 2:
        return ""
    (low, where), (high, other) = min(best), max(best)
    return (
        f"The lowest point of all planes lies on {where}, {amount(low)}; on {other} the"
        f" loss stays above {amount(high)}."
    )


def _ways(runs: Sequence[Value], labels: Sequence[str]) -> str:
    told = [
        f"{label}: {barrier(path['barrier'])} by {name}"
        for found, label in zip(runs, labels, strict=True)
        if found["kind"] == "connect" and (best := _lowest_way(found))
        for name, path in [best]
    ]
    return f"Lowest barriers: {'; '.join(told)}." if len(told) > 1 else ""


def _lowest_way(found: Value) -> tuple[str, Value] | None:
    paths: Mapping[str, Value] = found["run"]["paths"]
    known = [(n, p) for n, p in paths.items() if is_known(p["barrier"]["value"])]
    return min(known, key=lambda row: number(row[1]["barrier"]["value"]), default=None)


def runs_table(runs: Sequence[Value], labels: Sequence[str]) -> Table:
    """Return headline numbers with their errors, a column a run."""
    lines: Rows = [
        (title, *(cell or "–" for cell in cells))
        for title, told in _LINES.items()
        if any(cells := [told(found) for found in runs])
    ]
    text = (
        "Errors: residuals of eigenvalues, one standard error of traces and barriers,"
        " the estimated error of interpolation on planes and lines."
    )
    return Table("Side by side", ("", *labels), lines, text=text, broad=True)


def _value(found: Value, name: str) -> Value | None:
    one = found.get("measurements", {}).get(name)
    return one["value"] if one else None


def _of(name: str, tell: Callable[[Value], str]) -> Callable[[Value], str]:
    def told(found: Value) -> str:
        value = _value(found, name)
        return "" if value is None else tell(value)

    return told


def _kind(value: Value) -> str:
    kind = str(value["kind"])
    down = number(value["index"]) > 0 and kind in ("saddle", "slope")
    return f"{kind}, down along {downward(value)}" if down else kind


def _limit(value: Value) -> str:
    half = (number(value["high"]) - number(value["low"])) / 2
    return amount(value["value"], half if is_known(half) and half > 0 else None)


def _test(value: Value) -> str:
    return amount(value["test"]["loss"]) if value.get("test") else ""


def _right(value: Value) -> str:
    side = value.get("test") or {}
    return percent(side.get("accuracy")) if is_known(side.get("accuracy")) else ""


def _condition(value: Value) -> str:
    least = "at least " if value["condition_is_lower_bound"] else ""
    return f"{least}{amount(value['condition'])}"


def _between_layers(value: Value) -> str:
    return percent(value["off_diagonal"]) if is_known(value["off_diagonal"]) else ""


def _plane_low(found: Value) -> str:
    best = map_words.lowest(found["plane"]) if found["kind"] == "plane" else None
    if best is None:
        return ""
    error = number(found["plane"]["fields"]["loss"].get("error"))
    return amount(best.value, error if error > 0 else None)


def _drawn(found: Value) -> str:
    if found["kind"] == "plane":
        low, high = map_words.extent(found["plane"]["fields"]["loss"])
    elif found["kind"] == "line":
        values = [number(v) for v in found["line"]["fields"]["loss"]["values"]]
        known = [value for value in values if is_known(value)]
        low, high = (min(known), max(known)) if known else (number(None),) * 2
    else:
        return ""
    return f"{amount(low)} to {amount(high)}" if is_known(low) else ""


def _barrier(found: Value) -> str:
    if found["kind"] == "line" and is_known(found["line"]["barrier"]):
        return amount(found["line"]["barrier"])
    if found["kind"] != "connect" or "straight" not in found["run"]["paths"]:
        return ""
    return barrier(found["run"]["paths"]["straight"]["barrier"])


def _best_way(found: Value) -> str:
    best = _lowest_way(found) if found["kind"] == "connect" else None
    return f"{barrier(best[1]['barrier'])} ({best[0]})" if best else ""


_LINES: dict[str, Callable[[Value], str]] = {
    "what": lambda found: _KINDS.get(str(found["kind"]), str(found["kind"])),
    "place": _of("place", _kind),
    "training loss": _of("loss", lambda value: amount(value["train"]["loss"])),
    "test loss": _of("loss", _test),
    "right on test data": _of("loss", _right),
    "λ_max": _of("speed_limit", lambda v: amount(v["eigenvalue"], v["residual"])),
    "speed limit 2/λ_max": _of("speed_limit", _limit),
    "lowest eigenvalue": _of(
        "place", lambda v: amount(v["lowest"]["value"], v["lowest"]["residual"])
    ),
    "trace": _of("trace", lambda value: amount(value["value"], value["error"])),
    "condition": _of("stiffness", _condition),
    "‖H‖_F² between layers": _of("interactions", _between_layers),
    "loss as drawn": _drawn,
    "lowest loss of the plane": _plane_low,
    "straight barrier": _barrier,
    "lowest barrier": _best_way,
}
