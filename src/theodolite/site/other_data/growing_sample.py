"""As many samples as an error of the data asks for, and no more."""

from dataclasses import replace
from typing import final

from torch import Tensor

from theodolite.budget import Budget
from theodolite.landscape import Landscape
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.site.other_data.data_spread import DataSpread
from theodolite.site.other_data.measured_spread import Wish, measured_spread

# the smallest sample that is tried: so many, or this part of all
_FEWEST, _PART = 256, 16


@final
class GrowingSample:
    """Random samples of doubling size, each holding the one before.

    Parameters
    ----------
    land : Landscape
        Over all data.
    wish : Wish
        What is measured, and the error at which it ends.

    Attributes
    ----------
    size : int
        Samples of the next measurement.
    vectors : Tensor or None
        Eigenvectors of the last one, from which the next starts.
    last : DataSpread or None
        What was found last, with the cost of all.
    """

    def __init__(self, land: Landscape, wish: Wish) -> None:
        self._land, self._wish, self._rtol = land, wish, wish.rtol
        self._available = land.samples
        self.size = min(self._available, max(_FEWEST, self._available // _PART))
        self.vectors: Tensor | None = None
        self.last: DataSpread | None = None

    def run(self, budget: Budget, progress: ProgressLike) -> DataSpread:
        """Measure, and double, until the error or the budget or the data end it."""
        watcher = as_watcher(progress)
        try:
            while True:
                found = self._step(budget, _KeptOpen(watcher))
                ended = self._ended(found, budget)
                if ended is not None:
                    return replace(found, outcome=ended)
                self.size = min(self._available, 2 * found.samples)
        finally:
            watcher.close()

    def _step(self, budget: Budget, watcher: Watcher) -> DataSpread:
        """One size, its cost added to that of the sizes before."""
        all_of_them = self.size == self._available
        land = self._land
        if not all_of_them:
            land = land.sample(self.size, seed=self._wish.seed)
        spent = 0 if self.last is None else self.last.products
        most = None if budget.products is None else max(1, budget.products - spent)
        found, self.vectors = measured_spread(
            land, self._wish, Budget(most, budget.deadline), watcher, self.vectors
        )
        found = replace(
            found,
            available=self._available,
            work_on_all=found.products * self._available,
        )
        self.last = found if self.last is None else _added(self.last, found)
        return self.last

    def _ended(self, found: DataSpread, budget: Budget) -> Outcome | None:
        rows = found.rows
        name = max(rows, key=lambda name: rows[name].relative_error)
        worst = rows[name].relative_error
        if found.outcome.good and worst <= self._rtol:
            return converged(
                f"No error is above {self._rtol:g}, on {found.samples} of "
                f"{found.available} samples"
            )
        missed = f"the error of the {name} is {worst:.2g} for {self._rtol:g}"
        if not found.outcome.good or budget.spent(found.products):
            return out_of_budget(
                f"{missed}, on {found.samples} samples", "Raise budget or rtol"
            )
        if found.samples >= self._available:
            return out_of_budget(
                f"{missed}, on all {self._available} samples",
                "Gather more data, or raise rtol",
            )
        return None


def _added(before: DataSpread, found: DataSpread) -> DataSpread:
    """The later numbers, at the cost of both."""
    return replace(
        found,
        products=before.products + found.products,
        seconds=before.seconds + found.seconds,
        bytes=max(before.bytes, found.bytes),
        work=before.work + found.work,
    )


@final
class _KeptOpen:
    """A watcher that one step does not close."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def update(self, stage: str, done: float, left: float) -> None:
        """Hand on."""
        self._watcher.update(stage, done, left)

    def close(self) -> None:
        """The next step has still to tell."""
