"""Maps as PNG, PDF or SVG, through matplotlib."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from theodolite.errors import ArgumentError, MissingPackageError
from theodolite.maps.field import Field
from theodolite.maps.frame import Direction
from theodolite.maps.measured_line import Line
from theodolite.maps.measured_plane import Plane
from theodolite.maps.quantities import TEST
from theodolite.maps.track import Track
from theodolite.storage.files import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# from where on a logarithm shows more than the number itself
_DECADES = 100.0
_LEVELS = 25
_COLOURS = "viridis"
# runs beside each other, told apart also without colours
_RUNS = (
    ("#d55e00", "o"),
    ("#0072b2", "s"),
    ("#cc79a7", "^"),
    ("#009e73", "D"),
    ("#e69f00", "v"),
)
# letters that fit beside an axis
_WIDE = 76
# checkpoints that are labelled, and not joined by a line
_FEW = 5
# a distance off the plane that rounding explains, by the length of its axes
_ON_THE_PLANE = 1e-4
_FORMATS = (".png", ".pdf", ".svg")


@contextmanager
def drawing(path: Path, size: tuple[float, float]) -> Iterator["Figure"]:
    """A figure that is written when everything is on it.

    Without pyplot: no window, no state of matplotlib's own is touched.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    ArgumentError
        When the ending names no format.
    RunFolderError
        When the file cannot be written.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            found="matplotlib is not installed.",
            why="It draws the pictures.",
            instead="pip install 'theodolite[figures]'",
        ) from error
    if path.suffix.lower() not in _FORMATS:
        raise ArgumentError(
            found=f"A picture called {path.name!r}.",
            why=f"Its ending says the format: {', '.join(_FORMATS)}.",
            instead=f"Call it {path.stem}.png.",
        )
    figure = Figure(figsize=size, layout="constrained")
    yield figure
    # otherwise the identifiers in an SVG are drawn at random
    with wrapped(path), rc_context({"svg.hashsalt": "theodolite"}):
        figure.savefig(path, dpi=150, metadata=_without_date(path))


def _without_date(path: Path) -> dict[str, Any]:
    """The same picture is the same file."""
    names = {".svg": "Date", ".pdf": "CreationDate"}
    name = names.get(path.suffix.lower())
    return {} if name is None else {name: None}


def draw_plane(plane: Plane, path: Path, quantity: str, *, log: bool | None) -> Path:
    """Contours of a quantity, with the checkpoints, their distances and true losses."""
    unit = max(axis.length for axis in plane.axes)
    away = any(_farthest(track) > _ON_THE_PLANE * unit for track in plane.tracks)
    with drawing(path, (10.5 if away else 6.4, 5.2)) as figure:
        grid = figure.add_gridspec(
            2, 2 if away else 1, width_ratios=[1.6, 1][: 1 + away]
        )
        map_axes = figure.add_subplot(grid[:, 0])
        contours(map_axes, plane, plane[quantity], log=log)
        for number, track in enumerate(plane.tracks):
            _footprints(map_axes, track, number, fading=away)
        if away or any(len(track) > _FEW for track in plane.tracks):
            map_axes.legend(fontsize=8, loc="best")
        if away:
            losses = figure.add_subplot(grid[0, 1])
            _hidden(losses, figure.add_subplot(grid[1, 1], sharex=losses), plane)
    return path


def _farthest(track: Track) -> float:
    return float(track.distance.max()) if len(track) else 0.0


