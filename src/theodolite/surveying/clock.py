"""The time a survey may take, shared out among its parts."""

import time
from typing import final

from theodolite.budget import Budget


@final
class Clock:
    """A deadline, and parts of what is left before it.

    Parameters
    ----------
    seconds : float or None
        The whole time; ``None`` for as long as it takes.
    """

    def __init__(self, seconds: float | None) -> None:
        self.began = time.monotonic()
        self.seconds = seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Seconds before the deadline; infinite without one."""
        return float("inf") if self.seconds is None else self.seconds - self.elapsed

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.left <= 0

    def share(self, fraction: float, products: int | None = None) -> Budget:
        """A budget of a part of the time left, and of some products at most."""
        if self.seconds is None:
            return Budget(products)
        return Budget(products, time.monotonic() + max(self.left, 0.0) * fraction)
