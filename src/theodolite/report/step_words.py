"""Steps in words: what a learning rate and what noise do here."""

import math
from collections.abc import Mapping
from typing import Any

from theodolite.report.amounts import amount, interval, is_known, number, percent

Value = Mapping[str, Any]


def speed_limit(value: Value, run: Value) -> list[str]:
    """Tell which learning rates diverge."""
    limit, bend = number(value["value"]), value["eigenvalue"]
    if limit == math.inf:
        return [
            "There is no speed limit here: no direction was found along which the loss"
            f" bends upward (largest eigenvalue {amount(bend, value['residual'])})."
        ]
    if not math.isfinite(limit):
        return ["The speed limit could not be computed: it is not a number."]
    low_end, high_end = number(value["low"]), number(value["high"])
    low, shown, high = interval(low_end, limit, high_end)
    half = interval(low_end / 2, limit / 2, high_end / 2)[1]
    return [
        f"Gradient descent with a learning rate above {shown} (between {low} and"
        f" {high}) will diverge here, along the steepest direction, whose"
        f" eigenvalue is {amount(bend, value['residual'])}; at or below half of it,"
        f" {half}, it settles along that direction without overshooting.",
        "This holds for full-batch steps without momentum, as long as the curvature"
        " stays what it is here; momentum β raises the limit by the factor 1 + β.",
    ]


def layers(value: Value, run: Value) -> list[str]:
    """Tell which layer is sharpest, and how the layers act together."""
    known = [row for row in value["rows"] if is_known(row["eigenvalue"])]
    if not known:
        return ["No layer's eigenvalue is known."]
    known.sort(key=lambda row: number(row["eigenvalue"]))
    told = _sharpest(known) + _coupling(value)
    open_ones = sum(not row["converged"] for row in known)
    if open_ones:
        have = "has" if open_ones == 1 else "have"
        told.append(
            f"{open_ones} of {len(known)} layers {have} not converged: such eigenvalues"
            " are lower bounds, and such learning rates may be too high."
        )
    return told


def _sharpest(known: list[Value]) -> list[str]:
    sharp, flat = known[-1], known[0]
    steep = amount(sharp["eigenvalue"], sharp["residual"])
    if len(known) == 1:
        return [f"The one layer, {sharp['name']}, has the largest eigenvalue {steep}."]
    told = f"The sharpest layer is {sharp['name']}, with the eigenvalue {steep}"
    if not number(flat["eigenvalue"]) > 0:
        return [f"{told}; {flat['name']} does not bend upward at all."]
    ratio = amount(number(sharp["eigenvalue"]) / number(flat["eigenvalue"]))
    gentle = amount(flat["eigenvalue"], flat["residual"])
    return [f"{told}: {ratio} times that of {flat['name']}, {gentle}."]


def _coupling(value: Value) -> list[str]:
    if not is_known(value["coupling"]):
        return []
    return [
        f"The layers’ coupling is {amount(value['coupling'])}: layers that did not act"
        " on one another would give 1. The learning rates beside the chart take it"
        f" into account: they are {percent(value['fraction'])} of the limit for all"
        " layers moving together."
    ]


def rise(value: Value, run: Value) -> list[str]:
    """Tell up to which noise the curvature predicts the loss."""
    rows = value["rows"]
    if not rows:
        return ["No noise was tried."]
    most = number(rows[-1]["sigma"])
    if not is_known(value["holds_up_to"]):
        told = "The quadratic prediction did not hold at any noise that was tried."
        told += _kinks(rows[0])
    elif number(value["holds_up_to"]) >= most:
        told = (
            "The quadratic prediction ½σ²·trace held at every noise that was tried,"
            f" up to σ = {amount(most)} on each parameter."
        )
    else:
        told = (
            f"Up to noise of σ = {amount(value['holds_up_to'])} on each parameter the"
            " loss rises as its curvature predicts, ½σ²·trace; beyond that, higher"
            " orders count."
        )
    return [told, _last_rise(rows[-1])]


def _kinks(row: Value) -> str:
    """Tell why even the smallest noise raises the loss more than predicted."""
    measured, predicted = number(row["measured"]["value"]), row["predicted"]["value"]
    surplus = measured - number(predicted)
    if not surplus > 3 * number(row["measured"]["error"]) or not number(predicted) > 0:
        return ""
    return (
        f" Already σ = {amount(row['sigma'])} raises the loss"
        f" {measured / number(predicted):.2g} times as much as predicted. That happens"
        " where it has kinks, as with ReLU or max-pooling: the noise carries it across"
        " them, and how the slope changes there is no part of any second derivative."
    )


def _last_rise(row: Value) -> str:
    measured = amount(row["measured"]["value"], row["measured"]["error"])
    predicted = amount(row["predicted"]["value"], row["predicted"]["error"])
    return (
        f"At σ = {amount(row['sigma'])} the measured rise is {measured}, the"
        f" predicted one {predicted}."
    )
