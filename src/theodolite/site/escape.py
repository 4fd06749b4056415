"""The way out of a saddle: where the loss bends down most."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.spectrum.eigsh import eigsh


@dataclass(frozen=True, repr=False)
class Escape:
    """A direction of negative curvature, or how surely there is none.

    Attributes
    ----------
    direction : Tensor or None
        Unit vector ``(p,)`` along which the loss bends down, on the side where it does
        not rise; ``None`` where no curvature was found below zero.
    curvature : float
        ``vᵀHv`` along it, or the smallest curvature that was found.
    slope : float
        ``∇fᵀv``, never positive; NaN without a direction.
    residual : float
        ``‖Hv − curvature · v‖``.
    floor : float
        No eigenvalue is below, with probability ``confidence``.
    confidence : float
        Of the floor.
    products, seconds, bytes, seed, outcome
        What it cost and how it ended.
    """

    direction: Float[Tensor, " p"] | None
    curvature: float
    slope: float
    residual: float
    floor: float
    confidence: float
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the direction, plain."""
        plain = {**vars(self), "found": self.direction is not None}
        del plain["direction"]
        return {**plain, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        sure = f"with probability {self.confidence:g} none is below {self.floor:.4g}"
        if self.direction is None:
            found = (
                f"none found below zero, the smallest curvature {self.curvature:.4g}"
            )
        else:
            found = f"curvature {self.curvature:.4g}, slope {self.slope:.3g}"
        return f"Escape: {found}; {sure} ({self.products} products). {self.outcome}"


def escape_direction(
    land: Landscape,
    *,
    tol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Escape:
    """The direction in which the loss bends down most, on its downhill side.

        min vᵀ H v,  ‖v‖ = 1,  ∇fᵀ v ≤ 0

    Descent leaves a saddle slowly where its gradient has little of this direction;
    a step along it leaves at once. Where nothing bends down, it says how surely.
    Costs 20 to 150 products; memory as :func:`theodolite.eigsh`.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    tol : float
        Residual relative to the curvature: a rough direction escapes as well.
    seed : int
        Of the random start.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    TheodoliteError
        As :meth:`Landscape.gradient` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Jin et al., "How to escape saddle points efficiently", 2017, arXiv:1703.00887; the
    certificate: Royer, O'Neill and Wright, 2020, arXiv:1803.02924.
    """
    require_landscape(land)
    gradient, hessian = land.gradient(), land.hessian()
    lowest = eigsh(
        hessian, 1, "SA", tol=tol, seed=seed, budget=budget, progress=progress
    )
    curvature = float(lowest.values[0])
    direction, slope = lowest.vectors[:, 0], float("nan")
    # what the products' rounding cannot tell from zero is no way out
    if curvature < -float(lowest.high[0] - lowest.values[0]):
        slope = float(gradient.double() @ direction.double())
        direction, slope = (-direction, -slope) if slope > 0 else (direction, slope)
    else:
        direction = None
    return Escape(
        direction=direction,
        curvature=curvature,
        slope=slope,
        residual=float(lowest.residuals[0]),
        floor=float(lowest.low[0]),
        confidence=lowest.confidence,
        products=lowest.products,
        seconds=lowest.seconds,
        bytes=lowest.bytes,
        seed=seed,
        outcome=lowest.outcome,
    )
