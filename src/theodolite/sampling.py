"""Random parts of the data, and the data cut into random groups."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

from theodolite.batches import Batch, Batches, as_batch, mapped, tensors_in
from theodolite.seeding import generator


def chosen_samples(
    batches: Batches, sizes: Sequence[int], n: int, seed: int
) -> Batches:
    """Some samples without replacement, or whole batches where nothing else can be."""
    kept = batches.kept
    if kept is not None and all(map(has_rows, kept)):
        places = _drawn(sum(sizes), n, seed)
        return batches.over([batch.raw for batch in _parts(kept, places)])
    loader = None if kept is not None else _visiting_each_once(batches.source)
    if loader is not None:
        # in random order, so that its batches are random samples as well
        samples = len(loader.dataset)  # pyright: ignore[reportArgumentType]
        places = _drawn(samples, n, seed, ordered=False)
        return batches.over(_loader_over(loader, places.tolist()))
    return batches.over(WholeBatches(batches.source, _enough(sizes, n, seed)))


def cut_anew(
    batches: Batches, sizes: Sequence[int], pieces: int, seed: int
) -> Batches | None:
    """The same samples in another, random order, in that many batches or so.

    Batches that are not kept, or cannot be joined, are cut each by itself. ``None``
    where rows cannot be told apart, or there are batches enough that cannot be joined.
    """
    kept = batches.kept
    if kept is not None and not all(map(has_rows, kept)):
        return None
    whole = None if kept is None else joined(kept)
    if whole is not None:
        return batches.over([part.raw for part in _dealt(whole, pieces, seed)])
    each = -(-pieces // len(sizes))
    return None if each < 2 else batches.over(CutBatches(batches.source, each, seed))


def _dealt(batch: Batch, pieces: int, seed: int) -> Iterator[Batch]:
    """A batch's samples in random order and several pieces."""
    order = _drawn(batch.samples, batch.samples, seed, ordered=False)
    for places in order.tensor_split(min(pieces, batch.samples)):
        yield _rows_of(batch, places)


def has_rows(batch: Batch) -> bool:
    """Whether every tensor of a batch has one row a sample."""
    tensors = [t for part in (batch.inputs, batch.target) for t in tensors_in(part)]
    rows = {tensor.shape[0] for tensor in tensors if tensor.ndim}
    return bool(rows) and rows == {batch.samples}


@final
class WholeBatches:
    """Some batches of a source by their numbers; all of them are read.

    Parameters
    ----------
    source : iterable
        Of raw batches.
    numbers : set of int
        Which are handed on.
    """

    def __init__(self, source: Iterable[Any], numbers: set[int]) -> None:
        self._source, self._numbers = source, numbers

    def __iter__(self) -> Iterator[Any]:
        for number, raw in enumerate(self._source):
            if number in self._numbers:
                yield raw


@final
class CutBatches:
    """Every batch of a source in several pieces, each a random part of it.

    Parameters
    ----------
    source : iterable
        Of raw batches.
    each : int
        Pieces of a batch.
    seed : int
        Of which sample is where.
    """

    def __init__(self, source: Iterable[Any], each: int, seed: int) -> None:
        self._source, self._each, self._seed = source, each, seed

    def __iter__(self) -> Iterator[Any]:
        for number, raw in enumerate(self._source):
            batch = as_batch(raw)
            if has_rows(batch):
                for part in _dealt(batch, self._each, self._seed + number):
                    yield part.raw
            else:
                yield raw


def _drawn(count: int, n: int, seed: int, *, ordered: bool = True) -> Tensor:
    """``n`` of ``count`` places; more of the same seed hold fewer."""
    source = generator(seed)
    places = torch.randperm(count, generator=source)[:n]
    return places.sort().values if ordered else places


def _enough(sizes: Sequence[int], n: int, seed: int) -> set[int]:
    """Batches in random order, until they have so many samples."""
    found: set[int] = set()
    samples = 0
    for number in _drawn(len(sizes), len(sizes), seed, ordered=False).tolist():
        if samples >= n:
            break
        found.add(number)
        samples += sizes[number]
    return found


def _parts(batches: Sequence[Batch], places: Tensor) -> Iterator[Batch]:
    """Each batch's share of places among all samples; none where that is empty."""
    start = 0
    for batch in batches:
        stop = start + batch.samples
        inside = places[(places >= start) & (places < stop)] - start
        if len(inside):
            yield _rows_of(batch, inside)
        start = stop


def _rows_of(batch: Batch, places: Tensor) -> Batch:
    def change(tensor: Tensor) -> Tensor:
        return tensor[places.to(tensor.device)] if tensor.ndim else tensor

    inputs = mapped(batch.inputs, change)
    same = batch.target is batch.inputs
    return Batch(inputs, inputs if same else mapped(batch.target, change))


def joined(batches: Sequence[Batch]) -> Batch | None:
    """All batches as one, where their rows have one shape and the rest is equal."""
    if len(batches) == 1:
        return batches[0]
    inputs = _together([batch.inputs for batch in batches])
    if all(batch.target is batch.inputs for batch in batches):
        target = inputs
    else:
        target = _together([batch.target for batch in batches])
    return None if inputs is _APART or target is _APART else Batch(inputs, target)


_APART = object()


def _together(parts: Sequence[Any]) -> Any:
    """Nests of the same form as one, tensors joined row by row."""
    first = parts[0]
    if any(type(part) is not type(first) for part in parts):
        return _APART
    if isinstance(first, Tensor):
        if any(not part.ndim or part.shape[1:] != first.shape[1:] for part in parts):
            return _APART
        return torch.cat(list(parts))
    if isinstance(first, Mapping):
        if any(part.keys() != first.keys() for part in parts):
            return _APART
        found = {key: _together([part[key] for part in parts]) for key in first}
        return _APART if any(v is _APART for v in found.values()) else found
    if isinstance(first, (tuple, list)):
        if any(len(part) != len(first) for part in parts):
            return _APART
        joined = [_together(column) for column in zip(*parts, strict=True)]
        if any(part is _APART for part in joined):
            return _APART
        named = hasattr(first, "_fields")
        return type(first)(*joined) if named else type(first)(joined)
    return first if all(part == first for part in parts) else _APART


def _visiting_each_once(source: Any) -> DataLoader[Any] | None:
    """A loader that takes every sample of its dataset once in a pass, if it is one."""
    if not isinstance(source, DataLoader) or source.batch_size is None:
        return None
    if isinstance(source.dataset, IterableDataset):
        return None
    sampler: Any = source.sampler
    if isinstance(sampler, RandomSampler):
        once = sampler.num_samples == len(sampler.data_source)
        return source if once and not sampler.replacement else None
    return source if isinstance(sampler, SequentialSampler) else None


def _loader_over(loader: DataLoader[Any], places: list[int]) -> DataLoader[Any]:
    """A loader like another over some samples of its dataset, in order."""
    return DataLoader(
        Subset(loader.dataset, places),
        batch_size=loader.batch_size,
        collate_fn=loader.collate_fn,
        num_workers=loader.num_workers,
        worker_init_fn=loader.worker_init_fn,
    )
