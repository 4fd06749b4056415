"""Bars and lines that show how far a computation has come."""

import time
from typing import Any, final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from theodolite.progress import time_left


@final
class Plain:
    """One line every 30 seconds, for logs and pipes."""

    def __init__(self, console: Console, every: float = 30.0) -> None:
        self._console, self._every = console, every
        self._last = time.monotonic()

    def update(self, stage: str, done: float, left: float) -> None:
        """Print a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._console.print(f"{stage}: {done:.0%} done, {time_left(left)}")

    def close(self) -> None:
        """Nothing to close."""


@final
class Live:
    """A bar with the stage and the time left, for terminals."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._task: Any = self._bar.add_task("starting", total=1.0, left="")
        self._bar.start()

    def update(self, stage: str, done: float, left: float) -> None:
        """Move the bar."""
        self._bar.update(
            self._task, description=stage, completed=done, left=time_left(left)
        )

    def close(self) -> None:
        """Take the bar away."""
        self._bar.stop()


def bar_for(console: Console) -> Live | Plain:
    """A bar on a terminal, a line now and then elsewhere."""
    return Live(console) if console.is_terminal else Plain(console)
