"""The loss over the plane of the steepest and the lowest curvature."""

from dataclasses import replace

from theodolite.errors import LossError
from theodolite.maps.direction import along_eigenvector
from theodolite.maps.frame import Direction
from theodolite.maps.measured_plane import Plane
from theodolite.maps.page_record import plane_record
from theodolite.maps.plane import plane
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import eigsh
from theodolite.surveying.clock import Clock
from theodolite.surveying.evidence import Evidence, Found
from theodolite.surveying.parts.ends import TOLERANCE
from theodolite.surveying.passing_on import PassingOn

STEPS, RTOL = 51, 0.01
# losses that most planes need, and that none exceeds
USUAL, MOST = 80, 300
# losses that find out how far the axes reach, and a first coarse picture
FEWEST = 40
# where a polynomial cannot pass, every so-manieth row and column are measured first
_COARSER = (1, 2, 4, 8)
_LIMIT = ("eigenvalue", "value", "low", "high")
_TITLE = {
    "en": "The loss along the steepest and the lowest curvature",
    "zh": "沿最陡与最低曲率方向的损失",
}


def has_plane(evidence: Evidence) -> bool:
    """Whether there are two directions."""
    return evidence.land.size > 1


def measure_plane(evidence: Evidence, clock: Clock) -> Found:
    """The plane through the point along both outermost eigenvectors.

    Raises
    ------
    LossError
        When the time did not suffice for a picture.
    """
    steepest, lowest = outermost(evidence, clock)
    found = plane(
        evidence.land,
        directions=(steepest, lowest),
        steps=STEPS,
        rtol=RTOL,
        seed=evidence.seed,
        budget=clock.share(0.25, products=MOST),
        progress=PassingOn(evidence.report, USUAL * evidence.loss_cost),
    )
    if found.outcome.name == "interrupted":
        # a map ends quietly with what it has; the survey has to end as well
        raise KeyboardInterrupt
    found = evidence.plane = as_fine_as_measured(found)
    limit = evidence.limit or {}
    value = plane_record(
        found,
        title=_TITLE,
        limit={name: limit[name] for name in _LIMIT} if limit else None,
        hessian=_bend(steepest, lowest),
    )
    return value, found.outcome


def outermost(evidence: Evidence, clock: Clock) -> tuple[Direction, Direction]:
    """The eigenvectors of the largest and the smallest eigenvalue.

    Those of the survey; of a small landscape, whose eigenvalues alone were computed,
    and of a survey whose vectors were not kept, they are found here.
    """
    top, bottom = evidence.top, evidence.bottom
    if top is None or bottom is None:
        share = clock.share(0.3, products=200)
        operator, seed = evidence.operator, evidence.seed
        top = bottom = eigsh(operator, 2, "BE", tol=TOLERANCE, seed=seed, budget=share)
    return _along(top, 0), _along(bottom, -1)


def _along(pairs: EigenPairs, number: int) -> Direction:
    vector, value = pairs.vectors[:, number], float(pairs.values[number])
    return along_eigenvector(vector, value)


def _bend(steepest: Direction, lowest: Direction) -> list[list[float]]:
    """D H Dᵀ of two eigenvectors: their eigenvalues, and nothing between them."""
    top, bottom = (d.length**2 * (d.curvature or 0.0) for d in (steepest, lowest))
    return [[top, 0.0], [0.0, bottom]]


def as_fine_as_measured(found: Plane) -> Plane:
    """The plane on the finest grid of which every node is known.

    Raises
    ------
    LossError
        When even the coarsest has gaps.
    """
    for every in _COARSER:
        thinner = _thinned(found, every)
        if not any(field.missing for field in thinner.fields.values()):
            return thinner
    raise LossError(
        found=f"{len(found.points)} of {found.loss.numel()} points were measured.",
        why="They make no picture.",
        instead="Allow more time.",
    )


def _thinned(found: Plane, every: int) -> Plane:
    """Every so-manieth row and column, the centre's among them."""
    rows, columns = (
        slice(int(axis.abs().argmin()) % every, None, every)
        for axis in (found.x, found.y)
    )
    fields = {
        name: replace(
            field,
            values=field.values[rows, columns],
            measured=field.measured[rows, columns],
        )
        for name, field in found.fields.items()
    }
    return replace(found, x=found.x[rows], y=found.y[columns], fields=fields)
