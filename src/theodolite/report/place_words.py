"""The place in words: its loss, its gradient and its kind."""

from collections.abc import Callable, Mapping
from typing import Any

from theodolite.report.amounts import amount, is_known, number, percent, whole

Value = Mapping[str, Any]


def loss(value: Value, run: Value) -> list[str]:
    """Tell the loss on the training and the test data."""
    told = [f"On the training data {_loss_of(value['train'])}."]
    test = value.get("test")
    if test is None:
        return [*told, "No test data was given."]
    gap = number(test["loss"]) - number(value["train"]["loss"])
    higher = "higher" if gap > 0 else "lower"
    told.append(
        f"On the test data {_loss_of(test)}; the loss there is"
        f" {amount(abs(gap))} {higher}."
    )
    return told


def _loss_of(side: Value) -> str:
    samples = whole(side["samples"])
    told = f"the loss is {amount(side['loss'])}, averaged over {samples} samples"
    if not is_known(side.get("accuracy")):
        return told
    return f"{told}, with {percent(side['accuracy'])} of the answers right"


def kind_in_words(place: Value) -> str:
    """Return what kind of place this is, such as ``"a saddle"``."""
    kind = str(place["kind"])
    return {"slope": "a slope", "degenerate": "a degenerate point"}.get(
        kind, f"a {kind}"
    )


def downward(place: Value) -> str:
    """Return along how many directions the loss bends down, in words."""
    count = int(number(place["index"])) if is_known(place["index"]) else 0
    least = "" if place.get("index_is_exact") else "at least "
    return f"{least}{whole(count)} direction{'' if count == 1 else 's'}"


def end(pair: Value) -> str:
    """Return one end of the spectrum in words, with its residual."""
    told = amount(pair["value"], pair["residual"])
    return told if pair["converged"] else f"{told} (not converged)"


def place(value: Value, run: Value) -> list[str]:
    """Tell what kind of place this is, and why."""
    return [_KINDS.get(str(value["kind"]), _unknown_kind)(value), _gradient(value)]


def _gradient(value: Value) -> str:
    norm, limit = amount(value["gradient_norm"]), amount(value["gradient_tolerance"])
    if not is_known(value["gradient_norm"]):
        return f"The gradient’s norm is {norm}: the loss cannot be followed here."
    if number(value["gradient_norm"]) <= number(value["gradient_tolerance"]):
        return f"The gradient’s norm, {norm}, is within the tolerance of {limit}."
    return (
        f"The gradient’s norm, {norm}, is above the tolerance of {limit}:"
        " the loss still falls along it, to first order."
    )


def _minimum(value: Value) -> str:
    return (
        "This is a minimum: the loss bends upward in every direction, and least so"
        f" with the lowest eigenvalue, {end(value['lowest'])}."
    )


def _maximum(value: Value) -> str:
    return (
        "This is a maximum: the loss bends downward in every direction, even along"
        f" the highest eigenvalue, {end(value['highest'])}."
    )


def _saddle(value: Value) -> str:
    return (
        f"This is a saddle: the loss bends down along {downward(value)}, most along"
        f" the lowest eigenvalue, {end(value['lowest'])}; a step along it lowers the"
        " loss."
    )


def _degenerate(value: Value) -> str:
    falling = number(value["index"]) > 0
    name, kinds = (
        ("highest", "a maximum and a saddle")
        if falling
        else ("lowest", "a minimum and a saddle")
    )
    found, error = (number(value[name][key]) for key in ("value", "residual"))
    if abs(found) > error and "floor" in value:
        bound = value["ceiling" if falling else "floor"]
        return (
            f"The {name} eigenvalue found is {end(value[name])}, but others as far out"
            f" as {amount(bound)} are not ruled out: what was measured does not decide"
            f" between {kinds}."
        )
    return (
        f"The {name} eigenvalue, {end(value[name])}, cannot be told from zero: the"
        " loss is flat along some direction, and second derivatives alone do not"
        f" decide between {kinds}."
    )


def _slope(value: Value) -> str:
    if not number(value["index"]) > 0:
        return (
            "This is a slope, not a critical point; no direction was found along"
            f" which the loss bends down (lowest eigenvalue {end(value['lowest'])})."
        )
    return (
        "This is a slope, not a critical point; the loss also bends down along"
        f" {downward(value)}, the lowest eigenvalue being {end(value['lowest'])}."
    )


def _unknown_kind(value: Value) -> str:
    return f"The survey calls this place “{value['kind']}”."


_KINDS: dict[str, Callable[[Value], str]] = {
    "minimum": _minimum,
    "maximum": _maximum,
    "saddle": _saddle,
    "degenerate": _degenerate,
    "slope": _slope,
}
