"""Hessians by differences of first gradients: no second derivative is asked for."""

from typing import Any

import torch
from torch import Tensor

from operations.row import Problem

STEP = 3e-5


def difference_hessian(problem: Problem) -> Tensor:
    """Row i is the slope of the gradient along coordinate i, of fourth order.

    The central differences D at h and 2h extrapolate to (4 D(h) − D(2h)) / 3: the
    error is about h⁴ and, of rounding, 1e-16 / h. Writes the model's weights.
    """
    gradient = Gradient(problem)
    size = len(gradient.point)
    near, far = torch.zeros(2, size, size, dtype=torch.float64)
    for index in range(size):
        for step, slopes in ((STEP, near), (2 * STEP, far)):
            ahead, behind = gradient.along(index, step), gradient.along(index, -step)
            slopes[index] = (ahead - behind) / (2 * step)
    # what no gradient moves, like the padding of an embedding, stays where it is
    near[~gradient.moves], far[~gradient.moves] = 0.0, 0.0
    apart = float((near - far).norm())
    assert apart <= 1e-5 * float(near.norm()) + 1e-9, f"a kink is near: {apart}"
    return (4 * near - far) / 3


class Gradient:
    """The gradient of the mean loss, written down in the plainest way."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        model = problem.model
        self.weights = [w for w in model.parameters() if w.requires_grad]
        self.point = torch.cat([w.detach().flatten() for w in self.weights])
        self.moves = torch.zeros(len(self.point), dtype=torch.bool)
        self.buffers = [(b, b.detach().clone()) for b in model.buffers()]

    def along(self, index: int, step: float) -> Tensor:
        """The gradient a step along one coordinate away, shape (p,)."""
        point = self.point.clone()
        point[index] += step
        self._move(point)
        problem = self.problem
        value = mean(problem.loss(_called(problem), problem.target))
        found = torch.autograd.grad(value, self.weights, allow_unused=True)
        whole = torch.cat(
            [
                (torch.zeros_like(w) if g is None else g.to_dense()).flatten()
                for g, w in zip(found, self.weights, strict=True)
            ]
        )
        self.moves |= whole != 0
        return whole

    @torch.no_grad()
    def _move(self, point: Tensor) -> None:
        """Some layers write their buffers, and some even their weights."""
        sizes = [w.numel() for w in self.weights]
        for weight, piece in zip(self.weights, point.split(sizes), strict=True):
            weight.copy_(piece.view_as(weight))
        for buffer, kept in self.buffers:
            buffer.copy_(kept)


def mean(value: Any) -> Tensor:
    """What a loss returns is the mean, or a pair (sum, count)."""
    return value[0] / value[1] if isinstance(value, tuple) else value


def _called(problem: Problem) -> Any:
    if isinstance(problem.inputs, tuple):
        return problem.model(*problem.inputs)
    return problem.model(problem.inputs)
