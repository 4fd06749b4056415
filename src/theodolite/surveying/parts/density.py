"""The spectral density, for which the shared Lanczos run is one of the probes."""

from torch import Tensor

from theodolite.outcomes import EXACT
from theodolite.spectrum.counting.known_values import NOTHING_KNOWN
from theodolite.spectrum.counting.lanczos_probes import LanczosProbes
from theodolite.spectrum.counting.measured_density import SpectralDensity
from theodolite.spectrum.counting.quadrature import Rule
from theodolite.spectrum.density import density_ended, density_from, rule_of_all
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found

PROBES, STEPS = 4, 40


def measure_density(evidence: Evidence, clock: Clock) -> Found:
    """The spectral density with its band."""
    if evidence.ends is not None and evidence.ends.exact:
        density = _exactly(evidence.ends.lowest, evidence)
    else:
        density = _with_shared_run(evidence, clock)
    evidence.density = density
    return density.to_record(), density.outcome


def _exactly(values: Tensor, evidence: Evidence) -> SpectralDensity:
    """The density of eigenvalues that are all known."""
    return density_from(
        [rule_of_all(values)],
        NOTHING_KNOWN,
        len(values),
        resolution=evidence.operator.resolution,
        outcome=EXACT,
        steps=len(values),
        seed=evidence.seed,
        products=0,
        seconds=0.0,
        bytes=0,
    )


def _with_shared_run(evidence: Evidence, clock: Clock) -> SpectralDensity:
    known = outliers(evidence.top)
    shared = [] if evidence.nodes is None else [beside(evidence.nodes, known)]
    wanted, seed = PROBES - len(shared), evidence.seed
    operator = evidence.operator
    with Effort(operator, clock.share(0.9, products=wanted * STEPS), 0) as effort:
        probes = LanczosProbes(operator, STEPS, seed + 1, known, search=False)
        probes.run(wanted, effort, least=1 - len(shared))
    rules = [*shared, *probes.rules]
    return density_from(
        rules,
        probes.known,
        evidence.land.size,
        resolution=operator.resolution,
        outcome=density_ended(len(rules), PROBES, STEPS),
        steps=STEPS,
        seed=seed,
        products=0,
        seconds=0.0,
        bytes=0,
    )


def outliers(top: EigenPairs | None) -> EigenPairs | None:
    """The converged pairs among the largest: the rest of the spectrum is the bulk."""
    if top is None:
        return None
    good = (top.residuals <= top.tolerances) & (top.values > 0)
    return top.at(good) if bool(good.any()) else None


def beside(run: tuple[Tensor, Tensor], known: EigenPairs | None) -> Rule:
    """The shared run's rule without the nodes that stand for known eigenvalues."""
    nodes, weights = run
    rule = Rule(nodes, weights, len(nodes))
    if known is None:
        return rule
    distance = (nodes[:, None] - known.values[None, :]).abs()
    return rule.without((distance <= 1e-2 * known.values.abs()).any(1))
