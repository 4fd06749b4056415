"""Loss and gradient norm on training and test data."""

from time import perf_counter
from typing import Any

from theodolite.landscape import Landscape
from theodolite.outcomes import Outcome
from theodolite.spectrum.vectors import norm
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found
from theodolite.surveying.parts.accuracy import accuracy


def measure_loss(evidence: Evidence, clock: Clock) -> Found:
    """The loss, its gradient's norm and the accuracy, on training and test data."""
    del clock
    began = perf_counter()
    evidence.gradient = evidence.land.gradient()
    evidence.gradient_norm = norm(evidence.gradient)
    evidence.seconds_per_gradient = perf_counter() - began
    train = _side(evidence.land, evidence.gradient_norm)
    test = evidence.land.test
    sides = {
        "train": train,
        "test": None if test is None else _side(test, norm(test.gradient())),
    }
    return sides, Outcome("exact", "Averaged over all samples.")


def _side(land: Landscape, gradient_norm: float) -> dict[str, Any]:
    return {
        "loss": land.loss(),
        "gradient_norm": gradient_norm,
        "samples": land.samples,
        "accuracy": accuracy(land),
    }
