"""What kind of place a point is: minimum, saddle, maximum, degenerate, slope."""

import time
from dataclasses import dataclass
from math import nan
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.operator import Operator
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.site.whole_spectrum import Ends, ends_of
from theodolite.spectrum.enclosure import CONFIDENCE
from theodolite.spectrum.vectors import norm

# below this share of ‖H‖ ‖∇f‖ a product with the gradient counts as none
GRADIENT_FLAT = 0.01
KINDS = ("minimum", "saddle", "maximum", "degenerate", "slope")


@dataclass(frozen=True, repr=False)
class CriticalPoint:
    """A place, by its gradient and both ends of its spectrum.

    Attributes
    ----------
    kind : str
        ``"slope"`` where the gradient is not small; otherwise ``"minimum"``,
        ``"maximum"``, ``"saddle"``, or ``"degenerate"`` where the end that decides
        cannot be told from zero.
    gradient_norm, gradient_tolerance : float
        ``‖∇f‖`` and what counts as small.
    lowest, highest : float
        The smallest and the largest eigenvalue.
    lowest_residual, highest_residual : float
        How far they may be off.
    floor, ceiling : float
        What no eigenvalue is below, or above, with probability ``confidence``: at a
        minimum the floor is above zero. Infinite where nothing is known.
    confidence : float
        Of floor and ceiling; one where all eigenvalues were computed.
    flatness : float
        ``‖H∇f‖ / (‖H‖ ‖∇f‖)``: near zero, the gradient lies where nothing bends, and
        following the gradient's norm downhill ends there without a critical point.
    index : int
        Eigenvalues surely below zero; there may be more unless ``index_is_exact``.
    products, seconds, outcome
        What it cost and how it ended.
    """

    kind: str
    gradient_norm: float
    gradient_tolerance: float
    lowest: float
    lowest_residual: float
    highest: float
    highest_residual: float
    floor: float
    ceiling: float
    confidence: float
    flatness: float
    index: int
    index_is_exact: bool
    products: int
    seconds: float
    outcome: Outcome

    @property
    def gradient_flat(self) -> bool:
        """Whether a gradient that is not small lies where (almost) nothing bends."""
        return self.kind == "slope" and self.flatness < GRADIENT_FLAT

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        more = "" if self.index_is_exact else " at least"
        return (
            f"CriticalPoint: {self.kind}, |gradient| {self.gradient_norm:.3g}"
            f"{' (gradient-flat)' if self.gradient_flat else ''}, "
            f"eigenvalues from {self.lowest:.4g} ± {self.lowest_residual:.1g} to "
            f"{self.highest:.4g} ± {self.highest_residual:.1g}, with probability "
            f"{self.confidence:g} all in [{self.floor:.4g}, {self.ceiling:.4g}], "
            f"index{more} {self.index}. {self.outcome}"
        )


def classify(
    land: Landscape,
    *,
    gtol: float = 1e-4,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> CriticalPoint:
    """Say what kind of place the landscape's point is.

    A point with ``‖∇f‖ > gtol`` is a slope, gradient-flat where the gradient lies in
    directions that do not bend. Otherwise the ends of the spectrum decide. A negative
    Ritz value proves a direction that bends down; that there is none is certified with
    probability 0.999, by random directions that show no eigenvalue below a floor above
    zero. An end that cannot be told from zero makes the point degenerate, as at every
    minimum with flat directions. Up to 256 parameters all eigenvalues are computed;
    beyond that some from each end, for 100 to 200 products on trained networks.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    gtol : float
        What gradient norm counts as zero, in loss per parameter unit.
    tol : float
        Residual asked of the eigenvalues.
    seed : int
        Of the random start.
    budget : int or str, optional
        Products for each end, or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When ``gtol`` is negative.
    TheodoliteError
        As :meth:`Landscape.gradient` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Nocedal and Wright, "Numerical Optimization", 2nd ed. 2006, section 2.1; gradient-
    flat points: Frye et al., "Critical point-finding methods reveal gradient-flat
    regions of deep network losses", 2021, arXiv:2003.10397.
    """
    require_landscape(land)
    began = time.perf_counter()
    if not gtol >= 0:
        raise ArgumentError(
            found=f"gtol={gtol}.",
            why="A norm is never negative.",
            instead="Give a small positive number like 1e-4.",
        )
    gradient, hessian = land.gradient(), land.hessian()
    ends = ends_of(hessian, tol=tol, seed=seed, budget=budget, progress=progress)
    return place_from(
        norm(gradient),
        flatness_of(gradient, hessian, ends),
        ends,
        gtol=gtol,
        resolution=zero_of(hessian.dtype, ends),
        products=hessian.products,
        seconds=time.perf_counter() - began,
    )


def flatness_of(gradient: Float[Tensor, " p"], hessian: Operator, ends: Ends) -> float:
    """``‖Hg‖ / (‖H‖ ‖g‖)``, by one product; NaN where either is zero."""
    length = norm(gradient)
    largest = max(abs(float(ends.highest[0])), abs(float(ends.lowest[0])))
    if not length or not largest:
        return nan
    return norm(hessian @ (gradient / length)) / largest


def place_from(
    gradient_norm: float,
    flatness: float,
    ends: Ends,
    *,
    gtol: float,
    resolution: float,
    products: int,
    seconds: float,
) -> CriticalPoint:
    """The verdict, out of a gradient norm and eigenvalues at hand."""
    low, low_off = float(ends.lowest[0]), float(ends.lowest_residuals[0])
    high, high_off = float(ends.highest[0]), float(ends.highest_residuals[0])
    index = int((ends.negative < -resolution).sum())
    # a Ritz value is inside the spectrum: one beyond zero proves its sign
    down = (ends.floor > resolution) - (low < -resolution)
    up = (high > resolution) - (ends.ceiling < -resolution)
    kinds = {(1, 1): "minimum", (-1, -1): "maximum", (-1, 1): "saddle"}
    kind = "slope" if gradient_norm > gtol else kinds.get((down, up), "degenerate")
    return CriticalPoint(
        kind=kind,
        gradient_norm=gradient_norm,
        gradient_tolerance=gtol,
        lowest=low,
        lowest_residual=low_off,
        highest=high,
        highest_residual=high_off,
        floor=ends.floor,
        ceiling=ends.ceiling,
        confidence=1.0 if ends.exact else CONFIDENCE,
        flatness=flatness,
        index=index,
        index_is_exact=ends.exact or (ends.outcome.good and ends.floor > -resolution),
        products=products,
        seconds=seconds,
        outcome=ends.outcome,
    )


def zero_of(dtype: torch.dtype, ends: Ends) -> float:
    """What an eigenvalue of this type cannot be told from zero below."""
    largest = max(float(ends.lowest.abs().max()), float(ends.highest.abs().max()))
    return 16 * torch.finfo(dtype).eps * largest
