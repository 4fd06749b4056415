"""Checkpoints as the rows of a tall matrix that is read a few columns at a time."""

from collections.abc import Iterator, Sequence
from typing import Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

# entries of one block in float64: 64 MiB
_BLOCK = 2**23


@runtime_checkable
class Columns(Protocol):
    """Checkpoints, of which some columns can be asked for."""

    @property
    def size(self) -> int:
        """Parameters in a checkpoint."""
        ...

    def __len__(self) -> int: ...

    def columns(self, columns: slice) -> Float[Tensor, "m c"]:
        """Some parameters of all checkpoints, in float64."""
        ...


@final
class Listed:
    """Flat tensors of one length that are in memory already."""

    def __init__(self, points: Sequence[Float[Tensor, " p"]]) -> None:
        self._points = points

    @property
    def size(self) -> int:
        """Parameters in a checkpoint."""
        return self._points[0].numel()

    def __len__(self) -> int:
        return len(self._points)

    def columns(self, columns: slice) -> Float[Tensor, "m c"]:
        """Some parameters of all checkpoints, in float64."""
        pieces = [point[columns].to("cpu", torch.float64) for point in self._points]
        return torch.stack(pieces)


@final
class Together:
    """The checkpoints of several runs, one run after the other."""

    def __init__(self, runs: Sequence[Columns]) -> None:
        self._runs = runs

    @property
    def size(self) -> int:
        """Parameters in a checkpoint."""
        return self._runs[0].size

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def columns(self, columns: slice) -> Float[Tensor, "m c"]:
        """Some parameters of all checkpoints, in float64."""
        return torch.cat([run.columns(columns) for run in self._runs])


def slabs(rows: Columns) -> Iterator[slice]:
    """Columns that are read together: always the same ones, so that sums are, too."""
    wide = max(1, _BLOCK // max(1, len(rows)))
    starts = range(0, rows.size, wide)
    return (slice(start, min(start + wide, rows.size)) for start in starts)
