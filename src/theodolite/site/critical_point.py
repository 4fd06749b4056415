"""What kind of place a point is: minimum, saddle, maximum, degenerate, slope."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.site.whole_spectrum import Ends, ends_of
from theodolite.spectrum.vectors import norm

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
    index: int
    index_is_exact: bool
    products: int
    seconds: float
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        more = "" if self.index_is_exact else " at least"
        return (
            f"CriticalPoint: {self.kind}, |gradient| {self.gradient_norm:.3g}, "
            f"eigenvalues from {self.lowest:.4g} ± {self.lowest_residual:.1g} to "
            f"{self.highest:.4g} ± {self.highest_residual:.1g}, "
            f"index{more} {self.index}. {self.outcome}"
        )


def classify(
    land: Landscape,
    *,
    gtol: float = 1e-4,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
) -> CriticalPoint:
    """Say what kind of place the landscape's point is.

    A point with ``‖∇f‖ > gtol`` is a slope. Otherwise the signs of the smallest and
    largest eigenvalue decide, each known to its residual; an end that cannot be told
    from zero makes the point degenerate, as at every minimum with flat directions. Up
    to 256 parameters all eigenvalues are computed; beyond that some from each end, for
    100 to 200 products on trained networks.

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

    Raises
    ------
    ArgumentError
        When ``gtol`` is negative.
    TheodoliteError
        As :meth:`Landscape.gradient` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Nocedal and Wright, "Numerical Optimization", 2nd ed. 2006, section 2.1.
    """
    require_landscape(land)
    began = time.perf_counter()
    if not gtol >= 0:
        raise ArgumentError(
            found=f"gtol={gtol}.",
            why="A norm is never negative.",
            instead="Give a small positive number like 1e-4.",
        )
    gradient_norm = norm(land.gradient())
    hessian = land.hessian()
    ends = ends_of(hessian, tol=tol, seed=seed, budget=budget)
    return place_from(
        gradient_norm,
        ends,
        gtol=gtol,
        resolution=zero_of(hessian.dtype, ends),
        products=hessian.products,
        seconds=time.perf_counter() - began,
    )


def place_from(
    gradient_norm: float,
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
    bent = (sign_of(low, low_off, resolution), sign_of(high, high_off, resolution))
    kinds = {(1, 1): "minimum", (-1, -1): "maximum", (-1, 1): "saddle"}
    kind = "slope" if gradient_norm > gtol else kinds.get(bent, "degenerate")
    return CriticalPoint(
        kind=kind,
        gradient_norm=gradient_norm,
        gradient_tolerance=gtol,
        lowest=low,
        lowest_residual=low_off,
        highest=high,
        highest_residual=high_off,
        index=index,
        index_is_exact=ends.exact
        or (ends.outcome.good and low - low_off > -resolution),
        products=products,
        seconds=seconds,
        outcome=ends.outcome,
    )


def sign_of(value: float, residual: float, resolution: float) -> int:
    """The sign of an eigenvalue, zero where its error leaves it open."""
    doubt = residual + resolution
    return (value > doubt) - (value < -doubt)


def zero_of(dtype: torch.dtype, ends: Ends) -> float:
    """What an eigenvalue of this type cannot be told from zero below."""
    largest = max(float(ends.lowest.abs().max()), float(ends.highest.abs().max()))
    return 16 * torch.finfo(dtype).eps * largest
