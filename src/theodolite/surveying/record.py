"""What a run folder says about the products behind its numbers."""

from typing import Any

from theodolite.surveying.evidence import Evidence


def products_record(evidence: Evidence) -> dict[str, Any]:
    """How products were computed, and what they cost."""
    store = evidence.hessian.store
    return {
        "engine": store.engine,
        "kept_batches": store.kept,
        "streamed_batches": store.streamed,
        "kept_bytes": store.kept_bytes,
        "seconds_per_product": evidence.seconds_per_product,
        "seconds_per_gradient": evidence.seconds_per_gradient,
        "symmetry": evidence.asymmetry,
        "check": None if (check := evidence.hessian.check) is None else str(check),
    }
