"""The data as a fixed sequence of batches, the same in every pass."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from theodolite.errors import DataError, TheodoliteError
from theodolite.products.memory import is_out_of_memory
from theodolite.stillness import seed_everything


@dataclass(frozen=True)
class Batch:
    """What the model is called with, what its output is compared to, and its number.

    Batches are numbered from 0 in every pass.
    """

    inputs: Any
    target: Any
    number: int = 0
    # what was found of the target once, and holds while it is not written to
    known: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def samples(self) -> int:
        """Rows of the target, or of the inputs where the target has none."""
        for part in (self.target, self.inputs):
            for tensor in tensors_in(part):
                if tensor.ndim > 0:
                    return tensor.shape[0]
        return 1

    @property
    def nbytes(self) -> int:
        """Memory of all tensors in the batch."""
        return sum(
            tensor.numel() * tensor.element_size()
            for part in (self.inputs, self.target)
            for tensor in tensors_in(part)
        )

    def in_type(self, dtype: torch.dtype) -> "Batch":
        """The batch with its floating-point tensors in a type."""

        def converted(tensor: Tensor) -> Tensor:
            return tensor.to(dtype) if tensor.is_floating_point() else tensor

        inputs = mapped(self.inputs, converted)
        same = self.target is self.inputs
        target = inputs if same else mapped(self.target, converted)
        return Batch(inputs, target, self.number)

    @property
    def raw(self) -> Any:
        """What a source would yield for it."""
        same = self.target is self.inputs
        return self.inputs if same else (self.inputs, self.target)

    def to(self, device: torch.device) -> "Batch":
        """The batch with every tensor on a device."""
        inputs, target = moved(self.inputs, device), moved(self.target, device)
        return Batch(inputs, target, self.number)


@final
class Batches:
    """A re-iterable over batches that is the same in every pass.

    Data that fits is collated once and kept, whatever the loader shuffles or
    augments; data that does not is read anew with the random state set to the same
    seed before each pass.

    Parameters
    ----------
    data
        ``(inputs, targets)``; a list of such pairs; a list of dicts; or an iterable
        of them that can be iterated again, like a DataLoader.
    device : torch.device
        Where the batches are used.
    batch_size : int, optional
        Cut ``(inputs, targets)`` into batches of this size.
    keep : int
        Bytes of collated batches that may be kept.
    """

    def __init__(
        self, data: Any, device: torch.device, batch_size: int | None, keep: int
    ) -> None:
        self._source = as_batch_source(data, batch_size)
        self._device, self._keep = device, keep
        self._kept: list[Batch] | None = None
        self._dtype: torch.dtype | None = None
        # as they were here, so that a pass does not depend on what is drawn meanwhile
        self._generators = [(g, g.get_state()) for g in _generators_of(data)]

    def __iter__(self) -> Generator[Batch, None, None]:
        """Yield the batches; the caller holds the random state."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[Batch] | None = []
        total = 0
        for batch in self._read():
            total += batch.nbytes
            kept = None if kept is None or total > self._keep else [*kept, batch]
            yield batch
        self._kept = kept

    def in_type(self, dtype: torch.dtype) -> "Batches":
        """The same data with its floating-point tensors in a type."""
        same = copy(self)
        same._dtype, same._kept = dtype, None
        return same

    def over(self, source: Iterable[Any]) -> "Batches":
        """Raw batches of another source, read in the same way."""
        other = copy(self)
        other._source, other._kept = source, None
        return other

    @property
    def source(self) -> Iterable[Any]:
        """Where raw batches come from."""
        return self._source

    @property
    def kept(self) -> Sequence[Batch] | None:
        """All batches, where they fit and were read once."""
        return self._kept

    def _read(self) -> Iterator[Batch]:
        seed_everything(0)
        states = [
            (generator, generator.get_state()) for generator, _ in self._generators
        ]
        for generator, state in self._generators:
            generator.set_state(state)
        count = 0
        try:
            for raw in self._raw():
                batch = replace(as_batch(raw), number=count).to(self._device)
                yield batch if self._dtype is None else batch.in_type(self._dtype)
                count += 1
        finally:
            for generator, state in states:
                generator.set_state(state)
        if count == 0:
            raise DataError(
                found="The data gave no batch.",
                why="An average over no samples has no value.",
                instead="Check the dataset's length, and drop_last of the DataLoader.",
            )

    def _raw(self) -> Iterator[Any]:
        """The source's batches, its failures wrapped."""
        try:
            yield from self._source
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, TheodoliteError):
                raise
            raise DataError(
                found=f"Reading the data failed: {type(error).__name__}: {error}",
                why="Every pass reads every batch.",
                instead="Iterate over the data yourself: for batch in data: pass",
            ) from error


