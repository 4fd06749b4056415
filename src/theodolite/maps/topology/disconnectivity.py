"""Which minima can reach which, and how high they have to climb: Wales's graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.maps.topology.merge_tree import MergeTree
from theodolite.maps.topology.regions import LowRegions
from theodolite.maps.topology.scalar_field import as_numbers
from theodolite.maps.topology.tree_layout import Knot, knots_of, leaf_order, roots_of

# more minima than these are not printed
_PRINTED = 8


@final
@dataclass(frozen=True)
class Junction:
    """Where branches of the graph meet.

    Attributes
    ----------
    energy : float
        The level from which on they are one.
    x : float
        In the middle above its leaves.
    children : tuple of int
        What meets here: minima by their numbers, junctions by theirs plus the number of
        minima.
    first, last : int
        Its leaves: ``graph.order[first : last + 1]``.
    """

    energy: float
    x: float
    children: tuple[int, ...]
    first: int
    last: int


@final
@dataclass(frozen=True, repr=False)
class DisconnectivityGraph:
    """Minima as the ends of branches that meet where the lowest pass between them is.

    Attributes
    ----------
    energies : Tensor
        Of the minima ``(k,)``, float64.
    x : Tensor
        Where their branches stand ``(k,)``: 0 to k − 1 from left to right.
    labels : tuple of str
        What the minima are called.
    junctions : tuple of Junction
        Lowest first.
    roots : tuple of int
        The top of each separate tree, from left to right, numbered as children are.
    levels : Tensor or None
        The energies at which it was asked what is connected; ``None`` where junctions
        are at the passes themselves.
    """

    energies: Float[Tensor, " k"]
    x: Float[Tensor, " k"]
    labels: tuple[str, ...]
    junctions: tuple[Junction, ...]
    roots: tuple[int, ...]
    levels: Float[Tensor, " l"] | None

    @property
    def order(self) -> tuple[int, ...]:
        """The minima from left to right."""
        return tuple(torch.argsort(self.x).tolist())

    def lines(self) -> Float[Tensor, "s 2 2"]:
        """Straight pieces ``[[x, energy], [x, energy]]`` that draw it; none cross.

        Where levels were given, a branch stands upright up to the level before its
        junction's, and leans from there, as Becker and Karplus draw it; otherwise it
        stands up to its junction, and a bar joins the branches.
        """
        pieces = [
            piece
            for junction in self.junctions
            for child in junction.children
            for piece in self._branch(child, junction)
            if piece[0] != piece[1]
        ]
        return torch.tensor(pieces, dtype=torch.float64).reshape(-1, 2, 2)

    def _branch(
        self, child: int, junction: Junction
    ) -> list[list[tuple[float, float]]]:
        """From a child up to where it joins."""
        x, foot = self._top_of(child)
        top = (junction.x, junction.energy)
        if self.levels is None:
            corner = (x, junction.energy)
        else:
            below = self.levels[self.levels < junction.energy]
            corner = (x, max([foot, *below[-1:].tolist()]))
        return [[(x, foot), corner], [corner, top]]

    def _top_of(self, member: int) -> tuple[float, float]:
        count = len(self.energies)
        if member < count:
            return float(self.x[member]), float(self.energies[member])
        return self.junctions[member - count].x, self.junctions[member - count].energy

    def figure(self, path: str | Path) -> Path:
        """Draw it as PNG, PDF or SVG, by the path's ending.

        Raises
        ------
        MissingPackageError
            When matplotlib is not installed: ``pip install 'theodolite[figures]'``.
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.topology.tree_figures import draw_graph

        return draw_graph(self, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """All fields and the lines, plain; arrays as lists."""
        return {
            "energies": self.energies.tolist(),
            "x": self.x.tolist(),
            "labels": list(self.labels),
            "junctions": [dict(vars(junction)) for junction in self.junctions],
            "roots": list(self.roots),
            "levels": None if self.levels is None else self.levels.tolist(),
            "lines": self.lines().tolist(),
        }

    def __repr__(self) -> str:
        count, trees = len(self.energies), len(self.roots)
        levels = self.levels
        how = "at their passes" if levels is None else f"at {len(levels)} levels"
        apart = f", in {trees} trees that nothing joins" if trees > 1 else ""
        head = f"DisconnectivityGraph of {count} minima, joined {how}{apart}"
        lowest = torch.argsort(self.energies, stable=True).tolist()
        meets = {
            child: f"meets others at {junction.energy:.6g}"
            for junction in self.junctions
            for child in junction.children
        }
        shown = [
            f"  {self.labels[i]}: {float(self.energies[i]):.6g}, "
            f"{meets.get(i, 'meets none')}"
            for i in lowest[:_PRINTED]
        ]
        more = [f"  and {count - _PRINTED} higher"] if count > _PRINTED else []
        return "\n".join([head, *shown, *more])


def disconnectivity_graph(
    minima: Any,
    saddles: Sequence[Sequence[float]] | Float[Tensor, "s 3"] | None = None,
    *,
    levels: int | Sequence[float] | Float[Tensor, " l"] | None = None,
    labels: Sequence[str] | None = None,
) -> DisconnectivityGraph:
    """The disconnectivity graph of a set of minima and of the saddles between them.

    Two minima are connected at an energy where a chain of saddles that are no higher
    leads from one to the other. Each minimum is the foot of a branch; branches meet at
    the energy from which on they are connected, so that what has to be climbed between
    any two is seen at once. Energies need not be those of a network.

    Costs a sort of the saddles and a union–find.

    Misleads where saddles are missing: every height is an upper bound, true for the
    saddles that were given. The axis along the bottom means nothing, branches have no
    width of a basin, and with ``levels`` they meet up to one level too high. The graph
    of a plane's merge tree is that of the plane only.

    Parameters
    ----------
    minima
        Energies of the minima ``(k,)``; or a :class:`MergeTree` with its saddles, or
        :class:`LowRegions`, whose paths' highest places stand for saddles.
    saddles : optional
        Triples ``(energy, a, b)``: a saddle and the numbers of the two minima that it
        joins. More than one for the same two, and such that join a minimum to itself,
        do no harm.
    levels : int or sequence of float, optional
        Energies at which it is asked what is connected, or how many, evenly spaced from
        the lowest minimum to the highest saddle. At the saddles themselves by default.
        Branches that meet above the highest level stay apart.
    labels : sequence of str, optional
        What the minima are called; their numbers by default.

    Raises
    ------
    ArgumentError
        When a saddle is lower than a minimum that it joins, names none, or anything is
        not finite.

    References
    ----------
    Becker and Karplus, "The topology of multidimensional potential energy surfaces",
    1997, doi:10.1063/1.473299; Wales, "Energy Landscapes", 2003.
    """
    energies, heights, ends = _as_minima_and_passes(minima, saddles)
    named = [str(i) for i in range(len(energies))] if labels is None else [*labels]
    if len(named) != len(energies):
        raise ArgumentError(
            found=f"{len(named)} labels for {len(energies)} minima.",
            why="Each minimum has one.",
            instead="Give as many labels as minima, or none.",
        )
    steps = None if levels is None else _as_levels(levels, energies, heights)
    if steps is not None:
        # up to the first level at which the pass is open
        step = np.searchsorted(steps, heights)
        open_ = step < len(steps)
        heights, ends = steps[step[open_]], ends[open_]
    knots = knots_of(energies, heights, ends)
    return _drawn(energies, tuple(named), knots, steps)


def _drawn(
    energies: Float[ndarray, " k"],
    labels: tuple[str, ...],
    knots: list[Knot],
    levels: Float[ndarray, " l"] | None,
) -> DisconnectivityGraph:
    """The graph, each junction in the middle above its leaves."""
    order = leaf_order(energies, knots)
    spans = [(x, x) for x in np.argsort(order).tolist()]
    junctions: list[Junction] = []
    for knot in knots:
        children = sorted(knot.children, key=lambda child: spans[child])
        first, last = spans[children[0]][0], spans[children[-1]][1]
        spans.append((first, last))
        middle = (first + last) / 2
        junctions.append(Junction(knot.energy, middle, tuple(children), first, last))
    roots = sorted(roots_of(len(energies), knots), key=lambda root: spans[root])
    return DisconnectivityGraph(
        energies=torch.from_numpy(energies),
        x=torch.argsort(torch.tensor(order)).double(),
        labels=labels,
        junctions=tuple(junctions),
        roots=tuple(roots),
        levels=None if levels is None else torch.from_numpy(levels),
    )


def _as_minima_and_passes(
    minima: Any, saddles: Any
) -> tuple[Float[ndarray, " k"], Float[ndarray, " s"], Int[ndarray, "s 2"]]:
    """Energies of the minima, those of the saddles, and what each saddle joins."""
    if isinstance(minima, MergeTree):
        tree, minima = minima, [minimum.value for minimum in minima.minima]
        saddles = [(s.value, s.ends, s.survivor) for s in tree.saddles]
    elif isinstance(minima, LowRegions):
        regions, minima = minima, minima.losses
        saddles = [(at.highest, at.a, at.b) for at in regions.links if at.open]
    energies = as_numbers(minima, "minima").numpy()
    if energies.ndim != 1 or not len(energies) or not np.isfinite(energies).all():
        raise ArgumentError(
            found=f"Energies of shape {energies.shape} as minima.",
            why="Each minimum has one energy, a finite number.",
            instead="Give a list (k,) of at least one, or a merge tree.",
        )
    if saddles is None:
        raise ArgumentError(
            found="Minima without saddles.",
            why="What has to be climbed between them is the height of a saddle.",
            instead="Give saddles=[(energy, a, b), ...]; [] where none is known.",
        )
    given = as_numbers(saddles, "saddles").numpy()
    given = given.reshape(-1, 3) if not given.size else given
    _require_saddles(energies, given)
    return energies, given[:, 0], given[:, 1:].astype(np.int64)


def _require_saddles(energies: Float[ndarray, " k"], saddles: ndarray) -> None:
    """Refuse what is no list of saddles between the minima."""
    if saddles.ndim != 2 or saddles.shape[1] != 3:
        raise ArgumentError(
            found=f"Saddles of shape {saddles.shape}.",
            why="A saddle is an energy and the numbers of two minima.",
            instead="Give saddles=[(energy, a, b), ...].",
        )
    numbers = {*range(len(energies))}
    for energy, a, b in saddles.tolist():
        if not {a, b} <= numbers:
            raise ArgumentError(
                found=f"A saddle between minima {a:g} and {b:g}.",
                why=f"They are numbered from 0 to {len(energies) - 1}.",
                instead="Give (energy, a, b), the energy first.",
            )
        feet = max(energies[int(a)], energies[int(b)])
        if not (isfinite(energy) and energy >= feet):
            raise ArgumentError(
                found=f"A saddle of energy {energy:g} between minima {a:g} and {b:g}, "
                f"the higher of energy {feet:g}.",
                why="The way from one minimum to another leads up, a finite height.",
                instead="Check the numbers of the minima, and that all energies are of "
                "the same function over the same data.",
            )


def _as_levels(
    levels: Any, energies: Float[ndarray, " k"], heights: Float[ndarray, " s"]
) -> Float[ndarray, " l"]:
    """Rising energies, out of a list or how many are wanted."""
    if isinstance(levels, int):
        top = max([*heights, max(energies)])
        # the first would be the lowest minimum itself; the last is hit exactly
        rising = np.linspace(min(energies), top, max(levels, 0) + 1)[1:]
    else:
        rising = as_numbers(levels, "levels").numpy().ravel()
    if not len(rising) or not np.isfinite(rising).all():
        raise ArgumentError(
            found=f"levels={levels}.",
            why="Branches join at one of them.",
            instead="Give how many, like levels=20, or a list of energies; without it "
            "they join at the passes themselves.",
        )
    return np.unique(rising)
