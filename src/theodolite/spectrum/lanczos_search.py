"""The search for some end of a spectrum in a Krylov space that grows and restarts."""

from math import inf, log
from typing import final

import torch
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget, rounding
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import chosen_positions
from theodolite.spectrum.enclosure import (
    CONFIDENCE,
    outer_bounds,
    rounding_of_products,
)
from theodolite.spectrum.krylov import Krylov, RitzPairs

# products from a fresh direction, at least, in which no missed eigenvalue may show
_CONFIRMATION = 8
# products along a residual before it is looked at again: each look turns the basis
_RESIDUAL = 2
# directions taken at once where an eigenvalue had been missed
_COPIES = 4


@final
class LanczosSearch:
    """One search for some end of the spectrum in a growing space.

    Parameters
    ----------
    krylov : Krylov
        The space; it may have grown for another search before.
    k, which, tol
        As :func:`theodolite.eigsh` takes them.
    """

    def __init__(self, krylov: Krylov, k: int, which: str, tol: float) -> None:
        self.krylov, self.k, self.which, self.tol = krylov, k, which, tol
        # wanted values when the last confirmation began, and products it still needs
        self._confirming: Tensor | None = None
        self._patience = 0
        self._disappointments = 0
        self._resolution = 0.0
        # the first excess over the tolerance that was seen, and when
        self._first_excess: tuple[int, float] | None = None

    def run(self, matrix: Operator, effort: Effort) -> Outcome:
        """Expand until the wanted pairs have converged and are confirmed."""
        self._resolution = matrix.resolution
        while not self.krylov.exhausted:
            ended = self._judged(effort)
            if ended is not None:
                return ended
            # the first product is always made: nothing could be returned without
            if self.krylov.dimension and effort.spent():
                return self._out_of_budget()
            if self.krylov.full:
                self._restart()
            self._patience -= self._expand(matrix, effort)
        return EXACT

    def _expand(self, matrix: Operator, effort: Effort) -> int:
        """Some products in a row: the small eigenproblem grows with the cube."""
        krylov = self.krylov
        steps = max(krylov.waiting, krylov.dimension // 12)
        steps = min(steps, self._patience) if self._patience > 0 else steps
        before = krylov.dimension
        while krylov.dimension - before < steps:
            late = krylov.dimension > before and effort.spent()
            if krylov.full or krylov.exhausted or late:
                break
            left = max(1, min(steps - krylov.dimension + before, effort.room))
            krylov.grow(matrix, int(min(left, krylov.waiting)))
        return krylov.dimension - before

    def wanted(self, ritz: RitzPairs) -> Tensor:
        """Positions of the wanted Ritz values, ascending."""
        return chosen_positions(ritz.values, self.k, self.which)

    def _judged(self, effort: Effort) -> Outcome | None:
        """Whether the search may end here; starts a confirmation where it is due."""
        if self.krylov.dimension < self.k or self._patience > 0:
            return None
        ritz = self.krylov.ritz()
        wanted = self.wanted(ritz)
        values = ritz.values[wanted]
        tolerances = residual_tolerances(ritz.values, wanted, self.tol)
        excess = ritz.estimates[wanted] / tolerances
        effort.tell(self._products_left(effort.products, float(excess.max())))
        if bool((excess > 1).any()):
            self._attend_to_the_worst(ritz, excess)
            return None
        residuals = self.krylov.residuals(values, ritz.mixes[:, wanted])
        if bool((residuals > tolerances).any()):
            return self._disappointed(float((residuals / tolerances).max()))
        return self._confirmed(values, tolerances)

    def _confirmed(self, values: Tensor, tolerances: Tensor) -> Outcome | None:
        """Whether fresh directions have shown nothing new; looks along them if not."""
        before = self._confirming
        moved = before is not None and bool(
            ((values - before).abs() > tolerances).any()
        )
        if before is not None and not moved:
            return settled(self.k)
        self._patience = self._confirmation
        # where one was missed there may be more of its kind: several find all copies
        self._confirming = None if moved else values
        self.krylov.inject(count=_COPIES if moved else 1)
        return None

    @property
    def _confirmation(self) -> int:
        """Products along a fresh direction: what took long to find is missed long."""
        return max(_CONFIRMATION, self.krylov.dimension // 4)

    def _products_left(self, products: int, excess: float) -> float:
        """How many more it takes, if residuals go on shrinking as they have."""
        confirmation = self._confirmation
        if excess <= 1:
            return 0 if self._confirming is not None else confirmation
        if self._first_excess is None or excess >= self._first_excess[1]:
            self._first_excess = products, excess
            return inf
        began, first = self._first_excess
        return (products - began) * log(excess) / log(first / excess) + confirmation

    def _disappointed(self, excess: float) -> Outcome | None:
        """Estimates were met and true residuals were not: rounding, or bad luck."""
        self._disappointments += 1
        self._patience = _CONFIRMATION
        if self._disappointments <= 3:
            return None
        return rounding(
            f"true residuals stay {excess:.1f} times above tol={self.tol:g}",
            "Measure in a wider type (model.double()), or raise tol",
        )

    def _out_of_budget(self) -> Outcome:
        ritz = self.krylov.ritz()
        wanted = self.wanted(ritz)
        tolerances = residual_tolerances(ritz.values, wanted, self.tol)
        missed = int((ritz.estimates[wanted] > tolerances).sum())
        missed += self.k - len(wanted)
        if missed == 0:
            return out_of_budget(
                "the budget ended while looking for eigenvalues that were missed",
                "Raise budget",
            )
        return out_of_budget(
            f"{missed} of {self.k} residuals are above tol={self.tol:g}",
            "Raise budget or tol",
        )

    def _restart(self) -> None:
        """Keep the wanted Ritz vectors, and some from both ends beside them."""
        ritz, size = self.krylov.ritz(), self.krylov.dimension
        spare = (size - self.k) // 2
        beside = max(1, spare // 3)
        other = {"LA": "SA", "SA": "LA"}.get(self.which, self.which)
        kept = torch.cat(
            [
                chosen_positions(ritz.values, self.k + spare - beside, self.which),
                chosen_positions(ritz.values, beside, other),
            ]
        ).unique()
        self.krylov.restart(ritz.values[kept], ritz.mixes[:, kept])

    def _attend_to_the_worst(self, ritz: RitzPairs, excess: Tensor) -> None:
        """Turn to a wanted pair that the present direction would never improve."""
        worst = int(self.wanted(ritz)[excess.argmax()])
        if self.krylov.neglected(ritz.mixes[:, worst]):
            if self._confirming is not None:
                # what the fresh direction has ruled out stays ruled out
                rounding = rounding_of_products(ritz.values, self._resolution)
                bounds = outer_bounds(self.krylov, 1 - CONFIDENCE, rounding)
                self.krylov.ruled_out = bounds
            self.krylov.go_on_from_residual(ritz, worst)
            self._patience = _RESIDUAL


def settled(k: int) -> Outcome:
    """All of ``k`` residuals met their tolerance."""
    what = f"All {k} residuals are" if k > 1 else "The residual is"
    return converged(f"{what} below tolerance")


def residual_tolerances(values: Tensor, wanted: Tensor, tol: float) -> Tensor:
    """What wanted residuals have to be below: relative, down to 10⁻³ of the largest."""
    sizes = values.abs()
    return tol * torch.maximum(sizes[wanted], 1e-3 * sizes.max())
