"""The trace, and the rise of the loss under noise that it predicts."""

from theodolite.estimate import Estimate
from theodolite.outcomes import EXACT, Outcome
from theodolite.site.expected_rise import rises_of
from theodolite.site.shaking import FEWEST
from theodolite.spectrum.trace import trace
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found

# half the 95 % interval of the trace, relative to it
TOLERANCE = 0.04
# for one noise level
_PAIRS = 200
# of the time that is left
_SHARE = 0.8


def measure_trace(evidence: Evidence, clock: Clock) -> Found:
    """The trace, with what the shared basis knows taken out of the probes."""
    # the basis of a survey that was resumed is gone, its eigenvectors are not
    shared = evidence.krylov.dimension > 0
    found = evidence.trace = _known_trace(evidence) or trace(
        evidence.operator,
        rtol=TOLERANCE,
        seed=evidence.seed,
        budget=clock.share(0.4, products=400),
        krylov=evidence.krylov if shared else None,
        deflate=None if shared else evidence.top,
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
    trace = evidence.trace
    assert trace is not None, "noise is measured after the trace"
    rises = rises_of(
        evidence.land,
        _affordable(evidence, clock),
        trace,
        seed=evidence.seed,
        budget=clock.share(_SHARE, products=_PAIRS),
        deflate=evidence.top,
        after_pair=lambda: evidence.report(evidence.pair_cost),
    )
    late = [rise for rise in rises if not rise.measured.outcome.good]
    outcome = (late or list(rises))[0].measured.outcome
    value = rises.to_record(evidence.land.loss())
    return value, Outcome(outcome.name, outcome.text)


def _affordable(evidence: Evidence, clock: Clock) -> list[float]:
    """As many noise levels, from the smallest, as the time lets have an error."""
    seconds = FEWEST * evidence.pair_cost * evidence.seconds_per_product
    if clock.seconds is None or not seconds > 0:
        return list(evidence.sigmas)
    count = int(_SHARE * max(clock.left, 0.0) / seconds)
    return list(evidence.sigmas[: max(1, count)])
