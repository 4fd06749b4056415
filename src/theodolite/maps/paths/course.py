"""What the training of a curve needs to know, round after round."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil, cos, pi
from typing import final

import torch
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.mini_batches import MiniBatches
from theodolite.maps.paths.walk import Walk, walking
from theodolite.spectrum.effort import Effort


@final
class Passes:
    """Passes over all training data with gradients.

    Attributes
    ----------
    gradients : float
        Also parts of passes.
    products : int
        Whole ones, as budgets count.
    """

    def __init__(self) -> None:
        self.gradients, self.products = 0.0, 0

    def add(self, gradients: float) -> None:
        """Count some more."""
        self.gradients += gradients
        self.products = int(self.gradients)


@final
@dataclass(frozen=True)
class Course:
    """Where and how a curve is trained.

    Attributes
    ----------
    land : Landscape
        Whose loss is lowered.
    batch_norm : str
        What batch norm normalises by.
    cut : bool
        Whether its samples may be dealt to small batches.
    scale : float
        Root mean square of the coordinates' differences between the ends: the unit of
        the steps.
    passes : Passes
        Counts gradients.
    effort : Effort
        Knows the budget.
    """

    land: Landscape
    batch_norm: BatchNorm
    cut: bool
    scale: float
    passes: Passes
    effort: Effort

    @contextmanager
    def walk(self, seed: int) -> Iterator[tuple[Walk, MiniBatches]]:
        """The model held still for training, and the batches to train with."""
        stream = MiniBatches(self.land, self.cut, seed)
        with (
            walking(self.land, self.batch_norm, training=True) as walk,
            closing(stream),
        ):
            yield walk, stream

    def affordable(self, steps: int, each: float) -> int:
        """As many steps, or what the budget's gradients allow."""
        return max(1, min(steps, ceil(min(self.effort.room / each, steps))))

    def spend(self, gradients: float, left: float) -> None:
        """Note what a step has cost, and tell how much a round still takes."""
        self.passes.add(gradients)
        self.effort.tell(left)


@final
class Descent:
    """Adam on control points, each step at most so many units, falling to zero.

    Adam's steps do not depend on the loss's scale, the unit makes them independent of
    the parameters'.

    Parameters
    ----------
    inside : Tensor
        Control points between the ends ``(j, p)``, written to.
    rate : float
        A coordinate's first step, about.
    steps : int
        How many until the rate is zero.
    """

    def __init__(self, inside: Tensor, rate: float, steps: int) -> None:
        self._inside, self._rate, self._steps = inside, rate, steps
        self._optimizer = torch.optim.Adam([inside], lr=rate)
        self._taken = 0

    @property
    def falling(self) -> float:
        """What the next step's length is to be, of the first one's."""
        return (1 + cos(pi * self._taken / self._steps)) / 2

    def step(self, force: Tensor) -> None:
        """One step against a gradient; where that is not finite, none."""
        self._optimizer.param_groups[0]["lr"] = self._rate * self.falling
        self._taken += 1
        if bool(force.isfinite().all()):
            self._inside.grad = force
            self._optimizer.step()
