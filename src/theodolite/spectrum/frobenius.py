"""The root of the sum of squares of all entries, by random probes."""

from typing import Any, final

import torch
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.estimate import Estimate, mean_and_error
from theodolite.operators.matrix import as_operator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.probes import Probe, Probes, Tally, require_tolerances


def frobenius_norm(
    operator: Any,
    *,
    rtol: float = 0.05,
    atol: float = 0.0,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> Estimate[float]:
    """The Frobenius norm ‖H‖_F = √(Σ λᵢ²), with one standard error.

        ‖H‖_F² = ‖H V‖_F² + E[‖H z'‖²],   z' = z − V Vᵀ z,  z of random signs

    Stops when the standard error is below ``rtol`` of the value or below ``atol``,
    after at least 20 probes; computed exactly by p products where that is not more.
    At most ½ / rtol² probes, less where many eigenvalues share the weight.
    ``deflate`` takes out the large ones, for one more product a pair. A few outliers
    make few probes skew: their error is then itself uncertain by a third.

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
    Hutchinson's estimator of tr H²; Avron and Toledo, "Randomized algorithms for
    estimating the trace of an implicit symmetric positive semi-definite matrix",
    J. ACM 58 (2011), doi:10.1145/1944345.1944349.
    """
    require_tolerances(rtol, atol, "rtol=0.05")
    matrix = as_operator(operator)
    probes = Probes(matrix, seed, deflate)
    known = 0.0
    if deflate is not None:
        images = require_finite(matrix @ deflate.vectors)
        known = float(images.double().square().sum())
    tally = _Squares(known, rtol, atol)
    ended = probes.run(tally, as_budget(budget, 1000))
    value, error = tally.estimate()
    return probes.estimate(tally, value, error, ended)


@final
class _Squares(Tally):
    """Independent samples of ‖H z'‖², or the sum of squares itself."""

    def __init__(self, known: float, rtol: float, atol: float) -> None:
        super().__init__()
        self._known, self._rtol, self._atol = known, rtol, atol
        self._samples = torch.zeros(0, dtype=torch.float64)
        self._total = 0.0

    def add(self, probe: Probe) -> None:
        """One sample a probe."""
        samples = probe.products.double().square().sum(0)
        self._samples = torch.cat([self._samples, samples.cpu()])
        self.count = len(self._samples)

    def add_columns(self, rows: Tensor, columns: Tensor) -> None:
        """Their squares."""
        del rows
        self._total += float(columns.double().square().sum())

    def error_and_goal(self) -> tuple[float, float]:
        """One standard error, and the larger tolerance."""
        value, error = self.estimate()
        return error, max(self._rtol * value, self._atol)

    def estimate(self) -> tuple[float, float]:
        """The norm and its standard error."""
        if self.exact:
            return self._total**0.5, 0.0
        mean, error = mean_and_error(self._samples)
        return root_and_error(self._known + mean, error)


def root_and_error(square: float, error: float) -> tuple[float, float]:
    """The root of a number, and the standard error that it inherits."""
    root = square**0.5
    return root, error / (2 * root) if root and error else 0.0
