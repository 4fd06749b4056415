"""Measured rows as a page to read."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from measuring import Cell, Cells
from peers import INSTALL, PEERS, Peer
from timing import Spread

import theodolite as td
from networks import heading

Row = tuple[str, str, str]

# key, heading, the most gradients it should cost
_OURS: list[tuple[str, str, dict[str, float]]] = [
    ("kept", "graph kept", {"mlp": 1.7, "resnet": 2.3, "gpt": 2.4, "small": 1.4}),
    ("traced", "traced", {}),
    ("compiled", "compiled", {"mlp": 1.4, "resnet": 1.7, "gpt": 1.7}),
    ("block", "compiled, blocks of 8, per vector", {"small": 0.6}),
    ("difference", "gradient difference", {}),
    ("gauss-newton", "Gauss–Newton, kept", {"mlp": 1.5, "resnet": 1.8, "gpt": 1.8}),
    ("gauss-newton traced", "Gauss–Newton, traced", {}),
    ("eight kept", "eight batches, all kept", {}),
    (
        "eight streamed",
        "eight batches, nothing kept",
        {"mlp": 2.7, "resnet": 4.0, "gpt": 3.5},
    ),
]
_FASTER = {"mlp": 1.6, "resnet": 1.6, "gpt": 1.5}
_FASTER_COMPILED = dict.fromkeys(_FASTER, 2.2)
# row of ours, peers' rows to compare it with, heading, how much faster it should be
_COMPARISONS: list[tuple[str, str, str, dict[str, float]]] = [
    ("kept", "", "graph kept", _FASTER),
    ("compiled", "", "compiled", _FASTER_COMPILED),
    ("kept", "eight ", "eight batches kept", {}),
    ("streamed", "eight ", "eight batches streamed", {}),
]


def about(rounds: int) -> str:
    """What was measured, where and how."""
    return (
        "CPU time of one product by that of one gradient of the same batch (forward, "
        "loss, `torch.autograd.grad`; of the same eight batches where it says eight): "
        f"medians of {rounds} interleaved ratios (a third as many for eight batches; "
        "fewer where that takes minutes), one thread, quartiles in brackets, by\n\n"
        "    python benchmarks/products.py --peers peers --write\n\n"
        f"on {processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.machine()}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, theodolite {td.__version__}. *Aim* is what a "
        "row should reach; ✓ where its median does. *Set-up* is all "
        "from a landscape to its first product, with the choice and the check, once "
        "everything is imported; the first products of a process are on the clock, "
        "with torch's imports and an empty cache. Operations are "
        "counted by `FlopCounterMode`; memory is the process's largest resident set "
        "(`VmHWM`) less what was resident before, in a process each."
    )


def processor() -> str:
    """The model that Linux names, or the architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def peers_line(peers: Sequence[Peer]) -> str:
    """Which peers were there, and how to have them."""
    return (
        f"Peers: {versions_of(peers)}, each with its own best settings, checked "
        "in float64 against our product on one and on two batches, and installed "
        f"beside this project by\n\n    {INSTALL}\n\n"
        "*Faster than the fastest peer* takes the fastest one that is right. "
        "PyHessian, which keeps the graph of a single batch and of no more, has a "
        "row of its own there."
    )


def versions_of(peers: Sequence[Peer]) -> str:
    """Their names with versions, in one line."""
    return ", ".join(f"{peer.name} {peer.version}" for peer in peers)


def install_hint() -> str:
    """What to do where no peer is installed."""
    return f"Peers are not installed; to compare with them:\n\n    {INSTALL}"


def table(name: str, cells: Cells, peers: Sequence[str]) -> str:
    """All rows of one network."""
    size = cells["parameters"]["number"]
    head = [f"| {size:,} parameters | gradients | aim |", "|---|---:|---:|"]
    ours = [row for row in _ours(name, cells) if row[1]]
    second = ["", "| beside peers | | aim |", "|---|---:|---:|"]
    lines = [*head, *map(_line, [*ours, *_costs(cells, peers)])]
    return "\n".join([*lines, *second, *map(_line, _beside(name, cells, peers))])


