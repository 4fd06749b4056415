"""A chain of images that is pushed off slopes, and kept evenly spaced by springs."""

from dataclasses import replace
from itertools import pairwise
from math import isfinite, pi

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from theodolite.batches import Batch
from theodolite.maps.paths.course import Course, Descent
from theodolite.maps.paths.curve import Curve, hats
from theodolite.maps.paths.walk import Walk

# first steps of a coordinate, in units of the ends' mean difference: images that move
# more lengthen the band by wandering along flat ground
RATE = 0.03
# what part of the difference of two neighbouring gaps a step evens out; the relaxation
# is stable up to a half
_SPRING = 0.25
# cosine of the angle up to which a band may turn freely at an image
_ONWARD = 0.8
# a loss alone, in gradients
_LOSS = 1 / 3


def relaxed(
    course: Course,
    curve: Curve,
    steps: int,
    rate: float,
    seed: int,
    climb: bool = False,
) -> Curve:
    """Some steps of an elastic band across its own slope.

        fᵢ = −(∇loss − ⟨∇loss, τᵢ⟩ τᵢ),   sᵢ = ¼ (|xᵢ₊₁ − xᵢ| − |xᵢ − xᵢ₋₁|) τᵢ

    The springs are relaxed apart from the forces, so that there is no stiffness to be
    chosen. One small batch a step, the same for all images. With ``climb`` the highest
    image goes up along the band, to the pass itself, and no spring holds it.

    Henkelman and Jónsson, "Improved tangent estimate in the nudged elastic band method
    for finding minimum energy paths and saddle points", 2000, doi:10.1063/1.1323224;
    the climbing image: Henkelman, Uberuaga and Jónsson, 2000, doi:10.1063/1.1329672.
    """
    inside = curve.control[1:-1].clone().requires_grad_()
    images = len(inside)
    with course.walk(seed) as (walk, stream):
        each = stream.share * (images + 2 * _LOSS)
        steps = course.affordable(steps, each)
        descent = Descent(inside, rate * course.scale, steps)
        for number in range(steps):
            if course.effort.spent():
                break
            curve = curve.moved(inside.detach())
            losses, slopes = _along(walk, curve, stream.draw())
            ahead = tangents(curve.control, losses)
            top = highest_inside(losses) if climb else None
            falling = descent.falling
            descent.step(across(slopes, ahead, top))
            _relax_springs(inside, ahead, top, curve, falling)
            course.spend(each, (steps - number - 1) * each)
    return curve.moved(inside.detach().clone()).evenly_walked()


def _along(
    walk: Walk, curve: Curve, batch: Batch
) -> tuple[Float[Tensor, " k"], Float[Tensor, "j p"]]:
    """Losses of all points of the band, and gradients of those between the ends."""
    losses, gradients = [], []
    for number in range(len(curve.control)):
        walk.go_to(curve.image(number))
        if 0 < number < len(curve.control) - 1:
            loss, gradient = walk.gradient(batch)
            gradients.append(gradient)
        else:
            loss, _ = walk.loss(batch)
        losses.append(loss)
    # an image where there is no loss is higher than all others, and feels no slope
    most = max((loss for loss in losses if isfinite(loss)), default=0.0)
    known = [loss if isfinite(loss) else most + 1 for loss in losses]
    slopes = torch.stack(gradients)
    finite = slopes.isfinite().all(1, keepdim=True)
    return torch.tensor(known, dtype=torch.float64), torch.where(finite, slopes, 0)


def tangents(
    control: Float[Tensor, "k p"], losses: Float[Tensor, " k"]
) -> Float[Tensor, "j p"]:
    """Unit tangents at the inner points, towards their higher neighbours.

    At a top or a bottom both sides are mixed, by how much they differ from it.
    """
    gaps, rises = control.diff(dim=0), losses.diff()
    before, after = rises[:-1], rises[1:]
    larger = torch.maximum(before.abs(), after.abs())
    smaller = torch.minimum(before.abs(), after.abs())
    higher = losses[2:] > losses[:-2]
    forth, back = (
        torch.where(higher, larger, smaller),
        torch.where(higher, smaller, larger),
    )
    up, down = (before > 0) & (after > 0), (before < 0) & (after < 0)
    forth, back = (
        side.where(~(up | down), one.double())
        for side, one in ((forth, up), (back, down))
    )
    # on level ground neither side is higher
    forth, back = (side.where(larger > 0, 1.0).to(gaps) for side in (forth, back))
    return normalize(forth[:, None] * gaps[1:] + back[:, None] * gaps[:-1], dim=1)


