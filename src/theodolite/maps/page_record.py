"""What of a plane or a line goes onto a page, plain."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from theodolite.maps.axis_hessian import ENTRIES
from theodolite.maps.field import Field
from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.topology.merge_tree import MergeTree, merge_tree
from theodolite.maps.track import CENTER, CORNERS, Track, metric_of

# values up to which double precision costs a page little
_DOUBLE = 16_384
# minima that are marked, and how deep they have to be by the range of the loss
_MARKED, _DEPTH = 24, 0.01
_SEEN = ("x", "y", "loss")
_TRACK = ("x", "y", "distance", "loss", "plane_loss")


def plane_record(
    plane: Plane,
    *,
    title: Any = "",
    limit: Mapping[str, float] | None = None,
    hessian: Sequence[Sequence[float]] | None = None,
    marks: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A plane as the viewer reads it: numbers in base64, words as they are.

    Parameters
    ----------
    plane : Plane
        As it was measured.
    title : str or mapping of language to str
        What stands above its picture.
    limit : mapping, optional
        ``eigenvalue``, ``value``, ``low`` and ``high`` of 2/λ_max at the centre, of all
        p dimensions.
    hessian : optional
        D H Dᵀ at the centre, by products; by default what the plane's own quantity
        ``"hessian"`` says there, where it has it.
    marks : sequence of mapping, optional
        ``kind``, ``x``, ``y``, ``value`` and ``text``; by default the minima and passes
        of its merge tree that are deeper than its error and 1 % of its range.
    """
    tree = _tree(plane)
    landscape = plane.run.get("landscape", {})
    return {
        "name": str(landscape.get("name", "")),
        "title": title,
        "parameters": len(plane.center),
        "x": packed(plane.x),
        "y": packed(plane.y),
        "fields": {n: _field(field, plane) for n, field in plane.fields.items()},
        "metric": metric_of(plane.directions).tolist(),
        "axes": [axis.to_dict() for axis in plane.axes],
        "scale": plane.scale,
        "tracks": [_track(track) for track in plane.tracks if not _is_corners(track)],
        "marks": [
            *(_marks(tree) if marks is None else map(dict, marks)),
            *(mark for track in plane.tracks for mark in _corners(track)),
        ],
        "basins": None if tree is None else packed(tree.basins + 1, "u1"),
        "limit": None if limit is None else dict(limit),
        "hessian": _bend(plane) if hessian is None else [list(row) for row in hessian],
        "points": len(plane.points),
        "outcome": _outcome(plane),
        "notes": list(plane.run.get("notes", ())),
    }


def line_record(line: Line, *, title: Any = "") -> dict[str, Any]:
    """A line as the viewer reads it."""
    told = line.to_dict()
    return {
        "name": str(line.run.get("landscape", {}).get("name", "")),
        "title": title,
        **{key: told[key] for key in ("t", "fields", "axis", "scale", "barrier")},
        "points": len(line.points),
        "outcome": _outcome(line),
        "notes": list(line.run.get("notes", ())),
    }


def packed(values: Tensor, kind: str | None = None) -> dict[str, Any]:
    """Numbers in base64, little-endian: doubles, floats where there are many."""
    chosen = kind or ("f8" if values.numel() <= _DOUBLE else "f4")
    plain = values.detach().cpu().numpy().astype(np.dtype("<" + chosen))
    data = b64encode(np.ascontiguousarray(plain).tobytes()).decode("ascii")
    return {"type": chosen, "shape": list(values.shape), "data": data}


def unpacked(record: Mapping[str, Any]) -> Tensor:
    """The numbers that :func:`packed` wrote down."""
    kind = np.dtype("<" + record["type"])
    plain = np.frombuffer(b64decode(record["data"]), kind).reshape(record["shape"])
    return torch.from_numpy(plain.astype(kind.newbyteorder("=")))


def _bend(plane: Plane) -> list[list[float]] | None:
    """The curvature along the axes at the centre, where it was measured."""
    names = [f"hessian {entry}" for entry in ENTRIES[2]]
    if not all(name in plane.fields for name in names):
        return None
    first = plane.fields[names[0]]
    i, j = (int(first.coordinates(a).abs().argmin()) for a in (plane.x, plane.y))
    xx, xy, yy = (float(plane.fields[name].values[i, j]) for name in names)
    return [[xx, xy], [xy, yy]] if isfinite(xx + xy + yy) else None


def _field(field: Field, plane: Plane) -> dict[str, Any]:
    coarse = [None, None]
    if field.every > 1:
        coarse = [packed(field.coordinates(axis)) for axis in (plane.x, plane.y)]
    whole = bool(field.measured.all())
    return {
        "x": coarse[0],
        "y": coarse[1],
        "values": packed(field.values),
        "measured": None if whole else packed(field.measured, "u1"),
        "error": field.error,
    }


def _is_corners(track: Track) -> bool:
    """Whether these checkpoints span the plane: no run led through them."""
    return track.name == CORNERS and track.labels[:1] == (CENTER,)


def _corners(track: Track) -> list[dict[str, Any]]:
    if not _is_corners(track):
        return []
    rows = zip(track.labels, *(getattr(track, key) for key in _SEEN), strict=True)
    return [
        {
            "kind": "checkpoint",
            "x": float(x),
            "y": float(y),
            "value": float(loss),
            "text": f"checkpoint {label}",
        }
        for label, x, y, loss in rows
    ]


def _outcome(found: Plane | Line) -> dict[str, Any]:
    ended = found.outcome
    return {"name": ended.name, "text": ended.text, "settled": ended.good}


def _track(track: Track) -> dict[str, Any]:
    arrays = {key: packed(getattr(track, key), "f8") for key in _TRACK}
    return {"name": track.name, "labels": list(track.labels), **arrays}


def _tree(plane: Plane) -> MergeTree | None:
    """Minima and passes worth marking; none where nothing is a number."""
    field = plane.fields["loss"]
    if not bool(field.finite.any()) or min(plane.loss.shape) < 2 or field.missing:
        return None
    depth = max(2 * field.error, _DEPTH * (field.high - field.low))
    tree = merge_tree(plane).simplified(depth)
    return tree if len(tree.minima) <= _MARKED else None


def _marks(tree: MergeTree | None) -> list[dict[str, Any]]:
    if tree is None:
        return []
    kinds = {"minimum": tree.minima, "pass": tree.saddles}
    return [
        _mark(kind, found.coordinates, found.value, found.on_border)
        for kind, all_found in kinds.items()
        for found in all_found
        if found.coordinates is not None
    ]


def _mark(
    kind: str, at: tuple[float, float], value: float, on_border: bool
) -> dict[str, Any]:
    beyond = " at the map's edge: a lower one may lie beyond" if on_border else ""
    text = f"{kind} of the map{beyond}"
    return {"kind": kind, "x": at[0], "y": at[1], "value": value, "text": text}
