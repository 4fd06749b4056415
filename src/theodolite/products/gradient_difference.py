"""The Hessian-vector product from gradients on both sides of the point.

    H v ≈ (4 D(h) − D(2h)) / 3,     D(h) = (∇f(θ + hv) − ∇f(θ − hv)) / 2h

Needs no second derivative and no graph, and works under any attention kernel. On a
network with kinks (ReLU, max-pooling) a finite step crosses them: what is measured then
is the curvature of a smoothed loss, which can be many times the Hessian's.
"""

from collections.abc import Sequence
from math import sqrt
from typing import final

import torch
from torch import Tensor

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.errors import ProductError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.double_backward import require_graph
from theodolite.products.kinks import kinks_behind


@final
class GradientDifference(BatchProduct):
    """One batch, its gradient taken four times for every product.

    Parameters
    ----------
    evaluate : Evaluation
        Mean loss and weight of the batch.
    leaves : sequence of Tensor
        The point; never written to.
    batch : Batch
        The data.

    Attributes
    ----------
    error : float
        The largest relative difference between D(h) and D(2h) so far: an upper
        estimate of what is wrong with D(h), where the loss is smooth.
    """

    def __init__(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> None:
        require_fine_type(leaves)
        self._evaluate, self._leaves, self._batch = evaluate, leaves, batch
        loss, self.weight = evaluate(leaves, batch)
        require_graph(loss)
        self.error = 0.0

    weight: Weight

    def inspect(self, hooked: bool) -> None:
        """Nothing is kept but the batch."""

    def product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """A block of the mean loss's Hessian times one vector."""
        length = total_norm(vectors)
        if length == 0:
            return [None] * len(rows)
        direction = dict(zip(columns, vectors, strict=True))
        step = step_length(self._leaves) / length
        near, far = (self._slope(direction, h, rows) for h in (step, 2 * step))
        size = total_norm(near)
        apart = total_norm([a - b for a, b in zip(near, far, strict=True)])
        if size > 0:
            self.error = max(self.error, apart / size)
        return [(4 * a - b) / 3 for a, b in zip(near, far, strict=True)]

    def gradient(self, rows: Sequence[int]) -> list[Tensor]:
        """The mean loss's gradient at the point, by some leaves."""
        return self._gradient({}, 0.0, rows)

    def kinks(self) -> list[str]:
        """Operations of the loss that have kinks."""
        loss, _ = self._evaluate(self._leaves, self._batch)
        return kinks_behind([loss])

    def _slope(
        self, direction: dict[int, Tensor], step: float, rows: Sequence[int]
    ) -> list[Tensor]:
        """D(h), for some leaves."""
        ahead, behind = (
            self._gradient(direction, move, rows) for move in (step, -step)
        )
        return [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]

    def _gradient(
        self, direction: dict[int, Tensor], step: float, rows: Sequence[int]
    ) -> list[Tensor]:
        leaves = [
            (leaf.detach() + step * direction[k] if k in direction else leaf.detach())
            for k, leaf in enumerate(self._leaves)
        ]
        wanted = [leaves[row].requires_grad_() for row in rows]
        with torch.enable_grad(), self._evaluate.at(leaves):
            loss, _ = self._evaluate(leaves, self._batch)
            found = torch.autograd.grad(loss, wanted, allow_unused=True)
        return [
            leaf.new_zeros(leaf.shape) if gradient is None else gradient
            for leaf, gradient in zip(wanted, found, strict=True)
        ]


def step_length(leaves: Sequence[Tensor]) -> float:
    """How far to go along a vector, in parameter units.

    As two steps are combined, the fourth root of the rounding is best on smooth
    losses; where float64 allows it, a step so short that it hardly meets a kink.
    """
    resolution = max(torch.finfo(leaf.dtype).eps for leaf in leaves)
    best = resolution ** (0.25 if resolution > 1e-12 else 0.375)
    # far enough from large weights that they move at all
    return max(best, 300 * resolution * total_norm(leaves))


def total_norm(tensors: Sequence[Tensor]) -> float:
    """The Euclidean norm of several tensors as one vector."""
    return sqrt(
        sum(float(tensor.detach().double().square().sum()) for tensor in tensors)
    )


def require_fine_type(leaves: Sequence[Tensor]) -> None:
    """Refuse types in which a small step is lost to rounding.

    Raises
    ------
    ProductError
        For half precision.
    """
    rough = [leaf.dtype for leaf in leaves if torch.finfo(leaf.dtype).eps > 1e-6]
    if rough:
        raise ProductError(
            found=f"A difference of gradients in {rough[0]}.",
            why="A step small enough to be a derivative is lost to rounding there.",
            instead="Measure in a wider type: land.hessian(dtype=torch.float32).",
        )
