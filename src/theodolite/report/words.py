"""What each measurement means for this model, in plain sentences."""

from collections.abc import Callable, Mapping
from typing import Any

from theodolite.report import (
    data_words,
    interaction_words,
    map_words,
    place_words,
    spectrum_words,
    step_words,
)
from theodolite.report.part import SETTLED

Value = Mapping[str, Any]

# How to read each chart.
CAPTIONS = {
    "place": (
        "Contours of the bend alone, along the steepest and the lowest direction: blue"
        " above the point, orange below it. A sketch: the ratio of the two curvatures"
        " is drawn as its cube root, and the slope is left out."
    ),
    "speed_limit": (
        "One step of gradient descent multiplies the distance along the steepest"
        " direction by |1 − ηλ|. Above one it grows: that is divergence."
    ),
    "eigenvalues": (
        "Ritz values with their residuals as whiskers: an eigenvalue lies within each"
        " whisker. Open circles have not converged."
    ),
    "density": (
        "How the eigenvalues are spread, averaged over random probes; the band is one"
        " standard error. Blue bends upward, orange downward. Sticks are"
        " eigenvalues measured one by one, and carry no height."
    ),
    "layers": (
        "The largest eigenvalue of each layer’s own block of the Hessian, with its"
        " residual; on the right the learning rate for that layer. Open circles have"
        " not converged."
    ),
    "rise": (
        "Line: the quadratic prediction ½σ²·trace with one standard error. Points: the"
        " measured rise with one standard error. Triangles: no rise was measured."
    ),
    "stiffness": (
        "How the distance shrinks under gradient descent at the rate 1/λ_max, for"
        " directions that are 10, 100, … times flatter than the steepest; the thick"
        " line is the flattest direction resolved."
    ),
    "interactions": (
        "The norm of the Hessian’s block between each two layers, as a share of ‖H‖_F;"
        " darker is more, each step of the scale ten times less. The diagonal is each"
        " layer by itself."
    ),
}

# What would change each chart.
CHANGES = {
    "place": (
        "Training on until the gradient is small, or leaving along the orange direction"
        " where there is one."
    ),
    "speed_limit": (
        "A flatter place has a wider band. Momentum β moves the limit out by the factor"
        " 1 + β; smaller batches bring it in."
    ),
    "eigenvalues": (
        "More products shorten the whiskers; more data move the largest eigenvalue"
        " toward that of the whole population."
    ),
    "density": (
        "More probes narrow the band; more Lanczos steps resolve finer peaks. Weight"
        " decay moves all of it to the right by as much as is added."
    ),
    "layers": (
        "Rescaling a layer and undoing it in the next changes its bar and not the"
        " network: read rates off, not merits."
    ),
    "rise": (
        "Points leave the line where higher orders count; a flatter place lets the line"
        " begin lower."
    ),
    "stiffness": (
        "Another parametrisation, normalisation or a preconditioner brings the curves"
        " together; a smaller learning rate moves all of them to the right."
    ),
    "interactions": (
        "Rescaling layers against each other moves shares from square to square without"
        " changing the network; more probes make faint squares surer."
    ),
}

# What it means for the reader that a measurement stopped early.
_BEWARE = {
    "place": (
        "The ends of the spectrum have not converged: the loss may bend further,"
        " up or down, than was seen."
    ),
    "speed_limit": (
        "The eigenvalue has not converged and may be larger, so that the true limit"
        " may be lower."
    ),
}


def sentences(name: str, measurement: Mapping[str, Any], run: Value) -> list[str]:
    """Return one to four plain sentences on one measurement.

    Parameters
    ----------
    name
        The measurement's name, such as ``"speed_limit"``.
    measurement
        The measurement as stored.
    run
        The run it belongs to, for the number of parameters.

    Returns
    -------
    list of str
        Empty for a measurement that this report does not know.
    """
    tell = _WORDS.get(name)
    if tell is None:
        return []
    return tell(measurement["value"], run)


def cautions(name: str, measurement: Mapping[str, Any]) -> list[str]:
    """Return why a measurement stopped early, what follows, and what to change.

    Parameters
    ----------
    name
        The measurement's name.
    measurement
        The measurement as stored: its value and its outcome.

    Returns
    -------
    list of str
        Empty where the measurement came to its end; for a plane, what it hides besides.
    """
    limits = map_words.hidden(measurement["value"]) if name == "plane" else []
    outcome = measurement.get("outcome", {})
    if outcome.get("name") in SETTLED:
        return limits
    told = [*limits, _BEWARE.get(name, ""), str(outcome.get("text") or "")]
    return [sentence for sentence in told if sentence]


def _plane(value: Value, run: Value) -> list[str]:
    del run
    return map_words.told(value)


_WORDS: dict[str, Callable[[Value, Value], list[str]]] = {
    "loss": place_words.loss,
    "place": place_words.place,
    "eigenvalues": spectrum_words.eigenvalues,
    "speed_limit": step_words.speed_limit,
    "layers": step_words.layers,
    "trace": spectrum_words.trace,
    "rise": step_words.rise,
    "density": spectrum_words.density,
    "stiffness": spectrum_words.stiffness,
    "data": data_words.data,
    "interactions": interaction_words.interactions,
    "plane": _plane,
}
