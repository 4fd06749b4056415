"""The spectral density, for which the shared Lanczos run is one of the probes."""

import torch
from torch import Tensor

from theodolite.outcomes import EXACT
from theodolite.spectrum.density import (
    Rule,
    SpectralDensity,
    density_ended,
    density_from,
    gauss_rules,
)
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found

PROBES, STEPS = 4, 40


def measure_density(evidence: Evidence, clock: Clock) -> Found:
    """The spectral density with its band."""
    if evidence.ends is not None and evidence.ends.exact:
        density = _exactly(evidence.ends.lowest, evidence.seed)
    else:
        density = _with_shared_run(evidence, clock)
    value = {
        "grid": density.grid.tolist(),
        "density": density.density.tolist(),
        "low": (density.density - density.band).clamp(min=0).tolist(),
        "high": (density.density + density.band).tolist(),
        "outliers": density.outliers.tolist(),
        "probes": density.probes,
        "steps": density.steps,
    }
    evidence.density = density
    return value, density.outcome


def _exactly(values: Tensor, seed: int) -> SpectralDensity:
    """The density of eigenvalues that are all known."""
    rule = (values, torch.full_like(values, 1 / len(values)))
    return density_from(
        [rule],
        torch.zeros(0).double(),
        len(values),
        steps=len(values),
        products=0,
        seconds=0.0,
        seed=seed,
        outcome=EXACT,
    )


def _with_shared_run(evidence: Evidence, clock: Clock) -> SpectralDensity:
    known = outliers(evidence.top)
    shared = [] if evidence.nodes is None else [beside(evidence.nodes, known)]
    wanted = PROBES - len(shared)
    rules = gauss_rules(
        evidence.operator,
        known,
        wanted,
        STEPS,
        evidence.seed + 1,
        clock.share(0.9, products=wanted * STEPS),
        least=1 - len(shared),
    )
    values = torch.zeros(0).double() if known is None else known.values
    return density_from(
        [*shared, *rules],
        values,
        evidence.land.size,
        steps=STEPS,
        products=0,
        seconds=0.0,
        seed=evidence.seed,
        outcome=density_ended(len(shared) + len(rules), PROBES, STEPS),
    )


def outliers(top: EigenPairs | None) -> EigenPairs | None:
    """The converged pairs among the largest: the rest of the spectrum is the bulk."""
    if top is None:
        return None
    good = (top.residuals <= top.tolerances) & (top.values > 0)
    return top.at(good) if bool(good.any()) else None


def beside(rule: Rule, known: EigenPairs | None) -> Rule:
    """A Gauss rule without the nodes that stand for known eigenvalues."""
    nodes, weights = rule
    if known is not None:
        distance = (nodes[:, None] - known.values[None, :]).abs()
        apart = (distance > 1e-2 * known.values[None, :].abs()).all(1)
        nodes, weights = nodes[apart], weights[apart]
    return nodes, weights / weights.sum()
