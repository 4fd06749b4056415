"""The Hessian of a batch's mean loss by what is given to the loss.

In closed form where the loss is a likelihood that is known; by differentiating the
loss alone twice, at outputs cut from the model, everywhere else.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from theodolite.averages import Weight
from theodolite.batches import Batch, tensors_in
from theodolite.errors import ArgumentError, LossError, NoGradientError
from theodolite.evaluation import Evaluation, FunctionEvaluation
from theodolite.products.likelihood import Likelihood


def require_predictions(evaluate: Evaluation, what: str) -> None:
    """Refuse a function, which has no outputs beside its value.

    Raises
    ------
    ArgumentError
        Naming what is possible instead.
    """
    if isinstance(evaluate, FunctionEvaluation):
        raise ArgumentError(
            found=f"The {what} of a function of its point.",
            why="It takes a model's outputs apart from the loss of them; a function "
            "has only its value.",
            instead="Use land.hessian(), or Landscape(model, loss, data).",
        )


def outputs_of(output: Any) -> list[Tensor]:
    """The tensors in a model's output that depend on the parameters, each once.

    Raises
    ------
    NoGradientError
        When there are none.
    """
    found = {id(t): t for t in tensors_in(output) if t.requires_grad}
    if not found:
        raise NoGradientError(
            found=f"The model's output, a {type(output).__name__}, does not depend on "
            "the chosen parameters.",
            why="Its Jacobian by them is taken.",
            instead="Remove no_grad() and .detach() from the model; return a tensor, "
            "or a tuple or dict of tensors; or choose other parameters.",
        )
    return list(found.values())


@final
class LikelihoodHessian:
    """The Hessian of a mean of negative log-likelihoods, in closed form.

    Parameters
    ----------
    likelihood : Likelihood
        Its rows and weights.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self._likelihood = likelihood

    def multiply(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The matrix times the only output's tangent."""
        (tangent,) = tangents
        if tangent is None:
            return [None]
        like = self._likelihood
        rows = like.as_rows(tangent)
        bent = like.filled(lambda at: like.curved(at, rows[at]), like.weights)
        return [like.as_outputs(bent)]

    def graph(self) -> Sequence[Tensor]:
        """None: nothing is differentiated."""
        return ()


@final
class LossHessian:
    """The Hessian of any mean loss, by differentiating its gradient.

    Parameters
    ----------
    outputs : sequence of Tensor
        Leaves in the place of the model's outputs.
    gradients : sequence of Tensor or None
        Of the mean loss by them, with its graph.
    """

    def __init__(
        self, outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]
    ) -> None:
        self._outputs, self._gradients = outputs, gradients

    def multiply(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The matrix times one tangent for each output."""
        bent = [
            (gradient, tangent)
            for gradient, tangent in zip(self._gradients, tangents, strict=True)
            if gradient is not None and gradient.requires_grad and tangent is not None
        ]
        if not bent:
            return [None] * len(tangents)
        gradients, seeds = zip(*bent, strict=True)
        return list(
            torch.autograd.grad(
                gradients, self._outputs, seeds, retain_graph=True, allow_unused=True
            )
        )

    def graph(self) -> Sequence[Tensor]:
        """The gradients: products go through what made them."""
        return [gradient for gradient in self._gradients if gradient is not None]


def loss_hessian(
    evaluate: Evaluation, output: Any, batch: Batch
) -> tuple[list[Tensor], LossHessian, Weight]:
    """The Hessian of whatever loss, and those outputs that the loss looks at.

    Raises
    ------
    LossError
        When the loss is made inside the model, so that it has no curvature of its own.
    NoGradientError
        When the loss does not look at any output.
    """
    outputs = outputs_of(output)
    leaves = [tensor.detach().requires_grad_() for tensor in outputs]
    by = {id(tensor): leaf for tensor, leaf in zip(outputs, leaves, strict=True)}
    mean, weight = evaluate.average(replaced(output, by), batch)
    found: Sequence[Tensor | None] = [None] * len(leaves)
    if mean.requires_grad:
        found = torch.autograd.grad(mean, leaves, create_graph=True, allow_unused=True)
    used = [place for place, gradient in enumerate(found) if gradient is not None]
    if not used:
        raise NoGradientError(
            found="The loss does not depend on what the model returns.",
            why="The model's outputs and the loss of them are differentiated apart.",
            instead="Let the loss be computed from its first argument, the output.",
        )
    outputs, leaves = ([part[at] for at in used] for part in (outputs, leaves))
    gradients = [found[at] for at in used]
    _require_outer_loss(outputs, gradients, batch)
    return outputs, LossHessian(leaves, gradients), weight


def _require_outer_loss(
    outputs: Sequence[Tensor], gradients: Sequence[Tensor | None], batch: Batch
) -> None:
    """Refuse a model that answers with its own loss, which the loss passes on."""
    scalar = all(output.numel() == 1 for output in outputs) and batch.samples > 1
    constant = not any(g is not None and g.requires_grad for g in gradients)
    if scalar and constant:
        raise LossError(
            found="The loss passes on a single number that the model computed.",
            why="The curvature between the predictions and the loss lies inside the "
            "model, where it cannot be told from the model's own.",
            instead="Compute the loss from the predictions: loss=lambda output, batch: "
            'torch.nn.functional.cross_entropy(output["logits"], batch["labels"]).',
        )


def replaced(part: Any, by: Mapping[int, Tensor]) -> Any:
    """The same nest of the same types with some tensors replaced, found by ``id``."""
    if isinstance(part, Tensor):
        return by.get(id(part), part)
    if isinstance(part, Mapping):
        changed: Any = copy.copy(part)
        for key, value in part.items():
            changed[key] = replaced(value, by)
        return changed
    if isinstance(part, (tuple, list)):
        values = [replaced(value, by) for value in part]
        return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
    return part
