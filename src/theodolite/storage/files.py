"""Files that are written whole or not at all, and errors that say what to do."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.storage.plain import spelled, unspelled


def write_record(path: Path, record: Mapping[str, Any]) -> Path:
    """Write plain data as JSON, in one step that no reader sees half of.

    Raises
    ------
    RunFolderError
        When the file cannot be written.
    """
    text = json.dumps(spelled(record), indent=2, ensure_ascii=False, allow_nan=False)
    return write_file(path, text + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """What :func:`write_record` wrote.

    Raises
    ------
    RunFolderError
        When there is none, or it cannot be read.
    """
    with wrapped(path.parent, "read"):
        return unspelled(json.loads(path.read_text("utf-8")))


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> Path:
    """Write tensors in one step that no reader sees half of.

    Raises
    ------
    RunFolderError
        When the file cannot be written.
    """
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    with wrapped(path):
        temporary = path.with_name(path.name + ".part")
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(plain, temporary)
        # as any other file of the folder, for those who share it
        temporary.chmod(mode)
        temporary.replace(path)
    return path


def read_tensors(path: Path) -> dict[str, Tensor]:
    """What :func:`write_tensors` wrote; empty when there is no such file."""
    if not path.exists():
        return {}
    with wrapped(path, "read"):
        return load_file(path)


def write_file(path: Path, text: str) -> Path:
    """Write a whole file, in one step that no reader sees half of.

    Raises
    ------
    RunFolderError
        When it cannot be written.
    """
    with wrapped(path):
        _write_whole(path, text)
    return path


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        # half a file is of no use on a full disk
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def wrapped(path: Path, what: str = "write") -> Iterator[None]:
    """Turn the system's errors into one that says what to do."""
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        cause = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        instead = "Name another folder with --out (out=...), or free some space."
        if what == "read":
            instead = "Name a folder that theodolite wrote, which holds run.json."
        raise RunFolderError(
            found=f"Cannot {what} {path}.", why=f"{cause}.", instead=instead
        ) from error
