"""``theodolite map TARGET``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from theodolite.budget import seconds_of
from theodolite.cli.announcing import Announcing
from theodolite.cli.checkpoint import (
    find_landscape,
    find_place,
    is_file_of_weights,
)
from theodolite.cli.processes import company
from theodolite.cli.report import run_report
from theodolite.cli.results import drawn
from theodolite.cli.survey import INTERRUPTED, default_folder
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import require_policy
from theodolite.maps.direction import require_kind
from theodolite.maps.grid import as_intervals, as_steps
from theodolite.maps.line import line
from theodolite.maps.map_settings import as_rtol, as_seed
from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.plane import plane
from theodolite.maps.quantities import as_quantities
from theodolite.progress import Silent


@dataclass(frozen=True)
class MapOptions:
    """What ``theodolite map`` was asked for.

    Attributes
    ----------
    to : list of str
        Checkpoints: one makes a line, two a plane.
    directions, along : str
        Of a plane, or of a line.
    steps : int
        Points along each axis.
    span : float or None
        How far it reaches.
    rtol : float
        The error allowed; every point is measured where it is zero.
    quantities : list of str
        What is measured beside the loss.
    batch_norm : str
        The policy for running statistics.
    budget : str or None
        Time.
    """

    to: list[str]
    directions: str
    along: str | None
    steps: int
    span: float | None
    rtol: float
    quantities: list[str]
    batch_norm: Any
    budget: str | None


def run_map(
    target: str,
    options: MapOptions,
    out: Path | None,
    *,
    resume: bool,
    seed: int,
    quiet: bool,
) -> int:
    """Map a target, print what was found, write the run folder; the exit code."""
    _require(options, seed)
    console = Console(stderr=True)
    with company() as leads:
        quiet = quiet or not leads
        if not quiet:
            console.print(f"Mapping {target} …", highlight=False, markup=False)
        land, _ = find_landscape(target, seed=seed)
        folder = out or default_folder(target, resume=resume, kind="map")
        found = _mapped(
            land,
            options,
            out=folder,
            resume=resume,
            seed=seed,
            progress=Silent() if quiet else Announcing(console),
        )
        if leads:
            _show(found, folder, console, quiet=quiet)
    return INTERRUPTED if found.outcome.name == "interrupted" else 0


def _require(options: MapOptions, seed: int) -> None:
    """Refuse what is mistyped before anything is loaded or trained."""
    if options.budget is not None:
        seconds_of(options.budget)
    if len(options.to) > 2:
        raise ArgumentError(
            found=f"{len(options.to)} checkpoints.",
            why="A line leads to one, a plane lies through two more.",
            instead="Give --to once or twice; theodolite compare takes any number.",
        )
    if options.to and options.along is not None:
        raise ArgumentError(
            found=f"Both --to and --along {options.along}.",
            why="A line leads to a checkpoint, or along a direction.",
            instead="Leave one of the two out.",
        )
    for text in options.to:
        is_file_of_weights(text)
    require_kind(options.along or options.directions)
    require_policy(options.batch_norm)
    as_quantities(options.quantities)
    as_steps(options.steps, 1)
    as_rtol(options.rtol or None)
    as_seed(seed)
    if options.span is not None:
        as_intervals(options.span, 1)


def _mapped(land: Landscape, options: MapOptions, **settings: Any) -> Plane | Line:
    places = [find_place(text, land, seed=settings["seed"]) for text in options.to]
    common = {
        "steps": options.steps,
        "span": options.span,
        "quantities": options.quantities,
        "batch_norm": options.batch_norm,
        "rtol": options.rtol or None,
        "budget": options.budget,
        **settings,
    }
    if len(places) == 2:
        return plane(land, directions=places, **common)
    if places:
        return line(land, b=places[0], **common)
    if options.along is not None:
        return line(land, direction=options.along, **common)
    return plane(land, directions=options.directions, **common)


def _show(found: Plane | Line, folder: Path, console: Console, *, quiet: bool) -> None:
    out = Console()
    if not quiet:
        out.print(repr(found), highlight=False, soft_wrap=True, markup=False)
    drawn(found.figure, folder / "map.png", out, None if quiet else console)
    run_report([folder], None)
    out.print(f"Numbers: {folder}", highlight=False, soft_wrap=True, markup=False)
