"""Checkpoints on a plane: their foot points, and how far off it they lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.maps.place import Place
from theodolite.spectrum.vectors import inner, norm, without

# what the checkpoints that span a plane are called together, and the first of them
CORNERS, CENTER = "checkpoints", "center"
# the sine of the angle below which two directions count as one
_PARALLEL = 1e-6


@dataclass(frozen=True, repr=False)
class Track:
    """Checkpoints of a run on a plane.

    Attributes
    ----------
    name : str
        Whose checkpoints they are.
    labels : tuple of str
        One a checkpoint, like the step it was recorded at.
    x, y : Tensor
        ``(m,)``: the foot point of each, in coordinates of the plane.
    distance : Tensor
        ``(m,)``: from the checkpoint to its foot point, in parameter units.
    loss : Tensor
        ``(m,)``: at the checkpoint itself; NaN until measured.
    plane_loss : Tensor
        ``(m,)``: at its foot point on the plane; NaN until measured.
    """

    name: str
    labels: tuple[str, ...]
    x: Float[Tensor, " m"]
    y: Float[Tensor, " m"]
    distance: Float[Tensor, " m"]
    loss: Float[Tensor, " m"]
    plane_loss: Float[Tensor, " m"]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def excess(self) -> Float[Tensor, " m"]:
        """What the plane shows too much: its loss less the checkpoint's own."""
        return self.plane_loss - self.loss

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain; NaN and infinity stay what they are."""
        plain = {
            key: value.tolist() if isinstance(value, Tensor) else value
            for key, value in vars(self).items()
        }
        return {**plain, "labels": list(self.labels)}

    def __repr__(self) -> str:
        if not len(self):
            return f"Track {self.name!r}: no checkpoints"
        said = f"Track {self.name!r}: {len(self)} checkpoints, up to " + (
            f"{float(self.distance.max()):.4g} off the plane"
        )
        known = self.excess[self.excess.isfinite()]
        if not len(known):
            return said
        worst = float(known[known.abs().argmax()])
        return f"{said}, where its loss differs from theirs by up to {worst:.4g}"


def track_of(
    name: str,
    places: Iterable[Place],
    center: Float[Tensor, " p"],
    directions: Sequence[Float[Tensor, " p"]] | Float[Tensor, "2 p"],
    labels: Sequence[str] | None = None,
) -> Track:
    """The foot points of checkpoints on a plane, without any loss yet.

        (x, y) = argmin ‖θ − c − x d₁ − y d₂‖ = (D Dᵀ)⁻¹ D (θ − c)

    Least squares, so that directions may be oblique and of any length; the distance is
    the norm of what is left, and not the root of a difference of squares. Sums in
    float64. Places are taken one by one: memory is that of one.

    Parameters
    ----------
    name : str
        Whose checkpoints they are.
    places : iterable of Place
        The checkpoints, in order.
    center : Tensor
        ``(p,)``: coordinates zero.
    directions : pair of Tensor
        ``(p,)`` each.
    labels : sequence of str, optional
        One a checkpoint; their numbers by default.

    Raises
    ------
    ArgumentError
        When the directions are parallel, or labels are missing.
    """
    rows = directions
    if not isinstance(rows, Tensor):
        rows = torch.stack(list(rows))
    solve = _inverse_metric(rows)
    found = [_foot(place.point, center, rows, solve) for place in places]
    feet = torch.tensor(found, dtype=torch.float64).reshape(len(found), 3)
    names = [str(number) for number in range(len(found))]
    chosen = tuple(names if labels is None else map(str, labels))
    if len(chosen) != len(found):
        raise ArgumentError(
            found=f"{len(chosen)} labels for {len(found)} checkpoints of {name!r}.",
            why="Every checkpoint bears one.",
            instead="Give as many, or leave them out.",
        )
    unknown = torch.full((len(found),), float("nan"), dtype=torch.float64)
    x, y, distance = feet.unbind(1)
    return Track(name, chosen, x, y, distance, unknown, unknown.clone())


def metric_of(rows: Float[Tensor, "2 p"]) -> Float[Tensor, "2 2"]:
    """``D Dᵀ``, the inner products of two directions, in float64 on the CPU."""
    return torch.stack([inner(rows, row) for row in rows]).cpu()


def _inverse_metric(rows: Tensor) -> Tensor:
    """``(D Dᵀ)⁻¹``; directions that span no plane are refused."""
    metric = metric_of(rows)
    square = float(metric[0, 0] * metric[1, 1])
    if not float(torch.linalg.det(metric)) > _PARALLEL**2 * square:
        raise ArgumentError(
            found="Two directions that are parallel, zero or not finite.",
            why="They span no plane to look for a foot point on.",
            instead="Give two directions that point different ways.",
        )
    return torch.linalg.inv(metric)


def _foot(
    point: Tensor, center: Tensor, rows: Tensor, solve: Tensor
) -> tuple[float, float, float]:
    """Both coordinates of a point's foot, and the distance to it."""
    step = point.to(rows.device, torch.float64) - center.to(rows.device, torch.float64)
    # what a first projection leaves is projected again: it rounded as the whole did
    total = torch.zeros(2, dtype=torch.float64)
    for _ in range(2):
        found = solve @ inner(rows, step).cpu()
        step = without(step, rows, found.to(rows.device))
        total += found
    return float(total[0]), float(total[1]), norm(step)
