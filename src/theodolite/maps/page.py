"""A plane or a line as one page that needs no network."""

from pathlib import Path

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

    kind = "plane" if isinstance(found, Plane) else "line"
    record = plane_record(found) if isinstance(found, Plane) else line_record(found)
    run = {"kind": kind, "name": "", "run": record_of(found), kind: record}
    return write_file(path, render_runs([run]))
