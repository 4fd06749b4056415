"""Numbers of one sample of the data, with what another sample would change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from theodolite.budget import Budget
from theodolite.landscape import Landscape
from theodolite.operators.operator import Operator
from theodolite.outcomes import converged, out_of_budget
from theodolite.progress import ProgressLike
from theodolite.site.other_data.data_spread import DataRow, DataSpread
from theodolite.site.other_data.group_eigenvalues import (
    STEPS,
    GroupForms,
    eigenvalue_spread,
    group_forms,
    resolvent_beside,
)
from theodolite.site.other_data.group_gradients import gradient_spread
from theodolite.site.other_data.group_traces import BLOCK, SMALL, GroupTraces
from theodolite.site.other_data.groups import grouped
from theodolite.site.other_data.jackknife import jackknife, left_out, mean_of
from theodolite.site.other_data.spread_rows import (
    eigenvalue_row,
    gradient_row,
    loss_row,
    trace_row,
)
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import eigsh

# in whose span eigenvalues without a group are exact
_PAIRS = 6
_TOL = 1e-3
# products that are usual, for the bar alone
_USUAL = {"largest_eigenvalue": 60, "trace": 2 * BLOCK}


@dataclass(frozen=True)
class Wish:
    """What is asked of every sample.

    Attributes
    ----------
    quantities : tuple of str
        Names of what is measured.
    groups : int or None
        Into how many parts samples are put.
    rtol : float
        Relative error below which probes need not go.
    seed : int
        Of groups, probes and starts.
    """

    quantities: tuple[str, ...]
    groups: int | None
    rtol: float
    seed: int


@final
class MeasuredSpread:
    """One landscape's numbers, by its products and by those of its groups.

    Parameters
    ----------
    land : Landscape
        Over the sample.
    wish : Wish
        What is measured.
    start : Tensor, optional
        Eigenvectors ``(p, k)`` of a smaller sample.
    hessian : Operator, optional
        The landscape's Hessian where it is at hand.
    pairs : EigenPairs, optional
        Its largest pairs where they are known.

    Attributes
    ----------
    pairs : EigenPairs or None
        What was found of the largest eigenvalues.
    """

    def __init__(
        self,
        land: Landscape,
        wish: Wish,
        start: Tensor | None = None,
        *,
        hessian: Operator | None = None,
        pairs: EigenPairs | None = None,
    ) -> None:
        self._land, self._wish, self._start = land, wish, start
        self._hessian = land.hessian() if hessian is None else hessian
        self.groups = grouped(land, wish.groups, wish.seed)
        # each of its products is used once: nothing is worth keeping
        self._parts = self.groups.land.hessian(products="double-backward")
        self.pairs = pairs
        self._forms: GroupForms | None = None
        self._missed: list[str] = []

    def run(self, budget: Budget, progress: ProgressLike) -> DataSpread:
        """All that is wished for."""
        with Effort(self._hessian, budget, 0, progress, "data error") as effort:
            effort.beside = self._parts
            found: dict[str, DataRow] = {}
            # the trace uses what is known of the eigenvalues
            ahead = [name for name in QUANTITIES if name in self._wish.quantities]
            while ahead:
                effort.tell(sum(_USUAL.get(name, 0) for name in ahead))
                name = ahead.pop(0)
                found[name] = QUANTITIES[name](self, effort)
            effort.tell(0)
            effort.holds(self._bytes(effort))
            samples = self._land.samples
            work = effort.products * samples
            outcome = converged(f"The spread is that of {self.groups.told}")
            if self._missed:
                outcome = out_of_budget("; ".join(self._missed), "Raise budget")
            return DataSpread(
                rows={name: found[name] for name in self._wish.quantities},
                samples=samples,
                available=samples,
                groups=len(self.groups),
                work=work,
                work_on_all=work,
                seed=self._wish.seed,
                outcome=outcome,
                **effort.cost,
            )

    def loss(self, effort: Effort) -> DataRow:
        """The mean loss."""
        del effort
        losses, shares = self.groups.losses, self.groups.shares
        mean = mean_of(losses, shares)
        spread = jackknife(float(mean), left_out(mean, losses, shares), shares)
        return loss_row(float(mean), spread)

    def gradient_norm(self, effort: Effort) -> DataRow:
        """The length of the mean gradient."""
        del effort
        return gradient_row(gradient_spread(self.groups))

    def largest_eigenvalue(self, effort: Effort) -> DataRow:
        """λ_max of the mean Hessian."""
        pairs = self.pairs = self.pairs or self._top(effort)
        if float(pairs.residuals[0]) > float(pairs.tolerances[0]):
            self._missed.append(
                f"the residual {float(pairs.residuals[0]):.2g} of λ_max is above "
                f"{float(pairs.tolerances[0]):.2g}"
            )
        self._forms = group_forms(self._parts, self.groups, pairs)
        resolvent = resolvent_beside(
            self._hessian, self._forms.mixture, pairs.values, _TOL
        )
        spread = eigenvalue_spread(self._forms, self.groups.shares, resolvent)
        return eigenvalue_row(float(pairs.values[0]), spread)

    def _top(self, effort: Effort) -> EigenPairs:
        count = min(_PAIRS, self._hessian.shape[0])
        left = effort.room - count - STEPS
        if "trace" in self._wish.quantities:
            left -= BLOCK
        most = None if left == float("inf") else max(1, int(left))
        return eigsh(
            self._hessian,
            count,
            "LA",
            tol=_TOL,
            seed=self._wish.seed,
            v0=self._start,
            budget=Budget(most, effort.budget.deadline),
        )

    def trace(self, effort: Effort) -> DataRow:
        """The sum of all eigenvalues."""
        size, groups = self._hessian.shape[0], self.groups
        like = torch.empty(0, dtype=self._hessian.dtype, device=self._hessian.device)
        known, inside = like.new_empty(0, size), torch.zeros_like(groups.losses)
        if self.pairs is not None and self._forms is not None:
            known = self.pairs.vectors.T.contiguous()
            inside = self._forms.inside.diagonal(dim1=1, dim2=2).sum(1)
        table = GroupTraces(self._parts, groups, known, inside, self._wish.seed)
        if size <= SMALL and not effort.spent(size):
            table.sum_diagonal()
            return trace_row(table.result())
        count = BLOCK
        while True:
            table.add_probes(int(max(2, min(count, BLOCK, effort.room))))
            found = table.result()
            count = found.missing(self._wish.rtol)
            if not count or effort.spent():
                break
            if found.probes + count >= size and not effort.spent(size):
                table.sum_diagonal()
                return trace_row(table.result())
        if count:
            self._missed.append(
                f"{found.probes} probes leave {found.probe_error:.2g} of the trace in "
                f"doubt, the data {found.spread.error:.2g}"
            )
        return trace_row(found)

    def _bytes(self, effort: Effort) -> int:
        vector = self._hessian.shape[0] * self._land.point.element_size()
        basis = 0 if self.pairs is None else self.pairs.bytes
        return max(effort.bytes, basis, 3 * vector, (2 * _PAIRS + BLOCK) * vector)


# in the order in which they help each other
QUANTITIES: Mapping[str, Callable[[MeasuredSpread, Effort], DataRow]] = {
    "loss": MeasuredSpread.loss,
    "gradient_norm": MeasuredSpread.gradient_norm,
    "largest_eigenvalue": MeasuredSpread.largest_eigenvalue,
    "trace": MeasuredSpread.trace,
}


def measured_spread(
    land: Landscape,
    wish: Wish,
    budget: Budget,
    progress: ProgressLike,
    start: Tensor | None = None,
) -> tuple[DataSpread, Tensor | None]:
    """The numbers of one sample, and the eigenvectors for a larger one."""
    measured = MeasuredSpread(land, wish, start)
    found = measured.run(budget, progress)
    return found, None if measured.pairs is None else measured.pairs.vectors