def shown(name: str, cells: Cells, peers: Sequence[str]) -> str:
    """The same for a terminal."""
    return f"\n{heading(name)}\n\n{table(name, cells, peers)}"


def _line(row: Row) -> str:
    return f"| {' | '.join(row)} |"


def _ours(name: str, cells: Cells) -> list[Row]:
    return [
        (title, _text(cells[key]), _at_most(_middle(cells[key]), aims.get(name)))
        for key, title, aims in _OURS
        if key in cells
    ]


def _costs(cells: Cells, peers: Sequence[str]) -> list[Row]:
    """Set-up, arithmetic and memory."""
    start = cells["set-up"]["number"]
    text = f"{start:.1f} products"
    rows: list[Row] = [("set-up, the first product with it", text, _at_most(start, 10))]
    for key in ("kept", "traced", "compiled"):
        cell = cells[f"first {key}"]
        text = f"{cell['number']:,.0f} products, {cell['seconds']:.1f} s"
        rows.append((f"first product, {key}", text, ""))
    kept, plain = (cells[f"peak {key}"]["number"] for key in ("kept", "gradient"))
    return [
        *rows,
        ("ratios measured, one batch and eight", _rounds(cells), ""),
        ("operations, graph kept", f"{cells['flops']['number']:.2f}", ""),
        ("peak memory, graph kept", f"{kept:.0f} MiB; a gradient {plain:.0f}", ""),
        *(
            (f"peak memory, {peer}", f"{cells[f'peak {peer}']['number']:.0f} MiB", "")
            for peer in peers
        ),
    ]


def _rounds(cells: Cells) -> str:
    return " and ".join(str(cells[key]["number"]) for key in ("rounds", "eight rounds"))


def _beside(name: str, cells: Cells, peers: Sequence[str]) -> list[Row]:
    if not peers:
        return [("peers", "not installed", "")]
    rows: list[Row] = []
    for before, batches in (("", "one batch"), ("eight ", "eight batches")):
        rows += [
            (f"{peer}, {batches}, in gradients", _text(cells[before + peer]), "")
            for peer in peers
        ]
    for comparison in _COMPARISONS:
        rows += _compared(name, cells, peers, comparison)
    return rows


def _compared(
    name: str,
    cells: Cells,
    peers: Sequence[str],
    comparison: tuple[str, str, str, dict[str, float]],
) -> list[Row]:
    """The fastest right peer by ours, and those apart that keep a graph."""
    ours, before, title, aims = comparison
    apart = {peer.name for peer in PEERS if peer.keeps} if not before else set()
    found = {
        peer: cells[f"{before}{peer} by {ours}"]
        for peer in peers
        if cells[before + peer]["right"]
    }
    fair = [peer for peer in found if peer not in apart]
    rows: list[Row] = []
    if fair:
        best = min(fair, key=lambda peer: _middle(found[peer]))
        aim = _at_least(_middle(found[best]), aims.get(name))
        heading = f"faster than the fastest peer ({best}), {title}"
        rows.append((heading, _text(found[best]), aim))
    rows += [
        (f"faster than {peer}, {title}", _text(found[peer]), "")
        for peer in found
        if peer in apart
    ]
    return rows


def _middle(cell: Cell) -> float:
    return cell["spread"]["middle"]


def _text(cell: Cell) -> str:
    spread = str(Spread(**cell["spread"])) if "spread" in cell else ""
    return "; ".join(part for part in (spread, cell.get("note", "")) if part)


def _at_most(value: float, aim: float | None) -> str:
    return "" if aim is None else f"≤ {aim}{_mark(value <= aim)}"


def _at_least(value: float, aim: float | None) -> str:
    return "" if aim is None else f"≥ {aim}{_mark(value >= aim)}"


def _mark(met: bool) -> str:
    return " ✓" if met else ""
