"""Can this loss be measured here at all? Asked once, before anything is computed."""

from collections.abc import Mapping
from contextlib import closing

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from theodolite.batches import Batches
from theodolite.errors import NonFiniteError, RandomLossError
from theodolite.evaluation import Evaluation

_RANDOM = (nn.modules.dropout._DropoutNd, nn.RReLU)


def require_firm_footing(
    evaluate: Evaluation,
    leaves: Mapping[str, Tensor],
    batches: Batches,
    model: nn.Module | None,
) -> None:
    """Evaluate the first batch twice: the loss must be finite and the same.

    Raises
    ------
    NonFiniteError
        When a weight or the loss is NaN or infinite; the weight is named.
    RandomLossError
        When the two losses differ, or batch statistics would make the loss depend on
        how the batches are cut.
    """
    _require_finite_weights(leaves)
    values = list(leaves.values())
    with closing(iter(batches)) as stream, torch.no_grad():
        batch = next(stream)
        first, weight = evaluate(values, batch)
        second, _ = evaluate(values, batch)
        several = model is not None and next(stream, None) is not None
    if weight:
        _require_finite_loss(first)
        _require_equal(first, second, model)
    if several:
        _require_no_batch_statistics(model)


def _require_finite_weights(leaves: Mapping[str, Tensor]) -> None:
    for name, leaf in leaves.items():
        bad = leaf.numel() - int(torch.isfinite(leaf).sum())
        if bad:
            raise NonFiniteError(
                found=f"Parameter {name!r} has {bad} NaN or infinite entries of "
                f"{leaf.numel()}.",
                why="There is no landscape around a point that is not a number.",
                instead="Load a checkpoint from before the divergence.",
            )


def _require_finite_loss(loss: Tensor) -> None:
    if not bool(torch.isfinite(loss)):
        raise NonFiniteError(
            found=f"The loss of the first batch is {float(loss)}.",
            why="All weights are finite, so the inputs, the targets or an overflow in "
            "the model make it so.",
            instead="Check the data for NaN, or measure in a wider type "
            "(model.float() or model.double()).",
        )


def _require_equal(first: Tensor, second: Tensor, model: nn.Module | None) -> None:
    resolution = 64 * torch.finfo(first.dtype).eps
    if float((first - second).abs()) <= resolution * float(first.abs()):
        return
    found = _modules_in_training(model, _RANDOM)
    raise RandomLossError(
        found=f"The same batch has the loss {float(first):.6g} and then "
        f"{float(second):.6g}{found}.",
        why="A random loss has no Hessian: two products with the same vector differ.",
        instead="Call model.eval() first, or give those modules p=0.",
    )


def _require_no_batch_statistics(model: nn.Module | None) -> None:
    found = _modules_in_training(model, (_BatchNorm,))
    if found:
        raise RandomLossError(
            found=f"Batch norm in training mode over several batches{found}.",
            why="Its statistics couple the samples of a batch, so that the loss "
            "depends on how the batches are cut.",
            instead="Call model.eval() first, or give all data as one batch.",
        )


def _modules_in_training(model: nn.Module | None, kinds: tuple[type, ...]) -> str:
    if model is None:
        return ""
    names = [
        f"{name} ({type(module).__name__})"
        for name, module in model.named_modules()
        if module.training and isinstance(module, kinds)
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f", with {', '.join(names[:3])}{more} in training mode" if names else ""
