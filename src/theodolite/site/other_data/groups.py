"""A landscape's data as independent groups, whose spread tells of other data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import WeightedMean, require_samples
from theodolite.errors import DataError, RandomLossError
from theodolite.landscape import Landscape
from theodolite.sampling import cut_anew

# enough to know a standard error to a ninth; each costs its own small products
USUAL = 40
# fewer leave the error itself in doubt
FEW = 30


@dataclass(frozen=True)
class Groups:
    """The data of a landscape in groups of whole batches.

    Attributes
    ----------
    land : Landscape
        Over batches of which each belongs to one group.
    losses : Tensor
        Each group's mean loss ``(g,)``.
    shares : Tensor
        Each group's share of all weight ``(g,)``.
    of_batch : tuple of int
        The group of each batch that has a weight, ascending.
    cut : bool
        Whether samples were dealt to groups at random; otherwise batches are believed
        to be random samples themselves.
    """

    land: Landscape
    losses: Float[Tensor, " g"]
    shares: Float[Tensor, " g"]
    of_batch: tuple[int, ...]
    cut: bool

    def __len__(self) -> int:
        return len(self.shares)

    @property
    def told(self) -> str:
        """What the groups are."""
        if self.cut:
            return f"{len(self)} random groups of samples"
        few = "" if len(self) >= FEW else ", too few for more than a rough error"
        return f"{len(self)} groups of whole batches{few}"


def grouped(land: Landscape, count: int | None, seed: int) -> Groups:
    """Random groups of samples where they can be cut, otherwise groups of batches.

    Whether they can be cut is seen from the loss: it has to stay the same.

    Raises
    ------
    DataError
        When there is one batch that cannot be cut, or one sample.
    """
    losses = land.losses()
    wanted = min(USUAL if count is None else count, land.samples)
    anew = _cut(land, wanted, seed)
    if anew is not None:
        try:
            found = anew.losses()
        except RandomLossError:
            # batch statistics: the samples of a batch hang together
            found = []
        if _same(found, losses, land.parameters.dtypes):
            return _in_groups(anew, found, wanted, cut=True)
    if len(losses) < 2:
        raise DataError(
            found=f"{len(losses)} batch that counts, of {land.samples} samples, which "
            "cannot be cut into groups.",
            why="The data's error is seen from the spread between parts of the data; "
            "cut, the loss is another (batch statistics, frozen dropout, a loss that "
            "is no mean over samples or so small that it rounds), or rows cannot "
            "be told apart.",
            instead="Give the data as a list of batches, each a random sample, or "
            "measure in a wider type (land.to(torch.float64)).",
        )
    return _in_groups(land, losses, wanted, cut=False)


def _cut(land: Landscape, wanted: int, seed: int) -> Landscape | None:
    """The same samples dealt out at random, in batches no larger than before."""
    if land.model is None or wanted < 2:
        return None
    sizes = land.batch_sizes
    pieces = max(wanted, -(-sum(sizes) // max(sizes)))
    anew = cut_anew(land.batches, sizes, pieces, seed)
    return None if anew is None else land.over(anew)


def _same(
    found: list[tuple[float, float]],
    losses: list[tuple[float, float]],
    dtypes: Sequence[torch.dtype],
) -> bool:
    """Whether two cuts of the data have the same average loss and weight."""
    if not found or not losses:
        return False
    eps = max(torch.finfo(dtype).eps for dtype in dtypes)
    # a fitted loss is small beside what it is the difference of, and rounds as that;
    # what depends on the cut depends on it by far more
    allowed = eps**0.5 if eps < 1e-6 else 8 * eps
    first, second = map(_average, (found, losses))
    return all(
        abs(a - b) <= allowed * max(abs(a), abs(b))
        for a, b in zip(first, second, strict=True)
    )


def _average(losses: list[tuple[float, float]]) -> tuple[float, float]:
    total = sum(weight for _, weight in losses)
    require_samples(total)
    return sum(weight * value for value, weight in losses) / total, total


def _in_groups(
    land: Landscape, losses: list[tuple[float, float]], wanted: int, *, cut: bool
) -> Groups:
    """Neighbouring batches put together, to groups of about the same weight."""
    values, weights = torch.tensor(losses, dtype=torch.float64).T
    if len(losses) <= wanted:
        places = torch.arange(len(losses))
    else:
        middle = (weights.cumsum(0) - weights / 2) / weights.sum()
        places = (middle * wanted).long()
    _, of_batch = places.unique(return_inverse=True)
    count = int(of_batch[-1]) + 1
    totals = weights.new_zeros(count).index_add_(0, of_batch, weights)
    sums = weights.new_zeros(count).index_add_(0, of_batch, weights * values)
    shares = totals / totals.sum()
    return Groups(land, sums / totals, shares, tuple(of_batch.tolist()), cut)


@final
class GroupMeans:
    """Means of tensors over each group, handed on group by group.

    One group's sum is held at a time: batches come in order.

    Parameters
    ----------
    groups : Groups
        Which batch belongs where.
    use : callable
        Given the number of a group and its mean.
    """

    def __init__(self, groups: Groups, use: Callable[[int, Tensor], None]) -> None:
        self._of_batch, self._use = groups.of_batch, use
        self._seen = 0
        self._mean = WeightedMean()

    def add(self, value: Tensor, weight: float) -> None:
        """The next batch that has a weight; the tensor is taken over."""
        here = self._of_batch[self._seen]
        self._mean.add(value, weight)
        self._seen += 1
        if self._seen == len(self._of_batch) or self._of_batch[self._seen] != here:
            self._use(here, self._mean.result())
            self._mean = WeightedMean()
