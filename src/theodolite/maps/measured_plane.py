"""A plane of the landscape, as it was measured."""

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
from theodolite.maps.track import Track
from theodolite.outcomes import Outcome


@dataclass(frozen=True, repr=False)
class Plane:
    """The loss over a plane of the landscape.

    Attributes
    ----------
    x, y : Tensor
        ``(nx,)`` and ``(ny,)``: coordinates, in units of the directions.
    fields : mapping
        ``"loss"``, ``"test loss"`` and other quantities over the plane, by name.
    center : Tensor
        ``(p,)``: where both coordinates are zero.
    axes : pair of Direction
        What one unit of each coordinate moves, and how it was chosen.
    scale : float
        ‖center‖, in parameter units, to compare the axes' lengths with.
    tracks : tuple of Track
        Checkpoints: their feet on the plane, their distances off it, their true losses.
    points, losses : Tensor
        ``(m, 2)`` and ``(m,)``: where the loss was measured, and what it was.
    batch_norm : str
        What batch norm normalised by.
    evaluations : int
        Points measured in this run, each over all data.
    seconds : float
        Time spent in this run.
    seed : int
        Of random directions.
    outcome : Outcome
        How it ended.
    run : dict
        Where the numbers come from.
    """

    x: Float[Tensor, " nx"]
    y: Float[Tensor, " ny"]
    fields: Mapping[str, Field]
    center: Float[Tensor, " p"]
    axes: tuple[Direction, Direction]
    scale: float
    tracks: tuple[Track, ...]
    points: Float[Tensor, "m 2"]
    losses: Float[Tensor, " m"]
    batch_norm: str
    evaluations: int
    seconds: float
    seed: int
    outcome: Outcome
    run: Mapping[str, Any]

    @property
    def loss(self) -> Float[Tensor, "nx ny"]:
        """``loss[i, j]`` belongs to ``center + x[i]·d1 + y[j]·d2``."""
        return self.fields[LOSS].values

    @property
    def test_loss(self) -> Float[Tensor, "nx ny"] | None:
        """The same over the test data; ``None`` without them."""
        field = self.fields.get(TEST + LOSS)
        return None if field is None else field.values

    @property
    def directions(self) -> Float[Tensor, "2 p"]:
        """Both directions, as rows, in parameter units."""
        return torch.stack([direction.vector for direction in self.axes])

    @property
    def error(self) -> float:
        """How far an interpolated loss is off, estimated; zero without any."""
        return self.fields[LOSS].error

    @property
    def lowest(self) -> tuple[float, float, float]:
        """Coordinates and loss of the lowest point that is drawn."""
        field = self.fields[LOSS]
        numbers = torch.where(field.finite, field.values, torch.inf)
        i, j = divmod(int(numbers.argmin()), len(self.y))
        return float(self.x[i]), float(self.y[j]), float(self.loss[i, j])

    def point(self, x: float, y: float) -> Float[Tensor, " p"]:
        """The parameters at some coordinates, ``(p,)``."""
        return Frame(Place(self.center), self.axes).place((float(x), float(y))).point

    def __getitem__(self, name: str) -> Field:
        """One quantity by its name.

        Raises
        ------
        ArgumentError
            When there is none of that name.
        """
        return field_named(self.fields, name, "plane")

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the vectors, plain."""
        return {
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "fields": {name: field.to_dict() for name, field in self.fields.items()},
            "axes": [direction.to_dict() for direction in self.axes],
            "scale": self.scale,
            "tracks": [track.to_dict() for track in self.tracks],
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
        """Write coordinates, quantities and checkpoints for numpy.

        Raises
        ------
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.exporting import plane_to_npz

        return plane_to_npz(self, Path(path))

    def to_vtp(self, path: str | Path, *, quantity: str = LOSS) -> Path:
        """Write the surface for ParaView: heights, and every quantity on it.

        Raises
        ------
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.exporting import plane_to_vtp

        return plane_to_vtp(self, Path(path), quantity)

    def figure(
        self, path: str | Path, *, quantity: str = LOSS, log: bool | None = None
    ) -> Path:
        """Draw a contour map as PNG, PDF or SVG, by the path's ending.

        Raises
        ------
        MissingPackageError
            When matplotlib is not installed: ``pip install 'theodolite[figures]'``.
        RunFolderError
            When the file cannot be written.
        """
        from theodolite.maps.figures import draw_plane

        return draw_plane(self, Path(path), quantity, log=log)

    def report(self, path: str | Path) -> Path:
        """Write the plane as one HTML file, to be turned and walked on.

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
        from theodolite.maps.page_record import plane_record
        from theodolite.report.notebook import surface

        return surface(plane_record(self), "Loss over a plane")

    def __repr__(self) -> str:
        x, y, _ = self.lowest
        field = self.fields[LOSS]
        lines = [
            f"Plane: {len(self.x)} × {len(self.y)} points, {field.range_told}"
            + (f", lowest at ({x:.3g}, {y:.3g})" if field.finite.any() else "")
            + f"; {self.outcome}",
        ]
        for name, values, axis in zip("xy", (self.x, self.y), self.axes, strict=True):
            lines.append(
                f"  {name}: {float(values[0]):.3g} … {float(values[-1]):.3g} × "
                f"{axis.length:.4g} ({axis.label}); the weights are {self.scale:.4g}"
            )
        if self.batch_norm != "frozen":
            lines.append(f"  batch norm: {self.batch_norm}")
        broken = int(field.broken.sum())
        if broken:
            lines.append(f"  at {broken} points the loss is NaN or infinite")
        lines += [f"  note: {note}" for note in self.run.get("notes", ())]
        lines += [f"  {track!r}" for track in self.tracks]
        return "\n".join(lines)
