"""Everything a measurement could change, before and after."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def settings() -> dict[str, Any]:
    """torch's global switches."""
    cuda = torch.backends.cuda
    return {
        "flash": cuda.flash_sdp_enabled(),
        "efficient": cuda.mem_efficient_sdp_enabled(),
        "math": cuda.math_sdp_enabled(),
        "cudnn attention": cuda.cudnn_sdp_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "cudnn": torch.backends.cudnn.enabled,
        "autocast": torch.is_autocast_enabled("cpu"),
        "gradients": torch.is_grad_enabled(),
        "default type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
    }


def random_state() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (name, keys.tolist(), *rest),
        "python": random.getstate(),
    }


def belongings(model: nn.Module) -> dict[str, Any]:
    """Every tensor of a model with its identity, version, bits and gradient."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        found[f"{name} mode"] = module.training
        found[f"{name} hooks"] = len(module._forward_pre_hooks)
        found[f"{name} attributes"] = sorted(vars(module))
        found[f"{name} momentum"] = getattr(module, "momentum", None)
        for key, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is None:
                found[f"{name}.{key}"] = None
                continue
            found[f"{name}.{key}"] = (id(tensor), tensor.requires_grad, *bits(tensor))
            found[f"{name}.{key}.grad"] = tensor.grad is not None and bits(tensor.grad)
    return found


def bits(tensor: Tensor) -> tuple[int, int, list[int]]:
    plain = tensor.detach().reshape(-1).view(torch.uint8).tolist()
    return tensor.data_ptr(), tensor._version, plain


def everything(model: nn.Module | None) -> dict[str, Any]:
    owned = {} if model is None else belongings(model)
    return settings() | random_state() | owned


@contextmanager
def nothing_changes(model: nn.Module | None) -> Iterator[None]:
    """Whatever happens inside leaves no trace, an exception included."""
    before = everything(model)
    try:
        yield
    finally:
        after = everything(model)
        changed = [key for key in before | after if before.get(key) != after.get(key)]
        assert not changed, changed
