"""A multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, final

from torch import Tensor, nn


@final
class MLP(nn.Module):
    """Fully connected layers with an activation between them.

    Parameters
    ----------
    widths : sequence of int
        From the inputs to the outputs, like ``(64, 24, 24, 10)``.
    activation : callable
        Makes the module between two layers.
    """

    def __init__(self, widths: Sequence[int], activation: Any = nn.Tanh) -> None:
        super().__init__()
        self.depth = len(widths) - 1
        self.activation = activation()
        for number, (wide, narrow) in enumerate(pairwise(widths), 1):
            self.add_module(f"fc{number}", nn.Linear(wide, narrow))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for inputs of any shape ``(n, ...)``."""
        x = inputs.flatten(1)
        for number in range(1, self.depth):
            x = self.activation(self.get_submodule(f"fc{number}")(x))
        return self.get_submodule(f"fc{self.depth}")(x)
