"""The share of samples that a classifier gets right."""

from typing import Any

from torch import Tensor

from theodolite.batches import Batch
from theodolite.landscape import Landscape


def accuracy(land: Landscape) -> float | None:
    """The share right, where outputs ``(n, classes)`` meet labels ``(n,)``."""
    right, total = 0, 0

    def count(output: Any, batch: Batch) -> None:
        nonlocal right, total
        if _is_classification(output, batch.target):
            right += int((output.argmax(1) == batch.target).sum())
            total += len(batch.target)

    land.each_output(count)
    return right / total if total else None


def _is_classification(output: Any, target: Any) -> bool:
    return (
        isinstance(output, Tensor)
        and isinstance(target, Tensor)
        and output.ndim == 2
        and target.ndim == 1
        and not target.is_floating_point()
        and len(output) == len(target)
    )
