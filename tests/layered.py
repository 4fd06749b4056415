"""A landscape with a prescribed Hessian, cut into layers of several sizes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import theodolite as td

SIZES = (120, 15, 100, 65)


class Layered(nn.Module):
    """Answers with all its weights in a row."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        for number, size in enumerate(sizes):
            layer = nn.Module()
            layer.weight = nn.Parameter(torch.zeros(size, dtype=torch.float64))
            self.add_module(f"layer{number}", layer)

    def forward(self, inputs: Tensor) -> Tensor:
        del inputs
        return torch.cat(list(self.parameters()))


def layered(hessian: Tensor, sizes: Sequence[int] = SIZES) -> td.Landscape:
    """½ wᵀHw over four layers, 300 parameters in all, unless said otherwise."""
    data = torch.zeros(1, 1), torch.zeros(1)
    return td.Landscape(Layered(sizes), lambda w, target: w @ hessian @ w / 2, data)
