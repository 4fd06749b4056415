"""How far apart the curvatures lie, and how slow that makes descent."""

import time
from dataclasses import dataclass
from math import log, log1p, log10, sqrt
from typing import Any

import torch
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.site.critical_point import zero_of
from theodolite.site.whole_spectrum import SMALL, Ends, ends_of
from theodolite.spectrum.krylov import Krylov


@dataclass(frozen=True, repr=False)
class Stiffness:
    """The spread of the positive curvatures above the noise.

    Attributes
    ----------
    condition : float
        Largest over smallest of them; one where all are alike, NaN where nothing bends
        upward.
    is_lower_bound : bool
        Whether flatter directions above the noise may exist that were not resolved.
    decades : float
        ``log10(condition)``.
    steps : float
        Steps of gradient descent at the rate 1/λ_max that shrink the error along the
        flattest of these directions to ``reduction``.
    steps_at_best_rate : float
        The same at 2/(λ_max + λ_small), the rate at which no direction is slower than
        another: half as many where κ is large.
    steps_of_conjugate_gradients : float
        Steps, of one product each, in which conjugate gradients surely do so in the
        energy norm √(eᵀHe): ½ √κ ln(2/reduction).
    smallest, largest : float
        The two eigenvalues.
    floor : float
        The noise: what is below cannot be told from zero in this type.
    reduction : float
        The factor that ``steps`` refers to.
    products, seconds, outcome
        What it cost and how it ended.
    """

    condition: float
    is_lower_bound: bool
    decades: float
    steps: float
    steps_at_best_rate: float
    steps_of_conjugate_gradients: float
    smallest: float
    largest: float
    floor: float
    reduction: float
    products: int
    seconds: float
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def to_record(self) -> dict[str, Any]:
        """What a page draws of it."""
        names = ("condition", "decades", "floor", "smallest", "largest", "steps")
        shown = {name: getattr(self, name) for name in (*names, "reduction")}
        return {**shown, "condition_is_lower_bound": self.is_lower_bound}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("stiffness", self.to_record())

    def __repr__(self) -> str:
        if not self.largest > self.floor:
            return (
                f"Stiffness: nothing bends upward by more than rounding "
                f"({self.floor:.2g}): no condition, no steps. {self.outcome}"
            )
        least = "at least " if self.is_lower_bound else ""
        return (
            f"Stiffness: condition {least}{self.condition:.4g} ({self.decades:.1f} "
            f"decades). To {self.reduction:g} of the error {least}{self.steps:.4g} "
            f"steps of gradient descent at 1/λ_max, {self.steps_at_best_rate:.4g} at "
            f"the best rate, {self.steps_of_conjugate_gradients:.4g} of conjugate "
            f"gradients. {self.outcome}"
        )

    @property
    def best_rate(self) -> float:
        """2/(λ_max + λ_small), the learning rate of ``steps_at_best_rate``."""
        return 2 / (self.largest + self.smallest)


def stiffness(
    land: Landscape,
    *,
    reduction: float = 1e-3,
    steps: int = 60,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Stiffness:
    """How stiff the landscape is: the condition of its curvatures above the noise.

        κ = λ_max / λ_small,   error after t steps at 1/λ_max:  (1 − 1/κ)ᵗ
        at 2/(λ_max + λ_small):  ((κ − 1)/(κ + 1))ᵗ
        of conjugate gradients, at most:  2 ((√κ − 1)/(√κ + 1))ᵗ

    Up to 256 parameters from all eigenvalues. Beyond, from both ends of the spectrum
    where it is positive definite; where it is not, from the Ritz values of ``steps``
    Lanczos steps: between two of them lies an eigenvalue, so that the second smallest
    positive one bounds the condition from below.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    reduction : float
        The factor by which the predicted steps shrink the error.
    steps : int
        Lanczos steps.
    seed : int
        Of the random start.
    budget : int or str, optional
        Products for each end of the spectrum, or a time.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When ``reduction`` is not between 0 and 1.
    TheodoliteError
        As :meth:`Landscape.hessian` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Golub and Meurant, "Matrices, Moments and Quadrature", 2010 (separation of Ritz
    values); Boyd and Vandenberghe, "Convex Optimization", 2004, section 9.3; Nocedal
    and Wright, "Numerical Optimization", 2nd ed. 2006, equation 5.36.
    """
    require_landscape(land)
    began = time.perf_counter()
    if not 0 < reduction < 1:
        raise ArgumentError(
            found=f"reduction={reduction}.",
            why="An error shrinks to a fraction of itself.",
            instead="Give a number between 0 and 1, like 1e-3.",
        )
    hessian = land.hessian()
    nodes = torch.zeros(0, dtype=torch.float64)
    krylov = None
    if hessian.shape[0] > SMALL:
        like = torch.empty(0, dtype=hessian.dtype, device=hessian.device)
        krylov = Krylov.from_random(hessian.shape[0], max(steps, 60), like, seed)
        krylov.grow(hessian, steps)
        nodes = krylov.ritz().values
    ends = ends_of(hessian, seed=seed, budget=budget, krylov=krylov, progress=progress)
    return stiffness_from(
        ends,
        nodes,
        floor=zero_of(hessian.dtype, ends),
        reduction=reduction,
        products=hessian.products,
        seconds=time.perf_counter() - began,
    )


def stiffness_from(
    ends: Ends,
    nodes: Tensor,
    *,
    floor: float,
    reduction: float,
    products: int,
    seconds: float,
) -> Stiffness:
    """The same out of eigenvalues and the nodes of one Lanczos run at hand."""
    largest = float(ends.highest[0])
    smallest, bound = _smallest(ends, nodes, floor)
    condition = largest / smallest if largest > floor else float("nan")
    return Stiffness(
        condition=condition,
        is_lower_bound=bound,
        decades=log10(condition) if condition > 0 else float("nan"),
        steps=predicted_steps(condition, reduction),
        steps_at_best_rate=predicted_steps((condition + 1) / 2, reduction),
        steps_of_conjugate_gradients=conjugate_steps(condition, reduction),
        smallest=smallest,
        largest=largest,
        floor=floor,
        reduction=reduction,
        products=products,
        seconds=seconds,
        outcome=ends.outcome,
    )


def _smallest(ends: Ends, nodes: Tensor, floor: float) -> tuple[float, bool]:
    """The smallest curvature above the floor, and whether a smaller one may exist."""
    lowest = ends.lowest[ends.lowest > floor]
    if ends.exact and len(lowest):
        return float(lowest[0]), False
    if float(ends.lowest[0] - ends.lowest_residuals[0]) > floor:
        return float(ends.lowest[0]), not ends.outcome.good
    positive = nodes[nodes > floor]
    # an eigenvalue lies between the smallest node and the second: it may be the second
    return float(positive[min(1, len(positive) - 1)] if len(positive) else floor), True


def predicted_steps(condition: float, reduction: float) -> float:
    """Steps at 1/λ_max until (1 − 1/κ)ᵗ has come down to ``reduction``."""
    if not condition > 1:
        return 1.0 if condition == 1 else float("nan")
    return max(1.0, log(reduction) / log1p(-1 / condition))


def conjugate_steps(condition: float, reduction: float) -> float:
    """Steps of conjugate gradients that surely suffice, in the energy norm."""
    if not condition >= 1:
        return float("nan")
    return max(1.0, sqrt(condition) / 2 * log(2 / reduction))
