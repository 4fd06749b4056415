"""The loss of a batch as a mean and a weight, so that any cutting averages alike."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from theodolite.batches import Batch
from theodolite.errors import DataError, LossError

# a number, or a tensor with one that has not been waited for
Weight = float | Tensor

_CLASS_LOSSES = (nn.CrossEntropyLoss, nn.NLLLoss)
_CLASS_FUNCTIONS = (functional.cross_entropy, functional.nll_loss)


def mean_and_weight(
    loss: Callable[[Any, Any], Any], output: Any, batch: Batch
) -> tuple[Tensor, Weight]:
    """The mean loss of one batch, and how much the batch weighs in the average.

    A scalar is taken as the mean over the batch, weighing its number of samples;
    torch's class losses weigh by the class weights of the targets they count, as they
    normalise by them; a pair is ``(sum, count)``. A batch of weight zero, with every
    target ignored, has no say and no mean: callers pass it over.

    Raises
    ------
    LossError
        When the loss is neither a scalar nor a pair ``(sum, count)``, or a sum by its
        own setting.
    """
    function, settings = _settings(loss)
    if settings.get("reduction") == "sum":
        raise LossError(
            found="A loss with reduction='sum'.",
            why="A landscape is the average over samples; a sum bends as many times "
            "more, and its learning rates are as many times smaller.",
            instead="Use reduction='mean', or return the pair (sum, count), and train "
            "with what is measured.",
        )
    value = loss(output, batch.target)
    if isinstance(value, (tuple, list)) and len(value) == 2:
        total, weight = _scalar(value[0]), _count(value[1])
        return total / (weight + (weight == 0)), weight
    weight = _remembered_weight(loss, function, settings, batch)
    return _scalar(value), float(batch.samples) if weight is None else weight


def _count(count: Any) -> Weight:
    # a tensor stays one: a number would have to wait for the device
    return count.detach().reshape(()) if isinstance(count, Tensor) else float(count)


def _scalar(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        found = f"a tensor of shape {shape}" if shape else f"a {type(value).__name__}"
        raise LossError(
            found=f"The loss returned {found}.",
            why="A landscape is one number over every point.",
            instead="Return a scalar mean (reduction='mean', or .mean()), "
            "or the pair (sum, count).",
        )
    if value.is_complex() or not value.is_floating_point():
        raise LossError(
            found=f"The loss has type {value.dtype}.",
            why="Only a real floating-point loss has a gradient.",
            instead="Return a float, for example with .abs() or .float().",
        )
    return value.reshape(())


def class_weight(loss: Any, target: Any) -> Tensor | None:
    """What torch's class losses divide by: the weights of the targets they count.

    ``None`` for every other loss, and for targets that are probabilities.
    """
    return _class_weight(loss, *_settings(loss), target)


def _remembered_weight(
    loss: Any, function: Any, settings: Mapping[str, Any], batch: Batch
) -> Tensor | None:
    """The same for a batch that is gone over again and again: targets are counted once.

    Until target or class weights are written to, which their versions tell.
    """
    target, weights = batch.target, settings.get("weight")
    if not isinstance(target, Tensor) or target.is_inference():
        return _class_weight(loss, function, settings, target)
    known = weights is None or (
        isinstance(weights, Tensor) and not weights.is_inference()
    )
    key = (
        id(loss),
        target._version,
        settings.get("ignore_index"),
        None if weights is None or not known else (id(weights), weights._version),
    )
    if not known or key not in batch.known:
        # the loss is kept with it, so that no other one bears its number
        batch.known[key] = _class_weight(loss, function, settings, target), loss
    return batch.known[key][0]


def _class_weight(
    loss: Any, function: Any, settings: Mapping[str, Any], target: Any
) -> Tensor | None:
    known = isinstance(loss, _CLASS_LOSSES) or function in _CLASS_FUNCTIONS
    if not known or not isinstance(target, Tensor) or target.is_floating_point():
        return None
    counted = target != settings.get("ignore_index", -100)
    weights = settings.get("weight")
    if weights is None:
        return counted.sum()
    share = weights.to(target.device)[torch.where(counted, target, 0)]
    return torch.where(counted, share, 0).sum(dtype=torch.float64)


def reduction_of(loss: Any) -> str | None:
    """The ``reduction`` of a torch loss, where it is known."""
    return _settings(loss)[1].get("reduction")


def _settings(loss: Any) -> tuple[Any, Mapping[str, Any]]:
    """A loss function and its settings, out of a module, a function or a partial."""
    if isinstance(loss, partial):
        return loss.func, loss.keywords
    if isinstance(loss, nn.Module):
        names = ("reduction", "ignore_index", "weight")
        return None, {
            name: getattr(loss, name) for name in names if hasattr(loss, name)
        }
    return loss, {}


# terms that are added up in their own type before float64 takes their sum
_RUN = 16


@final
class WeightedMean:
    """The mean of tensors by weight, without a pass over memory that can be spared.

    Sums of a few terms are formed in the terms' own type and added up in float64, so
    that thousands of batches round no worse than a few. Takes over the tensors it is
    given: they are written to.
    """

    def __init__(self) -> None:
        self._run: Tensor | None = None
        self._sum: Tensor | None = None
        self._first = self._total = 0.0
        self._count = 0
        self._dtype = torch.float64

    def add(self, value: Tensor, weight: float) -> None:
        """Take one more tensor into the mean."""
        if self._run is None:
            self._run = value if self._count == 0 else value.mul_(weight)
            self._first = weight
        else:
            if self._count == 1:
                self._run.mul_(self._first)
            self._run.add_(value, alpha=weight)
        self._total += weight
        self._count += 1
        if self._count % _RUN == 0:
            self._fold()

    def _fold(self) -> None:
        """Move the run into the sum."""
        if self._run is not None:
            wide = self._run.double()
            self._sum = wide if self._sum is None else self._sum.add_(wide)
            self._dtype, self._run = self._run.dtype, None

    def result(self) -> Tensor:
        """The mean; nothing may be added afterwards.

        Raises
        ------
        DataError
            When nothing was added, or the weights add up to nothing.
        """
        require_samples(self._total)
        if self._sum is not None:
            self._fold()
            return self._sum.div_(self._total).to(self._dtype)
        assert self._run is not None
        return self._run if self._count == 1 else self._run.div_(self._total)


def require_samples(total: float) -> None:
    """Refuse an average in which nothing counts.

    Raises
    ------
    DataError
        When the weights of all batches add up to nothing, or less.
    """
    if not total > 0.0:
        raise DataError(
            found=f"The counts of all batches add up to {total:g}.",
            why="An average over no samples has no value.",
            instead="Check the mask, the class weights, or ignore_index.",
        )
