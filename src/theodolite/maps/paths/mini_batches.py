"""Small random batches of a landscape's data, without end."""

from collections.abc import Generator
from contextlib import closing
from typing import final

import torch

from theodolite.batches import Batch
from theodolite.landscape import Landscape
from theodolite.sampling import cut_anew
from theodolite.seeding import generator

# samples of a batch: noise that the next steps average, at the price of few samples
SMALL = 64


@final
class MiniBatches:
    """Small batches, shuffled anew in every pass where the data are kept.

    Drawn where the random state is kept, as inside
    :func:`~theodolite.maps.paths.walk.walking`, and closed there. Data too large to be
    kept are read in their own order, from the start.

    Parameters
    ----------
    land : Landscape
        Whose data.
    cut : bool
        Whether its samples may be dealt anew; otherwise its batches are taken whole.
    seed : int
        Of the order.

    Attributes
    ----------
    share : float
        What part of a pass over all data a batch is, on average.
    """

    def __init__(self, land: Landscape, cut: bool, seed: int) -> None:
        self._land, self._generator = land, generator(seed)
        sizes = land.batch_sizes
        # a batch that is not much larger is as good as it is
        large = sum(sizes) > 2 * SMALL * len(sizes)
        self._pieces = round(sum(sizes) / SMALL) if cut and large else 0
        self.share = 1 / (self._pieces or len(sizes))
        self._stream = self._endless()

    def draw(self) -> Batch:
        """The next batch."""
        return next(self._stream)

    def close(self) -> None:
        """Let go of the data."""
        self._stream.close()

    def _endless(self) -> Generator[Batch, None, None]:
        while True:
            yield from self._dealt() if self._pieces else self._whole()

    def _dealt(self) -> Generator[Batch, None, None]:
        """One pass over samples in a new order."""
        seed = int(torch.randint(2**62, (), generator=self._generator))
        whole = self._land.batches
        dealt = cut_anew(whole, self._land.batch_sizes, self._pieces, seed)
        with closing(iter(whole if dealt is None else dealt)) as batches:
            yield from batches

    def _whole(self) -> Generator[Batch, None, None]:
        """One pass over batches, in a new order if they are at hand."""
        kept = self._land.batches.kept
        if kept is None:
            with closing(iter(self._land.batches)) as batches:
                yield from batches
            return
        for place in torch.randperm(len(kept), generator=self._generator).tolist():
            yield kept[place]
