"""Every eigenvalue of a small landscape, and the ends of a large one's."""

from dataclasses import dataclass

import torch
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome
from theodolite.progress import ProgressLike
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import default_basis, eigsh
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.symmetry import symmetric_eigenvalues

# up to here the dense matrix costs no more products than a careful look at both ends
SMALL = 256


@dataclass(frozen=True)
class Ends:
    """Eigenvalues with residuals, ascending: all of them, or some from each end.

    Attributes
    ----------
    lowest, highest : Tensor
        From the lower end ascending, from the upper end descending; the same ones
        where all are known.
    lowest_residuals, highest_residuals : Tensor
        How far each may be off.
    negative : Tensor
        Ritz values below zero. A compression of a matrix has no more of them than the
        matrix: their number is a lower bound of the index, converged or not.
    floor, ceiling : float
        What no eigenvalue is below, or above, with probability
        :data:`~theodolite.spectrum.enclosure.CONFIDENCE`; infinite where unknown.
    exact : bool
        Whether every eigenvalue is in both.
    outcome : Outcome
        The worse of the two ends'.
    """

    lowest: Tensor
    highest: Tensor
    lowest_residuals: Tensor
    highest_residuals: Tensor
    negative: Tensor
    floor: float
    ceiling: float
    exact: bool
    outcome: Outcome


def ends_of(
    operator: Operator,
    k: int = 1,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    krylov: Krylov | None = None,
    progress: ProgressLike = False,
) -> Ends:
    """All eigenvalues of a small operator, or ``k`` from each end of a large one."""
    if operator.shape[0] <= SMALL:
        values = symmetric_eigenvalues(operator)
        off, below = torch.zeros_like(values), values[values < 0]
        return Ends(
            values,
            values.flip(0),
            off,
            off,
            below,
            floor=float(values[0]),
            ceiling=float(values[-1]),
            exact=True,
            outcome=EXACT,
        )
    if krylov is None:
        like = torch.empty(0, dtype=operator.dtype, device=operator.device)
        capacity = default_basis(operator.shape[0], k, like.element_size())
        krylov = Krylov.from_random(operator.shape[0], capacity, like, seed)
    high, low = (
        eigsh(
            operator,
            count,
            which,
            tol=tol,
            seed=seed,
            budget=budget,
            progress=progress,
            krylov=krylov,
        )
        for count, which in ((1, "LA"), (k, "SA"))
    )
    outcome = high.outcome if not high.converged else low.outcome
    return ends_from(low, high, krylov.ritz().values, outcome)


def ends_from(
    low: EigenPairs, high: EigenPairs, values: Tensor, outcome: Outcome
) -> Ends:
    """Both ends out of pairs and all Ritz values at hand."""
    return Ends(
        low.values.flip(0),
        high.values,
        low.residuals.flip(0),
        high.residuals,
        values[values < 0],
        floor=float(low.low.min()),
        ceiling=float(high.high.max()),
        exact=False,
        outcome=outcome,
    )
