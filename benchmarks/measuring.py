"""All that is measured on one network, as rows of numbers."""

from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any

import torch
from peak_memory import KINDS, peak
from peers import Peer, Verdict, judged
from timing import UNIT, Call, Spread, Times, interleaved, ratio, seconds, wall_clock
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import theodolite as td
from networks import BATCHES, LOSS, Network, Pair, gradient, network

TOGETHER = 8
# rounds over eight batches for each round over one
_EVERY = 3
_WAYS = {"kept": "retained-graph", "traced": "traced", "compiled": "compiled"}
_BLOCKS = ("mlp", "small")

Cell = dict[str, Any]
Cells = dict[str, Cell]


def measured(
    name: str, rounds: int, peers: list[Peer], folder: str | None = None
) -> Cells:
    """Row name to what stands in it, for one network; peers lie in a folder."""
    case = network(name)
    cells = _one_batch(name, case, rounds, peers)
    cells |= _eight_batches(case, max(3, rounds // _EVERY), peers)
    cells["flops"] = {"number": _arithmetic(case)}
    for kind in KINDS:
        cells[f"peak {kind}"] = {"number": peak(name, kind)}
    for peer in peers:
        cells[f"peak {peer.name}"] = {"number": peak(name, peer.name, folder)}
    cells["parameters"] = {"number": case.size}
    return cells


def _one_batch(name: str, case: Network, rounds: int, peers: list[Peer]) -> Cells:
    vector, calls = _vector(case), _calls(case)
    first = {key: wall_clock(calls[key][0]) for key in _WAYS}
    if name not in _BLOCKS:
        del calls["block"]
    verdicts = judged(peers, case.model, case.batches[:1])
    once = {key: call for key, (call, _) in calls.items()}
    times = interleaved(once | _peer_calls(verdicts, vector), rounds)
    cells = _cells(times, {key: parts for key, (_, parts) in calls.items()})
    cells |= _against(times, verdicts, ["kept", "compiled"])
    cells["rounds"] = {"number": len(times[UNIT])}
    unit = median(times["kept"])
    cells["set-up"] = {"number": _set_up(case, vector) / unit}
    for key, took in first.items():
        cells[f"first {key}"] = {"number": took / unit, "seconds": took}
    return cells


def _set_up(case: Network, vector: Tensor) -> float:
    """Seconds from a landscape to its first product, everything imported."""

    def start() -> None:
        _ = td.Landscape(case.model, LOSS, case.batches[0]).hessian() @ vector

    return median(seconds(start) for _ in range(3))


def _calls(case: Network) -> dict[str, tuple[Call, int]]:
    """What is timed on one batch, and how many products it makes."""
    land, vector = td.Landscape(case.model, LOSS, case.batches[0]), _vector(case)
    operators = {key: land.hessian(products=way) for key, way in _WAYS.items()}
    operators["difference"] = land.hessian(products="gradient-difference")
    operators["gauss-newton"] = land.gauss_newton(products="retained-graph")
    operators["gauss-newton traced"] = land.gauss_newton(products="traced")
    calls: dict[str, tuple[Call, int]] = {
        UNIT: (partial(gradient, case.model, case.batches[:1]), 1)
    }
    for key, operator in operators.items():
        calls[key] = partial(_product, operator, vector), 1
    block = torch.randn(len(vector), TOGETHER)
    calls["block"] = partial(_product, operators["compiled"], block), TOGETHER
    return calls


def _eight_batches(case: Network, rounds: int, peers: list[Peer]) -> Cells:
    vector = _vector(case)
    kept = td.Landscape(case.model, LOSS, case.batches).hessian(
        products="retained-graph"
    )
    streamed = td.Landscape(case.model, LOSS, case.batches, memory=0).hessian()
    calls: dict[str, Call] = {
        UNIT: partial(gradient, case.model, case.batches),
        "kept": partial(_product, kept, vector),
        "streamed": partial(_product, streamed, vector),
    }
    verdicts = judged(peers, case.model, case.batches)
    times = interleaved(calls | _peer_calls(verdicts, vector), rounds)
    _require_kept(kept.store.kept, streamed.store.streamed)
    cells = _cells(times, {}) | _against(times, verdicts, ["kept", "streamed"])
    cells["rounds"] = {"number": len(times[UNIT])}
    return {f"eight {key}": cell for key, cell in cells.items()}


def _require_kept(kept: int, streamed: int) -> None:
    if (kept, streamed) != (BATCHES, BATCHES):
        message = f"{kept} batches were kept and {streamed} streamed, not {BATCHES}"
        raise RuntimeError(message)


def _vector(case: Network) -> Tensor:
    return torch.randn(case.size, generator=torch.Generator().manual_seed(1))


def _product(matrix: Any, block: Tensor) -> Tensor:
    return matrix @ block


def _peer_calls(verdicts: Mapping[str, Verdict], vector: Tensor) -> dict[str, Call]:
    return {
        name: partial(verdict.product, vector)
        for name, verdict in verdicts.items()
        if verdict.product is not None
    }


def _cells(times: Times, parts: Mapping[str, int]) -> Cells:
    """Every call by the gradient."""
    return {
        key: _cell(ratio(times, key, parts=parts.get(key, 1)))
        for key in times
        if key != UNIT
    }


def _cell(spread: Spread, note: str = "") -> Cell:
    return {"spread": spread.to_dict(), "note": note}


def _against(times: Times, verdicts: Mapping[str, Verdict], ours: list[str]) -> Cells:
    """Every peer by the gradient and by ours, with what was found of it."""
    cells: Cells = {}
    for name, verdict in verdicts.items():
        cells[name] = {"note": verdict.note, "right": verdict.right}
        if name in times:
            cells[name] |= _cell(ratio(times, name), verdict.note)
            cells |= {
                f"{name} by {our}": _cell(ratio(times, name, our)) for our in ours
            }
    return cells


def _arithmetic(case: Network) -> float:
    """Operations of a product on a kept graph by those of a gradient.

    Attention is counted outside its fused operation, which torch does not count.
    """
    batch: Pair = case.batches[0]
    kept = td.Landscape(case.model, LOSS, batch).hessian(products="retained-graph")
    vector = _vector(case)
    _ = kept @ vector
    with sdpa_kernel(SDPBackend.MATH):
        product = _flops(lambda: kept @ vector)
        return product / _flops(lambda: gradient(case.model, [batch]))


def _flops(call: Call) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()
