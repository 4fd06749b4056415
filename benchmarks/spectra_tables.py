"""How a section of the page of spectra is asked for and written down."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import log10
from statistics import median

from timing import Spread, seconds


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes
    ----------
    cases : tuple of str
        Networks by their names.
    rounds : int
        Interleaved measurements of time.
    seeds : int
        Repetitions of what is random.
    draws : int
        Repetitions where coverage is counted.
    """

    cases: tuple[str, ...]
    rounds: int = 5
    seeds: int = 5
    draws: int = 500


@dataclass(frozen=True)
class Table:
    """One section.

    Attributes
    ----------
    title, text : str
        What was measured, and how.
    columns : tuple of str
        Headings.
    rows : list of tuples
        A text for each column.
    words : bool
        Whether they are words, which begin at the left, and not numbers.
    """

    title: str
    text: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: bool = False

    def __str__(self) -> str:
        rule = "---" if self.words else "---:"
        rules = ["---", *[rule] * (len(self.columns) - 1)]
        lines = [_line(self.columns), f"|{'|'.join(rules)}|", *map(_line, self.rows)]
        return "\n\n".join([f"## {self.title}", self.text, "\n".join(lines)])


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"


def installed(module: str) -> bool:
    """Whether a peer can be imported."""
    return find_spec(module) is not None


def short(value: float) -> str:
    """An error or a share: two digits."""
    if value and abs(log10(abs(value))) < 3:
        return f"{value:.2g}"
    return f"{value:.1e}" if value else "0"


def percent(value: float) -> str:
    """A share in per cent, three digits."""
    return f"{100 * value:.3g} %"


def middle(values: Sequence[float]) -> float:
    """The median."""
    return float(median(values))


def times_by_ours(
    calls: Mapping[str, Callable[[], object]], ours: str, rounds: int, patience: float
) -> dict[str, Spread]:
    """CPU time of each call by ours, interleaved; fewer rounds where that takes long.

    Parameters
    ----------
    calls : mapping
        By name, ours among them; what they import is imported.
    ours : str
        The name that the others are divided by.
    rounds : int
        How often each is measured, once at least.
    patience : float
        Seconds after which no further round begins.
    """
    ratios: dict[str, list[float]] = {name: [] for name in calls}
    spent = 0.0
    for _ in range(rounds):
        took = {name: seconds(call) for name, call in calls.items()}
        for name, one in took.items():
            ratios[name].append(one / took[ours])
        spent += sum(took.values())
        if spent > patience:
            break
    return {name: Spread.of(values) for name, values in ratios.items()}
