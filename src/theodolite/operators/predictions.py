"""How the loss bends over the model's outputs."""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import require_samples
from theodolite.batches import Batch
from theodolite.errors import ModelError
from theodolite.evaluation import Evaluation, described
from theodolite.operators.operator import Operator
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import GradientGraph, require_graph
from theodolite.stillness import full_precision


@final
class PredictionHessian(Operator):
    """The Hessian of the average loss by the model's outputs.

        S = ∂²f / ∂z²,   z = all outputs, flat, in the order of the data

    For the Gauss–Newton matrix G = Jᵀ S J. Losses that are averages over samples make
    it block-diagonal, a block for each sample; batches are blocks for every loss.

    Parameters
    ----------
    batches : sequence of GradientGraph
        The gradient of each batch's mean loss by its one leaf, the output.
    """

    def __init__(self, batches: Sequence[GradientGraph]) -> None:
        outputs = [batch.leaves[0] for batch in batches]
        self.sizes = tuple(output.numel() for output in outputs)
        dtype = torch.promote_types(outputs[0].dtype, torch.float32)
        super().__init__(sum(self.sizes), dtype, outputs[0].device)
        weights = [float(batch.weight) for batch in batches]
        require_samples(sum(weights))
        self._shares = [weight / sum(weights) for weight in weights]
        self._batches = list(batches)

    @property
    def expression(self) -> str:
        """What it is."""
        return "Prediction Hessian"

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        pieces = block.split(list(self.sizes))
        with full_precision():
            found = [
                _times(batch, share, piece)
                for batch, share, piece in zip(
                    self._batches, self._shares, pieces, strict=True
                )
            ]
        return torch.cat(found)


def _times(batch: GradientGraph, share: float, block: Tensor) -> Tensor:
    """One batch's share of the product, ``(n, k)``."""
    output = batch.leaves[0]
    result = torch.zeros_like(block)
    for column, vector in zip(result.T, block.T, strict=True):
        seed = vector.reshape(output.shape).to(output)
        product = batch.product([seed], [0], [0])[0]
        if product is not None:
            column.copy_(product.reshape(-1)).mul_(share)
    return result


def output_gradient(evaluate: Evaluation, output: Any, batch: Batch) -> GradientGraph:
    """The gradient of one batch's mean loss by the output, with its graph.

    Raises
    ------
    ModelError
        When the output is no floating-point tensor.
    NoGradientError
        When the loss does not depend on it.
    """
    if not isinstance(output, Tensor) or not output.is_floating_point():
        raise ModelError(
            found=f"The model's output is {described(output)}.",
            why="A Hessian by the predictions is over one tensor of real numbers.",
            instead="Wrap the model so that it returns its logits alone, and give the "
            "loss as loss(logits, target).",
        )
    leaf = output.detach().clone().requires_grad_()
    with differentiable_twice(None):
        loss, weight = evaluate.average(leaf, batch)
        if not float(weight):
            return GradientGraph([leaf], [None], 0.0)
        require_graph(loss)
        (gradient,) = torch.autograd.grad(loss, leaf, create_graph=True)
    return GradientGraph([leaf], [gradient], weight)
