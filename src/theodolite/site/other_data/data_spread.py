"""What numbers of a landscape would be on other data of the same kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any, final

from theodolite.outcomes import Outcome

CONFIDENCE = 0.95


@dataclass(frozen=True)
class DataRow:
    """A number, and how far it would move on another sample of this size.

    Attributes
    ----------
    value : float
        On the data at hand.
    error : float
        One standard error over samples of this size, with that of the bias.
    bias : float
        How far values on such samples lie above what they estimate, in expectation.
    corrected : float
        The value without the bias.
    low, high : float
        Hold the number of unlimited data with probability 0.95, by Student's t.
    freedom : int
        Degrees of freedom of the error.
    probe_error : float
        One standard error of random probes; zero where none were drawn.
    method : str
        How the error was found.
    """

    value: float
    error: float
    bias: float
    corrected: float
    low: float
    high: float
    freedom: int
    probe_error: float
    method: str

    @property
    def interval(self) -> tuple[float, float]:
        """Where the number of unlimited data lies."""
        return self.low, self.high

    @property
    def relative_error(self) -> float:
        """Data and probes together, relative to the corrected value."""
        total = hypot(self.error, self.probe_error)
        return total / abs(self.corrected) if self.corrected else float("inf")


@final
@dataclass(frozen=True, repr=False)
class DataSpread(Mapping[str, DataRow]):
    """Numbers of a landscape with the errors that their data leave, by name.

    Attributes
    ----------
    rows : dict
        Name to :class:`DataRow`, in the order asked for.
    samples : int
        Samples that were used.
    available : int
        Samples of the landscape.
    groups : int
        Into how many parts they were put to see their spread.
    work : float
        Products times samples, over all sizes that were tried.
    work_on_all : float
        What the last size's products would have cost on all samples.
    products, seconds, bytes, seed, outcome
        What it cost and how it ended; products of all sizes, each over its samples.
    """

    rows: dict[str, DataRow]
    samples: int
    available: int
    groups: int
    work: float
    work_on_all: float
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    @property
    def saving(self) -> float:
        """How many times less work this was than the same on all samples."""
        return self.work_on_all / self.work if self.work else 1.0

    def __getitem__(self, name: str) -> DataRow:
        return self.rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        rows = {name: vars(row) for name, row in self.rows.items()}
        return {**vars(self), "rows": rows, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [f"  {name:{width}}  {_told(row)}" for name, row in self.rows.items()]
        head = (
            f"On {self.samples} of {self.available} samples, in {self.groups} groups "
            f"({self.products} products). {self.outcome}"
        )
        return "\n".join([head, *lines])


def _told(row: DataRow) -> str:
    biased = "" if not row.bias else f", {row.bias:+.2g} of it bias"
    probed = "" if not row.probe_error else f", probes ± {row.probe_error:.2g}"
    return (
        f"{row.value:.5g} ± {row.error:.2g}{biased}{probed}; "
        f"unlimited data: {row.low:.5g} to {row.high:.5g}"
    )
