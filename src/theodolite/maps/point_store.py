"""The points of a map that are measured already, in memory and on disk."""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, final

from theodolite.errors import RunFolderError
from theodolite.maps.tour import Row
from theodolite.storage.files import wrapped
from theodolite.storage.plain import spelled

POINTS = "points.jsonl"

Coordinates = tuple[float, ...]


@final
class PointStore:
    """Rows of numbers by coordinates, each on disk as soon as it is there.

    A process that is killed loses the point that it was at, and no other: a line
    without its end is cut off when the file is opened again.

    Parameters
    ----------
    folder : Path or None
        Where the file lies; in memory alone where there is none.
    resume : bool
        Whether what is there is taken over; it is emptied otherwise.
    """

    def __init__(self, folder: Path | None = None, *, resume: bool = False) -> None:
        self.rows: dict[Coordinates, Row] = {}
        self._path = None if folder is None else folder / POINTS
        self._file: IO[str] | None = None
        if self._path is not None:
            with wrapped(self._path):
                if resume and self._path.exists():
                    self._read(self._path)
                else:
                    self._path.write_text("", encoding="utf-8")
                self._file = self._path.open("a", encoding="utf-8")

    def add(self, coordinates: Coordinates, row: Row) -> None:
        """Keep one point's numbers, beside those that are known of it.

        Raises
        ------
        RunFolderError
            When they cannot be written; what was written before stays.
        """
        self.rows.setdefault(coordinates, {}).update(row)
        if self._file is not None and self._path is not None:
            with wrapped(self._path):
                self._file.write(_line(coordinates, row))
                self._file.flush()

    def missing(self, wanted: Iterable[Coordinates], name: str) -> list[Coordinates]:
        """Those where a number is not known yet, each once."""
        nothing: Row = {}
        rows = self.rows
        return [at for at in dict.fromkeys(wanted) if name not in rows.get(at, nothing)]

    def held(self, name: str) -> dict[Coordinates, float]:
        """A number at every point where it is known."""
        return {at: row[name] for at, row in self.rows.items() if name in row}

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            # what the disk had no room for was said when it was added
            with suppress(OSError):
                self._file.close()

    def _read(self, path: Path) -> None:
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            os.truncate(path, whole)
        for number, line in enumerate(text[:whole].decode().splitlines(), 1):
            at, row = _parsed(line, path, number)
            self.rows.setdefault(at, {}).update(row)


def _line(coordinates: Sequence[float], row: Row) -> str:
    whole: dict[str, Any] = {"at": list(coordinates), **row}
    # what Python writes of a float, it reads back to the last bit
    return json.dumps(spelled(whole), allow_nan=False) + "\n"


def _parsed(line: str, path: Path, number: int) -> tuple[Coordinates, Row]:
    try:
        row = json.loads(line)
        at = tuple(float(part) for part in row.pop("at"))
        return at, {name: float(value) for name, value in row.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(
            found=f"Line {number} of {path} is no point: {line[:60]!r}.",
            why="Something else has written to it.",
            instead="Remove the line, or measure anew without resume.",
        ) from error
