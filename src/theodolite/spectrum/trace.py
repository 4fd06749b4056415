"""The sum of all eigenvalues, by random probes."""

from typing import Any, final

import torch
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.estimate import Estimate, mean_and_error
from theodolite.operators.matrix import as_operator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.probes import Probe, Probes, Tally, require_tolerances


def trace(
    operator: Any,
    *,
    rtol: float = 0.02,
    atol: float = 0.0,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> Estimate[float]:
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
    require_tolerances(rtol, atol, "rtol=0.02")
    probes = Probes(as_operator(operator), seed, deflate)
    inside = 0.0 if deflate is None else float(deflate.values.sum())
    tally = _Traces(inside, rtol, atol)
    ended = probes.run(tally, as_budget(budget, 1000))
    value, error = tally.estimate()
    return probes.estimate(tally, value, error, ended)


@final
class _Traces(Tally):
    """Independent samples of z'ᵀ H z', or the diagonal's sum."""

    def __init__(self, inside: float, rtol: float, atol: float) -> None:
        super().__init__()
        self._inside, self._rtol, self._atol = inside, rtol, atol
        self._samples = torch.zeros(0, dtype=torch.float64)
        self._diagonal = 0.0

    def add(self, probe: Probe) -> None:
        """One sample a probe."""
        samples = (probe.vectors.double() * probe.products.double()).sum(0)
        self._samples = torch.cat([self._samples, samples.cpu()])
        self.count = len(self._samples)

    def add_columns(self, rows: Tensor, columns: Tensor) -> None:
        """Their entries on the diagonal."""
        entries = columns[rows, torch.arange(len(rows), device=rows.device)]
        self._diagonal += float(entries.double().sum())

    def error_and_goal(self) -> tuple[float, float]:
        """One standard error, and the larger tolerance."""
        value, error = self.estimate()
        return error, max(self._rtol * abs(value), self._atol)

    def estimate(self) -> tuple[float, float]:
        """The trace and its standard error."""
        if self.exact:
            return self._diagonal, 0.0
        mean, error = mean_and_error(self._samples)
        return self._inside + mean, error
