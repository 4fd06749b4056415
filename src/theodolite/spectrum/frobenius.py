"""The root of the sum of squares of all entries, by random probes."""

from typing import Any

from theodolite.budget import BudgetLike
from theodolite.estimate import Estimate
from theodolite.operators.matrix import as_operator
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import require_tolerances
from theodolite.spectrum.estimating.probing import Probing
from theodolite.spectrum.estimating.quantities import FrobeniusOf
from theodolite.spectrum.krylov import Krylov


def frobenius_norm(
    operator: Any,
    *,
    rtol: float = 0.05,
    atol: float = 0.0,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> Estimate[float]:
    """The Frobenius norm ‖H‖_F = √(Σ λᵢ²), with one standard error.

        ‖H‖_F² = 2 ‖H Q‖_F² − ‖QᵀHQ‖_F² + E[‖P H P z‖²],   P = I − Q Qᵀ

    z of random signs. Eight probes tell whether Lanczos steps pay, which put the large
    eigenvalues into Q: 30 products where a few outliers carry the norm, 16 on flat
    spectra. Stops when half the 95 % interval is below ``rtol`` of the value or below
    ``atol``, after at least 16 probes; computed exactly by p products where that is not
    more. Memory as for :func:`theodolite.trace`. With ``method="plain"`` a few outliers
    make few probes skew: their error is then itself uncertain by a third.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    rtol, atol : float
        Half the 95 % interval asked for, relative or absolute.
    method : str
        ``"auto"``, or ``"deflated"``; ``"plain"`` takes random signs alone.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.
    deflate : EigenPairs, optional
        Pairs of the same operator to take out instead, for one more product a pair.
    krylov : Krylov, optional
        A run on the same operator whose space is taken out, and may grow.

    Raises
    ------
    ArgumentError
        When a tolerance is negative, or both are zero; for an unknown method.
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
    with Effort(matrix, budget, 1000, progress, "Frobenius norm") as effort:
        probing = Probing(
            matrix,
            {"frobenius": FrobeniusOf(rtol, atol)},
            effort,
            seed=seed,
            method=method,
            deflate=deflate,
            krylov=krylov,
        )
        return probing.estimate("frobenius", probing.run())
