"""The kernels under which a model can be differentiated a second time.

The one place that knows which of torch's fast kernels have no second derivative.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def differentiable_twice(model: nn.Module | None) -> Iterator[None]:
    """Kernels with second derivatives only, for as long as the context lasts.

    Attention runs in its MATH kernel (flash, memory-efficient and cuDNN attention
    have first derivatives alone), compiled parts run eagerly (AOTAutograd refuses
    double backward), and cuDNN's recurrent kernels are replaced where there are any.
    """
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if "torch._dynamo" in sys.modules:  # importing it for nothing takes seconds
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if model is not None and _has_recurrent_kernel(model):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


def _has_recurrent_kernel(model: nn.Module) -> bool:
    return any(
        isinstance(module, nn.RNNBase)
        and any(weight.is_cuda for weight in module.parameters())
        for module in model.modules()
    )
