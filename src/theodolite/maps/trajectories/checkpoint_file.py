"""Checkpoints on disk: rows of equal length in one file, a line of text for each."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.maps.trajectories.checkpoint_layout import Layout

HEADER, ROWS, INDEX = "trajectory.json", "checkpoints.bin", "checkpoints.jsonl"
FORMAT = 1


@final
@dataclass(frozen=True)
class Entry:
    """What is known of one checkpoint beside its weights.

    Attributes
    ----------
    step : int
        Of the run.
    call : int
        How many times ``record`` had been called before.
    loss : float
        As the run told it; NaN where it did not.
    """

    step: int
    call: int
    loss: float = nan

    def line(self) -> str:
        """One line of JSON, which has no word for NaN."""
        # a number where there is one; "inf" and "nan" are words that float() reads
        told = self.loss if abs(self.loss) < float("inf") else str(self.loss)
        plain = {"step": self.step, "call": self.call, "loss": told}
        return json.dumps(plain, allow_nan=False) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "Entry":
        """The inverse of :meth:`line`."""
        plain = json.loads(line)
        return cls(int(plain["step"]), int(plain["call"]), float(plain["loss"]))


@final
class CheckpointFile:
    """A folder with a header, rows that are only ever appended, and their index.

    A row is written whole before its line is: what a killed run leaves behind is all
    complete rows, and perhaps a piece of one, which the next row overwrites.

    Parameters
    ----------
    folder : Path
        Which holds the three files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with advised(folder, "read"):
            self.header: dict[str, Any] = json.loads(
                (folder / HEADER).read_text("utf-8")
            )
            self.layout = Layout.from_dict(self.header["layout"])
            self._require_format()
            self.entries, self._index_bytes = _entries(folder, self.layout.row_bytes)
        self._mapped: np.memmap[Any, Any] | None = None

    @classmethod
    def begun(
        cls, folder: Path, layout: Layout, header: Mapping[str, Any]
    ) -> "CheckpointFile":
        """A new one in a folder that holds none.

        Raises
        ------
        RunFolderError
            When it holds one already, or cannot be written.
        """
        plain = {"format": FORMAT, **header, "layout": layout.to_dict()}
        if (folder / HEADER).exists():
            raise RunFolderError(
                found=f"{folder} holds a trajectory already.",
                why="A second run is not written over the first.",
                instead="Name another folder, or go on with that run: "
                f"Trajectory.open({str(folder)!r}, model).",
            )
        with advised(folder, "write"):
            folder.mkdir(parents=True, exist_ok=True)
            for name in (ROWS, INDEX):
                (folder / name).touch()
            # last, and only if nobody else was faster: without it there is nothing
            with (folder / HEADER).open("x", encoding="utf-8") as file:
                file.write(json.dumps(plain, indent=1, allow_nan=False) + "\n")
        return cls(folder)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return len(self) * self.layout.row_bytes

    def append(self, pieces: Iterable[memoryview], entry: Entry) -> None:
        """Write one row, and then its line.

        Raises
        ------
        RunFolderError
            When the disk is full or the folder gone; all earlier rows are kept.
        """
        line = entry.line().encode()
        with advised(self.folder, "write"):
            with (self.folder / ROWS).open("r+b") as file:
                # over the piece of a row that a killed run may have left
                file.seek(self.nbytes)
                for piece in pieces:
                    file.write(piece)
                file.truncate()
            with (self.folder / INDEX).open("r+b") as file:
                file.seek(self._index_bytes)
                file.write(line)
                file.truncate()
        self._index_bytes += len(line)
        self.entries.append(entry)

    def keep(self, count: int) -> None:
        """Drop all but the first ``count`` checkpoints."""
        self._mapped = None
        del self.entries[count:]
        self._index_bytes = sum(len(entry.line().encode()) for entry in self.entries)
        with advised(self.folder, "write"):
            for name, size in ((INDEX, self._index_bytes), (ROWS, self.nbytes)):
                with (self.folder / name).open("r+b") as file:
                    file.truncate(size)

    def row(self, number: int) -> Tensor:
        """The bytes of one checkpoint, copied."""
        return torch.from_numpy(np.array(self._map()[number]))

    def columns(self, columns: slice) -> Tensor:
        """Some parameters of all checkpoints, ``(m, c)``, copied."""
        start, stop, _ = columns.indices(self.layout.size)
        wide = self.layout.dtype.itemsize
        block = np.array(self._map()[:, start * wide : stop * wide])
        return torch.from_numpy(block).view(self.layout.dtype)

    def _map(self) -> "np.memmap[Any, Any]":
        """All rows, mapped and not read: the system loads what is looked at."""
        shape = (len(self), self.layout.row_bytes)
        if self._mapped is None or self._mapped.shape != shape:
            with advised(self.folder, "read"):
                path = self.folder / ROWS
                self._mapped = np.memmap(path, np.uint8, mode="r", shape=shape)
        return self._mapped

    def _require_format(self) -> None:
        if self.header["format"] != FORMAT:
            msg = f"format {self.header['format']}, written by another version"
            raise ValueError(msg)


def _entries(folder: Path, row_bytes: int) -> tuple[list[Entry], int]:
    """Checkpoints that are complete in both files, and the bytes of their lines."""
    rows = (folder / ROWS).stat().st_size // row_bytes
    text = (folder / INDEX).read_bytes().splitlines(keepends=True)
    lines = [line for line in text if line.endswith(b"\n")][:rows]
    entries = [Entry.from_line(line.decode()) for line in lines]
    return entries, sum(map(len, lines))


@contextmanager
def advised(folder: Path, what: str) -> Iterator[None]:
    """Turn the system's errors into one that says what to do."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        instead = (
            "Name a folder with more space, record fewer (every=10) or smaller "
            "checkpoints (dtype=torch.bfloat16)."
            if what == "write"
            else "Name a folder that a Trajectory was recorded in."
        )
        raise RunFolderError(
            found=f"Cannot {what} the trajectory in {folder}.",
            why=f"{cause}.",
            instead=instead,
        ) from error
