"""One batch in, its mean loss and its weight out, at parameters given from outside."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from functools import partial
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor, nn

from theodolite.averages import Weight, mean_and_weight
from theodolite.batches import Batch, tensors_in
from theodolite.errors import LossError, ModelError, TheodoliteError
from theodolite.products.memory import is_out_of_memory
from theodolite.stillness import seed_everything


@runtime_checkable
class Evaluation(Protocol):
    """The loss of one batch as a function of the chosen parameters.

    Attributes
    ----------
    own : dict
        Name of each of the model's own parameters by its ``id``, inside :meth:`at`.
    """

    own: dict[int, str]

    def at(self, leaves: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Hold the parameters at ``leaves`` while graphs are built *and used*."""
        ...

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Weight]:
        """The batch's mean loss, differentiable in ``leaves``, and its weight.

        Only inside :meth:`at`.
        """
        ...

    def output(self, leaves: Sequence[Tensor], batch: Batch) -> Any:
        """What is given to the loss. Only inside :meth:`at`."""
        ...

    def average(self, output: Any, batch: Batch) -> tuple[Tensor, Weight]:
        """The mean loss of an output, and the batch's weight."""
        ...

    def draw_anew(self, batch: Batch) -> None:
        """Let the batch draw what it has drawn before. Only inside :meth:`at`."""
        ...

    def in_type(self, dtype: torch.dtype) -> "Evaluation":
        """The same in another floating-point type."""
        ...


@final
class ModelEvaluation:
    """A model and a loss, evaluated with some parameters replaced.

    The model's own tensors are never written: inside :meth:`at` its modules refer to
    others. That has to last through the backward passes, in which checkpointed parts
    run forward once more. It is never copied either: a loss that holds the model, for a
    penalty of its weights, has to see the same tensors.

    Parameters
    ----------
    model : Module
        What is called.
    loss : callable
        Of output and target.
    names : sequence of str
        The chosen parameters, in the order of the leaves.
    seed : int, optional
        Of what the model draws.
    instead : mapping, optional
        What else stands in the place of the model's own, by name: parameters that are
        not chosen, and buffers.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        names: Sequence[str],
        seed: int | None = None,
        instead: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.model, self.loss, self.names = model, loss, tuple(names)
        self.seed, self.instead = seed, dict(instead or {})
        self.own: dict[int, str] = {}

    @contextmanager
    def at(self, leaves: Sequence[Tensor]) -> Iterator[None]:
        """Replace the chosen parameters, and cut all others from differentiation."""
        self.own = {id(w): name for name, w in self.model.named_parameters()}
        chosen = {**self.instead, **dict(zip(self.names, leaves, strict=True))}
        # plain tensors, where torch's annotations ask for nn.Parameter
        replacements: dict[int, Any] = {
            id(parameter): chosen.get(
                name, parameter.detach() if parameter.requires_grad else parameter
            )
            for name, parameter in self.model.named_parameters()
        }
        with buffers_replaced(self.model, self.instead):
            yield from self._replaced(replacements)

    def _replaced(self, replacements: Mapping[int, Any]) -> Iterator[None]:
        """Let every module refer to the replacements of its parameters."""
        owned = [
            (module, dict(module._parameters))
            for module in self.model.modules()
            if module._parameters
        ]
        try:
            for module, parameters in owned:
                module._parameters.update(
                    (key, replacements[id(parameter)])
                    for key, parameter in parameters.items()
                    if parameter is not None
                )
            yield
        finally:
            for module, parameters in owned:
                module._parameters.update(parameters)

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Weight]:
        """The batch's mean loss and its weight."""
        return self.average(self.output(leaves, batch), batch)

    def average(self, output: Any, batch: Batch) -> tuple[Tensor, Weight]:
        """The mean loss of an output, and the batch's weight."""
        try:
            return mean_and_weight(self.loss, output, batch)
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, TheodoliteError):
                raise
            raise LossError(
                found=f"The loss failed: {type(error).__name__}: {error}",
                why=f"It was called with the output, {described(output)}, and the "
                f"target, {described(batch.target)}.",
                instead="Call loss(model(inputs), target) yourself on one batch.",
            ) from error

    def in_type(self, dtype: torch.dtype) -> "ModelEvaluation":
        """The same in another type, over other tensors in the model's modules."""
        named: list[tuple[str, Tensor]] = [
            *self.model.named_parameters(),
            *self.model.named_buffers(),
        ]
        instead = {
            name: self.instead.get(name, tensor).detach().to(dtype)
            for name, tensor in named
            if name not in self.names and tensor.is_floating_point()
        }
        loss = loss_in_type(self.loss, dtype, self.model)
        return self.with_(instead, loss)

    def with_(
        self,
        instead: Mapping[str, Tensor],
        loss: Callable[[Any, Any], Any] | None = None,
    ) -> "ModelEvaluation":
        """The same with other tensors in the place of more of the model's own."""
        return ModelEvaluation(
            self.model,
            loss or self.loss,
            self.names,
            self.seed,
            {**self.instead, **instead},
        )

    def draw_anew(self, batch: Batch) -> None:
        """Let the batch draw what it has drawn before; only inside :meth:`at`."""
        if self.seed is not None:
            seed_everything(self.seed + batch.number)

    def output(self, leaves: Sequence[Tensor], batch: Batch) -> Any:
        """What the model answers to a batch."""
        del leaves
        self.draw_anew(batch)
        args, kwargs = arguments(batch.inputs)
        try:
            return self.model(*args, **kwargs)
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, TheodoliteError):
                raise
            raise ModelError(
                found=f"The model failed: {type(error).__name__}: {error}",
                why=f"It was called with {described(batch.inputs)}.",
                instead="Call model(inputs) yourself on one batch; a tuple of inputs "
                "is given as model(*inputs), a dict as model(**inputs).",
            ) from error


