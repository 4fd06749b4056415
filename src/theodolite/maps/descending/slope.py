"""Loss and gradient over all data, at one point after the other."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import WeightedMean, require_samples
from theodolite.errors import NoGradientError
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.maps.descending.gradient_descent import Slope
from theodolite.products.diagnosis import gradient_explained
from theodolite.spectrum.vectors import inner, norm

# by how much of itself a gradient may differ between two ways to compute it
_SAME = 1e-3


@contextmanager
def slope_of(land: Landscape, start: Float[Tensor, " p"]) -> Iterator[Slope]:
    """Loss and gradient of a landscape, from one evaluation, the model held still once.

    Where that gives no gradient, or another one than the landscape's own at the start,
    each is measured by itself.
    """
    # what has to be refused is refused here
    wanted = land.gradient(start)
    if not _same(land, start, wanted):
        yield lambda point: (land.loss(point), land.gradient(point))
        return
    with _held(land) as slope:
        yield slope


@contextmanager
def standing_still(land: Landscape, point: Float[Tensor, " p"]) -> Iterator[Slope]:
    """The loss less its linear part at a point, which becomes a critical one.

    Its height over the point comes from gradients by the trapezoidal rule, exact on a
    quadratic: a difference of losses would round away beside the point.
    """
    with slope_of(land, point) as plain:
        met = plain(point)
        tilt = torch.full_like(point, torch.nan) if met is None else met[1]

        def slope(there: Tensor) -> tuple[float, Tensor] | None:
            found = plain(there)
            if found is None:
                return None
            gradient = found[1] - tilt
            return float(inner(gradient[None], there - point)) / 2, gradient

        yield slope


@contextmanager
def _held(land: Landscape) -> Iterator[Slope]:
    leaves = [
        leaf.clone().requires_grad_() for leaf in land.parameters.split(land.point)
    ]
    with land.held_at(leaves) as evaluate:
        yield lambda point: _both(land, evaluate, leaves, point)


def _same(land: Landscape, start: Tensor, wanted: Tensor) -> bool:
    try:
        with _held(land) as slope:
            met = slope(start)
    except NoGradientError:
        return False
    # NaN is not near to anything
    return met is not None and norm(met[1] - wanted) <= _SAME * norm(wanted)


def _both(
    land: Landscape, evaluate: Evaluation, leaves: Sequence[Tensor], point: Tensor
) -> tuple[float, Tensor]:
    """The averages over all batches that have a weight."""
    with torch.no_grad():
        for leaf, piece in zip(leaves, land.parameters.split(point), strict=True):
            leaf.copy_(piece)
    average, losses, total = WeightedMean(), 0.0, 0.0
    with closing(iter(land.batches)) as batches:
        for batch in batches:
            mean, counted = evaluate(leaves, batch)
            if weight := float(counted):
                with gradient_explained():
                    pieces = torch.autograd.grad(mean, leaves, allow_unused=True)
                average.add(land.parameters.flatten(pieces), weight)
                losses, total = losses + weight * float(mean.detach()), total + weight
    require_samples(total)
    return losses / total, average.result()
