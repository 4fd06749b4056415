"""What a landscape can say about its Hessian without products."""

from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.operators.split import Split
from theodolite.parameters import Patterns
from theodolite.products.loss_curvature import outputs_of
from theodolite.products.straight import straight_in_each
from theodolite.site.gauss_newton_diagonal import (
    gauss_newton_diagonal,
    gauss_newton_trace,
)


def gauss_newton_part(
    land: Landscape, layers: Patterns | None, leaves: Sequence[Tensor]
) -> Split:
    """The split of the Hessian that was taken at ``leaves``."""
    return Split(
        partial(land.gauss_newton, layers),
        lambda seed: gauss_newton_trace(land, layers, seed=seed),
        lambda seed: gauss_newton_diagonal(land, layers, seed=seed),
        stands=lambda: torch.equal(land.point, land.parameters.flatten(leaves)),
        bends=partial(_bends, land, layers),
    )


def _bends(land: Landscape, layers: Patterns | None) -> bool:
    """Whether H − G has anything on its diagonal."""
    watch = _Bends()
    land.each_batch(watch.look, layers)
    return watch.found


@final
class _Bends:
    """Looks for curvature along single parameters beside that of the loss."""

    def __init__(self) -> None:
        self.found = False

    def look(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> None:
        """See how one batch's outputs and loss are made; a forward pass."""
        del leaves
        if self.found:
            return
        output = evaluate.output([], batch)
        outputs = outputs_of(output)
        alone = isinstance(output, Tensor) and len(outputs) == 1
        if not (alone and straight_in_each(outputs)):
            self.found = True
            return
        # a penalty of the weights themselves is no part of G
        self.found = evaluate.average(output.detach(), batch)[0].requires_grad
