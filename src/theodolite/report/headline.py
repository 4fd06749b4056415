"""The survey in one sentence and in a row of figures."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from theodolite.report.amounts import amount, is_known, number, percent
from theodolite.report.part import SETTLED, Figure
from theodolite.report.place_words import downward, kind_in_words

Value = Mapping[str, Any]
Measurements = Mapping[str, Mapping[str, Any]]


def verdict(measurements: Measurements) -> str:
    """Return what kind of place this is, how sharp, how fast one may go, and where."""
    parts = [
        _kind(measurements),
        _sharpness(measurements),
        _limit(measurements),
        _layer(measurements),
    ]
    told = [part for part in parts if part]
    return " ".join(told) or "Too little was measured to say what place this is."


def figures(measurements: Measurements) -> list[Figure]:
    """Return the headline figures of what was measured."""
    return list(_figures(measurements))


def _value(measurements: Measurements, name: str) -> Value | None:
    found = measurements.get(name)
    return found["value"] if found else None


def _kind(measurements: Measurements) -> str:
    place = _value(measurements, "place")
    if place is None:
        return ""
    kind = kind_in_words(place)
    told = kind[0].upper() + kind[1:]
    if place["kind"] in ("saddle", "slope") and number(place["index"]) > 0:
        return f"{told} that bends down along {downward(place)}."
    return f"{told}."


def _sharpness(measurements: Measurements) -> str:
    limit = _value(measurements, "speed_limit")
    if limit is None or not number(limit["eigenvalue"]) > 0:
        return ""
    steep = amount(limit["eigenvalue"], limit["residual"])
    return f"Along its steepest direction it bends upward with λ_max = {steep}."


def _limit(measurements: Measurements) -> str:
    limit = _value(measurements, "speed_limit")
    if limit is None:
        return ""
    if number(limit["value"]) == math.inf:
        return "Nothing was found that limits the learning rate."
    if not is_known(limit["value"]):
        return "The speed limit could not be computed."
    doubt = "" if _is_settled(measurements["speed_limit"]) else ", or already below it"
    return (
        "Gradient descent diverges above a learning rate of"
        f" {amount(limit['value'])}{doubt}."
    )


def _layer(measurements: Measurements) -> str:
    layers = _value(measurements, "layers")
    rows = layers["rows"] if layers else []
    known = [row for row in rows if number(row["eigenvalue"]) > 0]
    if len(known) < 2:
        return ""
    sharp = max(known, key=lambda row: number(row["eigenvalue"]))
    steep = amount(sharp["eigenvalue"], sharp["residual"])
    return f"Its sharpest layer is {sharp['name']}, with {steep} by itself."


def _is_settled(measurement: Value) -> bool:
    return measurement.get("outcome", {}).get("name") in SETTLED


def _figures(measurements: Measurements) -> Iterator[Figure]:
    loss = _value(measurements, "loss")
    if loss is not None:
        yield _loss(loss)
    limit = _value(measurements, "speed_limit")
    if limit is not None:
        settled = "" if _is_settled(measurements["speed_limit"]) else "not converged"
        yield _figure(
            "Largest eigenvalue", limit["eigenvalue"], limit["residual"], settled
        )
        yield _speed(limit, settled)
    trace = _value(measurements, "trace")
    if trace is not None:
        told = "one standard error" if number(trace["error"]) else "exact"
        yield _figure("Trace", trace["value"], trace["error"], told)
    stiffness = _value(measurements, "stiffness")
    if stiffness is not None:
        bound = "at least" if stiffness["condition_is_lower_bound"] else ""
        yield Figure("Condition", amount(stiffness["condition"]), "", bound)


def _figure(label: str, value: object, error: object, note: str) -> Figure:
    shown, sign, spread = amount(value, error).partition("±")
    return Figure(label, shown.strip(), f"± {spread.strip()}" if sign else "", note)


def _loss(loss: Value) -> Figure:
    train, test = loss["train"], loss.get("test")
    right = train.get("accuracy")
    seen = f"{percent(right)} right, " if is_known(right) else ""
    note = f"test loss {amount(test['loss'])}" if test else "no test data"
    return Figure("Training loss", amount(train["loss"]), "", seen + note)


def _speed(limit: Value, settled: str) -> Figure:
    half = (number(limit["high"]) - number(limit["low"])) / 2
    spread = half if math.isfinite(half) else None
    note = settled or "learning rate 2/λ_max"
    return _figure("Speed limit", limit["value"], spread, note)
