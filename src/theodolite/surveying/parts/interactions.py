"""How strongly the layers bend each other."""

from theodolite.site.interactions import interactions_of
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found
from theodolite.surveying.passing_on import PassingOn

# of ‖H‖_F, each block's standard error
RTOL = 0.1
# layers beyond which the picture is no longer one
MOST_LAYERS = 40
# products at most where there are few layers, and for each layer where there are many
MOST, EACH, USUAL = 60, 5, 10


def has_interactions(evidence: Evidence) -> bool:
    """Whether there are several layers, and not too many."""
    return 2 <= len(evidence.land.layers) <= MOST_LAYERS


def interactions_cost(evidence: Evidence) -> float:
    """Expected products: ten a layer with the survey's pairs, as far as allowed."""
    return float(min(USUAL * len(evidence.land.layers), _most(evidence)))


def measure_interactions(evidence: Evidence, clock: Clock) -> Found:
    """The norm of the Hessian's block between any two layers."""
    found = interactions_of(
        evidence.hessian,
        rtol=RTOL,
        seed=evidence.seed,
        budget=clock.share(0.9, products=_most(evidence)),
        progress=PassingOn(evidence.report, interactions_cost(evidence)),
        deflate=evidence.top,
    )
    evidence.block_products += found.products
    return found.to_record(), found.outcome


def _most(evidence: Evidence) -> int:
    return max(MOST, EACH * len(evidence.land.layers))
