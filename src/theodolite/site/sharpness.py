"""How sharp a place is: curvature, mean rise, worst rise, and what rescaling keeps."""

from functools import partial
from typing import final

import torch
from torch import Tensor

from theodolite.budget import Budget, BudgetLike
from theodolite.errors import ArgumentError, LossError
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.operator import Operator
from theodolite.operators.scaled import Scaled
from theodolite.outcomes import EXACT, Outcome
from theodolite.progress import ProgressLike
from theodolite.site.expected_rise import rises_of
from theodolite.site.sharpness_measures import (
    Measure,
    Sharpness,
    of_climbs,
    of_eigenvalue,
    of_estimate,
    of_rise,
)
from theodolite.site.worst_rise import Ball, climbs, quadratic_rise
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.frobenius import frobenius_norm
from theodolite.spectrum.trace import trace
from theodolite.spectrum.vectors import inner, norm

# noise pairs for the mean rise
_PAIRS = 200


def sharpness(
    land: Landscape,
    *,
    rho: float = 0.05,
    adaptive_rho: float = 0.5,
    sigma: float | None = None,
    k: int = 10,
    steps: int = 20,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Sharpness:
    """How sharp the landscape is here, by every measure in use, from shared products.

        λ_max,  tr H,  ‖H‖_F,  E f(θ + σz) − f(θ),  max f(θ + δ) − f(θ),  θᵀGθ

    The ``k`` largest eigenpairs come first, and are taken out of the probes of the
    trace and the Frobenius norm. The worst rise is climbed for on the edge of
    ``‖δ‖ ≤ rho`` from the step that sharpness-aware training takes and from both sides
    of the steepest eigenvector; beside it stands ρ‖∇f‖ + ½ρ²λ_max, which no quadratic
    exceeds. Adaptive measures take every change relative to its parameter.

    Costs some 100 products on trained networks, 30 to 60 gradients, and 70 losses or
    more; memory as :func:`theodolite.eigsh`.

    It misleads where one compares networks by what rescaling their layers changes:
    with ReLU, λ_max can be made as large as one likes and the network stays the same.
    Each measure says whether it is ``invariant``. Worst rises are lower bounds: what
    was found, not what there is. With kinks the mean rise exceeds its prediction.
    Parameters that are zero take no part in relative changes.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    rho : float
        Radius of the ball, in parameter units.
    adaptive_rho : float
        Radius of relative changes, ``‖δ / |θ|‖``.
    sigma : float, optional
        Standard deviation of the noise, in parameter units; by default ``rho / √p``,
        noise as long as the ball is wide.
    k : int
        Eigenpairs that are looked for.
    steps : int
        Of each climb, at most.
    rtol : float
        Asked of the trace, the Frobenius norm and the mean rise.
    seed : int
        Of everything random.
    budget : int or str, optional
        Products in all (2,000 by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether to show a bar, or whom to tell.

    Raises
    ------
    ArgumentError
        When a radius, ``sigma``, ``k`` or ``steps`` is out of range.
    TheodoliteError
        As :meth:`Landscape.hessian` and :func:`theodolite.eigsh` raise.

    References
    ----------
    Foret et al., "Sharpness-aware minimization", 2020, arXiv:2010.01412. Kwon et al.,
    "ASAM: adaptive sharpness-aware minimization", 2021, arXiv:2102.11600. Dinh et al.,
    "Sharp minima can generalize for deep nets", 2017, arXiv:1703.04933. Liang et al.,
    "Fisher-Rao metric, geometry, and complexity of neural networks", 2017,
    arXiv:1711.01530.
    """
    require_landscape(land)
    size = rho / land.size**0.5 if sigma is None else sigma
    _require_positive(rho=rho, adaptive_rho=adaptive_rho, sigma=size, k=k, steps=steps)
    hessian = land.hessian()
    with Effort(hessian, budget, 2000, progress, "sharpness") as effort:
        shared = _Shared(land, hessian, effort, seed, rtol, steps)
        found = {
            **shared.by_parameters(min(k, land.size), size, rho),
            **shared.by_relative_changes(adaptive_rho),
        }
        metric, missing = _fisher_rao(land)
        loss = land.loss()
    return Sharpness(
        **found,
        fisher_rao=metric,
        missing=missing,
        sigma=size,
        rho=rho,
        adaptive_rho=adaptive_rho,
        loss=loss,
        gradient_norm=norm(shared.gradient),
        gradients=shared.gradients,
        losses=shared.losses + 1,
        seed=seed,
        **{**effort.cost, "products": effort.products + (metric is not None)},
    )


@final
class _Shared:
    """What the measures share: one Hessian, one gradient, one budget."""

    def __init__(
        self,
        land: Landscape,
        hessian: Operator,
        effort: Effort,
        seed: int,
        rtol: float,
        steps: int,
    ) -> None:
        self._land, self._hessian, self._effort = land, hessian, effort
        self._seed, self._rtol, self._steps = seed, rtol, steps
        self.gradient = land.gradient()
        self.gradients, self.losses = 1, 0

    def by_parameters(self, k: int, sigma: float, rho: float) -> dict[str, Measure]:
        """The Hessian's measures, and the rises near the point."""
        top = self._largest(self._hessian, k)
        seed, rtol = self._seed, self._rtol
        total = trace(
            self._hessian, rtol=rtol, seed=seed, budget=self._rest(), deflate=top
        )
        squares = frobenius_norm(
            self._hessian,
            rtol=rtol,
            seed=seed,
            budget=self._rest(),
            # a product for each pair is spent first
            deflate=top if self._effort.room > 2 * k else None,
        )
        pairs = self._rest(_PAIRS)
        [rise] = rises_of(
            self._land,
            [sigma],
            total,
            rtol=rtol,
            seed=seed,
            budget=pairs,
            deflate=top,
        )
        self.losses += 2 * rise.measured.probes + 1
        return {
            "largest_eigenvalue": of_eigenvalue(top, invariant=False),
            "trace": of_estimate(total),
            "frobenius_norm": of_estimate(squares),
            "expected_rise": of_rise(rise),
            "worst_rise": self._worst(rho, top),
        }

    def by_relative_changes(self, rho: float) -> dict[str, Measure]:
        """Eigenvalue and worst rise by changes relative to each parameter."""
        scale = self._land.point.abs()
        steepest = self._largest(Scaled(self._hessian, scale), 1)
        return {
            "adaptive_eigenvalue": of_eigenvalue(steepest, invariant=True),
            "adaptive_worst_rise": self._worst(rho, steepest, scale),
        }

    def _rest(self, at_most: int | None = None) -> Budget:
        """What is left of the budget, of products or of other passes."""
        room = self._effort.room
        products = None if room == float("inf") else max(1, int(room))
        deadline = self._effort.budget.deadline
        return Budget(products if at_most is None else at_most, deadline)

    def _largest(self, operator: Operator, k: int) -> EigenPairs:
        """The largest eigenpairs of the Hessian, rescaled or not."""
        found = eigsh(operator, k, "LA", seed=self._seed, budget=self._rest())
        vectors = found.vectors
        self._effort.holds((k + 6) * vectors.shape[0] * vectors.element_size())
        # probes and the other eigenpair are still to come
        self._effort.tell(40 + 2 * k)
        return found

    def _worst(
        self, radius: float, top: EigenPairs, scale: Tensor | None = None
    ) -> Measure:
        """Climbs from the gradient's direction and both sides of the steepest one."""
        ball, steepest = Ball(self._land, radius, scale), top.vectors[:, 0]
        slope = ball.scaled(self.gradient)
        starts = {
            "the gradient": slope,
            "the steepest direction": steepest,
            "its opposite": -steepest,
        }
        deadline = Budget(None, self._effort.budget.deadline)
        late = partial(deadline.spent, 0)
        found = climbs(ball, starts, steps=self._steps, late=late)
        self.gradients += found.gradients
        self.losses += found.losses + 1
        most = quadratic_rise(norm(slope), float(top.values[0]), radius)
        return of_climbs(found, most, invariant=scale is not None)


def _fisher_rao(land: Landscape) -> tuple[Measure | None, str]:
    """θᵀGθ by one product, or why there is none."""
    point = land.point
    try:
        matrix = land.gauss_newton()
        product = matrix @ point
    except (ArgumentError, LossError) as error:
        # a function has no predictions, and a model may compute its loss itself
        return None, error.found
    value = float(inner(point[None], product))
    off = 16 * torch.finfo(matrix.dtype).eps * norm(point) * norm(product)
    outcome = Outcome(EXACT.name, "One Gauss–Newton product; the error is rounding.")
    return Measure(value, off, value - off, value + off, None, True, outcome), ""


def _require_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < float("inf"):
            raise ArgumentError(
                found=f"{name}={number}.",
                why="Radii, noise, eigenpairs and steps are positive and finite.",
                instead=f"Leave {name} out for its default.",
            )
