"""Points shared out over the processes that torchrun started."""

from collections.abc import Callable, Sequence
from typing import final

import torch.distributed as dist
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.maps.point_store import PointStore

# points that a process measures between two exchanges
_EACH = 2


@final
class Company:
    """One process among those that measure the same map together.

    Alone where ``torch.distributed`` was not initialised.

    Attributes
    ----------
    rank, size : int
        Which of how many.
    """

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1

    @property
    def leads(self) -> bool:
        """Whether it is this process that writes files and draws bars."""
        return self.rank == 0

    def share(self, each: int) -> int:
        """Points that are handed out at once, where one takes ``each`` together."""
        return each if self.size == 1 else self.size * max(each, _EACH)

    def shared(
        self, count: int, measure: Callable[[Sequence[int]], list[list[float]]]
    ) -> list[list[float]]:
        """Rows of numbers ``0 … count − 1``, each measured by one of the processes."""
        if self.size == 1:
            return measure(range(count))
        own = measure(range(self.rank, count, self.size))
        gathered: list[list[list[float]] | None] = [None] * self.size
        dist.all_gather_object(gathered, own)
        parts = [part or [] for part in gathered]
        return [
            parts[number % self.size][number // self.size] for number in range(count)
        ]

    def agreed(self, value: Tensor, what: str) -> None:
        """Refuse to go on where the processes hold different numbers.

        Raises
        ------
        ArgumentError
            Saying what differs.
        """
        if self.size == 1:
            return
        digest = [float(value.double().sum()), float(value.double().square().sum())]
        every: list[list[float] | None] = [None] * self.size
        dist.all_gather_object(every, digest)
        if any(other != every[0] for other in every):
            raise ArgumentError(
                found=f"{what} that differ between processes.",
                why="Each would measure points of a map of its own.",
                instead="Load the same checkpoint, and pass the same seed, in every "
                "process.",
            )

    def share_rows(self, store: PointStore) -> None:
        """Let every process know what the leading one has on file."""
        if self.size > 1:
            held = [store.rows if self.leads else None]
            dist.broadcast_object_list(held, src=0)
            store.rows = held[0] or {}

    def together(self, flag: bool) -> bool:
        """What the leading process says, so that all do the same."""
        if self.size == 1:
            return flag
        said = [flag]
        dist.broadcast_object_list(said, src=0)
        return bool(said[0])
