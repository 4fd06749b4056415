"""How many eigenvalues lie where, by stochastic Lanczos quadrature."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.progress import ProgressLike
from theodolite.spectrum.counting.cumulative import Cumulative
from theodolite.spectrum.counting.known_values import NOTHING_KNOWN, Known
from theodolite.spectrum.counting.lanczos_probes import LanczosProbes
from theodolite.spectrum.counting.measured_density import SpectralDensity
from theodolite.spectrum.counting.quadrature import Rule
from theodolite.spectrum.counting.smoothing import curvature_grid, smoothed
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.symmetry import symmetric_eigenvalues

# rounding of a product, in units of the operator's, that may move an eigenvalue
_ROUNDING = 8


def spectral_density(
    operator: Any,
    *,
    probes: int = 2,
    steps: int = 60,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
) -> SpectralDensity:
    """The spectral density by stochastic Lanczos quadrature, outliers apart.

        Σ f(λᵢ) ≈ Σⱼ f(θⱼ) + (p − k) · mean over probes of Σᵢ wᵢ f(nodeᵢ)

    Each probe, a random direction, is the start of a Lanczos run whose Ritz values and
    squared first components are a Gauss rule for the density. Pairs that stand apart
    and have converged in the first run are taken out of the others and counted
    exactly: a random vector weighs them by chance. Costs ``probes · steps`` products
    and (2 · steps + k) · p numbers.

    The band of the cumulative share holds what the moments prove for each probe
    (Chebyshev, Markov, Stieltjes) and the law by which a random direction scatters.
    Single interior eigenvalues are not resolved. More steps resolve more, more probes
    scatter less. Of 100 products on four trained networks two runs came nearest to the
    spectrum (Wasserstein distance); for large p one or two long runs are best.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    probes : int
        Independent starts; with a single one, no outliers are taken out.
    steps : int
        Products of each; the resolution is about the spectrum's width / steps.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products, or a time like ``"30s"``; probes that it does not reach are left out.
    progress : bool or Watcher
        Whether to show a bar.
    deflate : EigenPairs, optional
        Pairs of the same operator, counted and taken out of all probes.

    Raises
    ------
    ArgumentError
        When ``probes`` or ``steps`` is not positive.
    NonFiniteError, ProductError
        When a product is NaN or infinite, or the products are not symmetric.

    References
    ----------
    Ubaru, Chen and Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos
    quadrature", SIAM J. Matrix Anal. Appl. 2017; Chen, Trogdon and Ubaru, "Analysis of
    stochastic Lanczos quadrature for spectrum approximation", 2021, arXiv:2105.06595.
    """
    if probes < 1 or steps < 1:
        raise ArgumentError(
            found=f"probes={probes}, steps={steps}.",
            why="Without a product nothing can be said.",
            instead="Give positive numbers, for example probes=2, steps=60.",
        )
    matrix = as_operator(operator)
    wanted = probes * steps
    with Effort(matrix, budget, wanted, progress, "spectral density") as effort:
        if matrix.shape[0] <= wanted and not effort.spent(matrix.shape[0]):
            rules, known, outcome = [exact_rule(matrix)], NOTHING_KNOWN, EXACT
        else:
            search = LanczosProbes(matrix, steps, seed, deflate, search=probes > 1)
            search.run(probes, effort)
            rules, known = search.finish()
            outcome = density_ended(len(rules), probes, steps)
        return density_from(
            rules,
            known,
            matrix.shape[0],
            resolution=matrix.resolution,
            steps=steps,
            seed=seed,
            outcome=outcome,
            **effort.cost,
        )


def density_from(
    rules: Sequence[Rule],
    known: Known,
    size: int,
    *,
    resolution: float,
    outcome: Outcome,
    **cost: Any,
) -> SpectralDensity:
    """The density out of Gauss rules of the bulk and the eigenvalues beside it."""
    share = 1 - len(known.values) / size
    nodes = torch.cat([*(rule.nodes for rule in rules), known.values])
    weights = [rule.weights * share / len(rules) for rule in rules]
    grid = curvature_grid(torch.cat([rule.nodes for rule in rules]), nodes)
    exact = outcome.name == EXACT.name
    curve, band = smoothed(rules, grid, size - len(known.values))
    rounding = _ROUNDING * resolution * float(nodes.abs().max())
    counted = Cumulative.of(rules, known, size, rounding, exact=exact).up_to(grid)
    return SpectralDensity(
        nodes=nodes,
        weights=torch.cat([*weights, torch.full_like(known.values, 1 / size)]),
        grid=grid,
        density=share * curve,
        band=torch.zeros_like(band) if exact else share * band,
        cumulative=counted.value / size,
        low=counted.low / size,
        high=counted.high / size,
        outliers=known.values,
        residuals=known.residuals,
        rules=tuple(rules),
        size=size,
        rounding=rounding,
        probes=len(rules),
        outcome=outcome,
        **cost,
    )


def exact_rule(matrix: Operator) -> Rule:
    """All eigenvalues, where p products are no more than the probes would be."""
    return rule_of_all(symmetric_eigenvalues(matrix))


def rule_of_all(values: Float[Tensor, " p"]) -> Rule:
    """The rule of eigenvalues that are all known."""
    return Rule(values, torch.full_like(values, 1 / len(values)), len(values), True)


def density_ended(done: int, probes: int, steps: int) -> Outcome:
    """Whether all probes were made."""
    if done < probes:
        missed = f"{done} of {probes} probes of {steps} steps"
        return out_of_budget(missed, "Raise budget")
    return converged(f"All {probes} probes of {steps} steps were made")
