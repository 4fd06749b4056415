"""Hold a model still while it is measured, and give it back untouched."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def held_still(model: nn.Module | None) -> Iterator[None]:
    """Restore all that a measurement could change, however it ends.

    Weights, ``.grad``, buffers, ``requires_grad``, the training mode of every
    submodule and the random state of Python, numpy and torch are as before
    afterwards, also after an exception or Ctrl-C. Inside, autocast and TF32 are
    off, so that the same numbers come out under any caller.
    """
    with ExitStack() as stack:
        stack.enter_context(_random_state_kept())
        stack.enter_context(full_precision())
        if model is not None:
            stack.enter_context(_module_kept(model))
        yield


@contextmanager
def _module_kept(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    weights = [
        (module, key, weight, weight.requires_grad, weight.grad)
        for module in model.modules()
        for key, weight in module._parameters.items()
        if weight is not None
    ]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    copies: dict[int, Tensor] = {}
    try:
        # written to are copies: kept graphs hold them, and restoring the originals
        # in place would change what those graphs have saved
        for module, kept in buffers:
            for key, buffer in kept.items():
                if buffer is not None:
                    copy = copies.setdefault(id(buffer), buffer.detach().clone())
                    module._buffers[key] = copy
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, key, weight, requires_grad, grad in weights:
            module._parameters[key] = weight
            weight.requires_grad_(requires_grad)
            weight.grad = grad
        for module, kept in buffers:
            module._buffers.clear()
            module._buffers.update(kept)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    python, numpy_state = random.getstate(), np.random.get_state()
    try:
        # every CUDA device, but none is initialised for the sake of this
        devices = (
            range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
        )
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)


def seed_everything(seed: int) -> None:
    """Set every global random state; only inside :func:`held_still`."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    accelerator = torch.accelerator.current_accelerator()
    kind = "cpu" if accelerator is None else accelerator.type
    if kind == "cpu" or (kind == "cuda" and not torch.cuda.is_initialized()):
        # torch.manual_seed would queue a call for the day that CUDA is there, each time
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)


def undisturbed() -> bool:
    """Whether all that :func:`full_precision` switches off is off already."""
    return (
        torch.get_float32_matmul_precision() == "highest"
        and not torch.is_autocast_enabled("cpu")
        and not torch.is_autocast_enabled()
        and not (torch.cuda.is_initialized() and torch.backends.cudnn.allow_tf32)
    )


@contextmanager
def full_precision() -> Iterator[None]:
    """No autocast, no TF32."""
    precision = torch.get_float32_matmul_precision()
    convolution = torch.backends.cudnn.allow_tf32
    accelerator = torch.accelerator.current_accelerator()
    kinds = ["cpu"] + ([accelerator.type] if accelerator is not None else [])
    with ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            torch.set_float32_matmul_precision("highest")
            torch.backends.cudnn.allow_tf32 = False
            yield
        finally:
            torch.set_float32_matmul_precision(precision)
            torch.backends.cudnn.allow_tf32 = convolution
