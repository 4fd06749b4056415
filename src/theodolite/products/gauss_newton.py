"""The Gauss–Newton matrix of one batch.

    G = Jᵀ H_L J

with J the Jacobian of the model's outputs by the parameters and H_L the Hessian of the
batch's mean loss by the outputs (Schraudolph, "Fast curvature matrix-vector products
for second-order gradient descent", 2002, doi:10.1162/08997660260028683).
"""

from collections.abc import Sequence

from torch import Tensor

from theodolite.batches import Batch
from theodolite.errors import LossError
from theodolite.evaluation import Evaluation
from theodolite.products.double_backward import require_graph
from theodolite.products.loss_curvature import (
    LikelihoodHessian,
    loss_hessian,
    outputs_of,
)
from theodolite.products.pulled_back import PulledBack
from theodolite.products.recognised_loss import Watched, watched


def gauss_newton_product(
    evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
) -> PulledBack:
    """The Gauss–Newton matrix of one batch, ready to multiply.

    Raises
    ------
    LossError
        When the loss has no curvature of its own.
    NoGradientError
        When the outputs do not depend on the parameters, or the loss on them.
    """
    output = evaluate.output(leaves, batch)
    seen = watched(evaluate, output, batch, outputs_of(output))
    require_graph(seen.mean)
    require_normalised(seen)
    likelihood = seen.likelihood
    if likelihood is not None and seen.linear:
        matrix = LikelihoodHessian(likelihood)
        return PulledBack(leaves, [likelihood.outputs], matrix, seen.weight)
    outputs, matrix, weight = loss_hessian(evaluate, output, batch)
    return PulledBack(leaves, outputs, matrix, weight)


def require_normalised(seen: Watched) -> None:
    """Refuse ``nll_loss`` of numbers that are no log-probabilities.

    Raises
    ------
    LossError
        Saying what to use in its place.
    """
    if seen.unnormalised and seen.linear:
        raise LossError(
            found="nll_loss of outputs that are no log-probabilities: their "
            "exponentials do not add up to one.",
            why="It is linear in its input: as a function of the outputs it has no "
            "curvature, and as a likelihood no meaning.",
            instead="Use nn.CrossEntropyLoss() on the logits, or end the model with "
            "log_softmax.",
        )
