"""Products with random signs, until a standard error is small enough."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import ceil
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import Budget
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate, Value
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.vectors import inner, rademacher_block, without

# fewer probes than this give no standard error worth the name
FEWEST = 20
# an error that is by chance too small ends the probing: ask for a little less
EAGERNESS = 1.2
# unit vectors multiplied together
_UNITS = 32


@dataclass(frozen=True)
class Probe:
    """Some random vectors and their products.

    Attributes
    ----------
    signs : Tensor
        Independent random signs ``(p, k)``.
    vectors : Tensor
        The same, off the known vectors: ``z' = z − V Vᵀ z``.
    products : Tensor
        ``H z'``.
    """

    signs: Float[Tensor, "p k"]
    vectors: Float[Tensor, "p k"]
    products: Float[Tensor, "p k"]


class Tally(ABC):
    """What is gathered from probes, or from every unit vector.

    Attributes
    ----------
    count : int
        Probes so far.
    exact : bool
        Whether every column of the matrix was seen instead.
    """

    def __init__(self) -> None:
        self.count = 0
        self.exact = False

    @abstractmethod
    def add(self, probe: Probe) -> None:
        """Take some probes."""

    @abstractmethod
    def add_columns(self, rows: Tensor, columns: Float[Tensor, "p k"]) -> None:
        """Take the matrix's columns number ``rows``."""

    @abstractmethod
    def error_and_goal(self) -> tuple[float, float]:
        """The standard error so far, and what it should be."""

    @property
    def missing(self) -> float:
        """Probes still missing, by the spread seen so far."""
        if self.count < FEWEST:
            return FEWEST - self.count
        return missing_probes(self.count, *self.error_and_goal())


def missing_probes(count: int, error: float, goal: float) -> float:
    """How many more make an error as small as wanted."""
    error *= EAGERNESS
    if error <= goal:
        return 0
    return ceil(count * (error / goal) ** 2) - count if goal else float("inf")


@final
class Probes:
    """Random signs of one seed in the complement of known vectors.

    Parameters
    ----------
    matrix : Operator
        What is probed.
    seed : int
        Of the signs.
    deflate : EigenPairs, optional
        Whose vectors are known.
    """

    def __init__(self, matrix: Operator, seed: int, deflate: EigenPairs | None) -> None:
        self.matrix, self._before = matrix, matrix.products
        self._began, self._seed = time.perf_counter(), seed
        self._generator = torch.Generator().manual_seed(seed)
        self._rows = None if deflate is None else deflate.vectors.T.contiguous()

    @property
    def products(self) -> int:
        """Products spent so far."""
        return self.matrix.products - self._before

    def run(self, tally: Tally, budget: Budget) -> Outcome:
        """Probe until the error is small enough, or every unit vector is cheaper."""
        size = self.matrix.shape[0]
        while True:
            needed = tally.missing
            if needed <= 0:
                return converged("The standard error is below its tolerance")
            affordable = not budget.spent(self.products + size - 1)
            if needed >= size and affordable and self._by_unit_vectors(tally, budget):
                return EXACT
            if budget.spent(self.products):
                return _ended_early(tally)
            room = budget.room(self.products)
            tally.add(self._drawn(int(min(self.matrix.block_size, needed, room))))

    def estimate(
        self, tally: Tally, value: Value, error: Value, ended: Outcome
    ) -> Estimate[Value]:
        """What was found, with what it has cost."""
        return Estimate(
            value=value,
            error=error,
            probes=0 if tally.exact else tally.count,
            products=self.products,
            seconds=time.perf_counter() - self._began,
            seed=self._seed,
            outcome=ended,
        )

    def _drawn(self, count: int) -> Probe:
        like = torch.empty(0, dtype=self.matrix.dtype, device=self.matrix.device)
        signs = rademacher_block(self.matrix.shape[0], count, self._generator, like)
        vectors = signs
        if self._rows is not None:
            vectors = signs.clone()
            for column in vectors.unbind(1):
                wide = column.to(torch.float64, copy=True)
                column.copy_(without(wide, self._rows, inner(self._rows, wide)))
        return Probe(signs, vectors, require_finite(self.matrix @ vectors))

    def _by_unit_vectors(self, tally: Tally, budget: Budget) -> bool:
        """Every column of the matrix, unless the budget ends before."""
        size, device = self.matrix.shape[0], self.matrix.device
        for start in range(0, size, _UNITS):
            if budget.spent(self.products):
                return False
            rows = torch.arange(start, min(start + _UNITS, size), device=device)
            block = torch.zeros(size, len(rows), dtype=self.matrix.dtype, device=device)
            block[rows, rows - start] = 1
            tally.add_columns(rows, require_finite(self.matrix @ block))
        tally.exact = True
        return True


def _ended_early(tally: Tally) -> Outcome:
    error, goal = tally.error_and_goal()
    return out_of_budget(
        f"after {tally.count} probes the standard error is {error:.2g} for {goal:.2g}",
        "Raise budget or rtol, or give the large eigenpairs as deflate",
    )


def require_tolerances(rtol: float, atol: float, example: str) -> None:
    """Refuse tolerances that no error can be below.

    Raises
    ------
    ArgumentError
        When one is negative, or both are zero.
    """
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ArgumentError(
            found=f"rtol={rtol}, atol={atol}.",
            why="An error never gets below zero.",
            instead=f"Give {example}, or an absolute atol.",
        )
