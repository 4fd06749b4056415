"""A picture of nodes and weights as a curve."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.counting.quadrature import Rule

_GRID = 401


def curvature_grid(bulk: Tensor, nodes: Tensor) -> Float[Tensor, " g"]:
    """Curvatures at which a density is drawn: fine near zero, coarse far out."""
    width, size = float(nodes.max() - nodes.min()), float(nodes.abs().max())
    # what rounding alone tells apart is one place
    width = width if width > 1e-9 * size else size or 1.0
    scale = max(float(bulk.abs().median()), 1e-4 * width)
    ends = torch.stack([nodes.min() - 0.05 * width, nodes.max() + 0.05 * width])
    low, high = (ends / scale).asinh().tolist()
    return scale * torch.linspace(low, high, _GRID, dtype=torch.float64).sinh()


def bumps(nodes: Float[Tensor, " n"], grid: Float[Tensor, " g"]) -> Tensor:
    """Normal bumps ``(n, g)`` at the nodes, as wide as half the way to neighbours."""
    order = nodes.argsort()
    widths = torch.empty_like(nodes)
    widths[order] = _widths(nodes[order], grid)
    distances = (grid[None, :] - nodes[:, None]) / widths[:, None]
    heights = (-0.5 * distances.square()).exp()
    # each adds up to one on the grid, also where it reaches beyond an end
    return heights / torch.trapezoid(heights, grid)[:, None]


def _widths(nodes: Tensor, grid: Tensor) -> Tensor:
    """Half of half the way between both neighbours of ascending nodes."""
    local = grid.diff()[torch.searchsorted(grid[1:-1].contiguous(), nodes)]
    gaps = nodes.diff()
    if not len(gaps):
        return local
    neighbours = torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]])
    return torch.maximum(neighbours / 4, local)


def smoothed(
    rules: Sequence[Rule], grid: Float[Tensor, " g"], dimension: int
) -> tuple[Float[Tensor, " g"], Float[Tensor, " g"]]:
    """The mean curve of rules of unit weight, and one standard error by their draw."""
    heights = torch.cat([bumps(rule.nodes, grid) for rule in rules])
    weights = torch.cat([rule.weights for rule in rules]) / len(rules)
    curve = weights @ heights
    spread = (weights @ heights.square() - curve.square()).clamp(min=0)
    return curve, (2 * spread / ((dimension + 2) * len(rules))).sqrt()