def contours(axes: "Axes", plane: Plane, field: Field, *, log: bool | None) -> None:
    """A contour map whose axes say what they are; what is no number is hatched."""
    x, y = (field.coordinates(axis).numpy() for axis in (plane.x, plane.y))
    axes.set_facecolor("none")
    # below the colours: a cell with one bad corner is hatched as a whole
    _hatched(axes, x, y, field)
    logarithmic = _logarithmic(field, log)
    levels = _levels(field, logarithmic)
    if levels is not None and min(field.values.shape) > 1:
        filled = _coloured(axes, x, y, field, levels, logarithmic=logarithmic)
        bar = _figure_of(axes).colorbar(
            filled, ax=axes, ticks=levels[:: _LEVELS // 6], format="%.3g"
        )
        bar.set_label(_named(field))
    axes.plot([0], [0], "+", color="w", markersize=11, markeredgewidth=2.5)
    axes.plot([0], [0], "+", color="k", markersize=10, markeredgewidth=1)
    first, second = plane.axes
    axes.set_xlabel(_axis_label(first, plane.scale), fontsize=8)
    axes.set_ylabel(_axis_label(second, plane.scale), fontsize=8)
    axes.set_title(_title(plane, field), fontsize=9)


def _coloured(
    axes: "Axes",
    x: np.ndarray,
    y: np.ndarray,
    field: Field,
    levels: np.ndarray,
    *,
    logarithmic: bool,
) -> Any:
    """Contours; where points are still missing, each that there is on its own."""
    from matplotlib.colors import LogNorm, Normalize

    ends = float(levels[0]), float(levels[-1])
    style = {"cmap": _COLOURS, "norm": (LogNorm if logarithmic else Normalize)(*ends)}
    values = np.ma.masked_invalid(field.values.numpy().T)
    if field.missing:
        return axes.pcolormesh(x, y, values, shading="nearest", **style)
    axes.contour(x, y, values, levels, colors="k", linewidths=0.3, alpha=0.5, zorder=2)
    extend = "min" if field.low < ends[0] else "neither"
    return axes.contourf(x, y, values, levels, extend=extend, **style)


def _figure_of(axes: "Axes") -> "Figure":
    figure: Any = axes.figure
    return figure


def _logarithmic(field: Field, log: bool | None) -> bool:
    positive = field.low > 0
    lowest = max(field.low, field.error)
    if log and not positive:
        raise ArgumentError(
            found=f"A logarithm of {field.name!r}, whose lowest is {field.low:g}.",
            why="Only positive numbers have one.",
            instead="Leave log out.",
        )
    return positive and field.high > _DECADES * lowest if log is None else log


def _levels(field: Field, logarithmic: bool) -> np.ndarray | None:
    """Values of the lines; none where all numbers are the same, or none is one."""
    low, high = field.low, field.high
    if not high > low:
        return None
    if logarithmic:
        # what is below the error is not told apart
        lowest = max(low, min(field.error, high / 2))
        return np.geomspace(lowest, high * (1 + 1e-9), _LEVELS)
    return np.linspace(low, high, _LEVELS)


def _hatched(axes: "Axes", x: np.ndarray, y: np.ndarray, field: Field) -> None:
    """What is NaN or infinite is hatched; what was not measured is dotted."""
    missing = (~field.measured & field.values.isnan()).numpy().T
    least = 0.5 if field.missing else 1e-6
    for mask, hatch in ((field.broken.numpy().T, "////"), (missing, "..")):
        if mask.any() and min(mask.shape) > 1:
            axes.contourf(
                x, y, mask.astype(float), [least, 1.5], colors="none", hatches=[hatch]
            )


def _named(field: Field) -> str:
    return f"{field.name} ± {field.error:.1g}" if field.error else field.name


def _axis_label(axis: Direction, scale: float) -> str:
    bend = "" if axis.curvature is None else f", curvature {axis.curvature:.3g}"
    moves = f"one unit moves {axis.length:.3g}, the weights are {scale:.3g} long"
    return f"{fill(axis.label + bend, _WIDE)}\n{moves}"


def _title(found: Plane | Line, field: Field) -> str:
    land = found.run.get("landscape", {}).get("name", "")
    # the loss is measured at points beside the grid as well
    count = len(found.points) if field.every == 1 else int(field.measured.sum())
    notes = " ".join(found.run.get("notes", ()))
    told = found.batch_norm != "frozen" or "Batch norm" in notes
    policy = f", batch norm {found.batch_norm}" if told else ""
    return fill(f"{land}: {count} points measured{policy}", _WIDE)


def _footprints(axes: "Axes", track: Track, number: int, *, fading: bool) -> None:
    """A run on the plane; the farther off it, the fainter."""
    if not len(track):
        return
    colour, marker = _RUNS[number % len(_RUNS)]
    farthest = _farthest(track)
    share = track.distance / farthest if fading and farthest else 0 * track.distance
    x, y = track.x.numpy(), track.y.numpy()
    if len(track) > _FEW:
        axes.plot(x, y, "-", color=colour, linewidth=0.8, alpha=0.6)
    for label, place in zip(track.labels, zip(x, y, strict=True), strict=True):
        if len(track) <= _FEW:
            axes.annotate(
                label,
                place,
                xytext=(4, 4),
                textcoords="offset points",
                color="w",
                fontsize=8,
            )
    told = f"{track.name}: up to {farthest:.2g} off the plane" if fading else track.name
    strength: Any = (1 - 0.75 * share).numpy()
    axes.scatter(x, y, s=16, c=colour, marker=marker, alpha=strength, label=told)


def _hidden(losses: "Axes", distances: "Axes", plane: Plane) -> None:
    """What a plane does not show: true losses, and how far off it they are."""
    from matplotlib.ticker import MaxNLocator

    for number, track in enumerate(plane.tracks):
        colour, marker = _RUNS[number % len(_RUNS)]
        style = {"color": colour, "marker": marker, "markersize": 3}
        steps = np.arange(len(track))
        losses.plot(steps, track.loss.numpy(), label=track.name, **style)
        losses.plot(steps, track.plane_loss.numpy(), "--", **style)
        distances.plot(steps, track.distance.numpy(), label=track.name, **style)
    if all(_positive(t.loss) and _positive(t.plane_loss) for t in plane.tracks):
        losses.set_yscale("log")
    losses.set_ylabel("loss at checkpoints", fontsize=8)
    losses.plot([], [], "k--", label="on the plane")
    losses.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    distances.set_ylabel("distance off the plane", fontsize=8)
    distances.set_xlabel("checkpoint", fontsize=8)
    distances.set_ylim(bottom=0)
    losses.tick_params(labelbottom=False)
    distances.xaxis.set_major_locator(MaxNLocator(integer=True))


def _positive(values: Tensor) -> bool:
    finite = values[values.isfinite()]
    return bool(len(finite)) and float(finite.min()) > 0


def draw_line(line: Line, path: Path, quantity: str, *, log: bool | None) -> Path:
    """A quantity along a line, beside it that over the test data."""
    names = [quantity] + [n for n in (TEST + quantity,) if n in line.fields]
    fields = [line[name] for name in names]
    logarithmic = all(_logarithmic(field, log) for field in fields)
    with drawing(path, (6.4, 4.2)) as figure:
        axes = figure.add_subplot()
        for field, (colour, _) in zip(fields, _RUNS, strict=False):
            _curve(axes, line, field, colour)
        if logarithmic:
            axes.set_yscale("log")
        axes.set_xlabel(_axis_label(line.axis, line.scale), fontsize=8)
        axes.set_ylabel(quantity)
        axes.set_title(_title(line, fields[0]), fontsize=9)
        axes.legend(fontsize=8)
    return path


def _curve(axes: "Axes", line: Line, field: Field, colour: str) -> None:
    centre = int(line.t.abs().argmin())
    t = line.t[centre % field.every :: field.every].numpy()
    values = field.values.numpy()
    axes.plot(t, values, color=colour, label=_named(field))
    if 0 < field.error < float("inf"):
        low, high = values - field.error, values + field.error
        axes.fill_between(t, low, high, color=colour, alpha=0.2, linewidth=0)
    measured = field.measured.numpy()
    axes.plot(t[measured], values[measured], ".", color=colour, markersize=4)
    for place in t[field.broken.numpy()]:
        axes.axvline(place, color="0.6", linestyle=":", linewidth=0.8)


@runtime_checkable
class Along(Protocol):
    """A path with the loss along it."""

    @property
    def distance(self) -> Tensor:
        """From the start, ``(m,)``."""
        ...

    @property
    def loss(self) -> Tensor:
        """On the training data, ``(m,)``."""
        ...

    @property
    def test_loss(self) -> Tensor | None:
        """On the test data, ``(m,)``."""
        ...


def draw_ways(paths: Mapping[str, Along], path: Path) -> Path:
    """The loss along several paths, each over the share of its length."""
    with drawing(path, (6.4, 4.2)) as figure:
        axes = figure.add_subplot()
        for number, (name, way) in enumerate(paths.items()):
            colour, marker = _RUNS[number % len(_RUNS)]
            whole = float(way.distance[-1]) or 1.0
            share = (way.distance / whole).numpy()
            style = {"color": colour, "marker": marker, "markersize": 3}
            axes.plot(share, way.loss.numpy(), label=name, **style)
            if way.test_loss is not None:
                axes.plot(
                    share, way.test_loss.numpy(), "--", color=colour, linewidth=0.8
                )
        axes.set_xlabel("share of the way (dashed: test data)")
        axes.set_ylabel("loss")
        axes.legend(fontsize=8)
    return path
