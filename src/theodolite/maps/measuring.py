"""Points of a map as they are asked for: those on file are not measured again."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import final

from theodolite.budget import Budget
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.frame import Frame, OnFrame
from theodolite.maps.point_store import Coordinates, PointStore
from theodolite.maps.quantities import LOSS, TEST, OfOutput
from theodolite.maps.several_points import ALONE, SEVERAL, TOGETHER
from theodolite.maps.sharing import Company
from theodolite.maps.tour import Row, Tour, touring
from theodolite.progress import Watcher


@final
class Measuring:
    """The losses at points of a frame, within a budget.

    A context: the model is held still from the first point that has to be measured
    to the end.

    Parameters
    ----------
    land : Landscape
        What is measured.
    frame : Frame
        Coordinates to points.
    quantities : mapping
        What is measured beside the loss.
    batch_norm : str
        The policy for running statistics.
    store : PointStore
        What is known already, and where more is kept.
    budget : Budget
        Bounds points, or time.
    watcher : Watcher
        Who is told how far it is.

    Attributes
    ----------
    evaluations : int
        Points measured here, without those on file.
    """

    def __init__(
        self,
        land: Landscape,
        frame: Frame,
        quantities: Mapping[str, OfOutput],
        batch_norm: BatchNorm,
        store: PointStore,
        budget: Budget,
        watcher: Watcher,
    ) -> None:
        self._land, self._points = land, OnFrame(frame)
        self._quantities = quantities
        self._batch_norm: BatchNorm = batch_norm
        self.store, self._budget, self._watcher = store, budget, watcher
        self._company, self._stack = Company(), ExitStack()
        self._tour: Tour | None = None
        self._began = time.perf_counter()
        self.evaluations = 0
        tests = () if land.test is None else (LOSS, *quantities)
        self.names = [LOSS, *quantities, *(TEST + name for name in tests)]

    def __enter__(self) -> "Measuring":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def frame(self) -> Frame:
        """Coordinates to points."""
        return self._points.frame

    @property
    def known(self) -> Mapping[Coordinates, Row]:
        """All rows, by coordinates."""
        return self.store.rows

    @property
    def together(self) -> int:
        """Points that are measured together no slower than one."""
        each = 1 if self._tour is None else self._tour.together
        return self._company.share(each)

    def losses(self, wanted: Sequence[Coordinates]) -> list[float]:
        """The losses at some points, whatever the budget says."""
        for at in self.store.missing(wanted, LOSS):
            self._measure([at])
        return [self.known[at][LOSS] for at in wanted]

    def prepare(self, wanted: Sequence[Coordinates], before: str | None) -> str:
        """Before many points: see whether several at once are faster.

        Returns what was found, to be kept with the map: given as ``before`` it is not
        tried again, so that a map ends with the same bits however often it was
        interrupted.
        """
        missing = self.store.missing(wanted, LOSS)
        if not missing or self._company.size > 1:
            return before or ALONE
        tour = self._touring(missing[:TOGETHER])
        if before is None:
            return tour.try_several(self._per_point, len(missing)) or ALONE
        if before.startswith(SEVERAL):
            tour.take_several()
        return before

    def measure(self, wanted: Sequence[Coordinates], *, expected: int = 0) -> bool:
        """Measure what is not known yet, in order; whether the budget sufficed.

        ``expected`` points are thought to follow, for the time that is told.
        """
        missing, done = self.store.missing(wanted, LOSS), 0
        while done < len(missing):
            if self._company.together(self._budget.spent(self.evaluations)):
                return False
            room = max(1, self._budget.room(self.evaluations))
            chunk = missing[done : done + int(min(self.together, room))]
            self._measure(chunk)
            done += len(chunk)
            self._tell(len(missing) - done + expected)
        return True

    def _measure(self, chunk: Sequence[Coordinates]) -> None:
        if self._company.size == 1:
            for number, row in self._touring(chunk).rows(range(len(chunk))):
                self.store.add(chunk[number], row)
                self.evaluations += 1
            return
        rows = self._company.shared(
            len(chunk), lambda numbers: self._rows([chunk[n] for n in numbers])
        )
        for at, values in zip(chunk, rows, strict=True):
            self.store.add(at, dict(zip(self.names, values, strict=True)))
        self.evaluations += len(chunk)

    def _rows(self, chunk: Sequence[Coordinates]) -> list[list[float]]:
        """The numbers of some points, measured by this process."""
        measured = dict(self._touring(chunk).rows(range(len(chunk))))
        return [[measured[n][name] for name in self.names] for n in range(len(chunk))]

    def _touring(self, chunk: Sequence[Coordinates]) -> Tour:
        """What measures at some points, which are numbered from 0."""
        if self._tour is None:
            self._tour = self._stack.enter_context(
                touring(self._land, self._points, self._quantities, self._batch_norm)
            )
        # one chunk at a time: a map of a million points needs no list of them
        self._points.coordinates = list(chunk)
        self._tour.forget()
        return self._tour

    @property
    def _per_point(self) -> float:
        return (time.perf_counter() - self._began) / max(self.evaluations, 1)

    def _tell(self, left: int) -> None:
        done = len(self.known)
        self._watcher.update("points", done / (done + left), left * self._per_point)