def as_batch_source(data: Any, batch_size: int | None) -> Iterable[Any]:
    """Whatever the user calls data, as an iterable of raw batches.

    Raises
    ------
    DataError
        For one-shot iterators, bare datasets and everything without batches.
    """
    if isinstance(data, tuple):
        return _one_pair(data, batch_size)
    if batch_size is not None:
        raise DataError(
            found=f"batch_size={batch_size} with data that is in batches already.",
            why="Only a pair (inputs, targets) is cut.",
            instead="Set the size where the batches are made, and leave it out here.",
        )
    if isinstance(data, Mapping):
        return [data]
    if isinstance(data, Iterator):
        raise DataError(
            found=f"A one-shot iterator ({type(data).__name__}).",
            why="Every product needs another pass over the same data.",
            instead="Give list(data), or the DataLoader itself.",
        )
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        raise DataError(
            found=f"A dataset ({type(data).__name__}) of single samples.",
            why="The model is called with batches.",
            instead="Give DataLoader(dataset, batch_size=256).",
        )
    if isinstance(data, (str, bytes, Tensor)) or not isinstance(data, Iterable):
        raise DataError(
            found=f"Data of type {type(data).__name__}.",
            why="A batch needs inputs and targets.",
            instead="Give (inputs, targets), a list of such pairs, or a DataLoader.",
        )
    if isinstance(data, Sequence) and len(data) == 0:
        raise DataError(
            found="An empty list of batches.",
            why="An average over no samples has no value.",
            instead="Give at least one (inputs, targets) pair.",
        )
    return data


def _one_pair(data: tuple[Any, ...], batch_size: int | None) -> Iterable[Any]:
    if len(data) != 2:
        raise DataError(
            found=f"A tuple of {len(data)}.",
            why="A tuple is read as one pair (inputs, targets).",
            instead="Give ((input_1, input_2), targets) for several inputs, "
            "or a list of batches.",
        )
    samples = Batch(*data).samples
    if samples == 0:
        raise DataError(
            found="Inputs with no rows.",
            why="An average over no samples has no value.",
            instead="Give at least one sample.",
        )
    if batch_size is None:
        return [data]
    lengths = {t.shape[0] for t in tensors_in(data) if t.ndim > 0}
    if len(lengths) > 1:
        raise DataError(
            found=f"Tensors of {sorted(lengths)} rows.",
            why="Batches are cut along the first dimension of all of them.",
            instead="Give as many targets as inputs, or cut the batches yourself.",
        )
    if batch_size < 1:
        raise DataError(
            found=f"batch_size={batch_size}.",
            why="A batch holds at least one sample.",
            instead="Give a positive integer, or leave it out.",
        )
    return [
        tuple(rows(part, slice(start, start + batch_size)) for part in data)
        for start in range(0, samples, batch_size)
    ]


def as_batch(raw: Any) -> Batch:
    """One raw batch of a loader: a pair, or a dict given to the model whole."""
    if isinstance(raw, Mapping):
        # models that compute their own loss find their labels inside
        return Batch(raw, raw)
    if isinstance(raw, (tuple, list)) and len(raw) == 2:
        return Batch(raw[0], raw[1])
    size = f" of {len(raw)}" if isinstance(raw, (tuple, list)) else ""
    raise DataError(
        found=f"A batch that is a {type(raw).__name__}{size}.",
        why="A batch is a pair (inputs, targets), or a dict of the model's arguments.",
        instead="Let the loader yield pairs; several inputs go into a tuple: "
        "((input_1, input_2), targets).",
    )


def tensors_in(part: Any) -> Iterator[Tensor]:
    """Every tensor in a nest of tuples, lists and dicts."""
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from tensors_in(value)
    elif isinstance(part, (tuple, list)):
        for value in part:
            yield from tensors_in(value)


def moved(part: Any, device: torch.device) -> Any:
    """The same nest with its tensors on a device."""
    return mapped(part, lambda tensor: tensor.to(device))


def rows(part: Any, chosen: slice) -> Any:
    """The same nest with its tensors cut along the first dimension."""
    return mapped(part, lambda tensor: tensor[chosen])


def mapped(part: Any, change: Any) -> Any:
    """The same nest with a function applied to its tensors."""
    if isinstance(part, Tensor):
        return change(part)
    if isinstance(part, Mapping):
        return {key: mapped(value, change) for key, value in part.items()}
    if isinstance(part, (tuple, list)):
        changed = [mapped(value, change) for value in part]
        return type(part)(*changed) if hasattr(part, "_fields") else type(part)(changed)
    return part


def _generators_of(data: Any) -> list[torch.Generator]:
    """The loader's own generators, which seeding does not reach."""
    batch_sampler = getattr(data, "batch_sampler", None)
    samplers = (getattr(owner, "sampler", None) for owner in (data, batch_sampler))
    found = [
        getattr(owner, "generator", None) for owner in (data, batch_sampler, *samplers)
    ]
    kept = {id(g): g for g in found if isinstance(g, torch.Generator)}
    return list(kept.values())
