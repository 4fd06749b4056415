"""The outermost eigenpairs, by Lanczos with thick restarts."""

import time
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor

from theodolite.budget import Budget, BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget, rounding
from theodolite.spectrum.eigenpairs import EigenPairs, chosen_positions
from theodolite.spectrum.krylov import Krylov, RitzPairs
from theodolite.spectrum.symmetry import require_symmetric

ENDS = ("LA", "SA", "LM", "BE")
# products from a fresh direction, at least, in which no missed eigenvalue may show
_CONFIRMATION = 8
_BASIS_BYTES = 2**28


def eigsh(
    operator: Any,
    k: int = 6,
    which: str = "LA",
    *,
    tol: float = 1e-3,
    seed: int = 0,
    basis: int | None = None,
    budget: BudgetLike = None,
    krylov: Krylov | None = None,
) -> EigenPairs:
    """The ``k`` outermost eigenpairs of a symmetric operator.

        H v = θ v + r,   |θ − λ| ≤ ‖r‖ for some eigenvalue λ

    Lanczos with full reorthogonalisation in float64 inner products, restarted with the
    best Ritz vectors when the basis is full, until every residual is below
    ``tol · max(|θ|, 10⁻³ ‖H‖)``. Then it goes on from a fresh random direction for
    eight products or more: eigenvalues that the first start could not see, such as the
    copies of a multiple one, show up there, and the search continues.

    Costs 20 to 60 products for the ten largest of a trained network, 100 and more for
    the smallest; memory 2 · ``basis`` · p numbers. A residual says that *an*
    eigenvalue is near, not that none was missed: two eigenvalues closer than the
    tolerance may be told as one.

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
    basis : int, optional
        Vectors held at most. By default as many as fit in 256 MiB, within 40 (or
        ``2 k + 10``) and 200: restarts cost products, a basis costs memory.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    krylov : Krylov, optional
        A run on the same operator to go on from, instead of a random start.

    Returns
    -------
    EigenPairs
        Values descending; what did not converge is returned with its residual.

    Raises
    ------
    ArgumentError
        When ``k``, ``which``, ``tol`` or ``basis`` is out of range.
    NonFiniteError
        When a product is NaN or infinite.
    ProductError
        When the products are not symmetric.

    References
    ----------
    Wu and Simon, "Thick-restart Lanczos method for large symmetric eigenvalue
    problems", SIAM J. Matrix Anal. Appl. 22 (2000), doi:10.1137/S0895479898334605.
    """
    began = time.perf_counter()
    matrix = as_operator(operator)
    size = matrix.shape[0]
    _require_sensible(size, k, which, tol, basis)
    if krylov is None:
        like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
        capacity = (
            default_basis(size, k, like.element_size()) if basis is None else basis
        )
        krylov = Krylov.from_random(size, capacity, like, seed)
    before = matrix.products
    outcome = _Search(krylov, k, which, tol).run(matrix, as_budget(budget, 1000))
    require_symmetric(krylov.asymmetry(), matrix)
    return replace(
        pairs_in(krylov, k, which, tol=tol),
        products=matrix.products - before,
        seconds=time.perf_counter() - began,
        seed=seed,
        outcome=outcome,
    )


def pairs_in(krylov: Krylov, k: int, which: str, *, tol: float = 1e-3) -> EigenPairs:
    """The pairs that a basis holds already, with true residuals and no product."""
    ritz = krylov.ritz()
    wanted = chosen_positions(ritz.values, k, which).flip(0)
    values, mixes = ritz.values[wanted], ritz.mixes[:, wanted]
    residuals = krylov.residuals(values, mixes)
    tolerances = residual_tolerances(ritz.values, wanted, tol)
    late = int((residuals > tolerances).sum()) + k - len(wanted)
    missed = f"{late} of {k} residuals are above tol={tol:g}"
    settled = _settled(k)
    return EigenPairs(
        values=values,
        vectors=krylov.vectors(mixes),
        residuals=residuals,
        tolerances=tolerances,
        products=0,
        seconds=0.0,
        seed=0,
        outcome=out_of_budget(missed, "Raise budget or tol") if late else settled,
    )


def _settled(k: int) -> Outcome:
    what = f"All {k} residuals are" if k > 1 else "The residual is"
    return converged(f"{what} below tolerance")


def residual_tolerances(values: Tensor, wanted: Tensor, tol: float) -> Tensor:
    """What wanted residuals have to be below: relative, down to 10⁻³ of the largest."""
    sizes = values.abs()
    return tol * torch.maximum(sizes[wanted], 1e-3 * sizes.max())


def default_basis(size: int, k: int, itemsize: int) -> int:
    """How many vectors a basis may hold, with their products, before it restarts."""
    affordable = _BASIS_BYTES // (2 * size * itemsize)
    return max(2 * k + 10, 40, min(200, affordable))


