"""Match the units of two networks by their weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from theodolite.maps.alignment.matching import Matching
from theodolite.maps.alignment.seats import Seat
from theodolite.maps.alignment.symmetry import Group, Orders, Symmetry
from theodolite.seeding import generator


@dataclass(frozen=True)
class Matched:
    """The best order that was found for every set of units, and how.

    Attributes
    ----------
    orders : dict
        By root of the set.
    sweeps : int
        Passes over all groups, of the start that came out best.
    ended : bool
        Whether the last one changed nothing.
    """

    orders: Orders
    sweeps: int
    ended: bool


def match_weights(
    symmetry: Symmetry,
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    *,
    starts: int,
    sweeps: int,
    seed: int,
    tell: Callable[[float], None],
) -> Matched:
    """Orders that make the inner product of two sets of weights large.

    Coordinate descent: each group in turn takes the best order while the others keep
    theirs, a linear assignment problem, until no group gains. The first start settles
    groups from the inputs and the outputs inwards, each by the weights whose other
    units are settled; the next ones begin with the units as they are.
    """
    random = generator(seed)
    seats = {
        root: [seat for seat in places if seat.tensor in ours]
        for root, places in symmetry.seats.items()
    }
    best: tuple[float, Matched] | None = None
    for start in range(starts):
        matching = Matching(symmetry.by_root, seats, ours, theirs)
        if start == 0:
            entries = {name: tensor.numel() for name, tensor in ours.items()}
            for group, names in inwards(symmetry.groups, seats, entries):
                matching.settle(group, names)
        tell((start + 0.5) / starts)
        done = _descend(matching, symmetry, sweeps, random)
        if best is None or matching.likeness > best[0]:
            best = matching.likeness, done
    assert best is not None
    return best[1]


def _descend(
    matching: Matching, symmetry: Symmetry, sweeps: int, random: torch.Generator
) -> Matched:
    """Improve one group after the other, in another order in each sweep."""
    outer = {group.root for group in symmetry.groups}
    inner = [group for root, group in symmetry.by_root.items() if root not in outer]
    groups = [*symmetry.groups, *inner]
    for sweep in range(1, sweeps + 1):
        order = torch.randperm(len(groups), generator=random).tolist()
        gains = [matching.improve(groups[i]) for i in order]
        if not any(gains):
            return Matched(matching.orders, sweep, True)
    return Matched(matching.orders, sweeps, False)


def inwards(
    groups: Sequence[Group],
    seats: Mapping[int, Sequence[Seat]],
    sizes: Mapping[str, int],
) -> Iterator[tuple[Group, set[str] | None]]:
    """Groups, those first of whose tensors most lie between settled units.

    With each, the tensors whose other units are settled; ``None`` for all, where there
    are none.
    """
    roots: dict[str, set[int]] = {name: set() for name in sizes}
    for root, places in seats.items():
        for seat in places:
            roots[seat.tensor].add(root)
    settled: set[int] = set()
    left = list(groups)
    while left:
        known = [_known({*group.roots}, settled, roots) for group in left]
        shares = [
            sum(map(sizes.__getitem__, names))
            / max(1, sum(sizes[name] for name in sizes if roots[name] & {*group.roots}))
            for group, names in zip(left, known, strict=True)
        ]
        chosen = shares.index(max(shares))
        group = left.pop(chosen)
        settled |= {*group.roots}
        yield group, known[chosen] or None


def _known(own: set[int], settled: set[int], roots: Mapping[str, set[int]]) -> set[str]:
    """Tensors in which a group's units are, and otherwise settled ones alone."""
    return {
        name for name, here in roots.items() if here & own and here <= settled | own
    }
