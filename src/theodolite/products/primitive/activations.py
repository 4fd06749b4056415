"""Activations in primitive operations.

torch's own have a first derivative that is one operation, which cannot be
differentiated at all (hard sigmoid) or not in forward mode (SiLU, Mish, GLU).
"""

from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites

rewrites = Rewrites()
_nn: Any = vars(torch._C)["_nn"]


@rewrites(_nn.silu)
def silu(input: Tensor) -> Tensor:
    """``x σ(x)``."""
    return input * input.sigmoid()


@rewrites(_nn.silu_)
def silu_(input: Tensor) -> Tensor:
    """``x σ(x)`` in place."""
    # the product keeps its factors: they must not be what is overwritten
    return input.copy_(silu(input.clone()))


@rewrites(_nn.mish)
def mish(input: Tensor) -> Tensor:
    """``x tanh(log(1 + eˣ))``."""
    return input * _nn.softplus(input).tanh()


@rewrites(_nn.mish_)
def mish_(input: Tensor) -> Tensor:
    """``x tanh(log(1 + eˣ))`` in place."""
    return input.copy_(mish(input.clone()))


@rewrites(_nn.glu)
def glu(input: Tensor, dim: int = -1) -> Any:
    """One half gated by the sigmoid of the other."""
    if input.shape[dim] % 2:  # torch's own says what is wrong
        return NotImplemented
    values, gates = input.chunk(2, dim)
    return values * gates.sigmoid()


@rewrites(_nn.hardsigmoid)
def hardsigmoid(input: Tensor) -> Tensor:
    """The sigmoid in three straight pieces."""
    return _nn.hardtanh(input + 3, 0, 6) / 6


@rewrites(_nn.hardsigmoid_)
def hardsigmoid_(input: Tensor) -> Tensor:
    """The sigmoid in three straight pieces, in place."""
    return input.copy_(hardsigmoid(input))


@rewrites(torch.rrelu)
def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: torch.Generator | None = None,
) -> Any:
    """The leaky ReLU with the mean slope; with random slopes it stays as it is."""
    if training:
        return NotImplemented
    return _nn.leaky_relu(input, (lower + upper) / 2)
