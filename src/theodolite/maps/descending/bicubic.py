"""A smooth surface through the points of a grid: cubic in each cell."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError

# nodes that a slope is taken from: exact for polynomials of fourth degree
_STENCIL = 5
_NEWTON_STEPS = 20


@dataclass(frozen=True)
class Patch:
    """A surface at one point.

    Attributes
    ----------
    value : float
        Its height.
    gradient : Tensor
        ``(2,)`` by both coordinates.
    hessian : Tensor
        ``(2, 2)``.
    """

    value: float
    gradient: Float[Tensor, "2"]
    hessian: Float[Tensor, "2 2"]


@final
class Bicubic:
    """The bicubic Hermite interpolant of values on a grid, evenly spaced or not.

    Slopes at the nodes are those of the polynomial through the five nearest along each
    axis. What is NaN or infinite spoils its neighbourhood of two nodes and nothing
    else, and so does a steep wall; a spline would carry both everywhere. The gradient
    is continuous, and so is the curvature for polynomials of third degree.

    Parameters
    ----------
    x, y : Tensor
        ``(nx,)`` and ``(ny,)`` ascending, two or more of each.
    values : Tensor
        ``(nx, ny)``.
    """

    def __init__(
        self,
        x: Float[Tensor, " nx"],
        y: Float[Tensor, " ny"],
        values: Float[Tensor, "nx ny"],
    ) -> None:
        self._x, self._y = x.double(), y.double()
        _require_ascending(self._x, self._y)
        height = values.double()
        by_x = slopes(self._x, height)
        by_y = slopes(self._y, height.T).T
        twisted = slopes(self._y, by_x.T).T
        # [derivative by x, derivative by y] at each node
        self._nodes = torch.stack(
            [torch.stack([height, by_y]), torch.stack([by_x, twisted])]
        )

    def at(self, x: float, y: float) -> Patch | None:
        """Height, gradient and curvature; nothing beyond the grid or beside a hole."""
        by_x, by_y = _cell(self._x, x), _cell(self._y, y)
        if by_x is None or by_y is None:
            return None
        (i, *along), (j, *across) = by_x, by_y
        corners = self._nodes[:, :, i : i + 2, j : j + 2]
        # (derivative by x, node along x) by (derivative by y, node along y)
        block = corners.permute(0, 2, 1, 3).reshape(4, 4)
        if not bool(block.isfinite().all()):
            return None
        first = [_basis(along[0], along[1], order) for order in range(3)]
        second = [_basis(across[0], across[1], order) for order in range(3)]
        mixed = float(first[1] @ block @ second[1])
        hessian = [
            [float(first[2] @ block @ second[0]), mixed],
            [mixed, float(first[0] @ block @ second[2])],
        ]
        gradient = [
            float(first[1] @ block @ second[0]),
            float(first[0] @ block @ second[1]),
        ]
        return Patch(
            float(first[0] @ block @ second[0]),
            torch.tensor(gradient, dtype=torch.float64),
            torch.tensor(hessian, dtype=torch.float64),
        )

    def lowest(self) -> tuple[float, float]:
        """The lowest point near the lowest node, by Newton's steps downhill.

        Raises
        ------
        ArgumentError
            When no value is finite.
        """
        height = self._nodes[0, 0]
        known = torch.where(height.isfinite(), height, torch.inf)
        if not bool(height.isfinite().any()):
            raise ArgumentError(
                found="A plane without one finite loss.",
                why="Nothing can descend on it.",
                instead="Measure it nearer to the centre: span=...",
            )
        i, j = divmod(int(known.argmin()), len(self._y))
        here = torch.stack([self._x[i], self._y[j]])
        patch = self.at(*here.tolist())
        for _ in range(_NEWTON_STEPS):
            if patch is None or float(torch.linalg.eigvalsh(patch.hessian)[0]) <= 0:
                break
            there = here - torch.linalg.solve(patch.hessian, patch.gradient)
            lower = self.at(*there.tolist())
            if lower is None or lower.value >= patch.value:
                break
            here, patch = there, lower
        return float(here[0]), float(here[1])


def slopes(
    nodes: Float[Tensor, " n"], values: Float[Tensor, "n m"]
) -> Float[Tensor, "n m"]:
    """Derivatives at the nodes, of the polynomials through the nearest ones."""
    count = len(nodes)
    width = min(_STENCIL, count)
    start = (torch.arange(count) - width // 2).clamp(0, count - width)
    members = start[:, None] + torch.arange(width)
    steps = nodes[members] - nodes[:, None]
    size = steps.abs().amax(1, keepdim=True)
    # weights w with Σ w_k s_kʲ = 1 for j = 1 and 0 for all others
    powers = torch.arange(width, dtype=torch.float64)[:, None]
    system = (steps / size)[:, None, :] ** powers
    wanted = torch.zeros(count, width, dtype=torch.float64)
    wanted[:, 1] = 1.0
    weights = torch.linalg.solve(system, wanted) / size
    return torch.einsum("nk,nkm->nm", weights, values[members])


def _cell(nodes: Tensor, at: float) -> tuple[int, float, float] | None:
    """Which cell, where in it from 0 to 1, and how wide it is."""
    if not float(nodes[0]) <= at <= float(nodes[-1]):
        return None
    right = int(torch.searchsorted(nodes, at, right=True))
    left = min(max(right - 1, 0), len(nodes) - 2)
    width = float(nodes[left + 1] - nodes[left])
    return left, (at - float(nodes[left])) / width, width


def _basis(t: float, width: float, order: int) -> Float[Tensor, "4"]:
    """What values and slopes at both ends contribute, or its derivative."""
    values = {
        0: ((2 * t - 3) * t * t + 1, (3 - 2 * t) * t * t),
        1: (6 * t * (t - 1), 6 * t * (1 - t)),
        2: (12 * t - 6, 6 - 12 * t),
    }[order]
    tilts = {
        0: (((t - 2) * t + 1) * t, (t - 1) * t * t),
        1: ((3 * t - 4) * t + 1, (3 * t - 2) * t),
        2: (6 * t - 4, 6 * t - 2),
    }[order]
    both = [part / width**order for part in values]
    both += [part * width / width**order for part in tilts]
    return torch.tensor(both, dtype=torch.float64)


def _require_ascending(*axes: Tensor) -> None:
    for axis in axes:
        if len(axis) < 2 or not bool((axis.diff() > 0).all()):
            raise ArgumentError(
                found=f"A grid with {len(axis)} coordinates along one axis, or some "
                "that do not ascend.",
                why="A surface lies between nodes in order.",
                instead="Measure a plane with steps=51.",
            )
