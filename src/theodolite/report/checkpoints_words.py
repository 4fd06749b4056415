"""Checkpoints side by side in words: which is sharpest, and what lies between them."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from theodolite.report.amounts import amount, is_known, number
from theodolite.report.prose import listed
from theodolite.report.ways_words import barrier, in_words

Value = Mapping[str, Any]
# relative errors that are told with a ratio
_TOLD = 0.005

CAPTION = (
    "One row a checkpoint, one panel a quantity, each on its own scale. Bars are the"
    " intervals of eigenvalues, and 95 % intervals of what was estimated with random"
    " probes; a bar with an arrow is a lower bound."
)
CHANGE = (
    "Rescaling a layer and undoing it in the next computes the same, and yet moves"
    " every measure of sharpness but those of relative changes and the Fisher–Rao norm:"
    " compare trainings that are alike in that."
)


def sharpest(
    names: Sequence[str], values: Sequence[object], errors: Sequence[object]
) -> str:
    """Return which of several is sharpest, how many times, and how surely.

    Parameters
    ----------
    names
        Of what is compared.
    values, errors
        Their largest eigenvalues, as they are stored.
    """
    known = [
        (number(value), number(error), name)
        for name, value, error in zip(names, values, errors, strict=True)
        if number(value) > 0 and is_known(value)
    ]
    if len(known) < 2:
        return ""
    known.sort(key=lambda row: -row[0])
    (most, its_error, sharp), (least, other_error, flat) = known[0], known[-1]
    spread = sum(e**2 for e in (its_error, other_error) if isfinite(e)) ** 0.5
    if most - least <= 2 * spread:
        return (
            f"All are equally sharp within their errors: λ_max is about {amount(most)}."
        )
    ratio = most / least
    if ratio < 1.005:
        return f"All are about equally sharp: λ_max is {amount(most)}."
    more = _share(its_error / most, other_error / least)
    told = amount(ratio, more and ratio * more)
    return f"{sharp} is {told} times as sharp as {flat}."


def _share(first: float, second: float) -> float | None:
    """Return the error of a ratio of about one, where it is worth telling."""
    both = [share for share in (first, second) if isfinite(share) and share > 0]
    spread = sum(share**2 for share in both) ** 0.5
    return spread if spread > _TOLD else None


def summary(found: Value) -> str:
    """Return the comparison in two or three sentences."""
    rows = found["rows"]
    names = [str(row["name"]) for row in rows]
    tops = [row["eigenvalues"]["pairs"][0] for row in rows]
    told = [
        _lowest_loss(rows),
        sharpest(names, *([pair[k] for pair in tops] for k in ("value", "residual"))),
        _highest(found["paths"]),
    ]
    return " ".join(sentence for sentence in told if sentence)


def _lowest_loss(rows: Sequence[Value]) -> str:
    key = "test_loss" if all(is_known(row["test_loss"]) for row in rows) else "loss"
    known = [row for row in rows if is_known(row[key])]
    if len(known) < 2:
        return ""
    best = min(known, key=lambda row: number(row[key]))
    worst = max(number(row[key]) for row in known)
    data = "test" if key == "test_loss" else "training"
    return (
        f"{best['name']} has the lowest {data} loss, {amount(best[key])}; the highest"
        f" is {amount(worst)}."
    )


def _highest(paths: Sequence[Value]) -> str:
    known = [path for path in paths if is_known(path["barrier"]["value"])]
    if not known:
        return ""
    top = max(known, key=lambda path: number(path["barrier"]["value"]))
    if not number(top["barrier"]["value"]) > 0:
        return "No barrier lies between any two of them, by the ways that were taken."
    a, b = top["between"]
    height = barrier(top["barrier"])
    return f"The highest barrier between two lies between {a} and {b}: {height}."


def measures(rows: Sequence[Value]) -> list[str]:
    """Tell whether measures of sharpness agree on which checkpoint is sharpest."""
    told = {"λ_max": "largest_eigenvalue", "the trace": "trace"}
    told["λ_max of relative changes"] = "adaptive_eigenvalue"
    first = {
        name: str(best["name"])
        for name, key in told.items()
        if (best := _largest(rows, key)) is not None
    }
    if len(rows) < 2 or len(first) < 2:
        return []
    leaders = set(first.values())
    if len(leaders) == 1:
        return [f"By {_by(first)} the sharpest is the same one, {leaders.pop()}."]
    ranked = [f"{name} in {who}" for name, who in first.items()]
    return [
        "Measures of sharpness disagree on which is sharpest:"
        f" highest is {', '.join(ranked)}. Only the last one stays what it is when"
        " layers are rescaled."
    ]


def _by(first: Mapping[str, str]) -> str:
    return listed(list(first))


def _largest(rows: Sequence[Value], key: str) -> Value | None:
    known = [row for row in rows if _is_measured(row["sharpness"].get(key))]
    if len(known) < 2:
        return None
    return max(known, key=lambda row: number(row["sharpness"][key]["value"]))


def _is_measured(measure: Value | None) -> bool:
    return measure is not None and is_known(measure["value"])


def way(name: str, path: Value) -> str:
    """Tell what lies between two checkpoints."""
    test = path["test_barrier"]
    more = "" if test is None else f", on the test data {in_words(test)}"
    return f"{name}: {in_words(path['barrier'])}{more}."
