"""How much the loss rises when every parameter is shaken."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, isfinite
from typing import Any

import torch

from theodolite.budget import Budget, BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate, mean_and_error
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.spectrum.trace import trace as trace_of
from theodolite.spectrum.vectors import random_vector

_FEWEST = 12


@dataclass(frozen=True, repr=False)
class Rise:
    """The expected rise of the loss under noise, predicted and measured.

    Attributes
    ----------
    predicted : Estimate
        ½ σ² tr H, in units of the loss.
    measured : Estimate
        The mean of ``½ (f(θ + δ) + f(θ − δ)) − f(θ)`` over pairs, in the same units.
    sigma : float
        Standard deviation of the noise on each parameter, in parameter units.
    """

    predicted: Estimate
    measured: Estimate
    sigma: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by at most 10 % or three combined errors."""
        if not isfinite(self.predicted.error + self.measured.error):
            return False
        difference = abs(self.predicted.value - self.measured.value)
        errors = hypot(self.predicted.error, self.measured.error)
        return difference <= max(3 * errors, 0.1 * abs(self.predicted.value))

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {
            "sigma": self.sigma,
            "predicted": self.predicted.to_dict(),
            "measured": self.measured.to_dict(),
        }

    def __repr__(self) -> str:
        return (
            f"Rise under σ = {self.sigma:g}: predicted {self.predicted.value:.4g} ± "
            f"{self.predicted.error:.2g}, measured {self.measured.value:.4g} ± "
            f"{self.measured.error:.2g} ({self.measured.probes} pairs)"
        )


def expected_rise(
    land: Landscape,
    sigma: float,
    *,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    trace: Estimate | None = None,
    progress: Callable[[int], None] | None = None,
) -> Rise:
    """The rise of the loss under Gaussian noise on every parameter.

        E[f(θ + δ)] − f(θ) ≈ ½ σ² tr H,   δ ~ N(0, σ² I)

    Predicted from the trace, and measured by pairs ``θ ± δ``, in which the slope
    cancels. Each pair costs two passes over the data. Where the two part, the
    quadratic picture of the landscape has ended.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    sigma : float
        Standard deviation of the noise, in parameter units.
    rtol : float
        Standard error of the measurement, relative to it.
    seed : int
        Of noise and probes.
    budget : int or str, optional
        Pairs (200 by default, 12 at least), or a time like ``"30s"``.
    trace : Estimate, optional
        The trace where it is known already.
    progress : callable, optional
        Called with the pairs done after each pair.

    Raises
    ------
    ArgumentError
        When ``sigma`` is not positive.
    TheodoliteError
        As :meth:`Landscape.loss` raises.

    References
    ----------
    A second-order expansion; as a measure of flatness: Keskar et al., "On large-batch
    training for deep learning", 2017, arXiv:1609.04836.
    """
    require_landscape(land)
    if not 0 < sigma < float("inf"):
        raise ArgumentError(
            found=f"sigma={sigma}.",
            why="Noise has a positive, finite size.",
            instead="Give a standard deviation like 1e-2.",
        )
    if trace is None:
        trace = trace_of(land.hessian(), seed=seed)
    measured = _measured(
        land, sigma, rtol, seed, as_budget(budget, 200), progress or (lambda done: None)
    )
    return Rise(_predicted(trace, sigma), measured, sigma)


def _predicted(trace: Estimate, sigma: float) -> Estimate:
    half = sigma**2 / 2
    return Estimate(
        value=half * trace.value,
        error=half * trace.error,
        probes=trace.probes,
        products=trace.products,
        seconds=trace.seconds,
        seed=trace.seed,
        outcome=trace.outcome,
    )


def _measured(
    land: Landscape,
    sigma: float,
    rtol: float,
    seed: int,
    budget: Budget,
    progress: Callable[[int], None],
) -> Estimate:
    began = time.perf_counter()
    point, base = land.point, land.loss()
    generator = torch.Generator().manual_seed(seed)
    rises: list[float] = []
    while True:
        shift = sigma * random_vector(land.size, generator, point)
        ahead, behind = land.loss(point + shift), land.loss(point - shift)
        rises.append((ahead + behind) / 2 - base)
        progress(len(rises))
        mean, error = mean_and_error(torch.tensor(rises, dtype=torch.float64))
        ended = _ended(len(rises), mean, error, rtol, budget)
        if ended is not None:
            break
    return Estimate(
        value=mean,
        error=error,
        probes=len(rises),
        products=0,
        seconds=time.perf_counter() - began,
        seed=seed,
        outcome=ended,
    )


def _ended(
    pairs: int, mean: float, error: float, rtol: float, budget: Budget
) -> Outcome | None:
    if pairs >= _FEWEST and error <= rtol * abs(mean):
        return converged("The standard error is below its tolerance")
    if pairs >= _FEWEST and budget.spent(pairs):
        return out_of_budget(
            f"after {pairs} pairs the standard error is {error:.2g} on {mean:.3g}",
            "Raise budget or rtol",
        )
    return None
