"""Files that are written whole or not at all, and errors that say what to do."""

import json
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
    with wrapped(path), _whole(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(plain, temporary)
        # as any other file of the folder, for those who share it
        temporary.chmod(mode)
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
    with wrapped(path), _whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside the one that is meant, which takes its place once it is whole."""
    temporary = path.with_name(path.name + ".part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        # half a file is of no use, least of all on a full disk
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
