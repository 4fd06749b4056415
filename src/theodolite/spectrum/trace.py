"""The sum of all eigenvalues, by random probes."""

from typing import Any

from theodolite.budget import BudgetLike
from theodolite.estimate import Estimate
from theodolite.operators.matrix import as_operator
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import require_tolerances
from theodolite.spectrum.estimating.probing import Probing
from theodolite.spectrum.estimating.quantities import TraceOf
from theodolite.spectrum.krylov import Krylov


def trace(
    operator: Any,
    *,
    rtol: float = 0.02,
    atol: float = 0.0,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> Estimate[float]:
    """The trace, with one standard error.

        tr H = tr G + E[zᵀ (H − G) z]                     z of random signs
        tr H = tr QᵀHQ + E[z'ᵀ H z'],   z' = z − Q Qᵀ z

    For the Hessian of a network the Gauss–Newton part G is exact for some 5 to 12
    gradients, and the rest varies little once the network is trained: three pairs of
    products H z, G z and a few more give one percent. Where it does not, as before
    training, or for any other operator, eight probes tell whether Lanczos steps pay,
    which take the large eigenvalues out: some 25 products to one percent where a few
    outliers carry the variance, about 8 (‖H‖_F / (tr H · rtol))² plain probes where
    nothing stands out. Computed exactly by p products where that is not more. Memory 2
    p numbers, with a Krylov space 2 m p more for its m vectors (20 at least, as many as
    fit in 256 MiB).

    It stops when half the 95 % interval is below ``rtol`` of the value or below
    ``atol``. The error comes from the products' entries, which know the variance after
    few probes: ``error`` is one standard error, ``interval()`` the 95 % interval. A
    trace near zero never meets a relative tolerance, so give ``atol`` there. A few
    outliers that neither part takes out (``method="plain"``) make few probes skew.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    rtol, atol : float
        Half the 95 % interval asked for, relative or absolute.
    method : str
        ``"auto"``; ``"split"`` insists on the Gauss–Newton part, ``"deflated"`` leaves
        it out, ``"plain"`` takes random signs alone.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default; those of G count as well), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.
    deflate : EigenPairs, optional
        Pairs of the same operator to take out instead; any orthonormal vectors are
        right, good ones save probes.
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
    Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990,
    doi:10.1080/03610919008812866; the Krylov space: Chen and Hallman, "Krylov-aware
    stochastic trace estimation", 2023, arXiv:2205.01736.
    """
    require_tolerances(rtol, atol, "rtol=0.02")
    matrix = as_operator(operator)
    with Effort(matrix, budget, 1000, progress, "trace") as effort:
        probing = Probing(
            matrix,
            {"trace": TraceOf(rtol, atol)},
            effort,
            seed=seed,
            method=method,
            deflate=deflate,
            krylov=krylov,
        )
        return probing.estimate("trace", probing.run())
