"""Two kinds of vertices of a map: those where components begin, and where they meet."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Minimum:
    """A minimum of a map.

    Attributes
    ----------
    index : tuple of int
        ``field[index]`` is its value.
    coordinates : tuple of float or None
        ``(x, y)``, where the map has coordinates.
    value : float
        The loss there.
    persistence : float
        How far one has to climb to reach a lower minimum; infinite for the lowest.
    parent : int or None
        The minimum that its component joins: the lowest on the other side.
    saddle : int or None
        At which saddle, as a number in :attr:`MergeTree.saddles`.
    on_border : bool
        Whether the map ends beside it (its edge, or a masked vertex): the true minimum
        may lie outside.
    """

    index: tuple[int, ...]
    coordinates: tuple[float, float] | None
    value: float
    persistence: float
    parent: int | None
    saddle: int | None
    on_border: bool


@final
@dataclass(frozen=True)
class Saddle:
    """The lowest pass between two components of what lies below it.

    Attributes
    ----------
    index, coordinates, value
        As of a :class:`Minimum`.
    ends : int
        The higher of both components' lowest minima, whose life ends here.
    survivor : int
        The lower one.
    across : int
        The minimum whose basin touches the pass on the survivor's side.
    on_border : bool
        Whether the map ends beside it: a lower pass may lie outside.
    """

    index: tuple[int, ...]
    coordinates: tuple[float, float] | None
    value: float
    ends: int
    survivor: int
    across: int
    on_border: bool
