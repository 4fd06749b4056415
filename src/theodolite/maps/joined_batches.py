"""Small batches joined into larger ones, where that gives the same averages."""

from collections.abc import Mapping, Sequence
from math import isclose

import torch

from theodolite.batches import Batch
from theodolite.sampling import has_rows, joined

# bytes of data that an operation should be given at least, to be worth its overhead
_BYTES = 2**19
# how far two cuts of one average may differ by rounding
_ROUNDING = {torch.float32: 1e-4, torch.float64: 1e-9}


def in_larger(batches: Sequence[Batch]) -> list[Batch] | None:
    """Neighbouring batches joined while they are small; ``None`` where none can be."""
    groups: list[list[Batch]] = []
    for batch in batches:
        if groups and sum(b.nbytes for b in groups[-1]) + batch.nbytes <= _BYTES:
            groups[-1].append(batch)
        else:
            groups.append([batch])
    if len(groups) == len(batches) or not all(map(has_rows, batches)):
        return None
    found: list[Batch] = []
    for number, group in enumerate(groups):
        whole = joined(group)
        if whole is None:
            return None
        found.append(Batch(whole.inputs, whole.target, number))
    return found


def alike(
    apart: Mapping[str, float], together: Mapping[str, float], dtype: torch.dtype
) -> bool:
    """Whether two cuts of the data gave the same numbers, to rounding.

    A loss that couples the samples of a batch gives others; so does a narrow type,
    whose rounding hides that.
    """
    rounding = _ROUNDING.get(dtype)
    return rounding is not None and all(
        isclose(value, together[name], rel_tol=rounding, abs_tol=rounding**1.5)
        for name, value in apart.items()
    )
