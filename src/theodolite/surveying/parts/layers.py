"""Every layer's largest eigenvalue, how the layers interact, and safe rates."""

from theodolite.site.layer_eigenvalues import layer_eigenvalues_of
from theodolite.site.layer_rates import layer_rates
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found
from theodolite.surveying.parts.ends import TOLERANCE

FRACTION = 0.5


def measure_layers(evidence: Evidence, clock: Clock) -> Found:
    """Every layer's largest eigenvalue, how they interact, and safe rates."""
    layers = evidence.land.layers
    eigenvalues = layer_eigenvalues_of(
        evidence.hessian,
        tol=TOLERANCE,
        seed=evidence.seed,
        budget=clock.share(0.5, products=200 * len(layers)),
        after_round=lambda blocks: _worked(evidence, blocks),
    )
    if not any(row.value > 0 for row in eigenvalues.values()):
        value = {"coupling": float("nan"), "fraction": FRACTION}
        return {**value, **eigenvalues.to_record({})}, eigenvalues.outcome
    safe = layer_rates(
        evidence.operator,
        eigenvalues,
        layers,
        fraction=FRACTION,
        seed=evidence.seed,
        budget=clock.share(0.3, products=100),
    )
    outcome = safe.outcome if eigenvalues.outcome.good else eigenvalues.outcome
    value = {"coupling": safe.coupling, "fraction": safe.fraction}
    return {**value, **eigenvalues.to_record(safe.rates)}, outcome


def _worked(evidence: Evidence, blocks: int) -> None:
    evidence.block_products += blocks
    evidence.report(blocks * evidence.block_cost)
