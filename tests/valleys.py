"""Landscapes whose minima and passes are known."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn

import theodolite as td
from dense import F64
from theodolite.models.mlp import MLP


def at(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=F64)


_HEIGHTS = at(-200, -100, -170, 15)
_A, _B, _C = at(-1, -1, -6.5, 0.7), at(0, 0, 11, 0.6), at(-10, -10, -6.5, 0.7)
_X, _Y = at(1, 0, -0.5, -1), at(0, 0.5, 1.5, 1)


def mueller_brown(w: Tensor) -> Tensor:
    """Four Gaussians; Müller and Brown, 1979, doi:10.1007/BF00547608."""
    x, y = w[0] - _X, w[1] - _Y
    return (_HEIGHTS * torch.exp(_A * x * x + _B * x * y + _C * y * y)).sum()


# where the gradient vanishes, to nine digits, and the value there: found by Newton's
# method from the three digits of the paper
MB_MINIMA = [
    at(-0.558223635, 1.441725842),
    at(0.623499405, 0.028037758),
    at(-0.050010823, 0.466694105),
]
MB_HIGH, MB_HIGH_LOSS = at(-0.822001559, 0.624312803), -40.664843508657
MB_LOW, MB_LOW_LOSS = at(0.212486582, 0.292988325), -72.248940112325


def himmelblau(w: Tensor) -> Tensor:
    """Four minima of value zero; Himmelblau, 1972."""
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


HIMMELBLAU_MINIMA = [
    at(3, 2),
    at(-2.805118087, 3.131312518),
    at(-3.779310253, -3.283185991),
    at(3.584428340, -1.848126527),
]
# between each and the next one
HIMMELBLAU_PASSES = [
    at(0.086677505, 2.884254701),
    at(-3.073025751, -0.081353044),
    at(-0.127961347, -1.953714980),
    at(3.385154184, 0.073851880),
]


def ring(w: Tensor) -> Tensor:
    """A circular valley around a hill of height one."""
    return (w.square().sum() - 1) ** 2


def double_well(w: Tensor) -> Tensor:
    """Two valleys along the first coordinate, a pass of height one between them."""
    return (w[0] ** 2 - 1) ** 2 + 50 * w[1:].square().sum()


def of(function: Callable[[Tensor], Tensor], point: Tensor) -> td.Landscape:
    return td.Landscape.from_function(function, point)


def exclusive_or() -> tuple[Tensor, Tensor]:
    x = torch.tensor([[-1, -1], [-1, 1], [1, -1], [1, 1]], dtype=F64)
    return x, -(x[:, :1] * x[:, 1:])


@cache
def xor_network() -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Two hidden units at a strict minimum, by weight decay in the loss."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MLP((2, 2, 1)).to(F64)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        decay = torch.stack([w.square().sum() for w in model.parameters()]).sum()
        return (output - target).square().mean() + 2e-3 * decay

    x, y = exclusive_or()
    search = torch.optim.LBFGS(
        model.parameters(),
        max_iter=2000,
        tolerance_grad=1e-10,
        tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = loss(model(x), y)
        value.backward()
        return value

    search.step(closure)
    model.zero_grad()
    return model, loss
