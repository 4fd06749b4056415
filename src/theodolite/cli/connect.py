"""``theodolite connect A B``."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from theodolite.budget import seconds_of
from theodolite.cli.announcing import Announcing
from theodolite.cli.checkpoint import find_landscape, find_place
from theodolite.cli.report import run_report
from theodolite.cli.results import drawn, write_results
from theodolite.cli.survey import default_folder
from theodolite.maps.paths.ways import ALIGNED, METHODS, ways
from theodolite.progress import Silent


def _possible(console: Console) -> list[str]:
    """All ways, without alignment where what it needs is not installed."""
    if find_spec("scipy") is not None:
        return list(METHODS)
    console.print(
        "Not aligned: SciPy is not installed; pip install 'theodolite[align]'.",
        highlight=False,
        markup=False,
    )
    return [method for method in METHODS if method != ALIGNED]


def run_connect(
    a: str,
    b: str,
    methods: list[str],
    batch_norm: str | None,
    budget: str | None,
    out: Path | None,
    *,
    seed: int,
    quiet: bool,
) -> None:
    """Look for ways between two checkpoints, print the table, write the folder."""
    if budget is not None:
        seconds_of(budget)
    console = Console(stderr=True)
    land, _ = find_landscape(a, seed=seed)
    place = find_place(b, land, seed=seed)
    if not quiet:
        console.print(f"Connecting {a} and {b} …", highlight=False, markup=False)
    policy: Any = batch_norm
    found = ways(
        land,
        None,
        place,
        methods or _possible(console),
        batch_norm=policy,
        seed=seed,
        budget=budget,
        progress=Silent() if quiet else Announcing(console),
    )
    folder = out or default_folder(a, resume=False, kind="connect")
    tensors = {}
    for name, path in found.paths.items():
        tensors[f"{name}.control"] = path.curve.control
        tensors[f"{name}.t"], tensors[f"{name}.loss"] = path.t, path.loss
        if path.test_loss is not None:
            tensors[f"{name}.test_loss"] = path.test_loss
    write_results(folder, land, {"between": [a, b], **found.to_dict()}, tensors)
    shown = Console()
    if not quiet:
        shown.print(repr(found), highlight=False, markup=False)
    drawn(found.figure, folder / "connect.png", shown, shown)
    run_report([folder], None)
    shown.print(f"Numbers: {folder}", highlight=False, soft_wrap=True, markup=False)
