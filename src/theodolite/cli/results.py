"""What a command writes besides what it prints: run.json, tensors, a picture."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from theodolite.errors import MissingPackageError
from theodolite.landscape import Landscape
from theodolite.storage.files import wrapped, write_record, write_tensors
from theodolite.storage.provenance import (
    fingerprint,
    landscape_record,
    notes,
    surroundings,
)

RUN, TENSORS = "run.json", "tensors.safetensors"


def write_results(
    folder: Path,
    land: Landscape,
    found: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    """Write a run folder: where the numbers come from, the numbers, the vectors.

    Raises
    ------
    RunFolderError
        When it cannot be written.
    """
    with wrapped(folder):
        folder.mkdir(parents=True, exist_ok=True)
    record = {
        **surroundings(land),
        "landscape": {"name": land.name, **landscape_record(land)},
        "fingerprint": fingerprint(land),
        "notes": notes(land),
        **found,
    }
    write_record(folder / RUN, record)
    if tensors:
        write_tensors(folder / TENSORS, tensors)


def drawn(
    draw: Callable[[Path], Path], path: Path, out: Console, told: Console | None
) -> None:
    """Draw a picture and say where it lies; tell where it cannot be drawn, and why."""
    try:
        picture = draw(path)
    except MissingPackageError as error:
        if told is not None:
            told.print(f"No picture: {error}", highlight=False, markup=False)
        return
    # not wrapped: a path is meant to be copied
    out.print(f"Picture: {picture}", highlight=False, soft_wrap=True, markup=False)
