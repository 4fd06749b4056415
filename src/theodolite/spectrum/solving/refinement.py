"""A linear system solved again and again until its true residual is small."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, log
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.solving.iteration import Iteration, dots
from theodolite.spectrum.solving.remembered import Precondition
from theodolite.spectrum.solving.stagnation import STUCK
from theodolite.spectrum.symmetry import require_symmetric
from theodolite.spectrum.vectors import norm

# a repetition aims so much lower, for what rounding adds
_LOWER = 0.5
# and has to bring the true residual down so far, or is the last
_WORTH = 0.5


@dataclass(frozen=True)
class System:
    """(H + δ I) x = b, and what may be spent on it.

    Attributes
    ----------
    matrix : Operator
        H.
    target : Tensor
        b ``(p,)``, in the type of the computation.
    damping : float
        δ.
    goal : float
        What the residual should be below.
    effort : Effort
        Counts and bounds the products.
    """

    matrix: Operator
    target: Float[Tensor, " p"]
    damping: float
    goal: float
    effort: Effort

    def multiply(self, vector: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """(H + δ I) v, in the vector's type."""
        # a copy: an operator may return what it keeps
        image = (self.matrix @ vector).to(vector, copy=True)
        return image.add_(vector, alpha=self.damping)

    def rounded(self, x: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """As the solution will be returned."""
        return x.to(self.matrix.dtype).to(x)

    def rest(self, x: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """The true residual b − (H + δ I) x."""
        return self.target - self.multiply(x)


@dataclass(frozen=True)
class Reached:
    """How far a system was solved.

    Attributes
    ----------
    x, rest : Tensor
        The solution and its true residual, ``(p,)``.
    residual : float
        The latter's norm.
    iterations : int
        Steps of the method.
    bend : Tensor or None
        A unit direction whose curvature is not positive, ``(p,)``.
    curvature : float
        Along it.
    ended : str
        ``"converged"``, ``"budget"``, ``"rounding"``, ``"bend"`` (the curvature was
        not positive), ``"flat"`` (not told from zero) or ``"stuck"`` (no less residual
        exists).
    """

    x: Float[Tensor, " p"]
    rest: Float[Tensor, " p"]
    residual: float
    iterations: int
    bend: Float[Tensor, " p"] | None
    curvature: float
    ended: str


@dataclass(frozen=True)
class Method:
    """How systems are solved.

    Attributes
    ----------
    kind : type
        Which iteration.
    precondition : callable or None
        Multiplies like the inverse of the matrix.
    bytes : int
        What the preconditioner holds.
    """

    kind: Callable[[Tensor, Precondition, float], Iteration]
    precondition: Precondition = None
    bytes: int = 0

    def begin(self, system: System, rest: Float[Tensor, " p"]) -> Iteration:
        """The method for (H + δ I) x = rest."""
        rounding = torch.finfo(system.matrix.dtype).eps
        return self.kind(rest, self.precondition, rounding)


def reached_at(x: Tensor, rest: Tensor, iterations: int = 0) -> Reached:
    """A solution at hand, with its true residual."""
    return Reached(x, rest, norm(rest), iterations, None, inf, "")


def refined(system: System, method: Method, so_far: Reached) -> Reached:
    """Solve for what is left until the true residual is below its goal.

    Where the method's recurrence says so and a product with x denies it, the method
    starts again from the true residual, as long as that halves it.
    """
    aim = system.goal
    while so_far.residual > system.goal:
        if system.effort.spent(2):
            return replace(so_far, ended="budget")
        before = so_far.residual
        iteration = method.begin(system, so_far.rest)
        _run(system, iteration, aim)
        held = method.bytes + iteration.bytes
        system.effort.holds(held + 3 * so_far.x.nbytes)
        so_far = _improved(system, iteration, so_far, aim)
        if so_far.residual <= system.goal:
            break
        if iteration.ended or iteration.residual > aim:
            return replace(so_far, ended=_end_of(system, iteration, so_far))
        if so_far.residual > _WORTH * before:
            return replace(so_far, ended="rounding")
        aim = _LOWER * system.goal
    return replace(so_far, ended="converged")


def _run(system: System, iteration: Iteration, aim: float) -> None:
    """Steps of the method until its residual is small, by recurrence."""
    begun, witness = iteration.residual, _Witness(system.matrix)
    while iteration.residual > aim and not iteration.ended:
        # kept for the true residual at the end, and for a direction's true curvature
        if system.effort.spent(2 + (iteration.bend is not None)):
            return
        vector = iteration.next
        image = system.multiply(vector)
        witness.see(vector, image)
        iteration.absorb(image)
        sizes = begun, iteration.residual, aim
        system.effort.tell(missing_products(iteration.iterations, *sizes))


@final
class _Witness:
    """Compares the first two products, which cost nothing more."""

    def __init__(self, matrix: Operator) -> None:
        self._matrix, self._seen = matrix, 0
        self._first: tuple[Tensor, Tensor] | None = None

    def see(self, vector: Tensor, image: Tensor) -> None:
        """Refuse products that are not symmetric."""
        self._seen += 1
        if self._seen == 1:
            self._first = vector.clone(), image.clone()
        elif self._first is not None:
            start, product = self._first
            self._first = None
            left, right = dots((start, image), (vector, product))
            size = max(norm(start) * norm(image), norm(vector) * norm(product))
            if size:
                require_symmetric(abs(left - right) / size, self._matrix)


def missing_products(done: int, begun: float, left: float, aim: float) -> float:
    """Products still expected, at the rate so far."""
    if left <= aim:
        return 1
    if left >= begun:
        return inf
    return done * log(left / aim) / log(begun / left) + 1


def _improved(
    system: System, iteration: Iteration, so_far: Reached, aim: float
) -> Reached:
    """The solution with what was found, and its true residual."""
    x = system.rounded(iteration.settled(so_far.x + iteration.x))
    rest = system.rest(x)
    residual = norm(rest)
    lost = iteration.ended in {"flat", "stuck"} or iteration.residual <= aim
    if lost and residual > so_far.residual:
        # nothing but rounding was added
        x, rest, residual = so_far.x, so_far.rest, so_far.residual
    bend, curvature = _certified(system, iteration)
    if curvature > so_far.curvature:
        bend, curvature = so_far.bend, so_far.curvature
    done = so_far.iterations + iteration.iterations
    return Reached(x, rest, residual, done, bend, curvature, "")


def _certified(system: System, iteration: Iteration) -> tuple[Tensor | None, float]:
    """The unit direction that bends downward, if a product with it says so."""
    nothing = None, inf
    if iteration.bend is None:
        return nothing
    direction = iteration.bend / norm(iteration.bend)
    if iteration.certified:
        return direction, iteration.curvature
    if system.effort.spent():
        return nothing
    (curvature,) = dots((direction, system.multiply(direction)))
    return (direction, curvature) if curvature <= 0 else nothing


def _end_of(system: System, iteration: Iteration, so_far: Reached) -> str:
    """Why a method did not come to its end."""
    if iteration.ended != "stuck":
        return iteration.ended or "budget"
    sizes = iteration.scale * norm(so_far.x) + norm(system.target)
    noise = STUCK * torch.finfo(system.matrix.dtype).eps * sizes
    return "stuck" if so_far.residual > noise else "rounding"
