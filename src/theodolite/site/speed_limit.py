"""The learning rate above which gradient descent diverges."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from theodolite.budget import BudgetLike
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.enclosure import CONFIDENCE, rounding_of


@dataclass(frozen=True, repr=False)
class SpeedLimit:
    """2/λ_max with the interval that is left to the eigenvalue.

    Attributes
    ----------
    value : float
        ``2/θ`` with the measured eigenvalue; infinite where nothing bends upward.
    low, high : float
        The upper end, ``2/θ`` and the rounding of products, is sure: a Ritz value is
        never above λ_max. With probability ``confidence`` no eigenvalue is so large
        that the limit were below the lower end, 0 where nothing is known of it.
    eigenvalue, residual : float
        θ and ``‖r‖``.
    confidence : float
        Of the lower end.
    products, seconds, outcome
        What it cost and how it ended.
    """

    value: float
    low: float
    high: float
    eigenvalue: float
    residual: float
    confidence: float
    products: int
    seconds: float
    outcome: Outcome

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def to_record(self) -> dict[str, Any]:
        """What a page draws of it."""
        names = ("value", "low", "high", "eigenvalue", "residual", "confidence")
        return {name: getattr(self, name) for name in names}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("speed_limit", self.to_record())

    def __repr__(self) -> str:
        return (
            f"SpeedLimit: {self.value:.6g}, between {self.low:.6g} (with probability "
            f"{self.confidence:g}) and {self.high:.6g} ({self.products} products). "
            f"{self.outcome}"
        )


def speed_limit(
    land: Landscape,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> SpeedLimit:
    """The largest learning rate at which gradient descent is stable here: 2/λ_max.

    On a quadratic, descent with a larger constant rate diverges along the steepest
    direction, and with a smaller one converges. On a network the limit is local:
    training above it moves to where the curvature is smaller, or away. Momentum β
    raises it to 2(1 + β)/λ_max. Costs 14 to 25 products. A limit measured on a small
    sample of the data is too low: see :func:`theodolite.data_error`.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    tol : float
        Residual relative to the eigenvalue.
    seed : int
        Of the random start.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    TheodoliteError
        As :meth:`Landscape.hessian` and :func:`theodolite.eigsh` raise.

    References
    ----------
    LeCun, Simard and Pearlmutter, "Automatic learning rate maximization by on-line
    estimation of the Hessian's eigenvectors", NIPS 1992; Cohen et al., "Gradient
    descent on neural networks typically occurs at the edge of stability", 2021,
    arXiv:2103.00065.
    """
    require_landscape(land)
    began = time.perf_counter()
    hessian = land.hessian()
    top = eigsh(hessian, 1, "LA", tol=tol, seed=seed, budget=budget, progress=progress)
    return limit_from(
        float(top.values[0]),
        float(top.residuals[0]),
        float(top.high[0]),
        dtype=hessian.dtype,
        products=top.products,
        seconds=time.perf_counter() - began,
        outcome=top.outcome,
    )


def limit_from(
    eigenvalue: float,
    residual: float,
    highest: float,
    *,
    dtype: torch.dtype,
    products: int,
    seconds: float,
    outcome: Outcome,
) -> SpeedLimit:
    """The limit out of a largest eigenvalue at hand, and what none is above."""
    rounding = rounding_of(eigenvalue, dtype)
    return SpeedLimit(
        value=two_over(eigenvalue),
        low=two_over(max(highest, eigenvalue + rounding)),
        high=two_over(eigenvalue - rounding),
        eigenvalue=eigenvalue,
        residual=residual,
        confidence=CONFIDENCE,
        products=products,
        seconds=seconds,
        outcome=outcome,
    )


def two_over(eigenvalue: float) -> float:
    """2/λ, and no limit where nothing bends upward."""
    return 2 / eigenvalue if eigenvalue > 0 else float("inf")
