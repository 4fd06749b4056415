"""A model that is held still once, and led from point to point."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
)
from functools import partial
from itertools import islice
from typing import final

import torch
from torch import Tensor

from theodolite.averages import Weight, require_samples
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import (
    BatchNorm,
    BatchNormPolicy,
    Frozen,
    policy_for,
)
from theodolite.maps.first_layer import FirstLayers, first_layers
from theodolite.maps.frame import Frame, OnFrame
from theodolite.maps.joined_batches import alike, in_larger
from theodolite.maps.points import Points
from theodolite.maps.quantities import (
    LOSS,
    TEST,
    OfOutput,
)
from theodolite.maps.several_points import (
    TOGETHER,
    SeveralPoints,
    pays,
    trial,
)

# points that share one pass over data that are read anew in each
_TOGETHER = 64
# a second point to compare at, by the first
_AWAY = 0.9

Row = dict[str, float]


@contextmanager
def touring(
    land: Landscape,
    points: Points,
    quantities: Mapping[str, OfOutput],
    batch_norm: BatchNorm,
) -> Iterator["Tour"]:
    """Hold the model still, and hand out what measures at points one after another."""
    flat = torch.empty(land.size, dtype=land.dtype, device=land.device)
    # something measurable, while the landscape is looked at for the first time
    flat.copy_(land.point)
    leaves = land.parameters.split(flat)
    lands = [land] if land.test is None else [land, land.test]
    with ExitStack() as stack:
        evaluations = [stack.enter_context(one.held_at(leaves)) for one in lands]
        tour = Tour(
            points,
            _Vessel(land, flat, leaves),
            list(zip(lands, evaluations, strict=True)),
            quantities,
            policy_for(
                batch_norm,
                land.model,
                land.batches,
                partial(evaluations[0].output, leaves),
            ),
        )
        if isinstance(points, OnFrame) and land.model is not None:
            first = stack.enter_context(
                first_layers(
                    land.model,
                    leaves,
                    points,
                    land.parameters.split,
                    tour.evaluate_once,
                    land.memory // 4,
                )
            )
            tour.prepare(points.frame, first)
        yield tour


@final
class _Vessel:
    """The tensors in the place of the model's parameters, and what fills them."""

    def __init__(self, land: Landscape, flat: Tensor, leaves: Sequence[Tensor]) -> None:
        self.flat, self.leaves = flat, leaves
        self._parameters = land.parameters
        self._places = [piece.data_ptr() for piece in land.parameters.split(flat)]

    def put(self, point: Tensor) -> None:
        """Let flat vector and leaves be a point."""
        self.flat.copy_(point)
        self.fill()

    def fill(self) -> None:
        """Let the leaves be what the flat vector is."""
        # a forward pass may have put other memory into a leaf: weight.data = ...
        if [leaf.data_ptr() for leaf in self.leaves] != self._places:
            fresh = self._parameters.split(self.flat)
            for leaf, new in zip(self.leaves, fresh, strict=True):
                leaf.copy_(new)


