"""Find the module that has no second derivative, and say what to do about it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from theodolite.batches import Batch, mapped, tensors_in
from theodolite.errors import NoGradientError, SecondDerivativeError
from theodolite.evaluation import Evaluation
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import nodes_behind, require_whole_graph
from theodolite.products.memory import is_out_of_memory
from theodolite.stillness import held_still

# what autograd says, and what helps
_REMEDIES = {
    "selective activation checkpoint": "Call torch.utils.checkpoint.checkpoint(..., "
    "use_reentrant=False) without context_fn.",
    "modified by an inplace operation": "Write that operation out of place (x = x + 1 "
    "in place of x += 1): its input is needed by the backward pass.",
    "checkpoint": "Call torch.utils.checkpoint.checkpoint(..., use_reentrant=False).",
    "once_differentiable": "Remove @once_differentiable and write the backward with "
    "differentiable operations, or leave the layer's parameters out (parameters=...).",
    "aot_autograd": "Give the module that was compiled, not the compiled one.",
}
_REMEDY = (
    "Replace that operation by differentiable ones, or freeze what lies before it "
    "(requires_grad_(False)) and survey the parameters after it."
)


@dataclass(frozen=True)
class _Call:
    """What a module was called with."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@contextmanager
def failures_explained(
    model: nn.Module | None,
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batches: Iterable[Batch],
) -> Iterator[None]:
    """Turn autograd's refusal to differentiate twice into an error with a name."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise
        culprit = ""
        if model is not None:
            culprit = _culprit(model, evaluate, leaves, batches)
        raise SecondDerivativeError(
            found=f"No second derivative{culprit}: {_said(error)}",
            why="A Hessian-vector product differentiates the gradient once more.",
            instead=_remedy(error),
        ) from error


@contextmanager
def gradient_explained() -> Iterator[None]:
    """Turn autograd's refusal to differentiate at all into advice."""
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise
        raise NoGradientError(
            found=f"No gradient: {_said(error)}",
            why="Autograd refuses to differentiate an operation of the model.",
            instead=_remedy(error),
        ) from error


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error) else repr(error)


def _remedy(error: Exception) -> str:
    return next((text for key, text in _REMEDIES.items() if key in str(error)), _REMEDY)


def _culprit(
    model: nn.Module,
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batches: Iterable[Batch],
) -> str:
    """The deepest module that cannot be differentiated twice on its own."""
    with held_still(model), differentiable_twice(model), evaluate.at(leaves):
        calls = _calls(model, evaluate, leaves, batches)
        for name in sorted(calls, key=lambda name: -name.count(".") - bool(name)):
            if not _twice_differentiable(calls[name]):
                kind = type(calls[name].module).__name__
                return f" in module {name or 'the model itself'!r} ({kind})"
    return ""


def _calls(
    model: nn.Module,
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batches: Iterable[Batch],
) -> dict[str, _Call]:
    """What each module is called with in one forward pass over the first batch."""
    calls: dict[str, _Call] = {}
    with ExitStack() as stack, torch.no_grad():
        for name, module in model.named_modules():

            def record(module: Any, args: Any, kwargs: Any, name: str = name) -> None:
                calls.setdefault(name, _Call(module, args, kwargs))

            handle = module.register_forward_pre_hook(record, with_kwargs=True)
            stack.callback(handle.remove)
        evaluate(leaves, next(iter(batches)))
    return calls


def _twice_differentiable(call: _Call) -> bool:
    args = mapped(call.args, _as_leaf)
    kwargs = mapped(call.kwargs, _as_leaf)
    weights = [w for w in call.module.parameters() if w.is_floating_point()]
    inputs = [t for t in tensors_in([args, kwargs]) if t.requires_grad]
    by = [*inputs, *(weight for weight in weights if weight.requires_grad)]
    with torch.enable_grad():
        try:
            outputs = list(tensors_in(call.module(*args, **kwargs)))
            first = _gradients([o for o in outputs if o.requires_grad], by)
            require_whole_graph(nodes_behind(first))
            _gradients([gradient for gradient in first if gradient.requires_grad], by)
        except (RuntimeError, NotImplementedError):
            return False
    return True


def _gradients(outputs: Sequence[Tensor], by: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the sum of squares, a curved function of any output."""
    if not outputs:
        return []
    total = torch.stack([output.square().sum() for output in outputs]).sum()
    found = torch.autograd.grad(total, by, create_graph=True, allow_unused=True)
    return [gradient for gradient in found if gradient is not None]


def _as_leaf(tensor: Tensor) -> Tensor:
    detached = tensor.detach()
    return detached.requires_grad_() if tensor.is_floating_point() else detached
