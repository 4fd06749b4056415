"""Where it pays to replace torch's operations, for the sake of speed alone.

Torch's second derivatives are right here, and wasteful: they compute what nobody asked
for, pass over memory a dozen times where three would do, and keep a memory format that
the CPU's kernels are slow in. See the files beside this one.
"""

from typing import final

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from theodolite.products.lean import activations, batch_norm, convolutions
from theodolite.products.rewriting import Rewriting

_REWRITES = {**activations.rewrites, **batch_norm.rewrites, **convolutions.rewrites}
_CHANNELS_LAST = {**_REWRITES, **convolutions.channels_last}


@final
class LeanOperations(Rewriting):
    """Operations with cheaper second derivatives in place of torch's.

    Values and derivatives stay what they were, up to rounding.

    Parameters
    ----------
    channels_last : bool
        Whether two-dimensional convolutions leave their channels last in memory, where
        that is faster: for models to which that is nothing, see :mod:`.layout`.
    """

    def __init__(self, channels_last: bool = False) -> None:
        super().__init__(_CHANNELS_LAST if channels_last else _REWRITES)


def has_lean_operations(model: nn.Module | None) -> bool:
    """Whether some of a model's modules may be cheaper so."""
    return model is not None and any(
        isinstance(module, (_ConvNd, _BatchNorm)) for module in model.modules()
    )


def has_planar_convolutions(model: nn.Module | None) -> bool:
    """Whether some of a model's modules may be faster with channels last."""
    return model is not None and any(
        isinstance(module, nn.Conv2d)
        and convolutions.is_fast_with_channels_last(module.weight)
        for module in model.modules()
    )
