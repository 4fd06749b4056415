"""The eigenvalue largest in size, by multiplying again and again."""

from math import inf
from typing import Any

import torch
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import NonFiniteError
from theodolite.operators.matrix import as_operator
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.progress import ProgressLike
from theodolite.seeding import generator
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.enclosure import CONFIDENCE
from theodolite.spectrum.vectors import norm, random_vector, unit


def power_iteration(
    operator: Any,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    v0: Tensor | None = None,
    progress: ProgressLike = False,
) -> EigenPairs:
    """The eigenpair largest in size, one product a step.

        v ← H v / ‖H v‖,   θ = vᵀ H v

    Stops on the residual ``‖H v − θ v‖ ≤ tol |θ|``, never because two estimates
    agree: a spectrum that holds +λ and −λ does not converge, and says so. For teaching
    and for warm starts; :func:`theodolite.eigsh` needs far fewer products.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    tol : float
        Residual relative to the eigenvalue.
    seed : int
        Of the random start.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    v0 : Tensor, optional
        Start ``(p,)``, for example the vector of the last checkpoint.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    EigenPairs
        With one pair.

    Raises
    ------
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Golub and Van Loan, "Matrix Computations", 4th ed. 2013, section 7.3.
    """
    matrix = as_operator(operator)
    like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
    start = v0
    if start is None:
        source = generator(seed)
        start = random_vector(matrix.shape[0], source, like)
    vector = unit(start.to(like))
    with Effort(matrix, budget, 1000, progress, "power iteration") as effort:
        effort.holds(2 * vector.nbytes)
        while True:
            product = matrix @ vector
            value = float(vector.double() @ product.double())
            residual = norm(product.double() - value * vector.double())
            done = _ended(value, residual, tol)
            if done is None and effort.spent():
                done = out_of_budget(
                    f"the residual {residual:.2g} is above {tol:g} of {value:.4g}",
                    "Raise budget, or use eigsh, which converges much faster",
                )
            effort.tell(inf if done is None else 0)
            if done is not None:
                break
            vector = product / norm(product)
        return EigenPairs(
            values=torch.tensor([value], dtype=torch.float64),
            vectors=vector[:, None],
            residuals=torch.tensor([residual], dtype=torch.float64),
            tolerances=torch.tensor([tol * abs(value)], dtype=torch.float64),
            # no Ritz value is outside the spectrum; nothing else is known of its ends
            low=torch.tensor([value if value > 0 else -inf], dtype=torch.float64),
            high=torch.tensor([inf if value > 0 else value], dtype=torch.float64),
            confidence=CONFIDENCE,
            seed=seed,
            outcome=done,
            lowest=int(value < 0),
            **effort.cost,
        )


def _ended(value: float, residual: float, tol: float) -> Outcome | None:
    if not residual < float("inf"):
        raise NonFiniteError(
            found="A Hessian-vector product is NaN or infinite.",
            why="Its norm would be meaningless.",
            instead="Measure in a wider type (model.double()).",
        )
    if residual <= tol * abs(value):
        return converged(f"The residual is below {tol:g} of the value")
    return None
