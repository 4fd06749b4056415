"""Checkpoints of a map: where their feet are, and what the map shows there."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.frame import Frame
from theodolite.maps.grid import Interval
from theodolite.maps.measuring import Measuring
from theodolite.maps.place import Place, as_place
from theodolite.maps.point_store import Coordinates
from theodolite.maps.quantities import LOSS
from theodolite.maps.sweep import swept
from theodolite.maps.track import Track, track_of

# what is left around checkpoints, as a share of the distance between the outermost
_MARGIN = 0.2

# checkpoints by the name of their run: a list, a mapping from labels to checkpoints, or
# anything else that can be gone through twice
Tracks = Mapping[str, Any]


def require_tracks(tracks: Any) -> None:
    """Refuse what holds no checkpoints by the names of their runs.

    Raises
    ------
    ArgumentError
        Also for what can be gone through only once.
    """
    instead = 'Give tracks={"sgd": [checkpoint, checkpoint]}.'
    if not isinstance(tracks, Mapping):
        raise ArgumentError(
            found=f"A {type(tracks).__name__} as tracks.",
            why="The runs on a plane are told apart by their names.",
            instead=instead,
        )
    for name, run in tracks.items():
        if isinstance(run, (Iterator, nn.Module, str)) or not isinstance(run, Iterable):
            raise ArgumentError(
                found=f"A {type(run).__name__} as the track {name!r}.",
                why="Its checkpoints are gone through twice.",
                instead=instead,
            )


def feet(land: Landscape, frame: Frame, tracks: Tracks) -> tuple[Track, ...]:
    """The checkpoints' feet on a plane, and their distances off it."""
    rows = [direction.vector for direction in frame.directions]
    return tuple(
        track_of(
            name,
            places_of(land, checkpoints),
            frame.origin.point,
            rows,
            labels=labels_of(checkpoints),
        )
        for name, checkpoints in tracks.items()
    )


def labels_of(checkpoints: Any) -> list[str] | None:
    """What each is called, where they have names or steps."""
    if isinstance(checkpoints, Mapping):
        return list(checkpoints)
    steps = getattr(checkpoints, "steps", None)
    return None if steps is None else [str(step) for step in list(steps)]


def places_of(land: Landscape, checkpoints: Any) -> Iterator[Place]:
    """The checkpoints one by one, so that no more than one need be in memory."""
    if isinstance(checkpoints, Mapping):
        each = checkpoints.values()
    else:
        # a trajectory knows its checkpoints' buffers as well
        places = getattr(checkpoints, "places", None)
        each = checkpoints if places is None else places()
    for checkpoint in each:
        yield as_place(land, checkpoint)


def box_around(tracks: Iterable[Track]) -> list[Interval]:
    """Intervals that hold all feet and the centre, with a margin."""
    found = []
    for name in ("x", "y"):
        values = torch.cat([torch.zeros(1).double(), *(vars(t)[name] for t in tracks)])
        low, high = float(values.min()), float(values.max())
        margin = _MARGIN * (high - low) or 1.0
        found.append((low - margin, high + margin))
    # neither axis so short that the picture is a thread
    wide = max(high - low for low, high in found)
    return [_at_least(interval, wide / 4) for interval in found]


def _at_least(interval: Interval, width: float) -> Interval:
    low, high = interval
    more = max(0.0, width - (high - low)) / 2
    return low - more, high + more


def measured_tracks(
    measuring: Measuring,
    land: Landscape,
    found: tuple[Track, ...],
    tracks: Tracks,
    batch_norm: BatchNorm,
) -> tuple[Track, ...]:
    """The same with both losses of every checkpoint, as far as the budget goes."""
    return tuple(
        _measured(measuring, land, track, tracks[track.name], batch_norm)
        for track in found
    )


def _measured(
    measuring: Measuring,
    land: Landscape,
    track: Track,
    checkpoints: Any,
    batch_norm: BatchNorm,
) -> Track:
    feet = list(zip(track.x.tolist(), track.y.tolist(), strict=True))
    enough = measuring.measure(feet, expected=len(track))
    known = measuring.store.held(LOSS)
    true: list[float] = []
    for foot, place in zip(_feet(track), places_of(land, checkpoints), strict=True):
        # two checkpoints may share their foot, their distance, even their weights
        at = (*foot, _mark(place))
        if at not in known and enough:
            known[at] = _true_loss(land, place, batch_norm)
            measuring.store.add(at, {LOSS: known[at]})
        true.append(known.get(at, float("nan")))
    return replace(
        track,
        loss=_numbers(true),
        plane_loss=_numbers(known.get(at, float("nan")) for at in feet),
    )


def _feet(track: Track) -> list[Coordinates]:
    """Every checkpoint's foot, and how far off the plane it is."""
    columns = (track.x.tolist(), track.y.tolist(), track.distance.tolist())
    return list(zip(*columns, strict=True))


def _mark(place: Place) -> float:
    """A number that tells a checkpoint from others, as a fingerprint does."""
    found = 0.0
    for tensor in (place.point, *place.buffers.values()):
        flat = tensor.double().flatten()
        numbers = torch.arange(1, len(flat) + 1, dtype=flat.dtype, device=flat.device)
        found += float((flat * numbers.sin()).sum())
    return found


def _true_loss(land: Landscape, place: Place, batch_norm: BatchNorm) -> float:
    # a checkpoint is what it was: with its own statistics, where it has them
    own = batch_norm == "frozen" and bool(place.buffers)
    policy = "interpolated" if own else batch_norm
    return float(swept(land, [place], batch_norm=policy)[LOSS][0])


def _numbers(values: Iterable[float]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float64)
