"""Branches that join, and the order in which they stand side by side uncrossed."""

from collections import deque
from itertools import groupby
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from theodolite.maps.topology.flooding import merges


class Knot(NamedTuple):
    """Branches that meet: leaves by number, knots by theirs plus that of leaves."""

    energy: float
    children: tuple[int, ...]


def knots_of(
    energies: Float[ndarray, " k"],
    heights: Float[ndarray, " s"],
    ends: Int[ndarray, "s 2"],
) -> list[Knot]:
    """Where the components of minima join, lowest first; all that join at once, once.

    Parameters
    ----------
    energies : array
        Of the minima.
    heights, ends : array
        Of each link, and the two minima that it joins.
    """
    count = len(energies)
    lowest = np.argsort(energies, kind="stable")
    rank = np.empty_like(lowest)
    rank[lowest] = np.arange(count)
    rising = np.argsort(heights, kind="stable")
    heights = heights[rising]
    top, knots = lowest.tolist(), []
    steps = merges(count, rank[ends[rising]])
    for energy, together in groupby(steps, key=lambda step: float(heights[step.link])):
        meeting: dict[int, list[int]] = {}
        for step in together:
            here = meeting.setdefault(step.survivor, [top[step.survivor]])
            here += meeting.pop(step.ends, [top[step.ends]])
        for member, branches in meeting.items():
            top[member] = count + len(knots)
            knots.append(Knot(energy, tuple(branches)))
    return knots


def leaf_order(energies: Float[ndarray, " k"], knots: list[Knot]) -> list[int]:
    """The leaves from left to right, so that every knot's stand together.

    The lowest leaf of a knot stands in its middle: the branches that meet it are set
    to the side that has fewer so far, outside of all before. Trees that nothing joins
    follow each other, the lowest first.
    """
    lowest, sides = list(range(len(energies))), [(0, 0)] * len(energies)
    rows: list[list[int]] = [[leaf] for leaf in lowest]
    for knot in knots:
        main, *others = sorted(knot.children, key=lambda c: _depth(energies, lowest[c]))
        row, (left, right) = deque([main]), sides[main]
        for branch in others:
            size = sum(sides[branch]) + 1
            if left < right:
                row.appendleft(branch)
                left += size
            else:
                row.append(branch)
                right += size
        lowest.append(lowest[main])
        sides.append((left, right))
        rows.append([*row])
    trees = roots_of(len(energies), knots)
    trees.sort(key=lambda root: _depth(energies, lowest[root]), reverse=True)
    return _leaves(rows, trees, len(energies))


def roots_of(count: int, knots: list[Knot]) -> list[int]:
    """What meets nothing any more: the top of each tree."""
    joined = {child for knot in knots for child in knot.children}
    return [member for member in range(count + len(knots)) if member not in joined]


def _depth(energies: Float[ndarray, " k"], leaf: int) -> tuple[float, int]:
    return float(energies[leaf]), leaf


def _leaves(rows: list[list[int]], waiting: list[int], count: int) -> list[int]:
    """Depth first without recursion: a chain of a thousand basins is a deep tree."""
    order: list[int] = []
    while waiting:
        member = waiting.pop()
        if member < count:
            order.append(member)
        else:
            waiting += reversed(rows[member])
    return order
