"""Compile the products of a run that has become long.

Nobody knows beforehand how long a run will be. Once it has taken as long as the
compilation will, compiling costs at most as much again, whatever comes after: the rule
of the ski rental (Karlin et al., "Competitive randomized algorithms", 1990).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from theodolite.products.batch_product import BatchProduct
from theodolite.products.gradient_difference import total_norm

# measured: from 0.1 s for the graph of a small network's gradient to 40 s for a GPT's
_SECONDS, _SECONDS_PER_NODE = 10.0, 0.03
# compiled products that are not that much faster are not worth another rounding
_GAIN = 1.1
_ROUNDS = 3


@dataclass(frozen=True)
class Hastening:
    """What came of compiling.

    Attributes
    ----------
    adopted : bool
        Whether the compiled products took over.
    speedup : float
        Time of a product before by time after; NaN when it failed.
    seconds : float
        What compiling and trying took.
    note : str
        Why it was not adopted.
    """

    adopted: bool
    speedup: float
    seconds: float
    note: str = ""


def is_long(seconds: float, nodes: int, patience: float) -> bool:
    """Whether products have taken longer than compiling them will.

    Parameters
    ----------
    seconds : float
        Spent on products so far.
    nodes : int
        Of the graph of one batch's gradient.
    patience : float
        The least that counts as long, in seconds.
    """
    return seconds > max(patience, 2 * (_SECONDS + _SECONDS_PER_NODE * nodes))


def hastened(
    now: Mapping[int, BatchProduct],
    compile_all: Callable[[], Mapping[int, BatchProduct]],
    leaves: Sequence[Tensor],
) -> tuple[Hastening, Mapping[int, BatchProduct]]:
    """Compile, compare and decide; what is to be used from here on.

    Parameters
    ----------
    now : mapping
        Products of the batches, as they are.
    compile_all : callable
        Makes the compiled ones.
    leaves : sequence of Tensor
        The point.
    """
    began = time.perf_counter()
    try:
        new = compile_all()
        speedup, apart = _compared(now[min(now)], new[min(new)], leaves)
    except Exception as error:
        note = f"not compiled: {type(error).__name__}: {str(error)[:200]}"
        return Hastening(False, float("nan"), time.perf_counter() - began, note), now
    seconds = time.perf_counter() - began
    resolution = max(torch.finfo(leaf.dtype).eps for leaf in leaves)
    if not apart <= 1000 * resolution:
        note = f"compiled products differ by {apart:.0e}"
        return Hastening(False, speedup, seconds, note), now
    if speedup < _GAIN:
        note = f"compiled products are {speedup:.2f} times as fast"
        return Hastening(False, speedup, seconds, note), now
    return Hastening(True, speedup, seconds), new


def _compared(
    old: BatchProduct, new: BatchProduct, leaves: Sequence[Tensor]
) -> tuple[float, float]:
    """How much faster the new one is, and how far it is from the old one."""
    positions = [k for k, leaf in enumerate(leaves) if leaf.requires_grad]
    generator = torch.Generator().manual_seed(0)
    v = [
        torch.randn(leaves[k].shape, generator=generator).to(leaves[k].detach())
        for k in positions
    ]
    results = [_multiplied(one, v, positions) for one in (old, new)]
    size = total_norm(results[0])
    apart = total_norm([a - b for a, b in zip(*results, strict=True)])
    ratios = []
    for _ in range(_ROUNDS):
        before, after = (_seconds(one, v, positions) for one in (old, new))
        ratios.append(before / after)
    return median(ratios), apart / size if size else 0.0


def _multiplied(
    product: BatchProduct, v: Sequence[Tensor], positions: Sequence[int]
) -> list[Tensor]:
    found = product.product(v, positions, positions)
    pairs = zip(found, v, strict=True)
    return [
        torch.zeros_like(one) if result is None else result for result, one in pairs
    ]


def _seconds(
    product: BatchProduct, v: Sequence[Tensor], positions: Sequence[int]
) -> float:
    began = time.perf_counter()
    product.product(v, positions, positions)
    return time.perf_counter() - began
