"""An origin and directions: coordinates of a map to points of the landscape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape
from theodolite.maps.place import Place
from theodolite.spectrum.vectors import inner, norm

# two directions whose angle has a smaller sine span no plane
_PARALLEL = 1e-6


@dataclass(frozen=True)
class Direction:
    """One axis of a map.

    Attributes
    ----------
    vector : Tensor
        ``(p,)``, in parameter units: what one unit of the coordinate moves.
    kind : str
        How it was found, like ``"filter"`` or ``"eigenvector"``.
    label : str
        What stands at the axis.
    buffers : mapping
        What one unit of the coordinate changes the buffers by; empty where unknown.
    curvature : float or None
        vᵀHv / vᵀv at the origin, where it is known.
    end : Place or None
        The checkpoint that lies at coordinate one, where there is one.
    """

    vector: Float[Tensor, " p"]
    kind: str
    label: str
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    curvature: float | None = None
    end: Place | None = None

    @property
    def length(self) -> float:
        """Parameter units of one unit of the coordinate."""
        return norm(self.vector)

    def to_dict(self) -> dict[str, Any]:
        """What is said of the axis, plain; without the vector."""
        return {
            "kind": self.kind,
            "label": self.label,
            "length": self.length,
            "curvature": self.curvature,
        }


@final
@dataclass(frozen=True)
class Frame:
    """An origin and one or two directions.

    Attributes
    ----------
    origin : Place
        Coordinates zero.
    directions : tuple of Direction
        The axes in their order.
    """

    origin: Place
    directions: tuple[Direction, ...]

    def write(self, coordinates: Sequence[float], flat: Float[Tensor, " p"]) -> None:
        """Put the point at some coordinates into ``flat``."""
        end = self.end_at(coordinates)
        if end is not None:
            flat.copy_(end.point)
            return
        here = self.origin.point
        for amount, direction in zip(coordinates, self.directions, strict=True):
            # not even zeros are added, so that the origin keeps its every bit
            if amount:
                torch.add(here, direction.vector, alpha=amount, out=flat)
                here = flat
        if here is not flat:
            flat.copy_(here)

    def buffers(self, coordinates: Sequence[float]) -> dict[str, Tensor]:
        """The buffers that are known there, mixed as the weights are."""
        end = self.end_at(coordinates)
        if end is not None:
            return dict(end.buffers)
        mixed = {name: value.clone() for name, value in self.origin.buffers.items()}
        for amount, direction in zip(coordinates, self.directions, strict=True):
            if amount:
                steps = direction.buffers
                mixed = {
                    name: value.add_(steps[name], alpha=amount)
                    for name, value in mixed.items()
                    if name in steps
                }
        return mixed

    def place(self, coordinates: Sequence[float]) -> Place:
        """The place at some coordinates."""
        flat = torch.empty_like(self.origin.point)
        self.write(coordinates, flat)
        return Place(flat, self.buffers(coordinates))

    @cached_property
    def ends(self) -> dict[tuple[float, ...], Place]:
        """The checkpoints that lie at one of an axis, by their coordinates."""
        count = range(len(self.directions))
        return {
            tuple(float(number == other) for other in count): direction.end
            for number, direction in enumerate(self.directions)
            if direction.end is not None
        }

    def end_at(self, coordinates: Sequence[float]) -> Place | None:
        """The checkpoint that lies exactly there, if one does."""
        return self.ends.get(tuple(coordinates))


@final
class OnFrame:
    """Points of a frame by their coordinates; more may be added."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.coordinates: list[tuple[float, ...]] = []

    def __len__(self) -> int:
        return len(self.coordinates)

    def write(self, number: int, flat: Float[Tensor, " p"]) -> None:
        """Put one point's coordinates into ``flat``."""
        self.frame.write(self.coordinates[number], flat)

    def buffers(self, number: int) -> Mapping[str, Tensor]:
        """The buffers there."""
        return self.frame.buffers(self.coordinates[number])


def towards(origin: Place, end: Place, label: str) -> Direction:
    """The direction from one checkpoint to another, which lies at coordinate one."""
    buffers = {
        name: end.buffers[name] - buffer
        for name, buffer in origin.buffers.items()
        if name in end.buffers
    }
    return Direction(
        end.point - origin.point, "checkpoint", label, buffers=buffers, end=end
    )


def require_frame(land: Landscape, frame: Frame) -> None:
    """Refuse directions along which nothing moves, or that are one.

    Raises
    ------
    ArgumentError
        With the axis concerned.
    """
    for direction in frame.directions:
        length = direction.length
        if not length and direction.end is not None:
            raise ArgumentError(
                found=f"{direction.label.capitalize()}: both are the same point.",
                why="There is no way from a point to itself.",
                instead="Give checkpoints that differ, or a direction instead.",
            )
        if not length and direction.kind in ("filter", "layer"):
            raise ArgumentError(
                found=f"A direction as long as the weights, which are all zero "
                f"({direction.label}).",
                why="It has no length either.",
                instead='Take directions="random" (of length one), or train first.',
            )
        if direction.vector.shape != (land.size,) or not 0 < length < float("inf"):
            raise ArgumentError(
                found=f"The direction {direction.label!r} of shape "
                f"{tuple(direction.vector.shape)} and length {length:g}.",
                why=f"A direction moves {land.size} parameters by finite numbers, not "
                "all zero.",
                instead=f"Give a flat tensor of shape ({land.size},), or checkpoints "
                "that differ.",
            )
    if len(frame.directions) == 2:
        first, second = (d.vector for d in frame.directions)
        lengths = norm(first) * norm(second)
        cosine = float(inner(first[None], second)) / lengths
        if 1 - cosine**2 < _PARALLEL**2:
            raise ArgumentError(
                found="Two parallel directions.",
                why="They span a line.",
                instead="Give two that differ, or draw theodolite.line(land, ...).",
            )
