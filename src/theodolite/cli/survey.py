"""``theodolite survey TARGET``."""

from pathlib import Path

from rich.console import Console

from theodolite.budget import seconds_of
from theodolite.cli.target import find_target
from theodolite.progress import Silent
from theodolite.progress_bars import bar_for
from theodolite.surveying.result import Survey
from theodolite.surveying.run_folder import PAGE
from theodolite.surveying.survey import survey

INTERRUPTED = 130


def run_survey(
    target: str,
    budget: str | None,
    out: Path | None,
    *,
    resume: bool,
    seed: int,
    quiet: bool,
) -> int:
    """Survey a target, show the tables, write the run folder; return the exit code."""
    if budget is not None:
        seconds_of(budget)  # a mistyped budget is said before anything is loaded
    console = Console(stderr=True)
    if not quiet:
        console.print(f"Surveying {target} …", highlight=False)
    land, origin = find_target(target, seed=seed)
    folder = out or default_folder(target, resume=resume)
    found = survey(
        land,
        budget,
        seed=seed,
        out=folder,
        resume=resume,
        progress=Silent() if quiet else bar_for(console),
        target=origin,
    )
    _show(found, folder, quiet=quiet)
    return INTERRUPTED if found.run["state"] == "interrupted" else 0


def default_folder(target: str, *, resume: bool, kind: str = "survey") -> Path:
    """``survey-TARGET``, with a number behind where that is taken."""
    stem = target.rpartition(":")[0] or target
    words = Path(stem).stem if stem.endswith(".py") else stem
    base = Path(f"{kind}-{words.replace('.', '-')}")
    taken, number = base, 2
    while taken.exists() and not resume:
        taken = base.with_name(f"{base.name}-{number}")
        number += 1
    return taken


def _show(found: Survey, folder: Path, *, quiet: bool) -> None:
    out = Console()
    if not quiet:
        out.print(found)
        late = not all(m.outcome.good for m in found.measurements.values())
        state = {
            "complete": "Everything was measured"
            + (", not all of it to its tolerance" if late else ""),
            "budget": "The budget was spent",
            "interrupted": "Interrupted; go on with --resume",
        }[found.run["state"]]
        run = found.run
        out.print(
            f"{state}: {run['products']} products in {run['seconds']:.1f} s.",
            highlight=False,
        )
    if found.unwritten is not None:
        raise found.unwritten
    # not wrapped: a path is meant to be copied
    out.print(f"Report: {folder / PAGE}", highlight=False, soft_wrap=True, markup=False)
