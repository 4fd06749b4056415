"""The data's own error in words: what another sample would change."""

from collections.abc import Mapping
from typing import Any

from theodolite.report.amounts import amount, is_known, number, percent, whole

Value = Mapping[str, Any]

NAMES = {
    "loss": "the loss",
    "gradient_norm": "the gradient norm",
    "largest_eigenvalue": "the largest eigenvalue",
    "trace": "the trace",
}


def data(value: Value, run: Value) -> list[str]:
    """Tell how far numbers would move on other data, and which are biased."""
    rows = {name: row for name, row in value["rows"].items() if is_known(row["error"])}
    if not rows:
        return ["How far the numbers depend on the data is not known."]
    moved = [f"{NAMES[name]} by {_moved(row)}" for name, row in rows.items()]
    told = [
        f"On another {whole(value['samples'])} samples of the same kind"
        f" {_listed(moved)} would differ (one standard error, from the spread over"
        f" {value['groups']} groups of samples)."
    ]
    biased = [
        f"{NAMES[name]} is too large by about {amount(row['bias'])}"
        for name, row in rows.items()
        if number(row["bias"]) > number(row["error"]) / 2
    ]
    if biased:
        told.append(
            f"As measured, {_listed(biased)}: a sample's noise adds to it."
            " With more data it would be smaller."
        )
    return told


def _moved(row: Value) -> str:
    value, error = number(row["value"]), number(row["error"])
    share = f" ({percent(error / abs(value))})" if value else ""
    return f"{amount(error)}{share}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
