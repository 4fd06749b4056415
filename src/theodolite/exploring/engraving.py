"""A landscape as a line drawing: for the table of contents, and without a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from theodolite.exploring.isolines import isolines, levels_of, path_of
from theodolite.maps.descending.descent_on_plane import descend_on
from theodolite.maps.page_record import unpacked

SIZE = 480
LEVELS = 9
# steps of the ball that an instrument opens with
STEPS = 80
# points between two nodes, so that lines are round
_FINER = 2


@dataclass(frozen=True)
class Engraving:
    """Contour lines in a square of :data:`SIZE` units.

    Attributes
    ----------
    levels : tuple of str
        One SVG path a level, the lowest first.
    walks : tuple of str
        Paths walked on it.
    """

    levels: tuple[str, ...]
    walks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ground:
    """A landscape's record as something to walk on.

    Attributes
    ----------
    x, y, loss : Tensor
        As of a plane.
    directions : Tensor
        ``(2, 2)``: two that have the plane's lengths and angle.
    """

    x: Float[Tensor, " nx"]
    y: Float[Tensor, " ny"]
    loss: Float[Tensor, "nx ny"]
    directions: Float[Tensor, "2 2"]

    @property
    def ends(self) -> list[tuple[float, float]]:
        """What the axes reach."""
        return [(float(axis[0]), float(axis[-1])) for axis in (self.x, self.y)]


def ground_of(record: Mapping[str, Any]) -> Ground:
    """The ground of what the viewer takes."""
    metric = torch.tensor(record["metric"], dtype=torch.float64)
    return Ground(
        unpacked(record["x"]).double(),
        unpacked(record["y"]).double(),
        unpacked(record["fields"]["loss"]["values"]).double(),
        torch.linalg.cholesky(metric),
    )


def engraved(values: Float[Tensor, "nx ny"], levels: int = LEVELS) -> Engraving:
    """Contour lines of a grid; none where it is level, or no number."""
    fine = _refined(values)
    scale = (SIZE / max(1, fine.shape[0] - 1), SIZE / max(1, fine.shape[1] - 1))
    drawn = [
        path_of(isolines(fine, level), scale, SIZE) for level in levels_of(fine, levels)
    ]
    return Engraving(tuple(path for path in drawn if path))


def engraved_record(record: Mapping[str, Any], start: Mapping[str, Any]) -> Engraving:
    """The same of what the viewer takes, with the way that its ball would go.

    Parameters
    ----------
    record : mapping
        Of a plane.
    start : mapping
        What an instrument opens with: ``start`` and ``rate``, or neither.
    """
    ground = ground_of(record)
    walks = [
        torch.stack([unpacked(track["x"]), unpacked(track["y"])], dim=1)
        for track in record["tracks"]
    ]
    if "start" in start:
        run = descend_on(ground, start["rate"], start["start"], steps=STEPS)
        walks.append(run.path)
    drawn = engraved(ground.loss)
    return replace(drawn, walks=tuple(walked(walk, ground.ends) for walk in walks))


def walked(points: Float[Tensor, "k 2"], ends: Sequence[tuple[float, float]]) -> str:
    """A path over a map that reaches from end to end along x and y."""
    low, high = points.new_tensor(ends).T
    places = (points - low) / (high - low)
    return path_of([[(x, y) for x, y in places.tolist()]], (SIZE, SIZE), SIZE)


def _refined(values: Float[Tensor, "nx ny"]) -> Float[Tensor, "mx my"]:
    """With points between the nodes, where all of them are numbers."""
    if min(values.shape) < 4 or not bool(values.isfinite().all()):
        return values
    size = [_FINER * (n - 1) + 1 for n in values.shape]
    return functional.interpolate(
        values[None, None], size, mode="bicubic", align_corners=True
    )[0, 0]