def highest_inside(losses: Float[Tensor, " k"]) -> int | None:
    """The highest point between the ends, if it is above both, counted inside."""
    top = int(losses[1:-1].argmax())
    ends = max(float(losses[0]), float(losses[-1]))
    return top if float(losses[top + 1]) > ends else None


def across(
    slopes: Float[Tensor, "j p"], ahead: Float[Tensor, "j p"], top: int | None
) -> Float[Tensor, "j p"]:
    """Gradients without their parts along the band; at the climber, turned around."""
    along = (slopes * ahead).sum(1, keepdim=True) * ahead
    found = slopes - along
    if top is not None:
        found[top] -= along[top]
    return found


def _relax_springs(
    inside: Tensor,
    ahead: Float[Tensor, "j p"],
    top: int | None,
    curve: Curve,
    stiffness: float,
) -> None:
    """Move images along the band towards even gaps, and out of kinks.

    Sideways the springs pull where the band turns sharply, by ``stiffness``: an image
    cannot then leave its neighbours behind for another valley.
    """
    with torch.no_grad():
        band = curve.moved(inside).control
        pieces = band.diff(dim=0)
        gaps = torch.linalg.vector_norm(pieces, dim=1)
        moves = gaps.diff()[:, None] * ahead
        pull = pieces.diff(dim=0)
        sideways = pull - (pull * ahead).sum(1, keepdim=True) * ahead
        moves += stiffness * kinks(pieces)[:, None] * sideways
        if top is not None:
            moves[top] = 0
        inside += _SPRING * moves


def kinks(pieces: Float[Tensor, "k p"]) -> Float[Tensor, " j"]:
    """How sharply a chain turns at its inner points: 0 below 37°, 1 from 90° on.

    Jónsson, Mills and Jacobsen, "Nudged elastic band method for finding minimum energy
    paths of transitions", 1998, doi:10.1142/9789812839664_0016.
    """
    units = normalize(pieces, dim=1)
    onward = ((units[1:] * units[:-1]).sum(1) / _ONWARD).clamp(0, 1)
    return (1 + torch.cos(pi * onward)) / 2


def with_more_images(
    curve: Curve,
    t: Float[Tensor, " m"],
    loss: Float[Tensor, " m"],
    most: int,
    excess: float,
) -> Curve:
    """More images where the loss between two exceeds the line between theirs.

    By more than a share ``excess`` of the loss's range along the band; the greatest
    excess first, up to ``most`` images.

    Draxler et al., "Essentially no barriers in neural network energy landscape", 2018,
    arXiv:1803.00885; Kolsbjerg, Groves and Hammer, "An automated nudged elastic band
    method", 2016, doi:10.1063/1.4961868.
    """
    at_knots = loss[torch.searchsorted(t, curve.knots)]
    excess_at = loss - hats(t, curve.knots) @ at_knots
    finite = loss[loss.isfinite()]
    allowed = excess * float(finite.max() - finite.min()) if len(finite) else 0.0
    room = most - (len(curve.control) - 2)
    found: list[tuple[float, float]] = []
    for low, high in pairwise(curve.knots.tolist()):
        inside = ((t > low) & (t < high)).nonzero()[:, 0]
        if len(inside) == 0:
            continue
        place = inside[excess_at[inside].nan_to_num(0.0).argmax()]
        if float(excess_at[place]) > allowed:
            found.append((float(excess_at[place]), float(t[place])))
    chosen = [at for _, at in sorted(found, reverse=True)[: max(0, room)]]
    knots = torch.cat([curve.knots, curve.knots.new_tensor(chosen)]).sort().values
    return replace(curve, control=curve.points(knots), knots=knots)
