"""``theodolite compare A B [C …]``."""

from pathlib import Path

from rich.console import Console

from theodolite.budget import seconds_of
from theodolite.cli.announcing import Announcing
from theodolite.cli.checkpoint import find_landscape, find_place
from theodolite.cli.report import run_report
from theodolite.cli.results import write_results
from theodolite.cli.survey import default_folder
from theodolite.errors import ArgumentError
from theodolite.maps.comparison import compare
from theodolite.progress import Silent


def run_compare(
    checkpoints: list[str],
    method: str,
    budget: str | None,
    out: Path | None,
    *,
    seed: int,
    quiet: bool,
) -> None:
    """Measure checkpoints side by side, print the table, write the folder."""
    if budget is not None:
        seconds_of(budget)
    if len(set(checkpoints)) < len(checkpoints):
        raise ArgumentError(
            found="The same checkpoint twice.",
            why="Each has a column by its name.",
            instead="Name each once; digits-cnn@1 is digits-cnn trained from seed 1.",
        )
    console = Console(stderr=True)
    first = checkpoints[0]
    land, _ = find_landscape(first, seed=seed)
    others = {text: find_place(text, land, seed=seed) for text in checkpoints[1:]}
    if not quiet:
        console.print(f"Comparing {', '.join(checkpoints)} …", highlight=False)
    found = compare(
        land,
        {first: None, **others},
        method=method,
        seed=seed,
        budget=budget,
        progress=Silent() if quiet else Announcing(console),
    )
    folder = out or default_folder(first, resume=False, kind="compare")
    vectors = {
        f"{row.name}.eigenvectors": row.eigenvalues.vectors for row in found.rows
    }
    write_results(folder, land, found.to_dict(), vectors)
    shown = Console()
    if not quiet:
        shown.print(found)
    run_report([folder], None)
    shown.print(f"Numbers: {folder}", highlight=False, soft_wrap=True, markup=False)
