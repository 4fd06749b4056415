"""Several points in one pass, where a short trial shows that it is faster."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from math import isclose
from typing import Any, final

import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.errors import TheodoliteError
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.maps.quantities import LOSS, TEST, OfOutput

# points in one pass; always so many, so that a point's last bit hangs on no other
TOGETHER = 8
SEVERAL, ALONE = f"{TOGETHER} points at once", "one point at a time"
# a trial is worth while for so many points, and so many seconds
_POINTS, _SECONDS = 1000, 1.0
# seconds a batch from which on the work itself takes the time, and eight times the
# memory would be a lot
_LONG = 0.05
# how much faster it has to be
_GAIN = 0.75
# how far two ways of one loss may differ
_ROUNDING = 1e-4

Lands = Sequence[tuple[Landscape, Evaluation]]
Row = dict[str, float]


def pays(count: int, seconds: float, batches: int) -> bool:
    """Whether so many points, at so many seconds for all batches, are worth a trial."""
    quick = seconds < _LONG * batches
    return count >= _POINTS and count * seconds > _SECONDS and quick


@final
class SeveralPoints:
    """The losses at eight points, each operation run once for all of them.

    Parameters
    ----------
    lands : sequence of pairs
        Training and test landscape, with how a batch is evaluated.
    quantities : mapping
        What is measured beside the loss.
    """

    def __init__(self, lands: Lands, quantities: Mapping[str, OfOutput]) -> None:
        self._lands, self._quantities = lands, quantities

    def rows(self, points: Tensor) -> list[Row]:
        """The numbers at some points ``(m, p)``, eight at most."""
        count = len(points)
        filled = torch.cat([points, points[-1:].expand(TOGETHER - count, -1)])
        rows: list[Row] = [{} for _ in range(count)]
        for front, (land, evaluate) in zip(("", TEST), self._lands, strict=False):
            leaves = land.parameters.split_several(filled)
            sums = torch.zeros(2, 1 + len(self._quantities), TOGETHER).double()
            with closing(iter(land.batches)) as batches:
                for batch in batches:
                    sums += self._batch(evaluate, batch, leaves)
            means = (sums[0] / sums[1]).tolist()
            for name, values in zip((LOSS, *self._quantities), means, strict=True):
                for row, value in zip(rows, values, strict=False):
                    row[front + name] = value
        return rows

    def _batch(
        self, evaluate: Evaluation, batch: Batch, leaves: list[Tensor]
    ) -> Tensor:
        """Sums and weights of one batch, ``(2, quantities, points)``."""

        def one(*given: Tensor) -> Tensor:
            with evaluate.at(given):
                output = evaluate.output(given, batch)
                pairs = [evaluate.average(output, batch)] + [
                    quantity.average(name, output, batch)
                    for name, quantity in self._quantities.items()
                ]
            means = [mean.double() for mean, _ in pairs]
            weights = [_as_double(weight, means[0]) for _, weight in pairs]
            return torch.stack([torch.stack(means), torch.stack(weights)])

        with warnings.catch_warnings():
            # of operations run one by one after all: the trial has timed them
            warnings.filterwarnings("ignore", message="There is a performance drop")
            found = torch.func.vmap(one, randomness="error")(*leaves).cpu()
        means, weights = found.permute(1, 2, 0)
        # a batch that weighs nothing has no mean either
        return torch.stack([torch.where(weights != 0, means * weights, 0.0), weights])


def _as_double(weight: Any, like: Tensor) -> Tensor:
    if isinstance(weight, Tensor):
        return weight.double()
    return torch.full_like(like, float(weight))


def trial(several: Callable[[], list[Row]], one: Callable[[], Row]) -> tuple[bool, str]:
    """Whether several points at once are faster, and say the same.

    Parameters
    ----------
    several, one : callable
        Measure eight points at once, and the first of them alone.

    Returns
    -------
    tuple of bool and str
        The verdict, and its reason.
    """
    one()
    began = time.perf_counter()
    alone = one()
    single = time.perf_counter() - began
    try:
        several()
        began = time.perf_counter()
        rows = several()
        together = (time.perf_counter() - began) / TOGETHER
    except Exception as error:
        # a model that looks at its values, an operation without a batched form, memory
        return False, f"{ALONE}, as several cannot be run at once: {_first_of(error)}"
    same = all(
        isclose(alone[name], rows[0][name], rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        for name in alone
    )
    share = together / single
    if not same or share > _GAIN:
        why = f"took {share:.2f} of the time" if same else "gave another result"
        return False, f"{ALONE}, as several at once {why}"
    return True, f"{SEVERAL}, in {share:.2f} of the time"


def _first_of(error: Exception) -> str:
    """The first sentence of what torch says; our own errors lead to it."""
    cause = error.__cause__ if isinstance(error, TheodoliteError) else None
    return str(cause or error).partition("\n")[0].partition(". ")[0]
