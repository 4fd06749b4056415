"""How far the headline numbers would move on other data of the same kind."""

from theodolite.site.other_data.measured_spread import QUANTITIES, MeasuredSpread, Wish
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found

# eigenvectors in whose span λ_max without a group of samples is found
PAIRS = 6
RTOL = 0.05
# parts that the samples are put into, and samples in each where there are few
MOST, FEWEST, EACH = 40, 10, 6


def has_data(evidence: Evidence) -> bool:
    """Whether there are samples that could have been others."""
    return evidence.land.model is not None and evidence.land.samples > 1


def measure_data(evidence: Evidence, clock: Clock) -> Found:
    """Errors and biases of loss, gradient norm, λ_max and trace by the data."""
    top, samples = evidence.top, evidence.land.samples
    groups = min(MOST, max(FEWEST, samples // EACH))
    measured = MeasuredSpread(
        evidence.land,
        Wish(tuple(QUANTITIES), groups, RTOL, evidence.seed),
        hessian=evidence.operator,
        pairs=None if top is None else top.at(slice(0, PAIRS)),
    )
    # its own bar would hide that of the survey
    found = measured.run(clock.share(0.9, products=400), False)
    rows = {name: vars(row) for name, row in found.items()}
    value = {"rows": rows, "samples": found.samples, "groups": found.groups}
    return value, found.outcome
