"""One batch in, its mean loss and its weight out, at parameters given from outside."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from theodolite.averages import mean_and_weight
from theodolite.batches import Batch, tensors_in
from theodolite.errors import ModelError, TheodoliteError
from theodolite.products.memory import is_out_of_memory


class Evaluation(Protocol):
    """The loss of one batch as a function of the chosen parameters."""

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, float]:
        """The batch's mean loss, differentiable in ``leaves``, and its weight."""
        ...


@final
class ModelEvaluation:
    """A model and a loss, evaluated with some parameters replaced.

    The replacement is out of place: the model's own tensors are never written.
    """

    def __init__(
        self, model: nn.Module, loss: Callable[[Any, Any], Any], names: Sequence[str]
    ) -> None:
        self.model, self.loss, self.names = model, loss, tuple(names)

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, float]:
        """The batch's mean loss and its weight."""
        output = self.output(leaves, batch)
        return mean_and_weight(self.loss, output, batch)

    def output(self, leaves: Sequence[Tensor], batch: Batch) -> Any:
        """What the model answers to a batch."""
        replaced = {**self._constants(), **dict(zip(self.names, leaves, strict=True))}
        args, kwargs = arguments(batch.inputs)
        try:
            return functional_call(self.model, replaced, args, kwargs)
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, TheodoliteError):
                raise
            raise ModelError(
                found=f"The model failed: {type(error).__name__}: {error}",
                why=f"It was called with {described(batch.inputs)}.",
                instead="Call model(inputs) yourself on one batch; a tuple of inputs "
                "is given as model(*inputs), a dict as model(**inputs).",
            ) from error

    def _constants(self) -> dict[str, Tensor]:
        """The parameters that were not chosen, cut from differentiation."""
        chosen = set(self.names)
        return {
            name: parameter.detach()
            for name, parameter in self.model.named_parameters()
            if name not in chosen and parameter.requires_grad
        }


@final
class FunctionEvaluation:
    """A scalar function of one flat tensor, as a loss over a single sample."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, float]:
        """The function's value, with weight one."""
        return mean_and_weight(self._loss, leaves[0], batch)

    def _loss(self, point: Tensor, target: Any) -> Any:
        del target
        return self.function(point)


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How a model is called with inputs: ``*tuple``, ``**dict``, or the thing."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs), {}
    return (inputs,), {}


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside a compiled or data-parallel wrapper."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            inner = model.module
        if not isinstance(inner, torch.nn.Module):
            return model
        model = inner


def described(inputs: Any) -> str:
    """The shapes and types of a batch's inputs, for an error message."""
    shapes = [
        f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
        for tensor in tensors_in(inputs)
    ]
    return f"a {type(inputs).__name__}" + (f" of {', '.join(shapes)}" if shapes else "")
