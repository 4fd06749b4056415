"""Two sets of tensors whose units are brought together, one group after the other."""

from collections.abc import Collection, Mapping, Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.alignment.assignment import assignment
from theodolite.maps.alignment.seats import Seat
from theodolite.maps.alignment.symmetry import Group, Orders

# pairs of blocks beyond which what is inside of them is matched only afterwards
_PAIRS = 4096


@final
class Matching:
    """Tensors of two networks; the units of the second are put in the best order.

    Parameters
    ----------
    groups : mapping
        Every set of units that may be permuted, by its root.
    seats : mapping
        Where their units sit.
    ours, theirs : mapping
        Tensors by name; those of theirs are copied, and rearranged in place.
    """

    def __init__(
        self,
        groups: Mapping[int, Group],
        seats: Mapping[int, Sequence[Seat]],
        ours: Mapping[str, Tensor],
        theirs: Mapping[str, Tensor],
    ) -> None:
        self._groups, self._seats = groups, seats
        self._ours = ours
        self._theirs = {name: tensor.clone() for name, tensor in theirs.items()}
        self.orders: Orders = {r: np.arange(g.size) for r, g in groups.items()}

    @property
    def likeness(self) -> float:
        """The inner product of the two."""
        return self._likeness(self._ours)

    def improve(self, group: Group) -> bool:
        """Put a group into the best order; whether the two are more alike for it."""
        names = {s.tensor for root in group.roots for s in self._seats_of(root)}
        before = self._likeness(names)
        kept = {name: self._theirs[name].clone() for name in names}
        orders = {root: self.orders[root] for root in group.roots}
        self.settle(group, None)
        # what rounding alone could be
        size = sum(float(self._ours[n].norm() * kept[n].norm()) for n in names)
        if self._likeness(names) - before > 1e-12 * size:
            return True
        self._theirs |= kept
        self.orders |= orders
        return False

    def settle(self, group: Group, names: Collection[str] | None) -> None:
        """Put a group into the best order as some tensors alone see it."""
        rows = [row for row in group.rows if not self._groups[row[0]].columns]
        if not rows or group.size**2 * len(rows) > _PAIRS:
            profits = self._profits(self._seats_of(group.root, names), self._ours)
            self._move(group, assignment(profits.numpy()))
            return
        inside = [self._block_profits(row, names) for row in rows]
        profits = self._beside(group, rows, names).numpy()
        best = [_best_inside(block) for block in inside]
        order = assignment(profits + sum(values for values, _ in best))
        self._move(group, order)
        for row, (_, orders) in zip(rows, best, strict=True):
            for i, root in enumerate(row):
                self._move(self._groups[root], orders[i, order[i]])

    def _move(self, group: Group, order: np.ndarray) -> None:
        """Put unit ``order[i]`` where unit i is, with all that is inside."""
        if np.array_equal(order, np.arange(group.size)):
            return
        for seat in self._seats_of(group.root):
            seat.rearrange(self._theirs[seat.tensor], order)
        self.orders[group.root] = self.orders[group.root][order]
        if group.columns:
            moved = {
                root: self.orders[source]
                for i, column in enumerate(group.columns)
                for root, source in zip(column, group.columns[order[i]], strict=True)
            }
            self.orders |= moved

    def _seats_of(self, root: int, names: Collection[str] | None = None) -> list[Seat]:
        found = self._seats.get(root, ())
        return [seat for seat in found if names is None or seat.tensor in names]

    def _likeness(self, names: Collection[str]) -> float:
        pairs = [(self._ours[name], self._theirs[name]) for name in names]
        return sum(float((a * b).sum()) for a, b in pairs)

    def _profits(
        self, seats: Sequence[Seat], ours: Mapping[str, Tensor]
    ) -> Float[Tensor, "n n"]:
        """How alike each of our units is to each of theirs."""
        size = len(seats[0].positions) if seats else 0
        total = torch.zeros(size, size, dtype=torch.float64)
        for seat in seats:
            one = seat.read(ours[seat.tensor])
            total += (one @ seat.read(self._theirs[seat.tensor]).T).cpu()
        return total

    def _block_profits(
        self, row: Sequence[int], names: Collection[str] | None
    ) -> Float[np.ndarray, "p p d d"]:
        """The same for the units inside of each of our blocks and each of theirs."""
        seats = [self._seats_of(root, names) for root in row]
        count, size = len(row), self._groups[row[0]].size
        total = torch.zeros(count * size, count * size, dtype=torch.float64)
        for alike in zip(*seats, strict=True):
            one, other = (
                torch.cat([seat.read(tensors[seat.tensor]) for seat in alike])
                for tensors in (self._ours, self._theirs)
            )
            total += (one @ other.T).cpu()
        parted = total.view(count, size, count, size).transpose(1, 2)
        return parted.numpy()

    def _beside(
        self, group: Group, rows: Sequence[Sequence[int]], names: Collection[str] | None
    ) -> Float[Tensor, "p p"]:
        """How alike blocks are in what no unit inside of them owns."""
        seats = self._seats_of(group.root, names)
        if not seats:
            return torch.zeros(group.size, group.size, dtype=torch.float64)
        rest = {seat.tensor: self._ours[seat.tensor].clone() for seat in seats}
        for root in (root for row in rows for root in row):
            for seat in self._seats_of(root, names):
                seat.clear(rest[seat.tensor])
        return self._profits(seats, rest)


def _best_inside(
    profits: Float[np.ndarray, "p p d d"],
) -> tuple[Float[np.ndarray, "p p"], np.ndarray]:
    """The best order inside for each pair of blocks, and what it is worth."""
    count, size = profits.shape[0], profits.shape[2]
    orders = np.empty((count, count, size), dtype=np.int64)
    values = np.empty((count, count))
    for i, j in np.ndindex(count, count):
        orders[i, j] = assignment(profits[i, j])
        values[i, j] = profits[i, j][np.arange(size), orders[i, j]].sum()
    return values, orders
