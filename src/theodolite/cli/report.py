"""``theodolite report RUN``."""

from pathlib import Path

import typer

from theodolite.surveying.result import read_survey
from theodolite.surveying.run_folder import PAGE


def run_report(run: Path, out: Path | None) -> None:
    """Make the page of a run folder anew and say where it lies."""
    path = read_survey(run).report(out or run / PAGE)
    typer.echo(f"Report: {path}")
