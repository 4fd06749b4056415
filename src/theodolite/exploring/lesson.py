"""A lesson: a landscape to walk on, what it teaches, and the numbers measured on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theodolite.exploring.words import Told


@dataclass(frozen=True)
class Detail:
    """How finely the lessons are measured.

    Attributes
    ----------
    steps : int
        Points along each axis of a drawn landscape.
    repeats : int
        Random starts, walkers and the like, where a lesson counts them.
    training : int
        Steps of the network that a lesson trains for itself.
    networks : bool
        Whether the built-in networks, which are trained when first used, are measured.
    """

    steps: int = 61
    repeats: int = 400
    training: int = 600
    networks: bool = True


@dataclass(frozen=True)
class Instrument:
    """One or more landscapes to turn, to walk and to drop balls on.

    Attributes
    ----------
    anchor : str
        Its name in the page.
    planes : tuple of dict
        Records of ``maps.page_record``; more than one stand side by side.
    caption : Told
        What stands below.
    start : mapping
        What of the viewer's state it opens with.
    """

    anchor: str
    planes: tuple[Mapping[str, Any], ...]
    caption: Told
    start: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Measured numbers, each beside what it should be or how far it may be off.

    Attributes
    ----------
    heads : tuple of Told
        Above the columns, the first of which names the rows.
    rows : tuple of tuple of Told
        As wide as the heads.
    """

    heads: tuple[Told, ...]
    rows: tuple[tuple[Told, ...], ...]


@dataclass(frozen=True)
class Question:
    """Something to find out with the instrument.

    Attributes
    ----------
    ask, hint, answer : Told
        The last two are folded away.
    """

    ask: Told
    hint: Told
    answer: Told


@dataclass(frozen=True)
class Lesson:
    """One landscape and what it teaches.

    Attributes
    ----------
    anchor : str
        Its name in the page's address.
    title, mission : Told
        What it is about, and what to find out, in one line.
    paragraphs : tuple of Told
        What you see, why, and what it means for training.
    table : Table
        The numbers.
    instruments : tuple of Instrument
        To try it.
    question : Question
        To try it with.
    code : str
        The same in a few lines of Python, which run.
    numbers : mapping of str to float
        What the words and the table were made of.
    """

    anchor: str
    title: Told
    mission: Told
    paragraphs: tuple[Told, ...]
    table: Table
    instruments: tuple[Instrument, ...]
    question: Question
    code: str
    numbers: Mapping[str, float]
