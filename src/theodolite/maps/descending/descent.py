"""Gradient descent on the model, for a learning rate, and how it goes."""

import time
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.descending.bends import Bends, bends_at
from theodolite.maps.descending.descent_verdict import Doubt, judged
from theodolite.maps.descending.gradient_descent import Steps, follow
from theodolite.maps.descending.rates import Rates, require_rate
from theodolite.maps.descending.slope import slope_of
from theodolite.maps.place import PlaceLike, as_place
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.spectrum.vectors import norm

# bytes of a path that is kept point by point
_PATH = 2**29
# roundings that one gradient and one loss are made of
_ROUNDINGS = 16


@dataclass(frozen=True, repr=False)
class Descent:
    """A run of gradient descent, and what kind it was.

    Attributes
    ----------
    learning_rate, momentum : float
        η and β.
    verdict : str
        ``"crawl"``, ``"converge"``, ``"oscillate"``, ``"diverge"``, or on a plane
        ``"left the map"``: read off the run, whatever was predicted.
    why : str
        What in the run says so.
    rates : Rates
        The boundaries that the curvature predicts.
    path : Tensor
        ``(k, p)`` the points that were kept, on the CPU; on a plane ``(k, 2)``, its
        coordinates.
    kept : Tensor
        ``(k,)`` the steps of these points.
    losses, gradient_norms : Tensor
        ``(n + 1,)`` at every step, the start included, float64.
    steepest : Tensor
        ``(n + 1,)`` the gradient's component along the steepest direction.
    gradients, products : int
        What it cost: passes with a gradient, and Hessian products for ``rates``.
    seconds : float
        Time spent.
    """

    learning_rate: float
    momentum: float
    verdict: str
    why: str
    rates: Rates
    path: Float[Tensor, "k p"]
    kept: Int[Tensor, " k"]
    losses: Float[Tensor, " n1"]
    gradient_norms: Float[Tensor, " n1"]
    steepest: Float[Tensor, " n1"]
    gradients: int
    products: int
    seconds: float

    @property
    def predicted(self) -> str:
        """What the curvature says of this learning rate."""
        return self.rates.verdict(self.learning_rate)

    @property
    def as_predicted(self) -> bool:
        """Whether the run was of the kind, or of one of the kinds, predicted."""
        return self.verdict in self.predicted.split(" or ")

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return len(self.losses) - 1

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the path, plain."""
        plain = {
            key: value.tolist() if isinstance(value, Tensor) else value
            for key, value in vars(self).items()
            if key != "path"
        }
        return {**plain, "rates": self.rates.to_dict(), "predicted": self.predicted}

    def __repr__(self) -> str:
        beside = f"predicted: {self.predicted}"
        beside = "as predicted" if self.as_predicted else beside
        momentum = f", momentum {self.momentum:g}" if self.momentum else ""
        return (
            f"Descent: {self.verdict} ({beside}) at learning rate "
            f"{self.learning_rate:.4g}{momentum}, loss {float(self.losses[0]):.4g} to "
            f"{float(self.losses[-1]):.4g} in {self.steps} steps. {self.why} Predicted "
            f"to oscillate above {self.rates.oscillates_above:.4g}, to diverge above "
            f"{self.rates.diverges_above:.4g}."
        )


def descend(
    land: Landscape,
    learning_rate: float,
    *,
    start: PlaceLike = None,
    steps: int = 200,
    momentum: float = 0.0,
    bends: Bends | None = None,
    seed: int = 0,
    progress: ProgressLike = False,
) -> Descent:
    """Gradient descent with all data, and whether it crawls, converges or worse.

        v ← β v + ∇f(θ),   θ ← θ − η v

    The verdict is read off the run: **diverge** where the loss rises above its start or
    the swings along the steepest direction still grow, **oscillate** where steps change
    sign along it, **crawl** where at the observed pace more than ``steps`` would bring
    the distance along the flattest direction (or, beyond 256 parameters, the gradient)
    to a tenth, else **converge**; the exact rules are those of
    ``theodolite.maps.descent_verdict.judged``. Beside it stand the boundaries that the
    curvature at the start predicts: 1/λ_max and 2/λ_max.

    The model is not touched. Costs ``steps`` gradients, and 20 to 60
    products (p for p up to 256); the path is kept point by point up to 512 MiB, and
    every so-manieth point beyond.

    Misleads where the landscape is no quadratic: predictions hold near the start, and
    networks move on to where the curvature is another, often up to 2/η.

    Parameters
    ----------
    land : Landscape
        Whose gradient is followed.
    learning_rate : float
        η, in parameter units squared per loss.
    start : optional
        A place: a model, a state dict, a flat tensor; where the model is by default.
    steps : int
        How many at most.
    momentum : float
        β of the heavy ball.
    bends : Bends, optional
        Curvature at hand, instead of measuring it at the start.
    seed : int
        Of the eigenvalue's random start.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When the rate, the steps or the momentum cannot be used.
    TheodoliteError
        As :meth:`Landscape.gradient` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964,
    doi:10.1016/0041-5553(64)90137-5; Cohen et al., "Gradient descent on neural networks
    typically occurs at the edge of stability", 2021, arXiv:2103.00065.
    """
    require_landscape(land)
    require_rate(learning_rate, steps, momentum)
    began = time.perf_counter()
    point = as_place(land, start).point
    known = bends_at(land, point, seed) if bends is None else bends
    watcher = as_watcher(progress)
    try:
        with slope_of(land, point) as slope:
            found = follow(
                slope,
                point,
                learning_rate,
                steps=steps,
                compass=known.directions.to(point),
                momentum=momentum,
                every=_every(steps, point),
                told=_teller(watcher, began),
            )
    finally:
        watcher.close()
    return descent_from(
        found,
        known,
        learning_rate,
        steps=steps,
        momentum=momentum,
        doubt=doubt_at(point, known, learning_rate, found),
        seconds=time.perf_counter() - began,
    )


def doubt_at(
    point: Float[Tensor, " p"], bends: Bends, rate: float, found: Steps
) -> Doubt:
    """What rounding can make of gradients and losses around a point."""
    resolution = torch.finfo(point.dtype).eps
    return Doubt(
        resolution,
        gradient=_ROUNDINGS * resolution * abs(bends.largest) * norm(point),
        loss=_ROUNDINGS * resolution * abs(float(found.losses[0])),
        leak=rate * bends.residual,
    )


def descent_from(
    found: Steps,
    bends: Bends,
    learning_rate: float,
    *,
    steps: int,
    momentum: float,
    doubt: Doubt,
    seconds: float = nan,
) -> Descent:
    """The result, out of the steps made and the curvature beside it."""
    verdict, why = judged(found, steps=steps, momentum=momentum, doubt=doubt)
    return Descent(
        learning_rate=learning_rate,
        momentum=momentum,
        verdict=verdict,
        why=why,
        rates=Rates(bends.largest, bends.smallest, steps, momentum),
        path=found.path,
        kept=found.kept,
        losses=found.losses,
        gradient_norms=found.gradient_norms,
        steepest=found.along[:, 0].clone(),
        gradients=len(found.losses),
        products=bends.products,
        seconds=seconds,
    )


def _every(steps: int, point: Tensor) -> int:
    """So that the path fits."""
    return max(1, -(-(steps + 1) * point.numel() * point.element_size() // _PATH))


def _teller(watcher: Watcher, began: float) -> Any:
    def told(done: float) -> None:
        spent = time.perf_counter() - began
        watcher.update("descent", done, spent * (1 - done) / done)

    return told
