"""What a model answers to inputs, and how far two answers are apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from theodolite.batches import mapped
from theodolite.errors import ModelError
from theodolite.evaluation import arguments, described
from theodolite.maps.alignment.pair import copied
from theodolite.maps.alignment.tracing import outputs_in, plain_operations
from theodolite.stillness import held_still


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, tied ones once."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor.detach() for name, tensor in named.items()}


def with_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a model that holds other tensors."""
    copy = copied(model)
    with torch.no_grad():
        for name, tensor in tensors_of(copy).items():
            tensor.copy_(tensors[name])
    return copy


def device_of(model: nn.Module) -> torch.device:
    """Where a model's first parameter is."""
    return next((w.device for w in model.parameters()), torch.device("cpu"))


def in_float64(tensor: Tensor) -> Tensor:
    """A tensor's values in float64, on the CPU where its device has none."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).detach().double()


def in_double(model: nn.Module, inputs: Any) -> tuple[nn.Module, Any]:
    """Copies of a model and its inputs in float64, the model in ``eval()`` mode.

    In their own type where the device has no float64.
    """

    def wide(tensor: Tensor) -> Tensor:
        return tensor.double() if tensor.is_floating_point() else tensor

    if device_of(model).type == "mps":
        return copied(model).eval(), inputs
    return copied(model).double().eval(), mapped(inputs, wide)


def answers(model: nn.Module, inputs: Any) -> list[Tensor]:
    """The tensors that a model answers with; it is given back untouched.

    Raises
    ------
    ModelError
        When it fails, or answers without a tensor.
    """
    args, kwargs = arguments(inputs)
    with held_still(model), plain_operations(model):
        found = [t.detach().clone() for t in outputs_in(model.eval()(*args, **kwargs))]
    if not found:
        raise ModelError(
            found=f"The model answers {described(inputs)} without a tensor.",
            why="Whether its function is kept shows in its outputs.",
            instead="Let forward return a tensor, or a tuple or dict of tensors.",
        )
    return found


def deviation(
    answers: Sequence[Tensor], others: Sequence[Tensor], *, floor: float = 0.0
) -> float:
    """The largest difference of two answers, by the largest entry of the tensor.

    By ``floor`` where all entries are smaller. Infinite where one is finite and the
    other is not.
    """
    return max(
        _difference(in_float64(one), in_float64(other), floor)
        for one, other in zip(answers, others, strict=True)
    )


def _difference(one: Tensor, other: Tensor, floor: float) -> float:
    finite = one.isfinite() & other.isfinite()
    if not torch.equal(one[~finite].nan_to_num(), other[~finite].nan_to_num()):
        return float("inf")
    if not finite.any():
        return 0.0
    largest = max(floor, float(one[finite].abs().max()))
    return float((one - other)[finite].abs().max()) / (largest or 1.0)
