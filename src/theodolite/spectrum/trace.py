"""The sum of all eigenvalues, by random probes."""

import time
from math import ceil
from typing import Any, final

import torch

from theodolite.budget import Budget, BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate, mean_and_error
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.vectors import inner, rademacher_block, without

# fewer probes than this give no standard error worth the name
_FEWEST = 20
# an error that is by chance too small ends the probing: ask for a little less
_EAGERNESS = 1.2


def trace(
    operator: Any,
    *,
    rtol: float = 0.02,
    atol: float = 0.0,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> Estimate:
    """The trace, with one standard error.

        tr H = Σ θᵢ + E[z'ᵀ H z'],   z' = z − V Vᵀ z,  z of random signs

    Hutchinson's estimator, with the large eigenvalues taken out where ``deflate``
    gives their vectors: those would carry most of the variance. Stops when the
    standard error is below ``rtol`` of the value or below ``atol``, after at least 20
    probes; computed exactly by p products where that is not more. About
    2 (‖H‖_F / (tr H · rtol))² probes without deflation: a trace near zero never meets a
    relative tolerance, so give ``atol`` there.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    rtol, atol : float
        Standard error asked for, relative or absolute.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    deflate : EigenPairs, optional
        Pairs of the same operator; any orthonormal vectors are right, good ones save
        probes.

    Raises
    ------
    ArgumentError
        When a tolerance is negative, or both are zero.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990,
    doi:10.1080/03610919008812866. Deflation: Gambhir, Stathopoulos and Orginos,
    SIAM J. Sci. Comput. 39 (2017), arXiv:1603.05988.
    """
    began = time.perf_counter()
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ArgumentError(
            found=f"rtol={rtol}, atol={atol}.",
            why="An error never gets below zero.",
            instead="Give rtol=0.02, or an absolute atol.",
        )
    matrix = as_operator(operator)
    probing = _Probing(matrix, deflate, seed)
    ended = probing.run(rtol, atol, as_budget(budget, 1000))
    value, error = probing.estimate()
    return Estimate(
        value=value,
        error=error,
        probes=0 if ended is EXACT else len(probing.samples),
        products=probing.products,
        seconds=time.perf_counter() - began,
        seed=seed,
        outcome=ended,
    )


@final
class _Probing:
    """Independent samples of zᵀHz in the complement of known vectors."""

    def __init__(self, matrix: Operator, deflate: EigenPairs | None, seed: int) -> None:
        self.matrix, self._before = matrix, matrix.products
        self.samples = torch.zeros(0, dtype=torch.float64)
        self._exact: float | None = None
        self._generator = torch.Generator().manual_seed(seed)
        self._rows = None if deflate is None else deflate.vectors.T.contiguous()
        self._inside = 0.0 if deflate is None else float(deflate.values.sum())

    @property
    def products(self) -> int:
        """Products spent so far."""
        return self.matrix.products - self._before

    def estimate(self) -> tuple[float, float]:
        """The trace and its standard error."""
        if self._exact is not None:
            return self._exact, 0.0
        mean, error = mean_and_error(self.samples)
        return self._inside + mean, error

    def run(self, rtol: float, atol: float, budget: Budget) -> Outcome:
        """Probe until the error is small enough, or every unit vector is cheaper."""
        size = self.matrix.shape[0]
        while True:
            needed = self._more_needed(rtol, atol)
            if needed <= 0:
                return converged("The standard error is below its tolerance")
            if needed >= size and not budget.spent(self.products + size - 1):
                self._exact = self._sum_of_diagonal(budget)
                if self._exact is not None:
                    return EXACT
            if budget.spent(self.products):
                return self._out_of_budget()
            room = budget.room(self.products)
            self._probe(int(min(self.matrix.block_size, needed, room)))

    def _more_needed(self, rtol: float, atol: float) -> float:
        """Probes still missing, by the spread seen so far."""
        count = len(self.samples)
        if count < _FEWEST:
            return _FEWEST - count
        value, error = self.estimate()
        target = max(rtol * abs(value), atol)
        error *= _EAGERNESS
        if error <= target:
            return 0
        return ceil(count * (error / target) ** 2) - count if target else float("inf")

    def _probe(self, count: int) -> None:
        like = torch.empty(0, dtype=self.matrix.dtype, device=self.matrix.device)
        block = rademacher_block(self.matrix.shape[0], count, self._generator, like)
        if self._rows is not None:
            for column in block.unbind(1):
                wide = column.to(torch.float64, copy=True)
                column.copy_(without(wide, self._rows, inner(self._rows, wide)))
        samples = (block.double() * (self.matrix @ block).double()).sum(0)
        self.samples = torch.cat([self.samples, require_finite(samples).cpu()])

    def _sum_of_diagonal(self, budget: Budget) -> float | None:
        """The trace by unit vectors, ``None`` when the budget ends before."""
        total, size = 0.0, self.matrix.shape[0]
        for start in range(0, size, 32):
            if budget.spent(self.products):
                return None
            rows = torch.arange(start, min(start + 32, size))
            columns = rows - start
            block = torch.zeros(size, len(rows), dtype=self.matrix.dtype)
            block[rows, columns] = 1
            product = self.matrix @ block
            total += float(require_finite(product[rows, columns].double()).sum())
        return total

    def _out_of_budget(self) -> Outcome:
        value, error = self.estimate()
        return out_of_budget(
            f"after {len(self.samples)} probes the standard error is {error:.2g} on "
            f"{value:.4g}",
            "Raise budget or rtol, or give the large eigenpairs as deflate",
        )
