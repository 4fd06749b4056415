"""A map is measured: its axes, the points on them, what is drawn between them."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import RunFolderError
from theodolite.landscape import Landscape
from theodolite.maps.adaptive import Adaptive
from theodolite.maps.around import Around
from theodolite.maps.batch_norm import statistics_elsewhere
from theodolite.maps.drawn import coarser, drawn, drawn_around, ending
from theodolite.maps.frame import Frame, OnFrame
from theodolite.maps.grid import Interval, around, as_intervals, axis, coarse_to_fine
from theodolite.maps.map_folder import MapFolder, on_device_of, require_same_frame
from theodolite.maps.map_settings import GIVEN, Mapped, MapSettings
from theodolite.maps.measuring import Measuring
from theodolite.maps.point_store import Coordinates, PointStore
from theodolite.maps.quantities import LOSS, TEST, AtNodes
from theodolite.maps.sharing import Company
from theodolite.maps.span import automatic_span
from theodolite.maps.sweep import of_outputs
from theodolite.maps.track import Track
from theodolite.maps.track_losses import box_around, feet, measured_tracks
from theodolite.outcomes import Outcome
from theodolite.storage.provenance import (
    fingerprint,
    landscape_record,
    notes,
    surroundings,
)

INTERRUPTED = Outcome(
    "interrupted", "Interrupted: what was measured until then is drawn."
)

Axes = tuple[Float[Tensor, " _"], ...]


@final
class Mapper:
    """Measures one map.

    Parameters
    ----------
    land : Landscape
        What is measured.
    origin : Tensor
        ``(p,)``: where the coordinates are zero.
    make_frame : callable
        Gives origin and directions; not asked where a run folder holds them.
    settings : MapSettings
        How.
    """

    def __init__(
        self,
        land: Landscape,
        origin: Float[Tensor, " p"],
        make_frame: Callable[[], Frame],
        settings: MapSettings,
    ) -> None:
        self._land, self._settings, self._company = land, settings, Company()
        self._began = time.perf_counter()
        self._record: dict[str, Any] = {
            **surroundings(land),
            "landscape": {"name": land.name, **landscape_record(land)},
            "fingerprint": _fingerprint(land),
            "settings": settings.to_dict(),
        }
        leads = settings.out is not None and self._company.leads
        self._folder = MapFolder(settings.out) if settings.out and leads else None
        self._evaluation: str | None = None
        self._frame = self._framed(origin, make_frame)
        self._company.agreed(self._frame.origin.point, "Points")
        for direction in self._frame.directions:
            self._company.agreed(direction.vector, "Directions")
        self._record["axes"] = [d.to_dict() for d in self._frame.directions]
        away = statistics_elsewhere(land, self._frame, settings.batch_norm)
        self._record["notes"] = [*notes(land), *away]

    def _framed(self, origin: Tensor, make_frame: Callable[[], Frame]) -> Frame:
        """The frame, out of the folder where it holds this very map."""
        folder = self._folder
        if folder is None:
            return make_frame()
        folder.make()
        folder.require_map()
        if not self._settings.resume or not folder.begun:
            with folder.removed_on_error():
                frame = make_frame()
                folder.begin(frame)
            return frame
        theirs = folder.run()
        self._require_same_map(theirs)
        self._evaluation = theirs.get("evaluation")
        self._record["evaluation"] = self._evaluation
        held = on_device_of(folder.frame(theirs["axes"]), self._land)
        given = self._settings.directions == GIVEN
        mine = (
            make_frame()
            if given
            else replace(held, origin=replace(held.origin, point=origin))
        )
        require_same_frame(mine, folder.frame(theirs["axes"]), folder.path)
        return held

    def _require_same_map(self, theirs: dict[str, Any]) -> None:
        mine = self._record
        point = theirs.get("fingerprint", {})
        same = theirs.get("settings") == mine["settings"] and all(
            isinstance(point.get(key), float)
            and isclose(value, point[key], rel_tol=1e-6)
            for key, value in mine["fingerprint"].items()
        )
        if not same:
            raise RunFolderError(
                found=f"{self._settings.out} holds another map, of a loss of "
                f"{point.get('loss')}: {theirs.get('settings')}.",
                why=f"Here the loss is {mine['fingerprint']['loss']:.6g}, and it is "
                f"{mine['settings']}: points of two maps must not be mixed.",
                instead="Leave resume out, or name another folder.",
            )

    def run(self) -> Mapped:
        """Measure; what is there when Ctrl-C or the budget ends it is returned."""
        settings, folder = self._settings, self._folder
        path = None if folder is None else folder.path
        with closing(settings.watcher), closing(self._store(path)) as store:
            if folder is not None:
                folder.write_run({**self._record, "state": "running"})
            with Measuring(
                self._land,
                self._frame,
                of_outputs(settings.quantities),
                settings.batch_norm,
                store,
                settings.limit(),
                settings.watcher,
            ) as measuring:
                return self._finished(self._mapped(measuring))

    def _store(self, path: Path | None) -> PointStore:
        """What is known already, in every process."""
        store = PointStore(path, resume=self._settings.resume)
        self._company.share_rows(store)
        return store

    def _mapped(self, measuring: Measuring) -> Mapped:
        settings, count = self._settings, len(self._frame.directions)
        measuring.losses([(0.0,) * count])
        tracks = feet(self._land, self._frame, settings.tracks)
        intervals = self._intervals(measuring, tracks)
        axes = tuple(
            axis(interval, steps, to_one=direction.end is not None)
            for interval, steps, direction in zip(
                intervals, settings.steps, self._frame.directions, strict=True
            )
        )
        intervals = [*map(around, intervals, axes)]
        # alone, so that they are what their checkpoints are to the last bit
        measuring.losses([at for at in self._frame.ends if _is_drawn(at, axes)])
        adaptive = None
        if settings.rtol is not None:
            adaptive = Adaptive(measuring, axes, intervals, settings.rtol)
        interrupted = False
        try:
            self._measure(measuring, adaptive, coarse_to_fine(axes))
            tracks = measured_tracks(
                measuring, self._land, tracks, settings.tracks, settings.batch_norm
            )
            self._measure_around(measuring, axes)
        except KeyboardInterrupt:
            # what is measured stays worth having
            interrupted = True
        fields = drawn(measuring, axes, adaptive)
        fields |= drawn_around(measuring.store, axes, settings.quantities)
        held = measuring.store.held(LOSS).items()
        known = {at: loss for at, loss in held if len(at) == count}
        return Mapped(
            frame=self._frame,
            intervals=tuple(intervals),
            axes=axes,
            fields=fields,
            tracks=tracks,
            points=torch.tensor(list(known), dtype=torch.float64),
            losses=torch.tensor(list(known.values()), dtype=torch.float64),
            evaluations=measuring.evaluations,
            seconds=time.perf_counter() - self._began,
            outcome=INTERRUPTED if interrupted else ending(fields[LOSS], adaptive),
            run=self._record,
        )

    def _intervals(
        self, measuring: Measuring, tracks: tuple[Track, ...]
    ) -> list[Interval]:
        """What the axes reach, as it was asked for or found out."""
        settings = self._settings
        if settings.span is not None:
            return as_intervals(settings.span, len(self._frame.directions))
        if tracks and settings.directions == GIVEN:
            return box_around(tracks)
        return automatic_span(self._frame, measuring.losses)

    def _measure(
        self,
        measuring: Measuring,
        adaptive: Adaptive | None,
        points: list[Coordinates],
    ) -> None:
        """The points that the drawing needs: a few of a polynomial, or all."""
        if adaptive is not None:
            limit = self._settings.limit()
            bounded = limit.products is not None or limit.deadline is not None
            room = limit.room(measuring.evaluations)
            most = min(room, len(points) if bounded else len(points) // 2)
            if adaptive.run(int(most)) or (adaptive.finite and bounded):
                return
        self._record["evaluation"] = measuring.prepare(points, self._evaluation)
        if self._folder is not None:
            self._folder.write_run({**self._record, "state": "running"})
        measuring.measure(points)

    def _measure_around(self, measuring: Measuring, axes: Axes) -> None:
        """What is measured on a coarser grid, one landscape and quantity at a time."""
        for name, quantity in self._settings.quantities.items():
            if isinstance(quantity, AtNodes):
                points = coarse_to_fine(coarser(axes, quantity.every))
                for front, land in (("", self._land), (TEST, self._land.test)):
                    if land is not None:
                        self._measure_quantity(
                            measuring, land, front + name, quantity, points
                        )

    def _measure_quantity(
        self,
        measuring: Measuring,
        land: Landscape,
        name: str,
        quantity: AtNodes,
        points: list[Coordinates],
    ) -> None:
        directions = torch.stack([d.vector for d in self._frame.directions])
        parts = quantity.parts(name, len(directions))
        # a point's numbers are kept together: where one is missing, all are
        missing = measuring.store.missing(points, parts[0])
        on_frame = OnFrame(self._frame)
        on_frame.coordinates = missing
        around = Around(land, self._settings.batch_norm, self._land, directions)
        size = self._company.size
        for start in range(0, len(missing), size):
            chunk = missing[start : start + size]

            def measured(
                numbers: Sequence[int], start: int = start
            ) -> list[list[float]]:
                wanted = [start + number for number in numbers]
                return [around.numbers(quantity, on_frame, n) for n in wanted]

            for at, row in zip(
                chunk, self._company.shared(len(chunk), measured), strict=True
            ):
                measuring.store.add(at, dict(zip(parts, row, strict=True)))
            done = (start + len(chunk)) / len(missing)
            self._settings.watcher.update(name, done, float("inf"))

    def _finished(self, mapped: Mapped) -> Mapped:
        """Complete the record."""
        self._record |= {
            "intervals": [list(interval) for interval in mapped.intervals],
            "steps": list(self._settings.steps),
            "rtol": self._settings.rtol,
        }
        return mapped


def _is_drawn(at: Coordinates, axes: Axes) -> bool:
    """Whether a point lies on the grid."""
    return all(t in values for t, values in zip(at, axes, strict=True))


def _fingerprint(land: Landscape) -> dict[str, float]:
    """What tells one map's point and data from another's."""
    found = fingerprint(land)
    if land.test is not None:
        found["test loss"] = land.test.loss()
    return found