@final
class FunctionEvaluation:
    """A scalar function of one flat tensor, as a loss over a single sample."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self.function = function
        self.own: dict[int, str] = {}

    def at(self, leaves: Sequence[Tensor]) -> AbstractContextManager[None]:
        """Nothing to hold: a function is given its point."""
        del leaves
        return nullcontext()

    def __call__(self, leaves: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Weight]:
        """The function's value, with weight one."""
        return self.average(self.output(leaves, batch), batch)

    def average(self, output: Any, batch: Batch) -> tuple[Tensor, Weight]:
        """The function's value at an output, its point, with weight one."""
        return mean_and_weight(self._loss, output, batch)

    def output(self, leaves: Sequence[Tensor], batch: Batch) -> Any:
        """The point itself."""
        del batch
        return leaves[0]

    def draw_anew(self, batch: Batch) -> None:
        """A function draws nothing."""

    def in_type(self, dtype: torch.dtype) -> "FunctionEvaluation":
        """The same: a function takes its type from its point."""
        del dtype
        return self

    def _loss(self, point: Tensor, target: Any) -> Any:
        del target
        return self.function(point)


@contextmanager
def buffers_replaced(model: nn.Module, instead: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a model's modules refer to copies of others in the place of their buffers."""
    others = {
        id(buffer): instead[name].clone()
        for name, buffer in model.named_buffers()
        if name in instead
    }
    kept = [
        (module, dict(module._buffers))
        for module in model.modules()
        if others and module._buffers
    ]
    try:
        for module, buffers in kept:
            module._buffers.update(
                (key, others.get(id(buffer), buffer)) for key, buffer in buffers.items()
            )
        yield
    finally:
        for module, buffers in kept:
            module._buffers.clear()
            module._buffers.update(buffers)


def loss_in_type(
    loss: Callable[[Any, Any], Any], dtype: torch.dtype, model: nn.Module
) -> Callable[[Any, Any], Any]:
    """A loss with its own tensors, class weights for example, in another type.

    One that holds parameters of the model sees what stands in their place, and stays.
    """

    def converted(value: Any) -> Any:
        known = isinstance(value, Tensor) and value.is_floating_point()
        return value.to(dtype) if known else value

    if isinstance(loss, nn.Module):
        theirs = {id(weight) for weight in model.parameters()}
        shared = any(id(weight) in theirs for weight in loss.parameters())
        return loss if shared else deepcopy(loss).to(dtype)
    if isinstance(loss, partial):
        keywords = {name: converted(value) for name, value in loss.keywords.items()}
        return partial(loss.func, *map(converted, loss.args), **keywords)
    return loss


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How a model is called with inputs: ``*tuple``, ``**dict``, or the thing."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs), {}
    return (inputs,), {}


def require_plain_module(model: Any) -> None:
    """Refuse what is no module whose parameters can be replaced.

    Raises
    ------
    ModelError
        For functions, scripted modules, and modules without data.
    """
    found = f"A {type(model).__name__} as the model."
    if not isinstance(model, nn.Module):
        raise ModelError(
            found=found,
            why="A landscape is over the parameters of a torch.nn.Module.",
            instead="Give Landscape(model, loss, data), or use "
            "Landscape.from_function(f, point) for a function of a flat tensor.",
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            found=found,
            why="The parameters of a scripted or traced module cannot be replaced.",
            instead="Give the nn.Module that it was made from.",
        )
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ModelError(
            found=f"{found} Its parameters are on the meta device.",
            why="They have shapes and no values.",
            instead="Load the weights first (model.to_empty(device=...), then "
            "load_state_dict).",
        )
    # its module is imported by those who use it alone
    if any(type(w).__name__ == "DTensor" for w in model.parameters()):
        raise ModelError(
            found=f"{found} Its parameters are DTensors, shared out over processes "
            "(fully_shard, tensor parallelism).",
            why="A landscape is over whole tensors in one process.",
            instead="Load the checkpoint into an unsharded copy of the model.",
        )


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