@final
class _Search:
    """One search for some end of the spectrum in a growing space."""

    def __init__(self, krylov: Krylov, k: int, which: str, tol: float) -> None:
        self.krylov, self.k, self.which, self.tol = krylov, k, which, tol
        # wanted values when the last confirmation began, and products it still needs
        self._confirming: Tensor | None = None
        self._patience = 0
        self._disappointments = 0

    def run(self, matrix: Operator, budget: Budget) -> Outcome:
        """Expand until the wanted pairs have converged and are confirmed."""
        before = matrix.products
        while not self.krylov.exhausted:
            ended = self._judged()
            if ended is not None:
                return ended
            # the first product is always made: nothing could be returned without
            if self.krylov.dimension and budget.spent(matrix.products - before):
                return self._out_of_budget()
            if self.krylov.full:
                self._restart()
            self._patience -= self._expand(matrix, budget, before)
        return EXACT

    def _expand(self, matrix: Operator, budget: Budget, before: int) -> int:
        """Some products in a row: the small eigenproblem grows with the cube."""
        steps = max(1, self.krylov.dimension // 12)
        steps = min(steps, self._patience) if self._patience > 0 else steps
        for step in range(steps):
            late = step > 0 and budget.spent(matrix.products - before)
            if self.krylov.full or late:
                return step
            self.krylov.grow(matrix)
        return steps

    def wanted(self, ritz: RitzPairs) -> Tensor:
        """Positions of the wanted Ritz values, ascending."""
        return chosen_positions(ritz.values, self.k, self.which)

    def _judged(self) -> Outcome | None:
        """Whether the search may end here; starts a confirmation where it is due."""
        if self.krylov.dimension < self.k or self._patience > 0:
            return None
        ritz = self.krylov.ritz()
        wanted = self.wanted(ritz)
        values, tolerances = (
            ritz.values[wanted],
            residual_tolerances(ritz.values, wanted, self.tol),
        )
        excess = ritz.estimates[wanted] / tolerances
        if bool((excess > 1).any()):
            self._confirming = None
            self._attend_to_the_worst(ritz, excess)
            return None
        residuals = self.krylov.residuals(values, ritz.mixes[:, wanted])
        if bool((residuals > tolerances).any()):
            return self._disappointed(float((residuals / tolerances).max()))
        moved = self._confirming is None or bool(
            ((values - self._confirming).abs() > tolerances).any()
        )
        if not moved:
            return _settled(self.k)
        self._confirm(values)
        return None

    def _confirm(self, values: Tensor) -> None:
        """Look from a fresh direction for what the first start could not see."""
        # what took long to find takes longer to miss
        steps = max(_CONFIRMATION, self.krylov.dimension // 4)
        self._confirming, self._patience = values, steps
        self.krylov.inject()

    def _disappointed(self, excess: float) -> Outcome | None:
        """Estimates were met and true residuals were not: rounding, or bad luck."""
        self._disappointments += 1
        self._patience = _CONFIRMATION
        if self._disappointments <= 3:
            return None
        return rounding(
            f"true residuals stay {excess:.1f} times above tol={self.tol:g}",
            "Measure in a wider type (model.double()), or raise tol",
        )

    def _out_of_budget(self) -> Outcome:
        ritz = self.krylov.ritz()
        wanted = self.wanted(ritz)
        missed = int(
            (
                ritz.estimates[wanted]
                > residual_tolerances(ritz.values, wanted, self.tol)
            ).sum()
        )
        missed += self.k - len(wanted)
        if missed == 0:
            return out_of_budget(
                "the budget ended while looking for eigenvalues that were missed",
                "Raise budget",
            )
        return out_of_budget(
            f"{missed} of {self.k} residuals are above tol={self.tol:g}",
            "Raise budget or tol",
        )

    def _restart(self) -> None:
        """Keep the wanted Ritz vectors, and some from both ends beside them."""
        ritz, size = self.krylov.ritz(), self.krylov.dimension
        spare = (size - self.k) // 2
        beside = max(1, spare // 3)
        other = {"LA": "SA", "SA": "LA"}.get(self.which, self.which)
        kept = torch.cat(
            [
                chosen_positions(ritz.values, self.k + spare - beside, self.which),
                chosen_positions(ritz.values, beside, other),
            ]
        ).unique()
        self.krylov.restart(ritz.values[kept], ritz.mixes[:, kept])

    def _attend_to_the_worst(self, ritz: RitzPairs, excess: Tensor) -> None:
        """Turn to a wanted pair that the present direction would never improve."""
        worst = int(self.wanted(ritz)[excess.argmax()])
        if self.krylov.neglected(ritz.mixes[:, worst]):
            self.krylov.go_on_from_residual(ritz, worst)
            self._patience = _CONFIRMATION


def _require_sensible(
    size: int, k: int, which: str, tol: float, basis: int | None
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
    if basis is not None and basis < min(k + 4, size):
        raise ArgumentError(
            found=f"basis={basis} for k={k}.",
            why="A restart needs room beside the wanted vectors.",
            instead=f"Give basis={k + 4} at least; 2 k + 10 is a good size.",
        )
