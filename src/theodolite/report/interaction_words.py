"""How strongly layers bend each other, in words."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from theodolite.report.amounts import amount, number, percent

Value = Mapping[str, Any]


def interactions(value: Value, run: Value) -> list[str]:
    """Tell which two layers bend each other most, and how much lies between layers."""
    names, norms, errors = value["names"], value["norms"], value["errors"]
    pairs = [
        (number(norms[i][j]), number(errors[i][j]), j, i)
        for i in range(len(names))
        for j in range(i)
        if isfinite(number(norms[i][j]))
    ]
    if not pairs:
        return ["No two layers' block of the Hessian is known."]
    norm, error, a, b = max(pairs)
    told = [
        f"Of all pairs, {names[a]} and {names[b]} bend each other most: the block of"
        f" the Hessian between them has the norm {amount(norm, error)}"
        f"{_own(norms, a, b)}."
    ]
    share, doubt = number(value["off_diagonal"]), number(value["off_diagonal_error"])
    if isfinite(share):
        spread = f" ± {percent(doubt, 1)}" if isfinite(doubt) and doubt > 0 else ""
        told.append(
            f"{percent(share)}{spread} of ‖H‖_F² lies between different layers: that"
            " much is lost on whatever treats the layers one by one."
        )
    return told


def _own(norms: Any, a: int, b: int) -> str:
    own = (number(norms[a][a]) * number(norms[b][b])) ** 0.5
    if not (isfinite(own) and own > 0):
        return ""
    strength = number(norms[a][b]) / own
    return f", {amount(strength)} of the geometric mean of both layers’ own"
