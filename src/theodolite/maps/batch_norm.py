"""What batch norm normalises by at a point where the model never was."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Literal, Protocol, TypeGuard, final, get_args, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from theodolite.batches import Batch, Batches
from theodolite.errors import ArgumentError, DataError, ModelError
from theodolite.evaluation import arguments
from theodolite.landscape import Landscape
from theodolite.maps.frame import Frame

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
        self._own = {name: b.clone() for name, b in self._buffers.items()}
        self._statistics = _statistics(model)

    def arrive(self, buffers: Buffers) -> None:
        """Write the point's buffers; what a place does not know is the model's."""
        known = buffers()
        _require_known(self._statistics, known)
        for name, buffer in self._buffers.items():
            value = known.get(name, self._own[name])
            # beyond the ends of a line a variance could fall below zero
            least = 0.0 if self._statistics.get(name) == "running_var" else None
            buffer.copy_(value if least is None else value.clamp_min(least))


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
    output : callable, optional
        How a batch is passed through the model, where it is not just called.
    """

    alone = True

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        output: Callable[[Batch], object] | None = None,
    ) -> None:
        self._model, self._batches = model, batches
        self._output = output or self._called

    def arrive(self, buffers: Buffers) -> None:
        """Pass over the data once."""
        del buffers
        with _estimating(self._model), closing(iter(self._batches)) as batches:
            for batch in batches:
                try:
                    self._output(batch)
                except (ValueError, ModelError) as error:
                    _require_a_variance(error, batch)
                    raise

    def _called(self, batch: Batch) -> object:
        args, kwargs = arguments(batch.inputs)
        return self._model(*args, **kwargs)


def _require_a_variance(error: Exception, batch: Batch) -> None:
    """Say what batch norm says of a single sample with what to do."""
    if "more than 1 value per channel" in str(error):
        raise DataError(
            found=f"Batch {batch.number} (counted from 0) is a single sample.",
            why='batch_norm="re-estimated" takes the variance over each batch.',
            instead="Choose a batch size that leaves no batch with one sample, or set "
            "drop_last=True in the DataLoader.",
        ) from error


@contextmanager
def _estimating(model: nn.Module) -> Iterator[None]:
    """Batch norm alone in training mode, its running means those of whole passes."""
    norms = normalising(model)
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
    return [module for module in modules if _keeps_statistics(module)]


def _keeps_statistics(module: nn.Module) -> TypeGuard[_BatchNorm]:
    return (
        isinstance(module, _BatchNorm)
        and module.track_running_stats
        and module.running_mean is not None
    )


def _statistics(model: nn.Module) -> dict[str, str]:
    """Names of all running means and variances, and which of the two each is."""
    found: dict[str, str] = {}
    for front, module in model.named_modules():
        if _keeps_statistics(module):
            for name in ("running_mean", "running_var"):
                found[f"{front}.{name}" if front else name] = name
    return found


def _require_known(own: Iterable[str], known: Mapping[str, Tensor]) -> None:
    missing = [name for name in own if name not in known]
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


def statistics_elsewhere(
    land: Landscape, frame: Frame, batch_norm: BatchNorm
) -> list[str]:
    """What has to be known of a map on which other checkpoints lie than the model."""
    norms = normalising(land.model)
    used = any(not module.training for module in norms)
    between = any(d.kind in ("checkpoint", "pca") for d in frame.directions)
    elsewhere = between or not torch.equal(frame.origin.point, land.point)
    if batch_norm != "frozen" or not used or not elsewhere:
        return []
    return [
        "Batch norm's running statistics are the landscape's model's own at every "
        "point, also where other checkpoints lie, which had others: batch_norm="
        '"re-estimated" or "interpolated" says more.'
    ]


def policy_for(
    batch_norm: BatchNorm,
    model: nn.Module | None,
    batches: Batches,
    output: Callable[[Batch], object] | None = None,
) -> BatchNormPolicy:
    """The policy of that name; frozen where there is nothing to normalise."""
    require_policy(batch_norm)
    if model is None or not normalising(model) or batch_norm == "frozen":
        return Frozen()
    if batch_norm == "interpolated":
        return Interpolated(model)
    return ReEstimated(model, batches, output)
