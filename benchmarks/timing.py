"""CPU time of several calls, interleaved, so that what disturbs one disturbs all."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from statistics import median
from typing import Any

Call = Callable[[], object]
Times = dict[str, list[float]]

UNIT = "gradient"
# seconds that one measurement takes at least
_LEAST = 0.02
# seconds after which rounds end early, and rounds that there are nevertheless
_PATIENCE, _FEWEST = 60.0, 3


@dataclass(frozen=True)
class Spread:
    """Many ratios.

    Attributes
    ----------
    middle, low, high : float
        Their median and quartiles.
    """

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The median and the quartiles of some values."""
        ranked, quarter = sorted(values), len(values) // 4
        return cls(median(ranked), ranked[quarter], ranked[-1 - quarter])

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f} – {self.high:.2f})"


def seconds(call: Call, repeats: int = 1) -> float:
    """CPU time of one call."""
    began = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - began) / repeats


def interleaved(calls: Mapping[str, Call], rounds: int, unit: str = UNIT) -> Times:
    """CPU time of each call in each round; the unit before and after the others.

    Parameters
    ----------
    calls : mapping
        By name, the unit among them.
    rounds : int
        How often each is measured; less often, but three times at least, where that
        would take minutes.
    unit : str
        Which of them the others will be divided by.
    """
    began = time.process_time()
    repeats = {name: _repeats(call) for name, call in calls.items()}
    times: Times = {name: [] for name in calls}
    for done in range(rounds):
        if done >= _FEWEST and time.process_time() - began > _PATIENCE:
            break
        before = seconds(calls[unit], repeats[unit])
        for name, call in calls.items():
            if name != unit:
                times[name].append(seconds(call, repeats[name]))
        after = seconds(calls[unit], repeats[unit])
        times[unit].append((before + after) / 2)
    return times


def _repeats(call: Call) -> int:
    """How many calls take long enough to be timed, after one to warm up at least."""
    took = seconds(call)
    if took < _LEAST:
        took = min(took, seconds(call), seconds(call))
    return max(1, ceil(_LEAST / max(took, 1e-6)))


def ratio(times: Times, name: str, by: str = UNIT, parts: int = 1) -> Spread:
    """One call's time by another's, round by round; a part of it where it has some."""
    pairs = zip(times[name], times[by], strict=True)
    return Spread.of([one / other / parts for one, other in pairs])


def wall_clock(call: Call) -> float:
    """Seconds on the clock: compilers work in processes of their own."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
