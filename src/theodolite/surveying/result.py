"""What a survey found: prints itself, saves itself, and makes its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from torch import Tensor

from theodolite.errors import TheodoliteError
from theodolite.storage.files import write_file
from theodolite.storage.plain import spelled
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.run_folder import RunFolder


@dataclass(frozen=True, repr=False)
class Survey:
    """Everything that was measured about one point.

    Attributes
    ----------
    run : dict
        Where the numbers come from: versions, target, settings, state.
    measurements : dict
        Name to :class:`Measurement`, in the order of measuring.
    tensors : dict
        Eigenvectors, values and quadrature.
    unwritten : TheodoliteError or None
        Why the run folder could not be written to the end, where it could not.
    """

    run: Mapping[str, Any]
    measurements: Mapping[str, Measurement]
    tensors: Mapping[str, Tensor]
    unwritten: TheodoliteError | None = None

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """The numbers of one measurement, as in ``survey["speed_limit"]["value"]``."""
        return self.measurements[name].value

    @property
    def complete(self) -> bool:
        """Whether every part was measured."""
        return not self.run["missing"]

    def save(self, folder: str | Path) -> Path:
        """Write the run folder with its report; return the report's path.

        Raises
        ------
        RunFolderError
            When the folder cannot be written.
        """
        target = RunFolder(folder)
        target.begin(self.run, anew=True)
        for measurement in self.measurements.values():
            target.append(measurement)
        target.write_tensors(self.tensors)
        return target.write_page(self.html())

    def report(self, path: str | Path) -> Path:
        """Write the report alone, one HTML file that needs no network.

        Raises
        ------
        RunFolderError
            When the file cannot be written.
        """
        return write_file(Path(path), self.html())

    def html(self) -> str:
        """The report as text."""
        from theodolite.report.page import render

        rows = {name: m.to_dict() for name, m in self.measurements.items()}
        return render(spelled(self.run), rows)

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import WHOLE, framed

        return framed(self.html(), WHOLE, str(self.run["target"]["name"]))

    def __rich__(self) -> Any:
        from theodolite.surveying.table import table

        return table(self.run, self.measurements)

    def __repr__(self) -> str:
        from rich.console import Console

        text = StringIO()
        Console(file=text, width=100).print(self.__rich__())
        return text.getvalue()


def read_survey(folder: str | Path) -> Survey:
    """A survey out of its run folder.

    Raises
    ------
    RunFolderError
        When the folder holds no survey, or cannot be read.
    """
    source = RunFolder(folder)
    return Survey(source.run(), source.measurements(), source.tensors())
