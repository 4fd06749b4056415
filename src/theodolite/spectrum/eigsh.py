"""The outermost eigenpairs, by Lanczos with thick restarts."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.outcomes import out_of_budget
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs, chosen_positions
from theodolite.spectrum.enclosure import (
    CONFIDENCE,
    outer_bounds,
    rounding_of_products,
)
from theodolite.spectrum.krylov import WIDEST, Krylov
from theodolite.spectrum.lanczos_search import (
    LanczosSearch,
    residual_tolerances,
    settled,
)
from theodolite.spectrum.symmetry import require_symmetric
from theodolite.spectrum.vectors import norm

ENDS = ("LA", "SA", "LM", "BE")
_BASIS_BYTES = 2**28
# a small eigenproblem of this size is solved in a tenth of a second
_SMALL = 800


def eigsh(
    operator: Any,
    k: int = 6,
    which: str = "LA",
    *,
    tol: float = 1e-3,
    seed: int = 0,
    v0: Float[Tensor, " p"] | Float[Tensor, "p m"] | None = None,
    basis: int | None = None,
    block: int = 1,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    krylov: Krylov | None = None,
) -> EigenPairs:
    """The ``k`` outermost eigenpairs of a symmetric operator.

        H v = θ v + r,   |θ − λ| ≤ ‖r‖ for some eigenvalue λ

    Lanczos with full reorthogonalisation in float64 inner products, restarted with the
    best Ritz vectors when the basis is full, until every residual is below
    ``tol · max(|θ|, 10⁻³ ‖H‖)``. Then it goes on from a fresh random direction for
    eight products or more: eigenvalues that the first start could not see, such as the
    copies of a multiple one, show up there, and the search continues, along several
    directions at once. What they do not show bounds what can have been missed: the
    result's ``low`` and ``high`` hold the eigenvalue of each rank, with probability
    0.999.

    Costs 20 to 60 products for the ten largest of a trained network, 100 and more for
    the smallest; memory 2 · ``basis`` · p numbers. Where ``low`` and ``high`` are far
    apart, only the residual is known: it says that *an* eigenvalue is near, not that
    none was missed, and two closer than the tolerance may be told as one.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    k : int
        How many pairs.
    which : str
        ``"LA"`` largest, ``"SA"`` smallest, ``"LM"`` largest in size, ``"BE"`` half
        from each end (one more from the upper).
    tol : float
        Residual relative to the eigenvalue.
    seed : int
        Of the start.
    v0 : Tensor, optional
        A start ``(p,)``, or several ``(p, m)`` whose sum is taken, for example
        ``pairs.vectors`` of the last checkpoint: a quarter to a half fewer products for
        the largest alone where it has moved little, a tenth to a third for ten.
    basis : int, optional
        Vectors held at most. By default as many as fit in 256 MiB, within 40 (or
        ``2 k + 10``) and 200, or all p up to 800: restarts cost products, a basis costs
        memory.
    block : int
        Directions multiplied together, up to 8. Each further one costs products, so
        that one is best, unless a block of products costs little more than one.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.
    krylov : Krylov, optional
        A run on the same operator to go on from, instead of a random start.

    Returns
    -------
    EigenPairs
        Values descending; what did not converge is returned with its residual.

    Raises
    ------
    ArgumentError
        When ``k``, ``which``, ``tol``, ``basis``, ``block`` or ``v0`` cannot be used.
    NonFiniteError
        When a product is NaN or infinite.
    ProductError
        When the products are not symmetric.

    References
    ----------
    Wu and Simon, "Thick-restart Lanczos method for large symmetric eigenvalue
    problems", SIAM J. Matrix Anal. Appl. 22 (2000), doi:10.1137/S0895479898334605; for
    ``low`` and ``high`` van Dorsselaer, Hochstenbach and van der Vorst, 2000,
    doi:10.1137/S0895479800366859.
    """
    matrix = as_operator(operator)
    size = matrix.shape[0]
    _require_sensible(size, k, which, tol, basis, block)
    if krylov is None:
        like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
        spacious = default_basis(size, k, like.element_size())
        capacity = spacious if basis is None else basis
        krylov = (
            Krylov.from_random(size, capacity, like, seed)
            if v0 is None
            else Krylov(start_of(v0, size).to(like), capacity, seed)
        )
        krylov.widen(block)
    elif v0 is not None:
        raise ArgumentError(
            found="Both v0 and krylov.",
            why="A run that goes on has its start behind it.",
            instead="Give one of them.",
        )
    with Effort(matrix, budget, 1000, progress, "eigenpairs") as effort:
        outcome = LanczosSearch(krylov, k, which, tol).run(matrix, effort)
        require_symmetric(krylov.asymmetry(), matrix)
        found = pairs_in(krylov, k, which, tol=tol, resolution=matrix.resolution)
        effort.holds(krylov.bytes)
        return replace(found, seed=seed, outcome=outcome, **effort.cost)


def pairs_in(
    krylov: Krylov,
    k: int,
    which: str,
    *,
    tol: float = 1e-3,
    resolution: float | None = None,
) -> EigenPairs:
    """The pairs that a basis holds already, with true residuals and no product."""
    ritz = krylov.ritz()
    wanted = chosen_positions(ritz.values, k, which).flip(0)
    values, mixes = ritz.values[wanted], ritz.mixes[:, wanted]
    residuals = krylov.residuals(values, mixes)
    tolerances = residual_tolerances(ritz.values, wanted, tol)
    from_below = _from_below(values, wanted, which, len(wanted))
    # what products in this type leave uncertain
    rounding = rounding_of_products(
        ritz.values, resolution or torch.finfo(krylov.dtype).eps
    )
    below, above = outer_bounds(krylov, 1 - CONFIDENCE, rounding)
    late = int((residuals > tolerances).sum()) + k - len(wanted)
    missed = f"{late} of {k} residuals are above tol={tol:g}"
    return EigenPairs(
        values=values,
        vectors=krylov.vectors(mixes),
        residuals=residuals,
        tolerances=tolerances,
        low=torch.where(from_below, below[wanted], values - rounding),
        high=torch.where(from_below, values + rounding, above[wanted]),
        confidence=CONFIDENCE,
        products=0,
        seconds=0.0,
        bytes=krylov.bytes,
        seed=0,
        outcome=out_of_budget(missed, "Raise budget or tol") if late else settled(k),
        lowest=int(from_below.sum()),
    )


def _from_below(values: Tensor, wanted: Tensor, which: str, k: int) -> Tensor:
    """Whose ranks count from the lower end of the spectrum."""
    if which == "LM":
        return values < 0
    return wanted < {"LA": 0, "SA": k, "BE": k // 2}[which]


def start_of(v0: Tensor, size: int) -> Float[Tensor, " p"]:
    """One direction out of a vector, or of the columns of several.

    Raises
    ------
    ArgumentError
        When the shape does not fit, or an entry is not finite.
    """
    columns = v0[:, None] if v0.ndim == 1 else v0
    if columns.ndim != 2 or columns.shape[0] != size or not columns.shape[1]:
        raise ArgumentError(
            found=f"v0 of shape {tuple(v0.shape)}.",
            why=f"The operator is {size} × {size}.",
            instead=f"Give a tensor ({size},) or ({size}, m), like pairs.vectors.",
        )
    lengths = [norm(column) or 1.0 for column in columns.T]
    return (columns.double() / columns.new_tensor(lengths).double()).sum(1)


def default_basis(size: int, k: int, itemsize: int) -> int:
    """How many vectors a basis may hold, with their products, before it restarts."""
    affordable = _BASIS_BYTES // (2 * size * itemsize)
    # of a small matrix all: it is known exactly before it costs more than that
    usual = size if size <= _SMALL else 200
    return max(2 * k + 10, 40, min(usual, affordable))


def _require_sensible(
    size: int, k: int, which: str, tol: float, basis: int | None, block: int
) -> None:
    if not 1 <= k <= size:
        raise ArgumentError(
            found=f"k={k} for a {size} × {size} operator.",
            why=f"It has {size} eigenvalues.",
            instead=f"Give 1 ≤ k ≤ {size}.",
        )
    if which not in ENDS:
        raise ArgumentError(
            found=f"which={which!r}.",
            why="That is no end of a spectrum.",
            instead='Give "LA" (largest), "SA" (smallest), "LM" (largest in size) or '
            '"BE" (both ends).',
        )
    if not tol > 0:
        raise ArgumentError(
            found=f"tol={tol}.",
            why="A residual never gets below zero.",
            instead="Give a positive tolerance like 1e-3.",
        )
    if not 1 <= block <= WIDEST:
        raise ArgumentError(
            found=f"block={block}.",
            why="Every direction beside the first costs more products.",
            instead=f"Give 1 to {WIDEST}; 1 is best where a block is not much cheaper.",
        )
    if basis is not None and basis < min(k + 4, size):
        raise ArgumentError(
            found=f"basis={basis} for k={k}.",
            why="A restart needs room beside the wanted vectors.",
            instead=f"Give basis={k + 4} at least; 2 k + 10 is a good size.",
        )