@final
class Tour:
    """A model held still, and the points that it is led to.

    Parameters
    ----------
    points : Points
        Which they are.
    vessel : object
        What stands for the model's parameters.
    lands : sequence of pairs
        Training and test landscape, with how a batch is evaluated.
    quantities : mapping
        What is measured beside the loss.
    policy : BatchNormPolicy
        What is done to the buffers.
    """

    def __init__(
        self,
        points: Points,
        vessel: _Vessel,
        lands: Sequence[tuple[Landscape, Evaluation]],
        quantities: Mapping[str, OfOutput],
        policy: BatchNormPolicy,
    ) -> None:
        self._points, self._vessel, self._lands = points, vessel, lands
        self._quantities, self._policy = quantities, policy
        self._here: int | None = None
        self._visited = self._kept = False
        self._first: FirstLayers | None = None
        self._several: SeveralPoints | None = None
        self._larger: list[Sequence[Batch]] | None = None

    @property
    def together(self) -> int:
        """Points that should share one pass over the data."""
        if self._several is not None:
            return TOGETHER
        # asked for every point, and never taken back
        self._kept = self._kept or all(
            land.batches.kept is not None for land, _ in self._lands
        )
        # before the first point it is not known whether the data will be kept
        alone = self._kept or self._policy.alone or not self._visited
        return 1 if alone else _TOGETHER

    def forget(self) -> None:
        """The points are others now, under the same numbers."""
        self._here = None

    def rows(self, numbers: Iterable[int]) -> Iterator[tuple[int, Row]]:
        """Each point's number and its row, as soon as it is measured, in order."""
        order = iter(numbers)
        while chunk := list(islice(order, self.together)):
            yield from self._measured(chunk).items()

    def _measured(self, chunk: Sequence[int]) -> dict[int, Row]:
        """The rows of some points, in one pass over the data."""
        if self._several is not None:
            found = self._several.rows(self._stacked(chunk))
            return dict(zip(chunk, found, strict=True))
        rows: dict[int, Row] = {number: {} for number in chunk}
        for front, (land, evaluate) in zip(("", TEST), self._lands, strict=False):
            sums = {
                (number, name): _Average()
                for number in chunk
                for name in (LOSS, *self._quantities)
            }
            with closing(self._read(land, chunk)) as batches:
                for batch in batches:
                    for number in chunk:
                        self._go_to(number)
                        with self._reusing(number, (front, batch.number)):
                            self._add(evaluate, batch, number, sums)
            for (number, name), average in sums.items():
                rows[number][front + name] = average.value()
        return rows

    def try_several(self, seconds: float, count: int) -> str | None:
        """See whether several of ``count`` points at once are faster; what came of it.

        ``None`` where it was not worth a trial, at ``seconds`` a point, or where data
        and buffers do not allow it.
        """
        land = self._lands[0][0]
        kept = [one.batches.kept or () for one, _ in self._lands]
        alone = self.together > 1 or not isinstance(self._policy, Frozen)
        batches = sum(map(len, kept))
        if alone or land.model is None or not pays(count, seconds, batches):
            return None
        chunk = range(len(self._points))
        began = time.perf_counter()
        # the first point took longer, and its layers have kept nothing yet
        self._measured(chunk[:1])
        if not pays(count, time.perf_counter() - began, batches):
            return None
        several = SeveralPoints(self._lands, self._quantities)
        points = self._stacked(chunk)
        good, why = trial(lambda: several.rows(points), lambda: self._measured([0])[0])
        if good:
            self._several = several
        return why

    def take_several(self) -> None:
        """Measure several points at once, as it was found to be faster before."""
        self._several = SeveralPoints(self._lands, self._quantities)

    def _stacked(self, chunk: Sequence[int]) -> Tensor:
        """Some points as rows."""
        flat = self._vessel.flat
        rows = flat.new_empty(len(chunk), len(flat))
        for row, number in zip(rows, chunk, strict=True):
            self._points.write(number, row)
        return rows

    def evaluate_once(self) -> None:
        """Pass one batch through the model."""
        land, evaluate = self._lands[0]
        with closing(iter(land.batches)) as batches:
            evaluate.output(self._vessel.leaves, next(batches))

    def prepare(self, frame: Frame, first: FirstLayers) -> None:
        """Before the points of a frame: join small batches, keep first products.

        At the origin and away from it, whatever point comes first: a map that is gone
        on with has the same bits as one that never stopped.
        """
        kept: list[Sequence[Batch]] = []
        for land, _ in self._lands:
            if land.batches.kept is None:
                deque(land.batches, maxlen=0)
            if land.batches.kept is None:
                return
            kept.append(land.batches.kept)
        if not any(getattr(one, "seed", None) is not None for _, one in self._lands):
            larger = [in_larger(batches) or batches for batches in kept]
            if larger != kept and self._same(frame, kept, larger):
                self._larger = larger
        if first.layers:
            self._first = first
            self._vessel.put(frame.origin.point)
            first.arrived()
            # seen once, then multiplied
            for _ in range(2):
                self._once(self._larger or kept, (0.0,) * len(frame.directions))
            for layer in first.layers:
                layer.hits = 0

    def _same(
        self,
        frame: Frame,
        apart: Sequence[Sequence[Batch]],
        together: Sequence[Sequence[Batch]],
    ) -> bool:
        """Whether two cuts of the data give the same numbers at two points."""
        for scale in (1.0, _AWAY):
            self._vessel.put(scale * frame.origin.point)
            one, other = self._once(apart), self._once(together)
            if not alike(one, other, self._vessel.flat.dtype):
                return False
        return True

    def _once(
        self,
        cut: Sequence[Sequence[Batch]],
        amounts: Sequence[float] | None = None,
    ) -> Row:
        """All numbers where the vessel is, over data that are cut in some way."""
        row: Row = {}
        lands = zip(("", TEST), self._lands, cut, strict=False)
        for front, (_, evaluate), batches in lands:
            sums = {(0, name): _Average() for name in (LOSS, *self._quantities)}
            for batch in batches:
                at = None if amounts is None else ((front, batch.number), amounts)
                with nullcontext() if at is None else self._offering(at):
                    self._add(evaluate, batch, 0, sums)
            row |= {front + name: sums[0, name].value() for _, name in sums}
        self._here = None
        return row

    def _read(
        self, land: Landscape, chunk: Sequence[int]
    ) -> Generator[Batch, None, None]:
        """The batches, joined where that is as good."""
        if self._larger is None or self._is_exact(chunk[0]):
            return iter(land.batches)
        number = [one for one, _ in self._lands].index(land)
        return (batch for batch in self._larger[number])

    def _is_exact(self, number: int) -> bool:
        """Whether a point has to be what the landscape says, to the last bit."""
        if not isinstance(self._points, OnFrame):
            return True
        at = self._points.coordinates[number]
        return not any(at) or self._points.frame.end_at(at) is not None

    def _reusing(self, number: int, batch: object) -> AbstractContextManager[None]:
        """Let kept products of the first layer stand in."""
        if self._first is None or self._is_exact(number):
            return nullcontext()
        assert isinstance(self._points, OnFrame)
        return self._offering((batch, self._points.coordinates[number]))

    @contextmanager
    def _offering(self, at: tuple[object, Sequence[float]]) -> Iterator[None]:
        """Say to layers which batch is evaluated where."""
        if self._first is not None:
            self._first.at = at
        try:
            yield
        finally:
            if self._first is not None:
                self._first.at = None

    def _go_to(self, number: int) -> None:
        if number != self._here:
            self._points.write(number, self._vessel.flat)
            self._vessel.fill()
            if self._first is not None:
                self._first.arrived()
            self._here, self._visited = number, True
            self._policy.arrive(partial(self._points.buffers, number))

    def _add(
        self,
        evaluate: Evaluation,
        batch: Batch,
        number: int,
        sums: Mapping[tuple[int, str], "_Average"],
    ) -> None:
        output = evaluate.output(self._vessel.leaves, batch)
        sums[number, LOSS].add(*evaluate.average(output, batch))
        for name, quantity in self._quantities.items():
            sums[number, name].add(*quantity.average(name, output, batch))


@final
class _Average:
    """A weighted mean that waits for the device at its end alone."""

    def __init__(self) -> None:
        self._terms: list[tuple[Tensor, Weight]] = []

    def add(self, mean: Tensor, weight: Weight) -> None:
        """Take one batch in."""
        self._terms.append((mean.detach(), weight))

    def value(self) -> float:
        """The mean; batches that weigh nothing have no say."""
        terms = [(float(mean), float(weight)) for mean, weight in self._terms]
        total = sum(weight for _, weight in terms)
        require_samples(total)
        return sum(weight * mean for mean, weight in terms if weight) / total
