"""A part's own progress, told to the survey in products."""

from collections.abc import Callable
from typing import final


@final
class PassingOn:
    """A watcher that says what share of a cost was spent since it last said so.

    Parameters
    ----------
    report : callable
        Told about the work done, in products.
    products : float
        What the whole part is expected to cost.
    """

    def __init__(self, report: Callable[[float], None], products: float) -> None:
        self._report, self._products, self._said = report, products, 0.0

    def update(self, stage: str, done: float, left: float) -> None:
        """Report what came since."""
        del stage, left
        more = max(0.0, done - self._said)
        self._said += more
        self._report(more * self._products)

    def close(self) -> None:
        """The survey itself goes on."""
