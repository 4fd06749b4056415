"""The spectrum in words: its ends, its sum, its spread."""

import math
from collections.abc import Mapping
from typing import Any

from theodolite.report.amounts import amount, is_known, number, ordinal, percent
from theodolite.report.place_words import end

Value = Mapping[str, Any]


def eigenvalues(value: Value, run: Value) -> list[str]:
    """Tell the ends of the spectrum."""
    top, bottom = value["top"], value["bottom"]
    told = [f"The largest eigenvalue is {end(top[0])}."] if top else []
    if len(top) > 1 and number(top[-1]["value"]) > 0:
        ratio = number(top[0]["value"]) / number(top[-1]["value"])
        told.append(f"It is {amount(ratio)} times the {ordinal(len(top))} one.")
    if bottom:
        told.append(f"The lowest eigenvalue is {end(bottom[0])}.")
    return [*told, *_unconverged([*top, *bottom])] or ["No eigenvalue was found."]


def _unconverged(pairs: list[Value]) -> list[str]:
    open_ones = sum(not pair["converged"] for pair in pairs)
    if not open_ones:
        return ["All of them have converged."] if pairs else []
    have = "has" if open_ones == 1 else "have"
    return [
        f"{open_ones} of {len(pairs)} {have} not converged: the true eigenvalues lie"
        " further out than the unconverged ones."
    ]


def trace(value: Value, run: Value) -> list[str]:
    """Tell the trace, and the average eigenvalue."""
    told = f"The trace, the sum of all eigenvalues, is {_trace_of(value)}"
    size = number(run.get("landscape", {}).get("parameters"))
    if not size > 0 or not is_known(value["value"]):
        return [f"{told}."]
    mean = amount(number(value["value"]) / size, number(value["error"]) / size)
    return [f"{told}: {mean} on average over {size:,.0f} parameters."]


def _trace_of(value: Value) -> str:
    told = amount(value["value"], value["error"])
    if number(value["error"]) == 0:
        return f"{told}, computed from every eigenvalue"
    return f"{told} (one standard error)" if is_known(value["error"]) else told


def density(value: Value, run: Value) -> list[str]:
    """Tell where the eigenvalues lie."""
    told = [
        f"The spectrum was sounded with {value['probes']} random probes of"
        f" {value['steps']} Lanczos steps."
    ]
    if value["low"] == value["high"]:
        told = ["Every eigenvalue was computed; the curve is smoothed for the eye."]
    middle = _middle(value)
    if middle is not None:
        told.append(
            f"Nine tenths of the smoothed spectrum lie between {amount(middle[0])}"
            f" and {amount(middle[1])}."
        )
    known = [number(x) for x in value["outliers"] if is_known(x)]
    if known:
        ends = f"from {amount(min(known))} to {amount(max(known))}"
        told.append(
            f"The {len(known)} largest eigenvalues, {ends}, were measured one by one."
            if len(known) > 1
            else f"The largest eigenvalue, {amount(known[0])}, was measured by itself."
        )
    return told


def _middle(value: Value) -> tuple[float, float] | None:
    """Where the central nine tenths of the smoothed mass lie."""
    grid = [number(x) for x in value["grid"]]
    heights = [number(y) for y in value["density"]]
    masses = [
        (right - left) * (low + high) / 2
        for left, right, low, high in zip(
            grid, grid[1:], heights, heights[1:], strict=False
        )
    ]
    total = math.fsum(masses)
    if not (math.isfinite(total) and total > 0):
        return None
    return _quantile(grid, masses, 0.05 * total), _quantile(grid, masses, 0.95 * total)


def _quantile(grid: list[float], masses: list[float], wanted: float) -> float:
    passed = 0.0
    for left, right, mass in zip(grid, grid[1:], masses, strict=False):
        if mass > 0 and passed + mass >= wanted:
            return left + (wanted - passed) / mass * (right - left)
        passed += mass
    return grid[-1]


def stiffness(value: Value, run: Value) -> list[str]:
    """Tell how far apart the curvatures are, and what that costs."""
    if not is_known(value["condition"]):
        return ["Nothing bends upward here: there is no condition to speak of."]
    bound = bool(value["condition_is_lower_bound"])
    least = "at least " if bound else ""
    told = [
        f"The steepest direction bends {least}{amount(value['condition'])} times as"
        f" much as the flattest one: {least}{amount(value['decades'])} decades.",
    ]
    if is_known(value["steps"]):
        told.append(
            f"Gradient descent at the rate 1/λ_max needs {least}"
            f"{amount(value['steps'])} steps to bring the distance along the flattest"
            f" resolved direction down to {percent(value['reduction'])} of itself."
        )
    if bound:
        told.append(
            f"Eigenvalues below {amount(value['floor'])} could not be told from zero,"
            " so there may be flatter directions still."
        )
    return told
