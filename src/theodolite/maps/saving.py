"""Maps to run folders, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.maps.field import Field
from theodolite.maps.frame import Frame
from theodolite.maps.map_folder import ARRAYS, MapFolder
from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.place import Place
from theodolite.maps.sharing import Company
from theodolite.maps.track import Track
from theodolite.outcomes import Outcome
from theodolite.spectrum.vectors import norm
from theodolite.storage.files import read_tensors, wrapped, write_tensors

_TRACK = ("x", "y", "distance", "loss", "plane_loss")


def save_map(found: Plane | Line, folder: Path) -> Path:
    """Write a map; return the folder.

    Raises
    ------
    RunFolderError
        When it cannot be written.
    """
    target = MapFolder(folder)
    target.make()
    target.write_frame(_frame(found))
    write_tensors(folder / ARRAYS, arrays_of(found))
    target.write_run(record_of(found))
    return folder


def finish(found: Plane | Line, folder: Path | None) -> None:
    """Write what a map's folder lacks once its points are measured."""
    if folder is not None and Company().leads:
        write_tensors(folder / ARRAYS, arrays_of(found))
        MapFolder(folder).write_run(record_of(found))


def record_of(found: Plane | Line) -> dict[str, Any]:
    """What the record of a run says of a map: all but the arrays."""
    tracks = found.tracks if isinstance(found, Plane) else ()
    return {
        **found.run,
        "batch_norm": found.batch_norm,
        "seed": found.seed,
        "fields": {
            name: {"error": field.error, "every": field.every}
            for name, field in found.fields.items()
        },
        "tracks": [{"name": t.name, "labels": list(t.labels)} for t in tracks],
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "state": found.outcome.name,
        "outcome": {"name": found.outcome.name, "text": found.outcome.text},
    }


def arrays_of(found: Plane | Line) -> dict[str, Tensor]:
    """All numbers of a map by name, without origin and directions."""
    if isinstance(found, Plane):
        arrays = {"x": found.x, "y": found.y}
        for track in found.tracks:
            values = {f"track.{track.name}.{key}": vars(track)[key] for key in _TRACK}
            arrays |= values
    else:
        arrays = {"t": found.t}
    for name, field in found.fields.items():
        arrays[name] = field.values
        arrays[f"{name}.measured"] = field.measured
    return {**arrays, "points": found.points, "losses": found.losses}


def _frame(found: Plane | Line) -> Frame:
    if isinstance(found, Plane):
        return Frame(Place(found.center), found.axes)
    return Frame(Place(found.start), (found.axis,))


def read_map(folder: str | Path) -> Plane | Line:
    """A plane or a line out of its run folder.

    Parameters
    ----------
    folder : str or Path
        What ``out=``, ``.save`` or ``theodolite map`` wrote.

    Raises
    ------
    RunFolderError
        When there is none, or the map was not finished: its points are kept, go on
        with ``resume``.
    """
    source = MapFolder(Path(folder))
    run, arrays = source.run(), read_tensors(Path(folder) / ARRAYS)
    if "fields" not in run or "losses" not in arrays:
        raise RunFolderError(
            found=f"{folder} holds no finished map.",
            why="Its picture is written when measuring ends.",
            instead="Go on measuring: the same call with resume=True (--resume).",
        )
    # what is missing from either file is said as what cannot be read
    with wrapped(source.path, "read"):
        return _map(source.frame(run["axes"]), run, arrays)


def _map(
    frame: Frame, run: dict[str, Any], arrays: Mapping[str, Tensor]
) -> Plane | Line:
    """A map out of its frame, its record and its arrays."""
    common = {
        "fields": {n: _field(n, told, arrays) for n, told in run["fields"].items()},
        "scale": norm(frame.origin.point),
        "losses": arrays["losses"],
        "outcome": Outcome(run["outcome"]["name"], run["outcome"]["text"]),
        "run": run,
        **{key: run[key] for key in ("batch_norm", "evaluations", "seconds", "seed")},
    }
    if len(frame.directions) == 1:
        return Line(
            t=arrays["t"],
            start=frame.origin.point,
            axis=frame.directions[0],
            points=arrays["points"],
            **common,
        )
    return Plane(
        x=arrays["x"],
        y=arrays["y"],
        center=frame.origin.point,
        axes=(frame.directions[0], frame.directions[1]),
        tracks=tuple(_track(told, arrays) for told in run["tracks"]),
        points=arrays["points"],
        **common,
    )


def _field(name: str, told: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Field:
    measured = arrays[f"{name}.measured"].to(torch.bool)
    return Field(name, arrays[name], measured, told["error"], told["every"])


def _track(told: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> Track:
    name = told["name"]
    values = {key: arrays[f"track.{name}.{key}"] for key in _TRACK}
    return Track(name, tuple(told["labels"]), **values)
