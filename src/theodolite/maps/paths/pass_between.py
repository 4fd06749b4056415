"""The saddle that separates two minima: found, and verified to be one."""

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.connect import connect
from theodolite.maps.elsewhere import standing_at
from theodolite.maps.paths.course import Passes
from theodolite.maps.paths.mountain_pass import Pass
from theodolite.maps.paths.path import Path
from theodolite.maps.paths.saddle_search import SaddleSearch
from theodolite.maps.place import Place, PlaceLike, as_place
from theodolite.outcomes import Outcome, out_of_budget
from theodolite.progress import ProgressLike
from theodolite.site.critical_point import CriticalPoint, classify
from theodolite.spectrum.effort import Effort

# passes with gradients that may be spent unless something else is said
_BUDGET = 20_000
# Newton's steps at most
_STEPS = 100
# the first may be as long as this share of the path
_RADIUS = 0.05


def pass_between(
    land: Landscape,
    a: PlaceLike,
    b: PlaceLike,
    *,
    path: Path | None = None,
    images: int = 7,
    gtol: float = 1e-4,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Pass:
    """The saddle on the lowest way from one minimum to another.

        ∇loss = 0,   λ₁ < 0 < λ₂

    An elastic band whose highest image climbs comes near it. From there Newton's method
    goes on, up along the direction that bends down most and down along all others, in a
    trust radius that follows how well the quadratic foretells the gradient. Up to 256
    parameters the quadratic is the whole Hessian's, beyond that one of 60 directions.
    What is found is given to :func:`theodolite.classify`: ``verified`` says that the
    gradient is below ``gtol`` and exactly one direction bends down.

    Costs the band's gradients, and a gradient and 60 products a step, of which 3 to 30
    are needed, and the verification's products. Memory: 120 · p numbers.

    Misleads where there are several ways: a lower one that the straight line does not
    lead to is not found. Beyond a few hundred parameters, networks are flat in many
    directions: what bends is known for those that were looked at, and the index mostly
    as "at least". Kinks (ReLU) have passes without a vanishing gradient; then it says
    that it did not converge. Batch norm normalises by the model's own statistics.

    Parameters
    ----------
    land : Landscape
        Whose loss, over whose data.
    a, b
        The minima: models, state dicts, flat tensors ``(p,)``, or ``None`` for where
        the model is.
    path : Path, optional
        A path from :func:`theodolite.connect` whose highest point is begun from,
        instead of a band of its own.
    images : int
        Of the band, between the ends; it grows to three times as many.
    gtol : float
        What gradient norm counts as zero, in loss per parameter unit.
    seed : int
        Of everything random.
    budget : int or str, optional
        Gradients over all training data (20,000 by default), a product counting as two,
        or a time like ``"30s"``; the verification comes on top.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    Pass
        Where no pass was found, the best point that was, with an outcome that says so.

    Raises
    ------
    ArgumentError
        When ``gtol`` is not positive.
    TheodoliteError
        As :func:`theodolite.connect` and :func:`theodolite.classify` raise.

    References
    ----------
    Henkelman, Uberuaga and Jónsson, "A climbing image nudged elastic band method for
    finding saddle points and minimum energy paths", 2000, doi:10.1063/1.1329672; Cerjan
    and Miller, "On finding transition states", 1981, doi:10.1063/1.442352.
    """
    require_landscape(land)
    if not gtol > 0:
        raise ArgumentError(
            found=f"gtol={gtol}.",
            why="A gradient's norm is never below it.",
            instead="Give a small positive number like 1e-4.",
        )
    limit, passes = as_budget(budget, _BUDGET), Passes()
    with Effort(passes, limit, _BUDGET, progress, "pass") as effort:
        if path is not None:
            _require_between(land, path, a, b)
        else:
            path = connect(
                land,
                a,
                b,
                "neb",
                bends=images,
                climb=True,
                batch_norm="frozen",
                seed=seed,
                budget=limit,
            )
            passes.add(path.gradients)
        search = _from_path(land, path, gtol, passes, effort)
        outcome = search.run(_STEPS, seed) if path.barrier.value > 0 else NO_RISE
        place = classify(standing_at(land, Place(search.point)), gtol=gtol, seed=seed)
        loss = land.loss(search.point)
        above = [
            loss - land.loss(end.point) for end in (path.curve.start, path.curve.stop)
        ]
        return Pass(
            point=search.point,
            direction=_forwards(search.mode, path),
            loss=loss,
            above_a=above[0],
            above_b=above[1],
            place=place,
            path=path,
            gradients=passes.gradients - 2 * search.products,
            products=search.products + place.products,
            seconds=effort.seconds,
            seed=seed,
            outcome=_judged(outcome, place, min(above)),
        )


NO_RISE = out_of_budget(
    "the path does not rise above its higher end, so that no pass lies on it",
    "Give two minima; a path with more images shows narrower passes",
)


def _require_between(land: Landscape, path: Path, a: PlaceLike, b: PlaceLike) -> None:
    """Refuse a path between other points."""
    for name, wanted, end in (
        ("a", a, path.curve.start.point),
        ("b", b, path.curve.stop.point),
    ):
        if not torch.equal(as_place(land, wanted).point, end):
            raise ArgumentError(
                found=f"A path whose end is not {name}.",
                why="The pass is looked for where the path is highest.",
                instead="Give the points that the path was made between.",
            )


def _from_path(
    land: Landscape, path: Path, gtol: float, passes: Passes, effort: Effort
) -> SaddleSearch:
    """A search that begins where a path is highest, along the path."""
    point = path.highest.point
    gradient = land.gradient(point)
    passes.add(1)
    return SaddleSearch(
        land=land,
        point=point,
        mode=_tangent(path),
        gradient=gradient,
        radius=_RADIUS * max(path.length, torch.finfo(point.dtype).tiny),
        gtol=gtol,
        passes=passes,
        effort=effort,
    )


def _tangent(path: Path) -> Float[Tensor, " p"]:
    """The unit direction of a path where it is highest."""
    place = int(path.loss.argmax())
    around = path.t[[max(place - 1, 0), min(place + 1, len(path.t) - 1)]]
    before, after = path.curve.points(around)
    return torch.nn.functional.normalize(after - before, dim=0)


def _forwards(mode: Float[Tensor, " p"], path: Path) -> Float[Tensor, " p"]:
    """A direction's sign chosen towards the path's end."""
    towards = path.curve.stop.point - path.curve.start.point
    return -mode if float(mode @ towards) < 0 else mode


def _judged(outcome: Outcome, place: CriticalPoint, above: float) -> Outcome:
    """How the search ended, unless what it found is no pass between the ends."""
    if not outcome.good:
        return outcome
    if place.kind == "saddle" and place.index == 1 and above > 0:
        return outcome
    lower = "" if above > 0 else ", below one of the ends"
    return out_of_budget(
        f"the critical point that was found is a {place.kind} of index {place.index}"
        f"{lower}",
        "Begin from another path (more images, another seed)",
    )
