"""Merge trees: seconds, minima found, and a peer's on a grid that it can do."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from statistics import median
from typing import Any

import numpy as np
import torch
from maps_beds import Surface
from spectra_tables import Table
from timing import seconds

import theodolite as td

SIDE, PEERS_SIDE = 401, 41
_AIM = 2.0


def _himmelblau(x: Surface, y: Surface) -> Surface:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _rastrigin(x: Surface, y: Surface) -> Surface:
    waves = np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)
    return 20 + x**2 + y**2 - 10 * waves


def _noise(x: Surface, y: Surface) -> Surface:
    del y
    return np.random.default_rng(0).standard_normal(x.shape)


_FIELDS: dict[str, tuple[Callable[[Surface, Surface], Surface], float, str]] = {
    "Himmelblau's function on [−5, 5]²": (_himmelblau, 5.0, "4"),
    "Rastrigin's function on [−4.5, 4.5]²": (_rastrigin, 4.5, "81"),
    "white noise": (_noise, 1.0, ""),
}


def basins(rounds: int) -> list[Table]:
    """Ours at 401 × 401, and both at 41 × 41."""
    rows = []
    for name, (function, reach, known) in _FIELDS.items():
        field = _field(function, reach, SIDE)
        tree = td.merge_tree(field)
        took = median(seconds(lambda f=field: td.merge_tree(f)) for _ in range(rounds))
        rows.append(
            (
                f"{name}, {SIDE} × {SIDE}",
                f"{took:.2f} s",
                f"≤ {_AIM:g} s{' ✓' if took <= _AIM else ''}",
                str(_inside(tree)),
                known,
            )
        )
    return [
        Table(
            "Merge trees",
            "CPU seconds for the tree of a field that is there, without the "
            "evaluations. Minima are counted that do not lie on the border.",
            ("", "seconds", "aim", "minima", "known"),
            [*rows, *_beside(rounds)],
        )
    ]


def _beside(rounds: int) -> list[tuple[str, ...]]:
    """Himmelblau's function on a grid on which the peer ends in a minute."""
    field = _field(_himmelblau, 5.0, PEERS_SIDE)
    took = median(seconds(lambda: td.merge_tree(field)) for _ in range(rounds))
    title = f"Himmelblau's function, {PEERS_SIDE} × {PEERS_SIDE}"
    minima = str(_inside(td.merge_tree(field)))
    rows = [(title, f"{took:.3f} s", "", minima, "4")]
    if find_spec("landscaper"):
        library: Any = import_module("landscaper")
        axis = np.linspace(-5, 5, PEERS_SIDE)
        landscape = library.LossLandscape(field.numpy(), [axis, axis])
        theirs = seconds(landscape.get_sublevel_tree)
        leaves = _leaves(landscape.get_sublevel_tree())
        name = f"{title}, landscaper: {theirs / took:,.0f} times ours"
        rows.append((name, f"{theirs:.1f} s", "", str(leaves), "4"))
    return rows


def _field(
    function: Callable[[Surface, Surface], Surface], reach: float, side: int
) -> torch.Tensor:
    axis = np.linspace(-reach, reach, side)
    return torch.from_numpy(function(*np.meshgrid(axis, axis, indexing="ij")))


def _inside(tree: td.MergeTree) -> int:
    return sum(not minimum.on_border for minimum in tree.minima)


def _leaves(tree: Any) -> int:
    """Nodes that nothing leads to."""
    return len(set(tree.nodes) - {upper for _, upper in tree.edges})
