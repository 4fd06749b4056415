"""A map on disk: run.json, points.jsonl as it is measured, tensors.safetensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.landscape import Landscape
from theodolite.maps.frame import Direction, Frame
from theodolite.maps.place import Place
from theodolite.maps.point_store import POINTS
from theodolite.storage.files import (
    read_record,
    read_tensors,
    wrapped,
    write_record,
    write_tensors,
)

RUN, TENSORS = "run.json", "frame.safetensors"
ARRAYS = "arrays.safetensors"
# of maps, as their records say
KINDS = ("line", "plane")
_BUFFER = "buffer."


@final
class MapFolder:
    """A folder that a map is written to as it is measured.

    Parameters
    ----------
    path : Path
        The folder; it is made when first written to.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """See that it is there.

        Raises
        ------
        RunFolderError
            When it cannot be made.
        """
        with wrapped(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def removed_on_error(self) -> Iterator[None]:
        """Leave no empty folder behind when there is nothing to write."""
        try:
            yield
        except BaseException:
            if not any(self.path.iterdir()):
                self.path.rmdir()
            raise

    def write_run(self, run: Mapping[str, Any]) -> None:
        """Write the record, in one step that no reader sees half of."""
        write_record(self.path / RUN, run)

    def run(self) -> dict[str, Any]:
        """The record.

        Raises
        ------
        RunFolderError
            When there is none, or it cannot be read.
        """
        return read_record(self.path / RUN)

    @property
    def begun(self) -> bool:
        """Whether a map was begun here."""
        return (self.path / RUN).exists()

    def require_map(self) -> None:
        """Refuse a folder that something else was written to, like a survey.

        Raises
        ------
        RunFolderError
            Saying whose it is.
        """
        if self.begun and self.run().get("settings", {}).get("kind") not in KINDS:
            raise RunFolderError(
                found=f"{self.path} holds the run of something else than a map.",
                why="Its record would be written over.",
                instead="Name another folder with --out (out=...).",
            )

    def begin(self, frame: Frame) -> None:
        """Start a new map, with nothing left of one that was here before.

        In an order in which no kill leaves points of one map beside the frame of
        another.
        """
        with wrapped(self.path):
            for name in (RUN, POINTS, ARRAYS):
                (self.path / name).unlink(missing_ok=True)
        self.write_frame(frame)

    def write_frame(self, frame: Frame) -> None:
        """Write origin, directions and their buffers."""
        write_tensors(self.path / TENSORS, frame_tensors(frame))

    def frame(self, described: list[Mapping[str, Any]]) -> Frame:
        """The frame that was written, its axes as the record describes them."""
        held = read_tensors(self.path / TENSORS)
        if "origin" not in held:
            raise RunFolderError(
                found=f"There is no frame in {self.path / TENSORS}.",
                why="The origin and the directions of a map are kept there.",
                instead="Measure the map anew, without resume.",
            )
        return frame_from(held, described)


def frame_tensors(frame: Frame) -> dict[str, Tensor]:
    """A frame as named tensors."""
    found = {"origin": frame.origin.point}
    found |= {f"origin.{_BUFFER}{n}": b for n, b in frame.origin.buffers.items()}
    for number, direction in enumerate(frame.directions):
        front = f"direction{number}"
        found[front] = direction.vector
        found |= {f"{front}.{_BUFFER}{n}": b for n, b in direction.buffers.items()}
        if direction.end is not None:
            found[f"{front}.end"] = direction.end.point
            found |= {
                f"{front}.end.{_BUFFER}{n}": b for n, b in direction.end.buffers.items()
            }
    return found


def frame_from(held: Mapping[str, Tensor], described: list[Mapping[str, Any]]) -> Frame:
    """The frame out of what :func:`frame_tensors` named."""
    origin = _place(held, "origin")
    directions = [
        Direction(
            held[f"direction{number}"],
            kind=axis["kind"],
            label=axis["label"],
            curvature=axis["curvature"],
            buffers=_place(held, f"direction{number}").buffers,
            end=_place(held, f"direction{number}.end")
            if f"direction{number}.end" in held
            else None,
        )
        for number, axis in enumerate(described)
    ]
    return Frame(origin, tuple(directions))


def _place(held: Mapping[str, Tensor], name: str) -> Place:
    front = f"{name}.{_BUFFER}"
    buffers = {
        key.removeprefix(front): tensor
        for key, tensor in held.items()
        if key.startswith(front)
    }
    return Place(held[name], buffers)


def require_same_frame(mine: Frame, theirs: Frame, path: Path) -> None:
    """Refuse to mix points of two frames.

    Raises
    ------
    RunFolderError
        When origin or directions differ in any bit.
    """
    ours, held = frame_tensors(mine), frame_tensors(theirs)
    if ours.keys() != held.keys() or any(
        not _equal(ours[name], held[name]) for name in ours
    ):
        raise RunFolderError(
            found=f"{path} holds the map of another point or other directions.",
            why="Points of two maps must not be mixed.",
            instead="Leave resume out, or name another folder.",
        )


def _equal(mine: Tensor, theirs: Tensor) -> bool:
    return mine.shape == theirs.shape and bool((mine.cpu() == theirs).all())


def on_device_of(frame: Frame, land: Landscape) -> Frame:
    """The frame where the landscape's vectors live."""

    def moved(place: Place) -> Place:
        buffers = {n: b.to(land.device) for n, b in place.buffers.items()}
        return Place(place.point.to(land.device), buffers)

    directions = tuple(
        Direction(
            d.vector.to(land.device),
            d.kind,
            d.label,
            {n: b.to(land.device) for n, b in d.buffers.items()},
            d.curvature,
            None if d.end is None else moved(d.end),
        )
        for d in frame.directions
    )
    return Frame(moved(frame.origin), directions)
