"""``theodolite report RUN…``."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from theodolite.cli.results import RUN
from theodolite.errors import ArgumentError, RunFolderError
from theodolite.maps.map_folder import KINDS
from theodolite.maps.page import as_run
from theodolite.maps.saving import read_map
from theodolite.report.page import render_runs
from theodolite.storage.files import read_record, wrapped, write_file
from theodolite.storage.plain import spelled
from theodolite.surveying.result import read_survey
from theodolite.surveying.run_folder import MEASUREMENTS, PAGE

# runs beyond which a page compares nothing any more
_MOST = 12


def run_report(runs: Sequence[Path], out: Path | None) -> None:
    """Make one page of run folders and say where it lies."""
    _require(runs)
    found = [read_run(folder) for folder in runs]
    # of several the page belongs to none of them
    path = out or (runs[0] / PAGE if len(runs) == 1 else Path(PAGE))
    with wrapped(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Report: {write_file(path, render_runs(found))}")


def read_run(folder: Path) -> dict[str, Any]:
    """A run folder of any kind, plain, as the report takes it.

    Raises
    ------
    RunFolderError
        When it is none, when it cannot be read, or when a map in it is not finished.
    """
    run = read_record(folder / RUN)
    kind = _kind_of(folder, run)
    # what is missing from a record is said as what cannot be read
    with wrapped(folder, "read"):
        return {"kind": kind, "name": _name(folder), **_READERS[kind](folder, run)}


def _require(runs: Sequence[Path]) -> None:
    if not runs:
        raise ArgumentError(
            found="No run folder.",
            why="A report is made of one or several.",
            instead="theodolite report survey-digits-cnn",
        )
    if len(runs) > _MOST:
        raise ArgumentError(
            found=f"{len(runs)} run folders.",
            why=f"A page puts at most {_MOST} side by side.",
            instead="Name those that matter.",
        )
    names = [_name(folder) for folder in runs]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(
                found=f"{names.count(name)} run folders called {name}.",
                why="On the page each run is called by its folder's name.",
                instead="Rename one, or name each folder once.",
            )


def _name(folder: Path) -> str:
    return folder.resolve().name


def _kind_of(folder: Path, run: Any) -> str:
    record: Mapping[str, Any] = run if isinstance(run, Mapping) else {}
    kind = record.get("settings", {}).get("kind")
    if kind in KINDS:
        return "map"
    if "between" in record and "paths" in record:
        return "connect"
    if "rows" in record and "paths" in record:
        return "compare"
    if (folder / MEASUREMENTS).exists():
        return "survey"
    raise RunFolderError(
        found=f"{folder} holds a run of no kind that is known here.",
        why="Reports are made of surveys, maps, connect and compare.",
        instead="Name a folder that one of these commands wrote.",
    )


def _survey(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    del run
    survey = read_survey(folder)
    rows = {name: one.to_dict() for name, one in survey.measurements.items()}
    return {"run": spelled(survey.run), "measurements": rows}


def _map(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    del run
    return as_run(read_map(folder))


def _as_it_is(folder: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    del folder
    return {"run": run}


_READERS: dict[str, Callable[[Path, Mapping[str, Any]], dict[str, Any]]] = {
    "survey": _survey,
    "map": _map,
    "connect": _as_it_is,
    "compare": _as_it_is,
}
