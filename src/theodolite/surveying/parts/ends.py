"""Both ends of the spectrum, and what follows from them: limit, place, stiffness."""

from typing import Any

import torch

from theodolite.outcomes import EXACT, Outcome, converged
from theodolite.site.critical_point import flatness_of, place_from, zero_of
from theodolite.site.speed_limit import limit_from
from theodolite.site.stiffness import stiffness_from
from theodolite.site.whole_spectrum import Ends, ends_from, ends_of
from theodolite.spectrum.eigenpairs import EigenPairs, eigenvalue_row
from theodolite.spectrum.eigsh import eigsh, pairs_in
from theodolite.spectrum.lanczos import quadrature
from theodolite.spectrum.symmetry import require_symmetric
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import CHAIN, Evidence, Found

TOP, BOTTOM = 10, 3
TOLERANCE = 1e-3
GRADIENT_TOLERANCE = 1e-4
REDUCTION = 1e-3


def measure_speed_limit(evidence: Evidence, clock: Clock) -> Found:
    """The Lanczos run that all parts share, and the largest eigenvalue from it."""
    if evidence.small:
        evidence.ends = ends_of(evidence.operator)
    else:
        grow_chain(evidence, clock)
        if not pairs_in(evidence.krylov, 1, "LA", tol=TOLERANCE).converged:
            budget = clock.share(0.5, products=200)
            eigsh(evidence.operator, 1, budget=budget, krylov=evidence.krylov)
    return note_speed_limit(evidence, clock)


def note_speed_limit(evidence: Evidence, clock: Clock) -> Found:
    """The limit by the largest eigenvalue as it is known by now."""
    del clock
    if evidence.ends is not None:
        ends = evidence.ends
        value, residual = float(ends.highest[0]), float(ends.highest_residuals[0])
        highest, outcome = ends.ceiling, ends.outcome
    else:
        top = pairs_in(evidence.krylov, 1, "LA", tol=TOLERANCE)
        value, residual = float(top.values[0]), float(top.residuals[0])
        highest, outcome = float(top.high[0]), top.outcome
    limit = limit_from(
        value,
        residual,
        highest,
        dtype=evidence.hessian.dtype,
        products=0,
        seconds=0.0,
        outcome=outcome,
    )
    evidence.limit = limit.to_record()
    return dict(evidence.limit), outcome


def grow_chain(evidence: Evidence, clock: Clock) -> None:
    """Grow the shared basis while there is time, and note its nodes at each step."""
    krylov, budget = evidence.krylov, clock.share(0.6)
    while krylov.dimension < min(CHAIN, krylov.size) and not krylov.exhausted:
        if krylov.dimension and budget.spent(0):
            break
        krylov.grow(evidence.operator)
        evidence.nodes = quadrature(krylov.small)
    evidence.asymmetry = krylov.asymmetry()
    require_symmetric(evidence.asymmetry, evidence.operator)


def measure_eigenvalues(evidence: Evidence, clock: Clock) -> Found:
    """The largest and the smallest eigenvalues, from the shared basis."""
    if evidence.ends is None:
        evidence.top = _end(evidence, "LA", TOP, clock.share(0.35, products=300))
        evidence.bottom = _end(evidence, "SA", BOTTOM, clock.share(0.4, products=300))
    found = note_eigenvalues(evidence, clock)
    if evidence.gradient is not None and evidence.ends is not None:
        evidence.flatness = flatness_of(
            evidence.gradient, evidence.operator, evidence.ends
        )
    return found


def _end(evidence: Evidence, which: str, k: int, budget: Any) -> EigenPairs:
    return eigsh(
        evidence.operator,
        k,
        which,
        tol=TOLERANCE,
        budget=budget,
        krylov=evidence.krylov,
    )


def note_eigenvalues(evidence: Evidence, clock: Clock) -> Found:
    """Write down both ends as they are known by now, converged or not."""
    del clock
    if evidence.ends is not None and evidence.ends.exact:
        values, dtype = evidence.ends.highest.tolist(), evidence.hessian.dtype
        rows = [eigenvalue_row(value, 0.0, dtype, good=True) for value in values]
        return {"top": rows[:TOP], "bottom": rows[::-1][:BOTTOM]}, EXACT
    krylov = evidence.krylov
    if evidence.top is None:
        evidence.top = pairs_in(krylov, TOP, "LA", tol=TOLERANCE)
    if evidence.bottom is None:
        evidence.bottom = pairs_in(krylov, BOTTOM, "SA", tol=TOLERANCE)
    top, bottom, values = evidence.top, evidence.bottom, krylov.ritz().values
    evidence.ends = ends_from(bottom, top, values, _outermost(top, bottom))
    outcome = bottom.outcome if top.converged else top.outcome
    rows = {"top": top.rows(), "bottom": bottom.rows()[::-1]}
    return rows, outcome


def _outermost(top: EigenPairs, bottom: EigenPairs) -> Outcome:
    """How the search for the very largest and the very smallest ended."""
    for end, position in ((top, 0), (bottom, -1)):
        if float(end.residuals[position]) > float(end.tolerances[position]):
            return end.outcome
    return converged("The largest and the smallest eigenvalue met their tolerance")


def measure_place(evidence: Evidence, clock: Clock) -> Found:
    """What kind of place it is; needs no further product."""
    ends = known_ends(evidence, clock)
    place = place_from(
        evidence.gradient_norm,
        evidence.flatness,
        ends,
        gtol=GRADIENT_TOLERANCE,
        resolution=zero_of(evidence.hessian.dtype, ends),
        products=0,
        seconds=0.0,
    )
    names = (
        *("kind", "gradient_norm", "gradient_tolerance", "index", "index_is_exact"),
        *("floor", "ceiling", "confidence", "flatness"),
    )
    value = {name: getattr(place, name) for name in names}
    good = ends.outcome.good
    dtype = evidence.hessian.dtype
    value["lowest"] = eigenvalue_row(
        place.lowest, place.lowest_residual, dtype, good=good
    )
    value["highest"] = eigenvalue_row(
        place.highest, place.highest_residual, dtype, good=good
    )
    return value, ends.outcome


def measure_stiffness(evidence: Evidence, clock: Clock) -> Found:
    """How far apart the curvatures lie; needs no further product."""
    ends = known_ends(evidence, clock)
    nodes = torch.zeros(0).double() if evidence.nodes is None else evidence.nodes[0]
    stiffness = stiffness_from(
        ends,
        nodes,
        floor=zero_of(evidence.hessian.dtype, ends),
        reduction=REDUCTION,
        products=0,
        seconds=0.0,
    )
    return stiffness.to_record(), ends.outcome


def known_ends(evidence: Evidence, clock: Clock) -> Ends:
    """Both ends, read off the shared basis if they were not looked for."""
    if evidence.ends is None:
        note_eigenvalues(evidence, clock)
    assert evidence.ends is not None
    return evidence.ends
