"""The trace, and the rise of the loss under noise that it predicts."""

from typing import Any

from theodolite.estimate import Estimate
from theodolite.outcomes import EXACT, Outcome
from theodolite.site.expected_rise import Rise, expected_rise
from theodolite.spectrum.trace import trace
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found

# for one noise level
_PAIRS = 200


def measure_trace(evidence: Evidence, clock: Clock) -> Found:
    """The trace, with the large eigenvalues taken out of the probes."""
    found = evidence.trace = _known_trace(evidence) or trace(
        evidence.operator,
        seed=evidence.seed,
        budget=clock.share(0.4, products=400),
        deflate=evidence.top,
    )
    value = {"value": found.value, "error": found.error, "probes": found.probes}
    return value, found.outcome


def _known_trace(evidence: Evidence) -> Estimate | None:
    """The sum of the eigenvalues, where all of them are known."""
    ends = evidence.ends
    if ends is None or not ends.exact:
        return None
    total = float(ends.highest.sum())
    return Estimate(total, 0.0, 0, 0, 0.0, evidence.seed, EXACT)


def measure_rise(evidence: Evidence, clock: Clock) -> Found:
    """The expected rise under noise of every level, predicted and measured."""
    rises: list[Rise] = []
    for number, sigma in enumerate(evidence.sigmas):
        if not rises or not clock.over:
            # noise of its own for each level: agreements that are not one and the same
            rises.append(_rise(evidence, clock, sigma, evidence.seed + number))
    late = [rise for rise in rises if not rise.measured.outcome.good]
    outcome = (late or rises)[0].measured.outcome
    value = {
        "rows": [_row(rise) for rise in rises],
        "loss": evidence.land.loss(),
        "holds_up_to": _holds_up_to(rises),
    }
    return value, Outcome(outcome.name, outcome.text)


def _rise(evidence: Evidence, clock: Clock, sigma: float, seed: int) -> Rise:
    return expected_rise(
        evidence.land,
        sigma,
        seed=seed,
        budget=clock.share(0.25, products=_PAIRS),
        trace=evidence.trace,
        progress=lambda pairs: evidence.report(evidence.pair_cost),
    )


def _holds_up_to(rises: list[Rise]) -> float | None:
    """The largest noise up to which every prediction agrees with its measurement."""
    held = None
    for rise in rises:
        if not rise.agrees:
            break
        held = rise.sigma
    return held


def _row(rise: Rise) -> dict[str, Any]:
    return {
        "sigma": rise.sigma,
        "predicted": _with_error(rise.predicted),
        "measured": _with_error(rise.measured),
    }


def _with_error(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "error": estimate.error}
