"""Basins and disconnectivity graphs as pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from theodolite.errors import ArgumentError
from theodolite.maps.figures import drawing
from theodolite.maps.topology.disconnectivity import DisconnectivityGraph
from theodolite.maps.topology.merge_tree import MergeTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# told apart by eye, with and without full colour vision; used again after these
_BASINS = ("#88ccee", "#ddcc77", "#cc6677", "#44aa99", "#aa4499", "#999933", "#6699cc")
_LINES = 20
# more minima than these are not numbered
_NUMBERED = 30


def draw_basins(tree: MergeTree, path: Path) -> Path:
    """A contour map coloured by basin, with minima (dots) and passes (crosses).

    Raises
    ------
    ArgumentError
        When the tree is that of a graph, which has no map.
    """
    if tree.values.ndim != 2:
        raise ArgumentError(
            found="The merge tree of a graph.",
            why="Its vertices lie on no map.",
            instead="Draw td.maps.disconnectivity_graph(tree).figure(path).",
        )
    with drawing(path, (6.4, 5.2)) as figure:
        axes = figure.add_subplot()
        x, y = _coordinates(tree)
        _coloured(axes, tree, x, y)
        _marked(axes, tree)
        masked = f", {tree.masked} points left out" if tree.masked else ""
        axes.set_title(f"{len(tree.minima)} basins{masked}", fontsize=9)
    return path


def _coordinates(tree: MergeTree) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = tree.values.shape
    x = torch.arange(rows).double() if tree.x is None else tree.x
    y = torch.arange(columns).double() if tree.y is None else tree.y
    return x.numpy(), y.numpy()


def _coloured(axes: "Axes", tree: MergeTree, x: np.ndarray, y: np.ndarray) -> None:
    from matplotlib.colors import ListedColormap

    basins = np.ma.masked_less(tree.basins.numpy().T, 0) % len(_BASINS)
    colours = ListedColormap(_BASINS)
    axes.pcolormesh(
        x, y, basins, cmap=colours, vmin=-0.5, vmax=len(_BASINS) - 0.5, alpha=0.7
    )
    values = np.ma.masked_invalid(tree.values.numpy().T)
    if values.count() and values.max() > values.min():
        # lines by rank: as many in the valleys as on the walls
        levels = np.unique(np.quantile(values.compressed(), np.linspace(0, 1, _LINES)))
        if len(levels) > 1:
            axes.contour(x, y, values, levels, colors="k", linewidths=0.4, alpha=0.6)


def _marked(axes: "Axes", tree: MergeTree) -> None:
    """Minima with their numbers, hollow on the border; passes as crosses."""
    for number, minimum in enumerate(tree.minima):
        place = minimum.coordinates or (
            float(minimum.index[0]),
            float(minimum.index[1]),
        )
        hollow = "none" if minimum.on_border else "k"
        axes.plot(*place, "o", color="k", markerfacecolor=hollow, markersize=5)
        if len(tree.minima) <= _NUMBERED:
            axes.annotate(
                str(number),
                place,
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
            )
    for saddle in tree.saddles:
        place = saddle.coordinates or (float(saddle.index[0]), float(saddle.index[1]))
        axes.plot(*place, "x", color="k", markersize=5)


def draw_graph(graph: DisconnectivityGraph, path: Path) -> Path:
    """The disconnectivity graph: energy upwards, minima at the ends of the branches."""
    with drawing(path, (6.4, 5.2)) as figure:
        axes = figure.add_subplot()
        for piece in graph.lines().numpy():
            axes.plot(piece[:, 0], piece[:, 1], color="k", linewidth=1)
        style: dict[str, Any] = {"color": "k", "markersize": 4}
        axes.plot(graph.x.numpy(), graph.energies.numpy(), "o", **style)
        if len(graph.labels) <= _NUMBERED:
            for label, x, energy in zip(
                graph.labels, graph.x.tolist(), graph.energies.tolist(), strict=True
            ):
                axes.annotate(
                    label,
                    (x, energy),
                    xytext=(0, -11),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
        axes.set_ylabel("energy")
        axes.set_xticks([])
        axes.margins(0.08, 0.1)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
    return path
