"""Who is told how far a computation has come."""

from typing import Protocol, final, runtime_checkable


@runtime_checkable
class Watcher(Protocol):
    """Somebody who is told how far a computation has come."""

    def update(self, stage: str, done: float, left: float) -> None:
        """Say the present stage, the share done, and the seconds left (or inf)."""
        ...

    def close(self) -> None:
        """It has ended, one way or the other."""
        ...


@final
class Silent:
    """Shows nothing."""

    def update(self, stage: str, done: float, left: float) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing to close."""


# whether to show progress, or whom to tell of it
ProgressLike = bool | Watcher


def as_watcher(progress: ProgressLike) -> Watcher:
    """A watcher out of what users give: ``True`` shows a bar on standard error."""
    if isinstance(progress, Watcher):
        return progress
    if not progress:
        return Silent()
    # not at the top: rich moves Python's random state when it is imported
    from rich.console import Console

    from theodolite.progress_bars import bar_for

    return bar_for(Console(stderr=True))


def time_left(seconds: float) -> str:
    """Seconds as people say them."""
    if not seconds < float("inf"):
        return "time left unknown"
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"about {whole} s left"
    return f"about {whole // 60} min {whole % 60:02d} s left"
