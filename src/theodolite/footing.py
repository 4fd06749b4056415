"""Can this loss be measured here at all? Asked once, before anything is computed."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from theodolite.averages import Weight
from theodolite.batches import Batch, Batches
from theodolite.errors import (
    ModelError,
    NoGradientError,
    NonFiniteError,
    ParameterError,
    RandomLossError,
)
from theodolite.evaluation import Evaluation
from theodolite.products.double_backward import nodes_behind

# what torch says of a checkpoint without a gradient
_HIDDEN = "None of the inputs have requires_grad"

_RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU)


def require_firm_footing(
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batches: Batches,
    model: nn.Module | None,
    batch_statistics: bool = False,
) -> bool:
    """Evaluate the first batch again: the loss must be finite and the same.

    Returns
    -------
    bool
        Whether reentrant checkpoints may hide parameters from the loss's graph.

    Raises
    ------
    NonFiniteError
        When the loss is NaN or infinite.
    ParameterError
        When the forward pass reaches a parameter otherwise than by its name.
    RandomLossError
        When the two losses differ, or batch statistics would make the loss depend on
        how the batches are cut.
    """
    # with gradients on: models of differential equations differentiate by their inputs
    with closing(iter(batches)) as stream, torch.enable_grad():
        batch = next(stream)
        first, weight, reentrant = _watching_checkpoints(evaluate, leaves, batch)
        # a narrow type has so few digits that two random losses are often the same
        more = 1 if torch.finfo(first.dtype).eps < 1e-6 else 5
        again = [evaluate(leaves, batch)[0] for _ in range(more)]
        several = model is not None and next(stream, None) is not None
    _require_no_other_way(first, evaluate.own)
    if weight:
        require_finite_loss(float(first.detach()), 0)
        for second in again:
            _require_equal(first, second, model)
    if several and not batch_statistics:
        _require_no_batch_statistics(model)
    return reentrant


def _watching_checkpoints(
    evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
) -> tuple[Tensor, Weight, bool]:
    """The loss, its weight, and whether torch warns of a reentrant checkpoint."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=_HIDDEN)
        try:
            return *evaluate(leaves, batch), False
        except ModelError as error:
            if not isinstance(error.__cause__, UserWarning):
                raise
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_HIDDEN)
        return *evaluate(leaves, batch), True


def require_nothing_hidden(
    evaluate: Evaluation,
    leaves: Mapping[str, Tensor],
    batches: Batches,
) -> None:
    """Refuse parameters that a reentrant checkpoint keeps out of the loss's graph.

    Where none of its inputs needs a gradient, its outputs have none: what is inside
    would be taken for unused.

    Raises
    ------
    NoGradientError
        When a parameter that needs its gradient is not in the graph.
    """
    with (
        closing(iter(batches)) as stream,
        torch.enable_grad(),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message=_HIDDEN)
        loss, _ = evaluate(list(leaves.values()), next(stream))
    reached = {id(getattr(node, "variable", None)) for node in nodes_behind([loss])}
    hidden = [n for n, w in leaves.items() if w.requires_grad and id(w) not in reached]
    if hidden:
        raise NoGradientError(
            found=f"A checkpoint with use_reentrant=True, and {len(hidden)} parameters "
            f"that the loss has no gradient by, {hidden[0]!r} first.",
            why="Such a checkpoint hides its parameters where no input of it needs a "
            "gradient; torch warns of it, and trains them no further.",
            instead="Call torch.utils.checkpoint.checkpoint(..., use_reentrant=False).",
        )


def _require_no_other_way(loss: Tensor, own: Mapping[int, str]) -> None:
    """Refuse parameters in lists, closures or losses, that a point cannot replace.

    All that a loss is asked to differentiate by has been replaced by constants: what
    of the model's own is left in its graph came in another way.
    """
    for node in nodes_behind([loss]):
        name = own.get(id(getattr(node, "variable", None)))
        if name is not None:
            raise ParameterError(
                found=f"The loss reaches parameter {name!r} by another way than its "
                "module.",
                why="It is held in a list or a closure as well, where another point "
                "cannot take its place: its derivatives would be missing.",
                instead="Reach it by its module (self.w, nn.ParameterList), also in a "
                "penalty that the loss adds: call model.parameters() inside the loss.",
            )


def require_finite_weights(leaves: Mapping[str, Tensor]) -> None:
    """Refuse a point that is not one, and name the weight.

    Raises
    ------
    NonFiniteError
        When a weight is NaN or infinite.
    """
    for name, leaf in leaves.items():
        bad = leaf.numel() - int(torch.isfinite(leaf).sum())
        if bad:
            raise NonFiniteError(
                found=f"Parameter {name!r} has {bad} NaN or infinite entries of "
                f"{leaf.numel()}.",
                why="There is no landscape around a point that is not a number.",
                instead="Load a checkpoint from before the divergence.",
            )


def require_finite_loss(loss: float, batch: int) -> None:
    """Refuse a batch whose loss is not a number.

    Raises
    ------
    NonFiniteError
        When the loss is NaN or infinite; the batch is named.
    """
    if not isfinite(loss):
        raise NonFiniteError(
            found=f"The loss of batch {batch} (counted from 0) is {loss}.",
            why="All weights are finite, so the inputs, the targets or an overflow in "
            "the model make it so.",
            instead="Check the data for NaN, or measure in a wider type "
            "(model.float() or model.double()).",
        )


def _require_equal(first: Tensor, second: Tensor, model: nn.Module | None) -> None:
    # room for sums in another order
    wide = torch.promote_types(first.dtype, torch.float32)
    resolution = 64 * torch.finfo(wide).eps
    if float((first - second).detach().abs()) <= resolution * float(
        first.detach().abs()
    ):
        return
    found = _named(model, _is_random)
    raise RandomLossError(
        found=f"The same batch has the loss {float(first):.6g} and then "
        f"{float(second):.6g}{found}.",
        why="A random loss has no Hessian: two products with the same vector differ.",
        instead="Call model.eval() first, or freeze what it draws: "
        "Landscape(..., seed=0).",
    )


def _require_no_batch_statistics(model: nn.Module | None) -> None:
    found = _named(model, _uses_batch_statistics)
    if found:
        raise RandomLossError(
            found=f"Batch norm with batch statistics over several batches{found}.",
            why="They couple the samples of a batch, so that the loss depends on how "
            "the batches are cut.",
            instead="Call model.eval() first, give all data as one batch, or ask for "
            "it: Landscape(..., batch_statistics=True).",
        )


def _is_random(module: nn.Module) -> bool:
    return module.training and isinstance(module, _RANDOM)


def _uses_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and (
        module.training or module.running_mean is None
    )


def _named(model: nn.Module | None, chosen: Callable[[nn.Module], bool]) -> str:
    """Which modules those are, for an error message."""
    if model is None:
        return ""
    found = [(name, module) for name, module in model.named_modules() if chosen(module)]
    names = [f"{name} ({type(module).__name__})" for name, module in found[:3]]
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    mode = "training" if any(module.training for _, module in found) else "eval"
    return f", with {', '.join(names)}{more} in {mode} mode" if found else ""
