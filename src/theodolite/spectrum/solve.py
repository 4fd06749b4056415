"""Linear systems with the Hessian, by conjugate gradients."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.outcomes import Outcome, converged, out_of_budget, rounding
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.vectors import norm


@dataclass(frozen=True, repr=False)
class Solution:
    """An approximate solution of (H + δ I) x = b.

    Attributes
    ----------
    x : Tensor
        The solution ``(p,)``, as far as it was reached.
    residual : float
        ``‖b − (H + δ I) x‖``, computed anew at the end.
    negative_curvature : Tensor or None
        A unit direction ``d`` with ``dᵀ (H + δ I) d ≤ 0``, when one was met.
    curvature : float or None
        That value of ``dᵀ (H + δ I) d``.
    products, seconds
        What it cost.
    outcome : Outcome
        How it ended.
    """

    x: Float[Tensor, " p"]
    residual: float
    negative_curvature: Float[Tensor, " p"] | None
    curvature: float | None
    products: int
    seconds: float
    outcome: Outcome

    @property
    def converged(self) -> bool:
        """Whether the residual met its tolerance."""
        return self.outcome.good

    def __repr__(self) -> str:
        return (
            f"Solution(residual {self.residual:.2g}, {self.products} products). "
            f"{self.outcome}"
        )


def solve(
    operator: Any,
    b: Float[Tensor, " p"],
    *,
    damping: float = 0.0,
    tol: float = 1e-6,
    budget: BudgetLike = None,
) -> Solution:
    """Solve (H + damping · I) x = b by conjugate gradients.

    One product an iteration, at most as many as there are distinct eigenvalues in
    exact arithmetic; about ½ √κ ln(2/tol) in practice. The method needs positive
    curvature: a direction that bends downward ends it, and is returned.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    b : Tensor
        Right-hand side ``(p,)``.
    damping : float
        Added to every eigenvalue.
    tol : float
        Residual relative to ``‖b‖``.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.

    Raises
    ------
    ArgumentError
        When the shape does not fit.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems",
    1952, doi:10.6028/jres.049.044.
    """
    began = time.perf_counter()
    matrix = as_operator(operator)
    if b.shape != (matrix.shape[0],):
        raise ArgumentError(
            found=f"b of shape {tuple(b.shape)}.",
            why=f"The operator is {matrix.shape[0]} × {matrix.shape[0]}.",
            instead=f"Give a flat tensor ({matrix.shape[0]},).",
        )
    if not tol > 0:
        raise ArgumentError(
            found=f"tol={tol}.",
            why="A residual never gets below zero.",
            instead="Give a positive tolerance like 1e-6.",
        )
    before, limit = matrix.products, as_budget(budget, 1000)
    target = require_finite(b.double().to(matrix.device))
    goal = tol * norm(target)

    def multiply(vector: Tensor) -> Tensor:
        return require_finite((matrix @ vector).double() + damping * vector)

    state = _Conjugate(target)
    while state.bend is None and state.square**0.5 > goal:
        # one product is kept for the true residual at the end
        if limit.spent(matrix.products - before + 1):
            break
        state.advance(multiply)
    residual = norm(target - multiply(state.x)) if bool(state.x.any()) else norm(target)
    return Solution(
        x=state.x.to(matrix.dtype),
        residual=residual,
        negative_curvature=None if state.bend is None else state.bend.to(matrix.dtype),
        curvature=state.curvature,
        products=matrix.products - before,
        seconds=time.perf_counter() - began,
        outcome=_ended(state, residual, goal),
    )


@final
class _Conjugate:
    """The state of the iteration: solution, residual, direction."""

    def __init__(self, target: Tensor) -> None:
        self.x = torch.zeros_like(target)
        self.rest, self.direction = target.clone(), target.clone()
        self.square = float(self.rest @ self.rest)
        self.bend: Tensor | None = None
        self.curvature: float | None = None

    def advance(self, multiply: Callable[[Tensor], Tensor]) -> None:
        """One step, or the discovery that the direction bends downward."""
        image = multiply(self.direction)
        curvature = float(self.direction @ image)
        if curvature <= 0:
            length = norm(self.direction)
            self.bend, self.curvature = self.direction / length, curvature / length**2
            return
        step = self.square / curvature
        self.x += step * self.direction
        self.rest -= step * image
        square = float(self.rest @ self.rest)
        self.direction = self.rest + (square / self.square) * self.direction
        self.square = square


def _ended(state: _Conjugate, residual: float, goal: float) -> Outcome:
    if state.curvature is not None:
        return Outcome(
            "negative-curvature",
            f"Not converged: the curvature {state.curvature:.3g} was met along a "
            f"direction, which is returned. Raise damping by more than "
            f"{-state.curvature:.3g}, or follow the direction.",
        )
    if residual <= goal:
        return converged("The residual is below its tolerance")
    if state.square**0.5 <= goal:
        return rounding(
            f"the true residual is {residual:.2g} for {goal:.2g}",
            "Measure in a wider type (model.double()), or raise tol",
        )
    return out_of_budget(
        f"the residual is {residual:.2g} for {goal:.2g}", "Raise budget, tol or damping"
    )
