"""The loss around a point under random noise of several sizes, in pairs."""

import time
from collections.abc import Callable, Sequence
from typing import final

import torch

from theodolite.budget import Budget
from theodolite.estimate import Estimate, mean_and_error
from theodolite.landscape import Landscape
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.spectrum.vectors import random_vector

# fewer pairs than this give no standard error worth the name
FEWEST = 12


@final
class Shaking:
    """Mean rises of the loss at noise of several sizes along shared directions.

        ½ (f(θ + σz) + f(θ − σz)) − f(θ),   z ~ N(0, I)

    The slope cancels within a pair. Every size sees the same z: what one size finds
    more than another is then due to its size.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    sigmas : sequence of float
        Standard deviations of the noise.
    seed : int
        Of the directions: the same ones whatever the sizes are.

    Attributes
    ----------
    samples : list of list of float
        The rises of each size so far, one a pair.
    seconds : list of float
        Time spent on each size.
    """

    def __init__(self, land: Landscape, sigmas: Sequence[float], seed: int) -> None:
        self._land, self.sigmas, self.seed = land, tuple(sigmas), seed
        self._generator = torch.Generator().manual_seed(seed)
        self._point, self._base = land.point, land.loss()
        self.samples: list[list[float]] = [[] for _ in sigmas]
        self.seconds = [0.0 for _ in sigmas]

    def run(
        self, rtol: float, budget: Budget, after_pair: Callable[[], None]
    ) -> list[Estimate[float]]:
        """Pairs of every size until its error is small enough, or the budget ends."""
        outcomes: list[Outcome | None] = [None for _ in self.sigmas]
        while None in outcomes:
            direction = random_vector(self._land.size, self._generator, self._point)
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

    def _add_pair(self, row: int, direction: torch.Tensor) -> None:
        began = time.perf_counter()
        shift = self.sigmas[row] * direction
        ahead = self._land.loss(self._point + shift)
        behind = self._land.loss(self._point - shift)
        self.samples[row].append((ahead + behind) / 2 - self._base)
        self.seconds[row] += time.perf_counter() - began

    def _mean(self, row: int) -> tuple[float, float]:
        return mean_and_error(torch.tensor(self.samples[row], dtype=torch.float64))

    def _ended(self, row: int, rtol: float, budget: Budget) -> Outcome | None:
        pairs = len(self.samples[row])
        if pairs < FEWEST:
            return None
        mean, error = self._mean(row)
        if error <= rtol * abs(mean):
            return converged("The standard error is below its tolerance")
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
            error=error,
            probes=len(self.samples[row]),
            products=0,
            seconds=self.seconds[row],
            seed=self.seed,
            outcome=outcome,
            bytes=4 * self._point.numel() * self._point.element_size(),
        )
