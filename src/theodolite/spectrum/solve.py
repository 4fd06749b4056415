"""Linear systems with the Hessian, by products alone."""

from collections.abc import Sequence
from math import isfinite
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.outcomes import Outcome, converged, out_of_budget, rounding
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.solving.conjugate_gradients import ConjugateGradients
from theodolite.spectrum.solving.minres import Minres
from theodolite.spectrum.solving.nystrom import nystrom_for
from theodolite.spectrum.solving.preconditioning import by_pairs, by_products
from theodolite.spectrum.solving.refinement import (
    Method,
    Reached,
    System,
    reached_at,
    refined,
)
from theodolite.spectrum.solving.shifted import solved_together
from theodolite.spectrum.solving.solution import Solution
from theodolite.spectrum.vectors import norm

METHODS = {"cg": ConjugateGradients, "minres": Minres}
# float64 where so many vectors of it take no more than this
_VECTORS, _WIDE_BYTES = 8, 2**29


@overload
def solve(
    operator: Any,
    b: Float[Tensor, " p"],
    *,
    damping: float = 0.0,
    method: str = "cg",
    preconditioner: Any = None,
    tol: float = 1e-6,
    x0: Tensor | None = None,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Solution: ...


@overload
def solve(
    operator: Any,
    b: Float[Tensor, " p"],
    *,
    damping: Sequence[float] | Float[Tensor, " s"],
    method: str = "cg",
    preconditioner: Any = None,
    tol: float = 1e-6,
    x0: Tensor | None = None,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> list[Solution]: ...


def solve(
    operator: Any,
    b: Float[Tensor, " p"],
    *,
    damping: float | Sequence[float] | Float[Tensor, " s"] = 0.0,
    method: str = "cg",
    preconditioner: Any = None,
    tol: float = 1e-6,
    x0: Tensor | None = None,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Solution | list[Solution]:
    """Solve (H + damping · I) x = b, with products of H alone.

        ‖b − (H + δ I) x‖ ≤ tol ‖b‖

    One product an iteration and one for the true residual at the end. Where that
    denies what the recurrence says, the method starts again from it, and says
    ``"rounding"`` where even that does not help.

    ``"cg"``, conjugate gradients: about ½ √κ ln(2/tol) iterations with κ the ratio of
    the largest eigenvalue of H + δ I to the least. It needs positive curvature: a
    direction that bends downward ends it, and is returned. Memory 8 p numbers.

    ``"minres"``, least residuals: also for indefinite matrices, about ½ κ ln(2/tol)
    iterations there, and for singular ones. Where no x has a small residual, it ends
    with a least one, ``"singular"``. It goes on through negative curvature, returns
    the worst direction met, and takes one product to certify it. Memory 16 p numbers.

    Both remember past residuals, p numbers each and up to 256 MiB, and keep new ones
    orthogonal to them. That saves products, most where κ is large: in exact arithmetic
    there are never more than p, and rounding no longer changes that.

    Several dampings share one Krylov space, and cost together what the hardest costs
    alone. The space is kept, with its products: 2 · iterations · p numbers, up to
    1 GiB; what has not converged then is finished one by one.

    It misleads where b lies in a part of the space that the curvature spares: no
    negative curvature met is no proof that there is none (``td.eigsh(H, 1, "SA")``).

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    b : Tensor
        Right-hand side ``(p,)``.
    damping : float or sequence of float
        δ, added to every eigenvalue; for several, a list of solutions is returned.
    method : str
        ``"cg"`` or ``"minres"``.
    preconditioner : optional
        Pairs of the same operator (``td.eigsh(H, 10)``; ``"LM"`` where indefinite),
        which need k p numbers and no product; ``"nystrom"`` for positive semidefinite
        operators such as ``land.gauss_newton()``, a sketch of at least ten products
        that pays where many iterations are ahead; or any symmetric positive operator,
        tensor or function that multiplies like (H + δ I)⁻¹.
    tol : float
        Residual relative to ``‖b‖``.
    x0 : Tensor, optional
        Where to start ``(p,)``, for one more product; zero by default.
    seed : int
        Of the Nyström sketch.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar is shown, or whom to tell.

    Raises
    ------
    ArgumentError
        When a shape or setting does not fit, or the preconditioner is not positive.
    NonFiniteError
        When b or a product is NaN or infinite.
    ProductError
        When the products are not symmetric.

    References
    ----------
    Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems",
    1952, doi:10.6028/jres.049.044; Paige and Saunders, "Solution of sparse indefinite
    systems of linear equations", 1975, doi:10.1137/0712047.
    """
    matrix = as_operator(operator)
    _require_settings(method, tol)
    target = _vector(b, "b", matrix)
    shifts = _dampings(damping)
    if isinstance(shifts, list):
        _require_bare(preconditioner, x0)
    with Effort(matrix, budget, 1000, progress, "iterations") as effort:
        goal = tol * norm(target)
        several = shifts if isinstance(shifts, list) else [shifts]
        systems = [System(matrix, target, shift, goal, effort) for shift in several]
        if not goal:
            zero = reached_at(target, target)
            found = [refined(system, Method(Minres), zero) for system in systems]
        elif isinstance(shifts, list):
            plain, galerkin = Method(METHODS[method]), method == "cg"
            found = solved_together(systems, plain, galerkin=galerkin, seed=seed)
        else:
            found = [_solved_alone(systems[0], method, preconditioner, tol, x0, seed)]
    solutions = [
        _solution(system, method, reached, seed)
        for system, reached in zip(systems, found, strict=True)
    ]
    return solutions if isinstance(shifts, list) else solutions[0]


def _solved_alone(
    system: System,
    name: str,
    preconditioner: Any,
    tol: float,
    x0: Tensor | None,
    seed: int,
) -> Reached:
    """One system, from where it is told, with what makes it easier."""
    start = torch.zeros_like(system.target)
    so_far = reached_at(start, system.target)
    if x0 is not None:
        start = system.rounded(_vector(x0, "x0", system.matrix).to(start))
        so_far = reached_at(start, system.rest(start))
    method = _method(system, name, preconditioner, tol, seed)
    return refined(system, method, so_far)


def _method(system: System, name: str, given: Any, tol: float, seed: int) -> Method:
    """The iteration, with its preconditioner."""
    kind, matrix = METHODS[name], system.matrix
    if given is None:
        return Method(kind)
    if isinstance(given, EigenPairs):
        inverse = by_pairs(given, system.damping, matrix)
    elif isinstance(given, str) and given == "nystrom":
        room = system.effort.room
        inverse = nystrom_for(matrix, system.damping, tol, seed, room)
        # random vectors and their products, while it was made
        system.effort.holds(3 * inverse.bytes)
    else:
        return Method(kind, by_products(given, matrix))
    return Method(kind, lambda vector: inverse @ vector, inverse.bytes)


def _vector(given: Tensor, name: str, matrix: Operator) -> Float[Tensor, " p"]:
    """A vector of the operator's length, as wide as is affordable."""
    size = matrix.shape[0]
    if given.shape != (size,):
        raise ArgumentError(
            found=f"{name} of shape {tuple(given.shape)}.",
            why=f"The operator is {size} × {size}.",
            instead=f"Give a flat tensor ({size},).",
        )
    if not bool(torch.isfinite(given).all()):
        raise NonFiniteError(
            found=f"{name} holds NaN or infinity.",
            why="No product can be compared with that.",
            instead="Measure in a wider type (model.double()), or look where the "
            "gradient overflows.",
        )
    wide = _VECTORS * 8 * size <= _WIDE_BYTES
    kind = torch.float64 if wide else matrix.dtype
    return given.detach().to(matrix.device, kind)


def _dampings(given: Any) -> float | list[float]:
    """One number, or several."""
    several = hasattr(given, "__len__") and getattr(given, "ndim", 1) > 0
    numbers = [float(number) for number in (given if several else [given])]
    if not numbers or not all(isfinite(number) for number in numbers):
        raise ArgumentError(
            found=f"damping={given}.",
            why="It is added to every eigenvalue.",
            instead="Give a finite number like 1e-3, or a list of them.",
        )
    return numbers if several else numbers[0]


def _require_settings(method: str, tol: float) -> None:
    if method not in METHODS:
        raise ArgumentError(
            found=f"method={method!r}.",
            why="That is no method for linear systems.",
            instead='Give "cg" (positive definite) or "minres" (any symmetric).',
        )
    if not tol > 0:
        raise ArgumentError(
            found=f"tol={tol}.",
            why="A residual never gets below zero.",
            instead="Give a positive tolerance like 1e-6.",
        )


def _require_bare(preconditioner: Any, x0: Tensor | None) -> None:
    if preconditioner is not None or x0 is not None:
        given = "preconditioner" if preconditioner is not None else "x0"
        raise ArgumentError(
            found=f"{given}= with several dampings.",
            why="They share one Krylov space only as they are.",
            instead="Solve one by one: [td.solve(H, b, damping=d, "
            f"{given}=…) for d in dampings].",
        )


def _solution(system: System, method: str, reached: Reached, seed: int) -> Solution:
    kind, bend = system.matrix.dtype, reached.bend
    return Solution(
        x=reached.x.to(kind),
        residual=reached.residual,
        tolerance=system.goal,
        damping=system.damping,
        method=method,
        iterations=reached.iterations,
        negative_curvature=None if bend is None else bend.to(kind),
        curvature=None if bend is None else reached.curvature,
        **system.effort.cost,
        seed=seed,
        outcome=_outcome(reached, system),
    )


def _outcome(reached: Reached, system: System) -> Outcome:
    missed = f"the residual is {reached.residual:.2g} for {system.goal:.2g}"
    match reached.ended:
        case "converged":
            return converged("The residual is below its tolerance")
        case "bend":
            return _bent(reached.curvature)
        case "flat":
            return Outcome(
                "singular",
                f"Not converged: {missed}, and along the last direction there is no "
                'curvature but rounding. Raise damping, or take method="minres".',
            )
        case "stuck":
            return Outcome(
                "singular",
                f"Not converged: {missed}. What is left lies where the curvature is "
                "zero but for rounding: the system has no solution. Raise damping, or "
                "take x as the nearest there is.",
            )
        case "rounding":
            remedy = "Measure in a wider type (model.double()), or raise tol or damping"
            return rounding(f"{missed}, and repetition does not lower it", remedy)
        case _:
            remedy = "Raise budget, tol or damping, or give a preconditioner"
            return out_of_budget(missed, remedy)


def _bent(curvature: float) -> Outcome:
    return Outcome(
        "negative-curvature",
        f"Not converged: the curvature {curvature:.3g} was met along a direction, "
        f"which is returned; the least may be far below it. Raise damping by more "
        'than -td.eigsh(H, 1, "SA").low, follow the direction, or take '
        'method="minres".',
    )
