"""Loss and gradient of single batches at many points, the model held still once."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import (
    BatchNorm,
    BatchNormPolicy,
    Frozen,
    normalising,
    policy_for,
)
from theodolite.maps.place import Place
from theodolite.products.diagnosis import gradient_explained


@final
class Walk:
    """A held model that is led from place to place; made by :func:`walking`."""

    def __init__(
        self,
        land: Landscape,
        leaves: Sequence[Tensor],
        evaluate: Evaluation,
        policy: BatchNormPolicy,
    ) -> None:
        self._parameters, self._leaves = land.parameters, leaves
        self._evaluate, self._policy = evaluate, policy

    def go_to(self, place: Place) -> None:
        """Put the model at a place, its buffers as the policy wants them."""
        pieces = self._parameters.split(place.point)
        with torch.no_grad():
            for leaf, piece in zip(self._leaves, pieces, strict=True):
                leaf.copy_(piece)
            self._policy.arrive(lambda: place.buffers)

    def loss(self, batch: Batch) -> tuple[float, float]:
        """The mean loss of a batch here, and its weight."""
        mean, weight = self._evaluate(self._leaves, batch)
        return float(mean.detach()), float(weight)

    def losses(self, land: Landscape) -> Iterator[tuple[float, float]]:
        """The same of every batch that has a weight, in order."""
        with closing(iter(land.batches)) as batches:
            for batch in batches:
                mean, weight = self.loss(batch)
                if weight:
                    yield mean, weight

    def gradient(self, batch: Batch) -> tuple[float, Float[Tensor, " p"]]:
        """The mean loss of a batch here, and its gradient.

        That there is one is not looked at here: :meth:`Landscape.gradient` does.
        """
        mean, weight = self._evaluate(self._leaves, batch)
        if not float(weight):
            return 0.0, self._parameters.flatten([None] * len(self._leaves))
        pieces = torch.autograd.grad(mean, self._leaves, allow_unused=True)
        return float(mean.detach()), self._parameters.flatten(pieces)


@contextmanager
def walking(
    land: Landscape,
    batch_norm: BatchNorm,
    training: bool = False,
    statistics: Landscape | None = None,
) -> Iterator[Walk]:
    """Hold the model of a landscape still, to be led through it.

    In ``training``, re-estimated statistics are those of each batch itself, as they are
    when a network is trained: a pass over all data for every step would cost more than
    the step. Otherwise they are those of ``statistics``, by default the landscape's.
    """
    leaves = [
        leaf.clone().requires_grad_(training)
        for leaf in land.parameters.split(land.point)
    ]
    with land.held_at(leaves) as evaluate, gradient_explained():
        if training and batch_norm == "re-estimated":
            for module in normalising(land.model):
                module.training = True
            policy: BatchNormPolicy = Frozen()
        else:
            source = land if statistics is None else statistics
            policy = policy_for(
                batch_norm,
                land.model,
                source.batches,
                partial(evaluate.output, leaves),
            )
        yield Walk(land, leaves, evaluate, policy)
