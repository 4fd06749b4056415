"""How long a computation may go on, in products or in seconds."""

import re
import time
from dataclasses import dataclass

from theodolite.errors import ArgumentError

_TIME = re.compile(r"\s*([\d.]+)\s*(ms|s|sec|m|min|h)\s*")
_SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Budget:
    """A bound on products, a bound on time, or both.

    Attributes
    ----------
    products : int or None
        Single-vector products at most.
    deadline : float or None
        On the clock of ``time.monotonic()``, in seconds.
    """

    products: int | None = None
    deadline: float | None = None

    def spent(self, products: int) -> bool:
        """Whether the next product would exceed a bound."""
        if self.products is not None and products >= self.products:
            return True
        return self.deadline is not None and time.monotonic() >= self.deadline

    def room(self, products: int) -> float:
        """How many more products the bound on them allows."""
        return float("inf") if self.products is None else self.products - products


BudgetLike = Budget | int | str | None


def as_budget(budget: BudgetLike, products: int) -> Budget:
    """A budget out of what users write.

    Parameters
    ----------
    budget
        ``200`` products, ``"30s"`` of time, a :class:`Budget`, or ``None`` for the
        default.
    products : int
        The default bound on products; a bound in seconds replaces it.

    Raises
    ------
    ArgumentError
        When the text is no duration, or the number is not positive.
    """
    if isinstance(budget, Budget):
        return budget
    if isinstance(budget, str):
        return Budget(deadline=time.monotonic() + seconds_of(budget))
    if budget is not None and budget < 1:
        raise ArgumentError(
            found=f"budget={budget}.",
            why="Without a product nothing can be said.",
            instead='Give a number of products, or a time like budget="30s".',
        )
    return Budget(products if budget is None else budget)


def seconds_of(text: str) -> float:
    """Seconds out of ``"30s"``, ``"2min"`` or ``"1h"``.

    Raises
    ------
    ArgumentError
        When the text is no positive duration.
    """
    match = _TIME.fullmatch(text)
    try:
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise ArgumentError(
            found=f"budget={text!r}.",
            why="A time budget is a positive number with a unit.",
            instead='Give for example "60s", "2min" or "1h".',
        )
    return seconds
