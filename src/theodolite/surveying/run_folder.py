"""A survey on disk: run.json, measurements.jsonl, spectrum.safetensors, report.html."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.surveying.measurement import Measurement, spelled, unspelled

RUN, MEASUREMENTS = "run.json", "measurements.jsonl"
TENSORS, PAGE = "spectrum.safetensors", "report.html"


@final
class RunFolder:
    """A folder that a survey writes to as it goes, and is read from afterwards.

    Each measurement is one line, written and flushed when it is done: a survey that is
    killed loses only the one that it was at.

    Parameters
    ----------
    path : str or Path
        The folder; it is made when first written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def begin(self, run: Mapping[str, Any], *, anew: bool) -> None:
        """Write the record, and empty the measurements unless they are continued.

        Raises
        ------
        RunFolderError
            When the folder cannot be written.
        """
        with _wrapped(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.write_run(run)
            mode = "w" if anew else "a"
            (self.path / MEASUREMENTS).open(mode, encoding="utf-8").close()

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write the record, in one step that no reader sees half of."""
        text = json.dumps(spelled(run), indent=2, ensure_ascii=False, allow_nan=False)
        write_file(self.path / RUN, text + "\n")

    def append(self, measurement: Measurement) -> None:
        """Add one measurement."""
        text = json.dumps(measurement.to_dict(), ensure_ascii=False, allow_nan=False)
        path = self.path / MEASUREMENTS
        with _wrapped(self.path), path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def write_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Write eigenvectors, values and quadrature."""
        plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        with _wrapped(self.path):
            temporary = self.path / (TENSORS + ".part")
            save_file(plain, temporary)
            temporary.replace(self.path / TENSORS)

    def write_page(self, page: str) -> Path:
        """Write the report; return where it lies."""
        return write_file(self.path / PAGE, page)

    def run(self) -> dict[str, Any]:
        """The record.

        Raises
        ------
        RunFolderError
            When there is none, or it cannot be read.
        """
        with _wrapped(self.path, "read"):
            return unspelled(json.loads((self.path / RUN).read_text("utf-8")))

    def measurements(self) -> dict[str, Measurement]:
        """All whole lines, the last of each name."""
        found: dict[str, Measurement] = {}
        with _wrapped(self.path, "read"):
            lines = (self.path / MEASUREMENTS).read_text("utf-8").splitlines(True)
        for line in lines:
            # a line without its end was being written when the survey was killed
            if line.endswith("\n"):
                with _wrapped(self.path, "read"):
                    measurement = Measurement.from_dict(json.loads(line))
                found[measurement.name] = measurement
        return found

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`write_tensors` wrote; empty when nothing was."""
        path = self.path / TENSORS
        if not path.exists():
            return {}
        with _wrapped(self.path, "read"):
            return load_file(path)


def write_file(path: Path, text: str) -> Path:
    """Write a whole file, in one step that no reader sees half of.

    Raises
    ------
    RunFolderError
        When it cannot be written.
    """
    with _wrapped(path):
        _write_whole(path, text)
    return path


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


@contextmanager
def _wrapped(path: Path, what: str = "write") -> Iterator[None]:
    """Turn the system's errors into one that says what to do."""
    try:
        yield
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        cause = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        instead = "Name another folder with --out (out=...), or free some space."
        if what == "read":
            instead = "Name a folder that a survey wrote, which holds run.json."
        raise RunFolderError(
            found=f"Cannot {what} {path}.", why=f"{cause}.", instead=instead
        ) from error
