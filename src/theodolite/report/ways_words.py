"""Ways between two checkpoints in words: barriers, what is gone of them, at what cost.

A barrier is the highest loss on a way above the higher of its ends.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from theodolite.report.amounts import amount, counted, is_known, number, percent, rough
from theodolite.report.prose import capital, listed

Value = Mapping[str, Any]

CAPTION = (
    "The loss along every way that was looked for, by the share of its length that is"
    " covered: solid on the training data, dashed on the test data. A ring marks the"
    " highest point; its error is one standard error over samples."
)
CHANGE = (
    "More time may find a lower way: a barrier is that of the way that was found, and"
    " no bound on the others. Other data would move it by about its error."
)
_NAMES = {
    "straight": "the straight line",
    "aligned": "the straight line after alignment",
    "bezier": "a Bézier curve",
    "polychain": "a chain of lines",
    "neb": "an elastic band",
}


def barrier(told: Value | None) -> str:
    """Return a barrier with its error, or that there is none to tell."""
    if told is None:
        return "–"
    return amount(told["value"], told["error"] if is_known(told["error"]) else None)


def in_words(told: Value) -> str:
    """Return a barrier in a sentence, where zero is none at all."""
    if number(told["value"]) != 0:
        return f"a barrier of {barrier(told)}"
    error = number(told["error"])
    return f"no barrier (\xb1\xa0{rough(error)})" if error > 0 else "no barrier"


def is_over(told: Value) -> bool:
    """Tell whether a way is free of a barrier, as far as its error lets one say."""
    error = number(told["error"])
    return number(told["value"]) <= 2 * (error if isfinite(error) else 0.0)


def name_in_words(way: str) -> str:
    """Return what a way is called, such as ``"a Bézier curve"``."""
    return _NAMES.get(way, way)


def summary(paths: Mapping[str, Value]) -> str:
    """Return in two sentences whether a low way was found."""
    known = {w: p for w, p in paths.items() if is_known(p["barrier"]["value"])}
    if not known:
        return "No way's barrier is known: the loss is no number on some of them."
    told = []
    if "straight" in known:
        straight = known["straight"]["barrier"]
        told.append(
            "On the straight line the loss never rises above the higher end."
            if is_over(straight)
            else f"On the straight line lies a barrier of {barrier(straight)}."
        )
    free = [name for name, path in known.items() if is_over(path["barrier"])]
    curved = [name for name in free if name != "straight"]
    if curved:
        names = listed([name_in_words(name) for name in curved])
        go = "goes" if len(curved) == 1 else "go"
        told.append(f"{capital(names)} {go} around it without any barrier.")
    elif not free:
        best = min(known, key=lambda name: number(known[name]["barrier"]["value"]))
        height = barrier(known[best]["barrier"])
        told.append(f"No way without a barrier was found; the lowest, {height}, is by")
        told[-1] += f" {name_in_words(best)}."
    return " ".join(told)


def ways(paths: Mapping[str, Value]) -> list[str]:
    """Tell each way: what is left of the barrier, and how long it is."""
    first = next(iter(paths.values()))
    return [_way(name, path, first) for name, path in paths.items()]


def _way(name: str, path: Value, first: Value) -> str:
    name_told = name_in_words(name)
    told = f"{capital(name_told)}: {in_words(path['barrier'])} on the training data"
    if path["test_barrier"] is not None:
        told += f", {in_words(path['test_barrier'])} on the test data"
    gone = _gone(path, first)
    if name != "straight" and gone and number(path["barrier"]["value"]) != 0:
        told += f"; {gone} of the straight line’s is gone"
    longer = number(path["length"]) / number(first["length"] or 1)
    if name != "straight" and isfinite(longer):
        told += f", on a way {amount(longer)} times as long"
    return f"{told}."


def _gone(path: Value, first: Value) -> str:
    straight = number(first["straight_barrier"])
    if not (isfinite(straight) and straight > 0):
        return ""
    return percent(1 - number(path["barrier"]["value"]) / straight)


def alignment(found: Value | None) -> list[str]:
    """Tell what putting units in order did."""
    if found is None:
        return []
    groups = counted(len(found["groups"]), "layer", "layers")
    moved = counted(found["moved"], "unit", "units")
    return [
        f"To align them, {moved} of the second network were put elsewhere, in {groups}:"
        f" it then lies {amount(found['distance_after'])} away instead of"
        f" {amount(found['distance_before'])}, and computes the same."
    ]


def hidden() -> list[str]:
    """Tell what such pictures do not show."""
    return [
        "What it does not show: how wide the valleys are that these ways follow, and"
        " whether a lower way exists that was not found."
    ]
