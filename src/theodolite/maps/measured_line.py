"""A line through the landscape, as it was measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.field import Field, field_named
from theodolite.maps.frame import Direction, Frame
from theodolite.maps.place import Place
from theodolite.maps.quantities import LOSS, TEST
from theodolite.outcomes import Outcome


@dataclass(frozen=True, repr=False)
class Line:
    """The loss along a line through the landscape.

    Attributes
    ----------
    t : Tensor
        ``(n,)``: coordinates, in units of the direction; 0 at ``a``, 1 at ``b``.
    fields : mapping
        ``"loss"``, ``"test loss"`` and other quantities along it, by name.
    start : Tensor
        ``(p,)``: where the coordinate is zero.
    axis : Direction
        What one unit of the coordinate moves, and how it was chosen.
    scale : float
        ‖start‖, in parameter units, to compare the axis's length with.
    points, losses : Tensor
        ``(m,)`` each: where the loss was measured, and what it was.
    batch_norm : str
        What batch norm normalised by.
    evaluations : int
        Points measured in this run, each over all data.
    seconds : float
        Time spent in this run.
    seed : int
        Of a random direction.
    outcome : Outcome
        How it ended.
    run : dict
        Where the numbers come from.
    """

    t: Float[Tensor, " n"]
    fields: Mapping[str, Field]
    start: Float[Tensor, " p"]
    axis: Direction
    scale: float
    points: Float[Tensor, " m"]
    losses: Float[Tensor, " m"]
    batch_norm: str
    evaluations: int
    seconds: float
    seed: int
    outcome: Outcome
    run: Mapping[str, Any]

    @property
    def loss(self) -> Float[Tensor, " n"]:
        """``loss[i]`` belongs to ``start + t[i]·d``."""
        return self.fields[LOSS].values

    @property
    def test_loss(self) -> Float[Tensor, " n"] | None:
        """The same over the test data; ``None`` without them."""
        field = self.fields.get(TEST + LOSS)
        return None if field is None else field.values

    @property
    def error(self) -> float:
        """How far an interpolated loss is off, estimated; zero without any."""
        return self.fields[LOSS].error

    @property
    def barrier(self) -> float:
        """The highest loss from ``t = 0`` to 1 above the higher end, zero at least.

        NaN where the line does not reach from 0 to 1, or a loss between is no number.
        """
        inside = self.loss[(self.t >= 0) & (self.t <= 1)]
        ends = [self.loss[self.t == end] for end in (0.0, 1.0)]
        if any(len(end) == 0 for end in ends) or not bool(inside.isfinite().all()):
            return float("nan")
        return float(inside.max() - torch.cat(ends).max())

    def point(self, t: float) -> Float[Tensor, " p"]:
        """The parameters at a coordinate, ``(p,)``."""
        return Frame(Place(self.start), (self.axis,)).place((float(t),)).point

    def __getitem__(self, name: str) -> Field:
        """One quantity by its name.

        Raises
        ------
        ArgumentError
            When there is none of that name.
        """
        return field_named(self.fields, name, "line")

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the vectors, plain."""
        return {
            "t": self.t.tolist(),
            "fields": {name: field.to_dict() for name, field in self.fields.items()},
            "axis": self.axis.to_dict(),
            "scale": self.scale,
            "barrier": self.barrier,
            "points": self.points.tolist(),
            "losses": self.losses.tolist(),
            "batch_norm": self.batch_norm,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "outcome": self.outcome.name,
            "notes": list(self.run.get("notes", ())),
        }

    def to_npz(self, path: str | Path) -> Path:
        """Write coordinates and quantities for numpy.

        Raises
        ------
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.exporting import line_to_npz

        return line_to_npz(self, Path(path))

    def figure(
        self, path: str | Path, *, quantity: str = LOSS, log: bool | None = None
    ) -> Path:
        """Draw the curve as PNG, PDF or SVG, by the path's ending.

        Raises
        ------
        MissingPackageError
            When matplotlib is not installed: ``pip install 'theodolite[figures]'``.
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.figures import draw_line

        return draw_line(self, Path(path), quantity, log=log)

    def report(self, path: str | Path) -> Path:
        """Write the curve as one HTML file, with its words and numbers.

        It needs no network and weighs about 1.2 MB.

        Raises
        ------
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.page import write_page

        return write_page(self, Path(path))

    def save(self, folder: str | Path) -> Path:
        """Write a run folder that :func:`theodolite.maps.read_map` reads.

        Raises
        ------
        RunFolderError
            When the folder cannot be written.
        """
        from theodolite.maps.saving import save_map

        return save_map(self, Path(folder))

    def _repr_html_(self) -> str:
        from theodolite.maps.page_record import line_record
        from theodolite.report.notebook import line

        return line(line_record(self))

    def __repr__(self) -> str:
        field = self.fields[LOSS]
        lines = [
            f"Line: {len(self.t)} points, {field.range_told}; {self.outcome}",
            f"  t: {float(self.t[0]):.3g} … {float(self.t[-1]):.3g} × "
            f"{self.axis.length:.4g} ({self.axis.label}); the weights are "
            f"{self.scale:.4g}",
        ]
        if self.axis.end is not None:
            lines.append(f"  barrier above the higher end: {self.barrier:.4g}")
        if self.batch_norm != "frozen":
            lines.append(f"  batch norm: {self.batch_norm}")
        broken = int(field.broken.sum())
        if broken:
            lines.append(f"  at {broken} points the loss is NaN or infinite")
        lines += [f"  note: {note}" for note in self.run.get("notes", ())]
        return "\n".join(lines)
