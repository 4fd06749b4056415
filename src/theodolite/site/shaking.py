"""The loss around a point under random noise of several sizes, in pairs."""

import time
from collections.abc import Callable, Sequence
from math import hypot
from typing import final

import torch

from theodolite.budget import Budget
from theodolite.estimate import Estimate, mean_and_error
from theodolite.landscape import Landscape
from theodolite.outcomes import Outcome, converged, out_of_budget, rounding
from theodolite.seeding import generator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.vectors import inner, random_vector

# fewer pairs than this give no standard error worth the name
FEWEST = 12


@final
class Shaking:
    """Mean rises of the loss at noise of several sizes along shared directions.

        ½ (f(θ + σz) + f(θ − σz)) − f(θ),   z ~ N(0, I)

    The slope cancels within a pair. Every size sees the same z: what one size finds
    more than another is then due to its size. Along eigenpairs that are known, what z
    holds more than its expectation is known as well, and is taken off:

        Σ λ ((vᵀz)² − 1),   of mean zero for any unit v

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    sigmas : sequence of float
        Standard deviations of the noise.
    seed : int
        Of the directions: the same ones whatever the sizes are.
    known : EigenPairs, optional
        Pairs of the Hessian, large ones.

    Attributes
    ----------
    samples : list of list of float
        The rises of each size so far, one a pair.
    seconds : list of float
        Time spent on each size.
    """

    def __init__(
        self,
        land: Landscape,
        sigmas: Sequence[float],
        seed: int,
        known: EigenPairs | None = None,
    ) -> None:
        self._land, self.sigmas, self.seed = land, tuple(sigmas), seed
        self._generator = generator(seed)
        self._point, self._base, self._known = land.point, land.loss(), known
        # of the loss, and the same in every pair: no spread tells it
        self._rounding = torch.finfo(land.dtype).eps * abs(self._base)
        # what each direction holds of the known pairs beyond its expectation
        self._excess: list[float] = []
        self.samples: list[list[float]] = [[] for _ in sigmas]
        self.seconds = [0.0 for _ in sigmas]

    def run(
        self, rtol: float, budget: Budget, after_pair: Callable[[], None]
    ) -> list[Estimate[float]]:
        """Pairs of every size until its error is small enough, or the budget ends."""
        outcomes: list[Outcome | None] = [None for _ in self.sigmas]
        while None in outcomes:
            direction = random_vector(self._land.size, self._generator, self._point)
            self._excess.append(self._excess_of(direction))
            for row, outcome in enumerate(outcomes):
                if outcome is None:
                    self._add_pair(row, direction)
                    after_pair()
                    outcomes[row] = self._ended(row, rtol, budget)
        return [
            self._estimate(row, outcome)
            for row, outcome in enumerate(outcomes)
            if outcome is not None
        ]

    def _excess_of(self, direction: torch.Tensor) -> float:
        if self._known is None:
            return 0.0
        squares = inner(self._known.vectors.T, direction).square()
        return float(self._known.values @ (squares.cpu() - 1))

    def _add_pair(self, row: int, direction: torch.Tensor) -> None:
        began = time.perf_counter()
        shift = self.sigmas[row] * direction
        ahead = self._land.loss(self._point + shift)
        behind = self._land.loss(self._point - shift)
        self.samples[row].append((ahead + behind) / 2 - self._base)
        self.seconds[row] += time.perf_counter() - began

    def _mean(self, row: int) -> tuple[float, float]:
        """Without what is known, unless that is no help: beyond the quadratic part."""
        samples = torch.tensor(self.samples[row], dtype=torch.float64)
        plain = mean_and_error(samples)
        excess = samples.new_tensor(self._excess[: len(samples)])
        better = mean_and_error(samples - self.sigmas[row] ** 2 / 2 * excess)
        return better if better[1] < plain[1] else plain

    def _ended(self, row: int, rtol: float, budget: Budget) -> Outcome | None:
        pairs = len(self.samples[row])
        if pairs < FEWEST:
            return None
        mean, error = self._mean(row)
        if hypot(error, self._rounding) <= rtol * abs(mean):
            return converged("The standard error is below its tolerance")
        if error <= self._rounding:
            return rounding(
                f"the loss's own rounding is {self._rounding:.2g} on {mean:.3g}",
                "Take a larger sigma, or measure in a wider type "
                "(land.to(torch.float64))",
            )
        if budget.spent(pairs):
            return out_of_budget(
                f"after {pairs} pairs the standard error is {error:.2g} on {mean:.3g}",
                "Raise budget or rtol",
            )
        return None

    def _estimate(self, row: int, outcome: Outcome) -> Estimate[float]:
        mean, error = self._mean(row)
        return Estimate(
            value=mean,
            error=hypot(error, self._rounding),
            probes=len(self.samples[row]),
            products=0,
            seconds=self.seconds[row],
            seed=self.seed,
            outcome=outcome,
            bytes=4 * self._point.numel() * self._point.element_size(),
        )
