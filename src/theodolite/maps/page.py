"""A plane or a line as one page that needs no network."""

from pathlib import Path
from typing import Any

from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.page_record import line_record, plane_record
from theodolite.maps.saving import record_of
from theodolite.storage.files import write_file


def write_page(found: Plane | Line, path: Path) -> Path:
    """Write a map's page, with its words and numbers; return where it lies.

    Raises
    ------
    RunFolderError
        When the file cannot be written.
    """
    from theodolite.report.page import render_runs

    return write_file(path, render_runs([{"name": "", **as_run(found)}]))


def as_run(found: Plane | Line) -> dict[str, Any]:
    """A map as a run that pages are made of: its kind, its record, its numbers."""
    run = record_of(found)
    if isinstance(found, Plane):
        return {"kind": "plane", "run": run, "plane": plane_record(found)}
    return {"kind": "line", "run": run, "line": line_record(found)}
