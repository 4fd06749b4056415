"""The trace of every group's Hessian by the same probes: a table of two ways."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.by_batch import each_product
from theodolite.operators.curvature import Curvature
from theodolite.seeding import generator
from theodolite.site.other_data.groups import GroupMeans, Groups
from theodolite.site.other_data.jackknife import Spread, jackknife, left_out, mean_of
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.vectors import inner, rademacher_block, without

# probes multiplied together
BLOCK = 8
# parameters whose diagonal is summed instead
SMALL = 24
# probes should leave less in doubt than the data do
_SHARE = 0.5


@dataclass(frozen=True)
class TraceSpread:
    """The trace, and what its probes and its data leave in doubt.

    Attributes
    ----------
    value : float
        The trace.
    spread : Spread
        Over the data, the probes held fixed.
    probe_error : float
        One standard error of the probes; zero where none were drawn.
    probes : int
        How many.
    """

    value: float
    spread: Spread
    probe_error: float
    probes: int

    def missing(self, rtol: float) -> int:
        """More probes until they leave little in doubt, beside the data or at all."""
        goal = _SHARE * max(self.spread.error, rtol * abs(self.value))
        return 0 if not self.probes else _missing(self.probes, self.probe_error, goal)


def _missing(count: int, error: float, goal: float) -> int:
    """How many more make an error as small as wanted."""
    if error <= goal:
        return 0
    return ceil(count * (error / goal) ** 2) - count if goal else count


@final
class GroupTraces:
    """Probes of every group's Hessian, the known vectors taken out.

    Parameters
    ----------
    hessian : Curvature
        Whose batches the groups are made of.
    groups : Groups
        The data.
    known : Tensor
        Orthonormal vectors as rows ``(k, p)``; none where ``k`` is zero.
    inside : Tensor
        Each group's trace within their span, ``(g,)``.
    seed : int
        Of the probes.
    """

    def __init__(
        self,
        hessian: Curvature,
        groups: Groups,
        known: Float[Tensor, "k p"],
        inside: Float[Tensor, " g"],
        seed: int,
    ) -> None:
        self._hessian, self._groups = hessian, groups
        self._known, self._inside = known, inside
        self._generator = generator(seed)
        self._samples = torch.zeros(len(groups), 0, dtype=torch.float64)
        self.exact = False

    def add_probes(self, count: int) -> None:
        """Some more random signs."""
        signs = rademacher_block(
            self._hessian.shape[0], count, self._generator, self._known
        )
        for column in signs.unbind(1):
            wide = column.to(torch.float64, copy=True)
            column.copy_(without(wide, self._known, inner(self._known, wide)))
        self._samples = torch.cat([self._samples, self._forms(signs)], 1)

    def sum_diagonal(self) -> None:
        """Every unit vector instead: nothing is left to chance."""
        unit = torch.eye(self._hessian.shape[0]).to(self._known)
        self._inside = torch.zeros_like(self._inside)
        self._samples = self._forms(unit).sum(1, keepdim=True)
        self.exact = True

    def _forms(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "g k"]:
        """zᵀ H_b z of every group and vector."""
        rows = block.T.contiguous()
        found = torch.zeros(len(self._groups), len(rows), dtype=torch.float64)

        def add(group: int, products: Tensor) -> None:
            require_finite(products)
            for place, (row, product) in enumerate(zip(rows, products, strict=True)):
                found[group, place] = float(inner(row[None], product))

        each_product(self._hessian, block, GroupMeans(self._groups, add).add)
        return found

    def result(self) -> TraceSpread:
        """What is known so far."""
        shares = self._groups.shares
        traces = self._inside + self._samples.mean(1)
        value = mean_of(traces, shares)
        spread = jackknife(float(value), left_out(value, traces, shares), shares)
        probes = 0 if self.exact else self._samples.shape[1]
        error = 0.0
        if probes:
            by_probe = mean_of(self._samples, shares)
            error = float(by_probe.std()) / sqrt(probes)
        return TraceSpread(float(value), spread, error, probes)
