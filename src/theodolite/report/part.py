"""What a page tells of one run: words, pictures, numbers, and where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass

Rows = list[tuple[str, ...]]
# outcomes of what was measured as far as was asked for
SETTLED = ("converged", "exact")


@dataclass(frozen=True)
class Figure:
    """One headline number: what it is, the number, its error, and a remark."""

    label: str
    value: str
    error: str
    note: str


@dataclass(frozen=True)
class Table:
    """One measurement's numbers, and how they came about."""

    title: str
    columns: tuple[str, ...]
    rows: Rows
    outcome: str = ""
    text: str = ""
    cost: str = ""
    broad: bool = False

    @property
    def settled(self) -> bool:
        """Whether it was measured as far as was asked for."""
        return self.outcome in SETTLED


@dataclass(frozen=True)
class Chart:
    """One figure: its name in the viewer, what it means, what would change it."""

    name: str
    caption: str
    change: str
    label: str
    of: int = 0


@dataclass(frozen=True)
class Gallery:
    """Small charts side by side, what they mean together, what would change them."""

    charts: Sequence[Chart]
    caption: str
    change: str


@dataclass(frozen=True)
class Instrument:
    """Measured planes to turn and to walk on, one or several with one camera."""

    planes: tuple[int, ...]
    anchor: str
    caption: str
    change: str


@dataclass(frozen=True)
class Section:
    """One section: paragraphs, cautions, pictures, tables beside them, what lacks."""

    anchor: str
    title: str
    words: Sequence[str]
    cautions: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    lacks: Sequence[str] = ()
    tables: Sequence[Table] = ()
    gallery: Gallery | None = None


@dataclass(frozen=True)
class Part:
    """All that a page tells of one run.

    Attributes
    ----------
    prefix
        Before every anchor, so that several runs may share a page.
    kind
        What it is, such as ``"Survey of a loss landscape"``.
    name
        What it is of.
    day
        When it was made, where that is known.
    verdict
        The whole in two or three sentences.
    warning
        Why it is not complete; empty where it is.
    notes
        What a reader has to know besides.
    figures
        Headline numbers.
    sketch
        What stands beside the title where no plane was measured.
    instrument
        The measured plane.
    sections, missing, tables, provenance
        The rest, in the order of the page.
    """

    prefix: str
    kind: str
    name: str
    verdict: str
    day: str = ""
    warning: str = ""
    notes: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    sketch: Chart | None = None
    instrument: Instrument | None = None
    sections: Sequence[Section] = ()
    missing: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    provenance: Sequence[tuple[str, str]] = ()
