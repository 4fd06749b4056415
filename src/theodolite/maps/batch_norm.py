"""What batch norm normalises by at a point where the model never was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Literal, Protocol, final, get_args, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from theodolite.batches import Batches
from theodolite.errors import ArgumentError
from theodolite.evaluation import arguments

Buffers = Callable[[], Mapping[str, Tensor]]
BatchNorm = Literal["frozen", "interpolated", "re-estimated"]


@runtime_checkable
class BatchNormPolicy(Protocol):
    """What is done to a model's buffers on arrival at a point.

    Attributes
    ----------
    alone : bool
        Whether every point costs a pass over the data of its own.
    """

    alone: bool

    def arrive(self, buffers: Buffers) -> None:
        """Put the buffers as they have to be; the weights are there already.

        ``buffers()`` are those of the point, as far as they are known.
        """
        ...


@final
class Frozen:
    """The model's own statistics at every point."""

    alone = False

    def arrive(self, buffers: Buffers) -> None:
        """Leave everything as it is."""


@final
class Interpolated:
    """Every place's own statistics, mixed as its weights are.

    Parameters
    ----------
    model : Module
        Held still, so that its buffers are copies.
    """

    alone = False

    def __init__(self, model: nn.Module) -> None:
        self._buffers = dict(model.named_buffers())

    def arrive(self, buffers: Buffers) -> None:
        """Write the point's buffers."""
        known = buffers()
        _require_known(self._buffers, known)
        for name, value in known.items():
            # beyond the ends of a line a variance could fall below zero
            least = 0.0 if name.endswith("running_var") else None
            mixed = value if least is None else value.clamp_min(least)
            self._buffers[name].copy_(mixed)


@final
class ReEstimated:
    """The statistics of the training data at the very point.

    As ``torch.optim.swa_utils.update_bn``: means over batches of each batch's own.

    Parameters
    ----------
    model : Module
        Held still, so that its buffers are copies.
    batches : Batches
        The training data.
    """

    alone = True

    def __init__(self, model: nn.Module, batches: Batches) -> None:
        self._model, self._batches = model, batches

    def arrive(self, buffers: Buffers) -> None:
        """Pass over the data once."""
        del buffers
        with (
            _estimating(self._model),
            torch.no_grad(),
            closing(iter(self._batches)) as batches,
        ):
            for batch in batches:
                args, kwargs = arguments(batch.inputs)
                self._model(*args, **kwargs)


@contextmanager
def _estimating(model: nn.Module) -> Iterator[None]:
    """Batch norm alone in training mode, its running means those of whole passes."""
    norms = [module for module in normalising(model)]
    kept = [(module, module.momentum, module.training) for module in norms]
    try:
        for module in norms:
            module.reset_running_stats()
            module.momentum, module.training = None, True
        yield
    finally:
        for module, momentum, training in kept:
            module.momentum, module.training = momentum, training


def normalising(model: nn.Module | None) -> list[_BatchNorm]:
    """A model's batch norms with running statistics."""
    modules = () if model is None else model.modules()
    return [m for m in modules if isinstance(m, _BatchNorm) and m.track_running_stats]


def _require_known(own: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> None:
    missing = [
        name
        for name, buffer in own.items()
        if buffer.is_floating_point() and name not in known
    ]
    if missing:
        raise ArgumentError(
            found=f'batch_norm="interpolated" at a point without {missing[0]!r}.',
            why="A flat vector and a random direction hold no running statistics.",
            instead='Give checkpoints (models or state dicts), or "re-estimated".',
        )


def require_policy(batch_norm: str) -> None:
    """Refuse what is no policy.

    Raises
    ------
    ArgumentError
        With the three that there are.
    """
    if batch_norm not in get_args(BatchNorm):
        raise ArgumentError(
            found=f"batch_norm={batch_norm!r}.",
            why="Away from the model, running statistics are those of nothing.",
            instead='Give "frozen" (the model\'s own), "interpolated" (between '
            'checkpoints) or "re-estimated" (from the data, a pass more a point).',
        )


def policy_for(
    batch_norm: BatchNorm, model: nn.Module | None, batches: Batches
) -> BatchNormPolicy:
    """The policy of that name; frozen where there is nothing to normalise."""
    require_policy(batch_norm)
    if model is None or not normalising(model) or batch_norm == "frozen":
        return Frozen()
    if batch_norm == "interpolated":
        return Interpolated(model)
    return ReEstimated(model, batches)
