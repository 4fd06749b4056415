"""A survey on disk: run.json, measurements.jsonl, spectrum.safetensors, report.html."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from torch import Tensor

from theodolite.storage.files import (
    read_record,
    read_tensors,
    wrapped,
    write_file,
    write_record,
    write_tensors,
)
from theodolite.surveying.measurement import Measurement

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
        with wrapped(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.write_run(run)
            mode = "w" if anew else "a"
            (self.path / MEASUREMENTS).open(mode, encoding="utf-8").close()

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write the record, in one step that no reader sees half of."""
        write_record(self.path / RUN, run)

    def append(self, measurement: Measurement) -> None:
        """Add one measurement."""
        text = json.dumps(measurement.to_dict(), ensure_ascii=False, allow_nan=False)
        path = self.path / MEASUREMENTS
        with wrapped(self.path), path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def write_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Write eigenvectors, values and quadrature."""
        write_tensors(self.path / TENSORS, tensors)

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
        return read_record(self.path / RUN)

    def measurements(self) -> dict[str, Measurement]:
        """All whole lines, the last of each name."""
        found: dict[str, Measurement] = {}
        with wrapped(self.path, "read"):
            lines = (self.path / MEASUREMENTS).read_text("utf-8").splitlines(True)
        for line in lines:
            # a line without its end was being written when the survey was killed
            if line.endswith("\n"):
                with wrapped(self.path, "read"):
                    measurement = Measurement.from_dict(json.loads(line))
                found[measurement.name] = measurement
        return found

    def tensors(self) -> dict[str, Tensor]:
        """What :meth:`write_tensors` wrote; empty when nothing was."""
        return read_tensors(self.path / TENSORS)
