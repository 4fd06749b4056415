"""The loss, and whatever else, at many points: the model is held still once for all."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import Weight, require_samples
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape
from theodolite.maps.around import Around
from theodolite.maps.batch_norm import (
    BatchNorm,
    BatchNormPolicy,
    Frozen,
    policy_for,
)
from theodolite.maps.first_layer import FirstLayers, first_layers
from theodolite.maps.frame import OnFrame
from theodolite.maps.place import Place
from theodolite.maps.points import Listed, Points
from theodolite.maps.quantities import (
    LOSS,
    TEST,
    AtPoint,
    OfOutput,
    Quantity,
    QuantityLike,
    as_quantities,
)
from theodolite.maps.several_points import (
    TOGETHER,
    SeveralPoints,
    pays,
    trial,
)
from theodolite.progress import ProgressLike, as_watcher

# points that share one pass over data that are read anew in each
_TOGETHER = 64

Row = dict[str, float]


def swept(
    land: Landscape,
    places: Iterable[Place],
    *,
    quantities: QuantityLike = (),
    batch_norm: BatchNorm = "frozen",
    progress: ProgressLike = False,
) -> dict[str, Float[Tensor, " m"]]:
    """The loss and other quantities at some places.

    Returns
    -------
    dict
        ``"loss"``, the quantities by name, and each once more with ``"test "`` in front
        where the landscape has test data: float64 ``(m,)``, NaN and infinity included.
    """
    points, watcher = Listed(list(places)), as_watcher(progress)
    chosen, rows = as_quantities(quantities), []
    began = time.perf_counter()
    try:
        with touring(land, points, of_outputs(chosen), batch_norm) as tour:
            for _, row in tour.rows(range(len(points))):
                rows.append(row)
                left = (len(points) - len(rows)) / len(rows)
                left *= time.perf_counter() - began
                watcher.update("points", len(rows) / len(points), left)
    finally:
        watcher.close()
    found = {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64)
        for name in (rows[0] if rows else ())
    }
    around = {name: q for name, q in chosen.items() if isinstance(q, AtPoint)}
    for front, one in (("", land), (TEST, land.test)) if around else ():
        if one is not None:
            place = Around(one, batch_norm, land)
            for name, quantity in around.items():
                values = [place.value(quantity, points, n) for n in range(len(points))]
                found[front + name] = torch.tensor(values, dtype=torch.float64)
    return found


def of_outputs(chosen: Mapping[str, Quantity]) -> dict[str, OfOutput]:
    """The quantities that one forward pass gives all of."""
    return {name: q for name, q in chosen.items() if isinstance(q, OfOutput)}


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
            tour.first = stack.enter_context(
                first_layers(
                    land.model,
                    leaves,
                    points,
                    land.parameters.split,
                    tour.evaluate_once,
                    land.memory // 4,
                )
            )
        yield tour


@final
class _Vessel:
    """The tensors in the place of the model's parameters, and what fills them."""

    def __init__(self, land: Landscape, flat: Tensor, leaves: Sequence[Tensor]) -> None:
        self.flat, self.leaves = flat, leaves
        self._parameters = land.parameters
        self._memory = flat.untyped_storage().data_ptr()

    def fill(self) -> None:
        """Let the leaves be what the flat vector is."""
        # a forward pass may have put other memory into a leaf: weight.data = ...
        if not all(map(self._shows, self.leaves)):
            fresh = self._parameters.split(self.flat)
            for leaf, new in zip(self.leaves, fresh, strict=True):
                leaf.copy_(new)

    def _shows(self, leaf: Tensor) -> bool:
        """Whether a leaf is a piece of the flat vector itself."""
        return leaf.untyped_storage().data_ptr() == self._memory


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
        self._visited = False
        self.first: FirstLayers | None = None
        self._several: SeveralPoints | None = None

    @property
    def together(self) -> int:
        """Points that should share one pass over the data."""
        kept = all(land.batches.kept is not None for land, _ in self._lands)
        if self._several is not None:
            return TOGETHER
        # before the first point it is not known whether the data will be kept
        visited = self._visited or self._here is not None
        alone = kept or self._policy.alone or not visited
        return 1 if alone else _TOGETHER

    def forget(self) -> None:
        """The points are others now, under the same numbers."""
        self._visited, self._here = self._visited or self._here is not None, None

    def rows(self, numbers: Iterable[int]) -> Iterator[tuple[int, Row]]:
        """Each point's number and its row, as soon as it is measured, in order."""
        order = list(numbers)
        while order:
            together = self.together
            chunk, order = order[:together], order[together:]
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
            with closing(iter(land.batches)) as batches:
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
        several = SeveralPoints(self._lands, self._quantities)
        chunk = range(len(self._points))
        good, why = trial(
            several, self._stacked(chunk), lambda: self._measured(chunk[:1])[chunk[0]]
        )
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

    @contextmanager
    def _reusing(self, number: int, batch: object) -> Iterator[None]:
        """Let kept products of the first layer stand in, where data are kept."""
        if self.first is None or not isinstance(self._points, OnFrame):
            yield
            return
        kept = self.together == 1 and self._visited
        amounts = self._points.coordinates[number]
        self.first.at = (batch, amounts) if kept else None
        try:
            yield
        finally:
            self.first.at = None

    def _go_to(self, number: int) -> None:
        if number != self._here:
            self._points.write(number, self._vessel.flat)
            self._vessel.fill()
            if self.first is not None:
                self.first.arrived()
            self._here = number
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
