"""How many eigenvalues lie where, by stochastic Lanczos quadrature."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import Budget, BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.lanczos import quadrature
from theodolite.spectrum.symmetry import symmetric_eigenvalues
from theodolite.spectrum.vectors import inner, rademacher_block, without

_GRID = 401
_NO_VALUES = torch.zeros(0, dtype=torch.float64)

# nodes and weights of the quadrature of one probe
Rule = tuple[Tensor, Tensor]


@dataclass(frozen=True, repr=False)
class SpectralDensity:
    """The share of eigenvalues per unit of curvature.

    Attributes
    ----------
    nodes, weights : Tensor
        The quadrature ``(n,)``: a share ``weights[i]`` of all eigenvalues is taken to
        lie at ``nodes[i]``; the weights add up to one.
    grid, density : Tensor
        A smoothed picture of them ``(g,)``, in 1 / curvature; each node is spread by
        half the distance to its neighbours.
    band : Tensor
        One standard error over the probes, ``(g,)``; NaN for a single probe.
    outliers : Tensor
        Eigenvalues taken out beforehand ``(k,)``; each stands for a share 1/p.
    probes, steps : int
        Independent starts, and Lanczos steps of each.
    products, seconds, seed, outcome
        What it cost and how it ended.
    """

    nodes: Float[Tensor, " n"]
    weights: Float[Tensor, " n"]
    grid: Float[Tensor, " g"]
    density: Float[Tensor, " g"]
    band: Float[Tensor, " g"]
    outliers: Float[Tensor, " k"]
    probes: int
    steps: int
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    def share_below(self, value: float) -> float:
        """The share of eigenvalues below a value, by the quadrature."""
        return float(self.weights[self.nodes < value].sum())

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        plain = {
            name: value.tolist() if isinstance(value, Tensor) else value
            for name, value in vars(self).items()
        }
        return {**plain, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        low, high = float(self.nodes.min()), float(self.nodes.max())
        return (
            f"SpectralDensity({self.probes} probes × {self.steps} steps on "
            f"[{low:.4g}, {high:.4g}], {self.products} products). {self.outcome}"
        )


def spectral_density(
    operator: Any,
    *,
    probes: int = 4,
    steps: int = 40,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> SpectralDensity:
    """The spectral density by stochastic Lanczos quadrature.

    Each probe, a vector of random signs, is the start of a Lanczos run whose Ritz
    values and squared first components are a Gauss rule for the density. Costs
    ``probes · steps`` products and 2 · steps · p numbers. Sizes of the bulk are right
    to a few per cent; single interior eigenvalues are not resolved. Give the outliers
    as ``deflate``: a random vector weighs them by chance.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    probes : int
        Independent starts; at least two for a band.
    steps : int
        Products of each; the resolution is about the spectrum's width / steps.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products, or a time like ``"30s"``; probes that it does not reach are left out.
    deflate : EigenPairs, optional
        Pairs of the same operator, shown exactly and taken out of the probes.

    Raises
    ------
    ArgumentError
        When ``probes`` or ``steps`` is not positive.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Ubaru, Chen and Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos
    quadrature", SIAM J. Matrix Anal. Appl. 2017; Ghorbani, Krishnan and Xiao, "An
    investigation into neural net optimization via Hessian eigenvalue density", 2019,
    arXiv:1901.10159.
    """
    began = time.perf_counter()
    if probes < 1 or steps < 1:
        raise ArgumentError(
            found=f"probes={probes}, steps={steps}.",
            why="Without a product nothing can be said.",
            instead="Give positive numbers, for example probes=4, steps=40.",
        )
    matrix = as_operator(operator)
    before = matrix.products
    if matrix.shape[0] <= probes * steps:
        rules, outliers, outcome = [_exact_rule(matrix)], _NO_VALUES, EXACT
    else:
        limit = as_budget(budget, probes * steps)
        rules = gauss_rules(matrix, deflate, probes, steps, seed, limit)
        outliers = _NO_VALUES if deflate is None else deflate.values
        outcome = density_ended(len(rules), probes, steps)
    return density_from(
        rules,
        outliers,
        matrix.shape[0],
        steps=steps,
        products=matrix.products - before,
        seconds=time.perf_counter() - began,
        seed=seed,
        outcome=outcome,
    )


def density_from(
    rules: list[Rule],
    outliers: Float[Tensor, " k"],
    size: int,
    *,
    steps: int,
    products: int,
    seconds: float,
    seed: int,
    outcome: Outcome,
) -> SpectralDensity:
    """The density out of Gauss rules of the bulk and the eigenvalues beside it."""
    share = 1 - len(outliers) / size
    nodes = torch.cat([*(rule[0] for rule in rules), outliers])
    weights = [rule[1] * share / len(rules) for rule in rules]
    grid = curvature_grid(torch.cat([rule[0] for rule in rules]), nodes)
    curves = torch.stack([smoothed(*rule, grid) * share for rule in rules])
    return SpectralDensity(
        nodes=nodes,
        weights=torch.cat([*weights, torch.full_like(outliers, 1 / size)]),
        grid=grid,
        density=curves.mean(0),
        band=_standard_error(curves, exact=outcome is EXACT),
        outliers=outliers,
        probes=len(rules),
        steps=steps,
        products=products,
        seconds=seconds,
        seed=seed,
        outcome=outcome,
    )


def _exact_rule(matrix: Operator) -> Rule:
    """All eigenvalues, where p products are no more than the probes would be."""
    values = symmetric_eigenvalues(matrix)
    return values, torch.full_like(values, 1 / len(values))


def gauss_rules(
    matrix: Operator,
    deflate: EigenPairs | None,
    probes: int,
    steps: int,
    seed: int,
    limit: Budget,
    least: int = 1,
) -> list[Rule]:
    """One Gauss rule a probe, at least ``least`` whatever the budget."""
    like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
    generator = torch.Generator().manual_seed(seed)
    before = matrix.products
    rules: list[Rule] = []
    while len(rules) < probes:
        late = limit.spent(matrix.products - before + steps - 1)
        if late and len(rules) >= least:
            break
        start = rademacher_block(matrix.shape[0], 1, generator, like)[:, 0]
        if deflate is not None:
            rows = deflate.vectors.T.contiguous()
            wide = start.to(torch.float64, copy=True)
            start = without(wide, rows, inner(rows, wide)).to(like)
        krylov = Krylov(start, steps, seed)
        krylov.grow(matrix, steps)
        rules.append(quadrature(krylov.small))
    return rules


def density_ended(done: int, probes: int, steps: int) -> Outcome:
    """Whether all probes were made."""
    if done < probes:
        missed = f"{done} of {probes} probes of {steps} steps"
        return out_of_budget(missed, "Raise budget")
    return converged(f"All {probes} probes of {steps} steps were made")


def curvature_grid(bulk: Tensor, nodes: Tensor) -> Float[Tensor, " g"]:
    """Curvatures at which a density is drawn: fine near zero, coarse far out."""
    width = float(nodes.max() - nodes.min()) or 1.0
    scale = max(float(bulk.abs().median()), 1e-4 * width)
    ends = torch.stack([nodes.min() - 0.05 * width, nodes.max() + 0.05 * width])
    low, high = (ends / scale).asinh().tolist()
    return scale * torch.linspace(low, high, _GRID, dtype=torch.float64).sinh()


def smoothed(nodes: Tensor, weights: Tensor, grid: Tensor) -> Float[Tensor, " g"]:
    """Normal bumps at the nodes, as wide as half the way to their neighbours."""
    spacing = grid.diff()
    local = spacing[torch.searchsorted(grid[1:-1].contiguous(), nodes)]
    gaps = nodes.diff()
    ends = gaps[:1] if len(gaps) else local
    neighbours = torch.cat([ends, gaps]) + torch.cat(
        [gaps, gaps[-1:] if len(gaps) else local]
    )
    widths = torch.maximum(neighbours / 4, local)
    distances = (grid[None, :] - nodes[:, None]) / widths[:, None]
    bumps = (-0.5 * distances.square()).exp()
    # each adds up to one on the grid, also where it reaches beyond an end
    return weights @ (bumps / torch.trapezoid(bumps, grid)[:, None])


def _standard_error(curves: Tensor, *, exact: bool) -> Tensor:
    if exact:
        return torch.zeros_like(curves[0])
    if len(curves) == 1:
        return torch.full_like(curves[0], float("nan"))
    return curves.std(0) / len(curves) ** 0.5
