"""A bar that says first how long it will take."""

from typing import final

from rich.console import Console

from theodolite.progress import Watcher, time_left
from theodolite.progress_bars import bar_for

# a shorter wait is not worth announcing, in seconds
_WORTH = 2.0


@final
class Announcing:
    """Says the estimated time as soon as there is one, then shows a bar.

    Parameters
    ----------
    console : Console
        Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Watcher = bar_for(console)
        self._said = False

    def update(self, stage: str, done: float, left: float) -> None:
        """Move the bar; the first estimate stays on a line of its own."""
        if not self._said and _WORTH < left < float("inf"):
            self._said = True
            self._console.print(f"{stage}: {time_left(left)}", highlight=False)
        self._bar.update(stage, done, left)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
