"""The curvature along every single parameter, by random probes."""

from typing import Any

from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.estimate import Estimate
from theodolite.operators.matrix import as_operator
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import require_tolerances
from theodolite.spectrum.estimating.probing import Probing
from theodolite.spectrum.estimating.quantities import DiagonalOf
from theodolite.spectrum.krylov import Krylov


def diagonal(
    operator: Any,
    *,
    rtol: float = 0.1,
    atol: float = 0.0,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> Estimate[Tensor]:
    """The diagonal, with one standard error for every entry.

        diag H = diag G + E[z ⊙ (H − G) z]                     z of random signs
        diag H = diag(2 HQQᵀ − QTQᵀ) + E[z ⊙ P H P z],   P = I − Q Qᵀ,  T = QᵀHQ

    For the Hessian of a trained network the Gauss–Newton part G is exact for some 5 to
    12 gradients, and a few pairs of products H z, G z give the rest to a few percent.
    Otherwise Lanczos steps take large eigenvalues out where that pays, and plain probes
    do the rest, 20 at least: about (‖H‖_F / (‖diag H‖ · rtol))² where nothing stands
    out. Stops when the errors' Euclidean norm is below ``rtol`` of the diagonal's or
    below ``atol``; computed exactly by p products where that is not more. Memory 3 p
    numbers, and as for :func:`theodolite.trace`.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    rtol, atol : float
        Norm of all standard errors asked for, relative to the diagonal's or absolute. A
        single small entry can have an error above its size.
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
        Pairs of the same operator to take out instead, for one more product a pair; any
        orthonormal vectors are right, good ones save probes.
    krylov : Krylov, optional
        A run on the same operator whose space is taken out, and may grow.

    Returns
    -------
    Estimate
        Value and error are tensors ``(p,)``, float64.

    Raises
    ------
    ArgumentError
        When a tolerance is negative, or both are zero; for an unknown method.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Bekas, Kokiopoulou and Saad, "An estimator for the diagonal of a matrix", Appl.
    Numer. Math. 57 (2007), doi:10.1016/j.apnum.2007.01.003.
    """
    require_tolerances(rtol, atol, "rtol=0.1")
    matrix = as_operator(operator)
    with Effort(matrix, budget, 1000, progress, "diagonal") as effort:
        probing = Probing(
            matrix,
            {"diagonal": DiagonalOf(rtol, atol)},
            effort,
            seed=seed,
            method=method,
            deflate=deflate,
            krylov=krylov,
        )
        return probing.estimate("diagonal", probing.run())
