"""A landscape, measured over a plane, as the viewer takes it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from theodolite.exploring.words import Told
from theodolite.landscape import Landscape
from theodolite.maps.measured_plane import Plane
from theodolite.maps.page_record import plane_record
from theodolite.maps.plane import plane
from theodolite.site.speed_limit import SpeedLimit, speed_limit

# the viewer's words for what a plane's own merge tree marks
_MARKS = {"minimum": "此图上的极小值点", "pass": "此图上的隘口"}
_EDGE = "，位于图的边缘：更低的点可能在图外"


def function_landscape(
    function: Callable[[Tensor], Any], point: Sequence[float], name: str
) -> Landscape:
    """The landscape of a function of one flat tensor, in double precision."""
    where = torch.tensor(list(point), dtype=torch.float64)
    return Landscape.from_function(function, where, name=name)


def drawn(
    land: Landscape,
    title: Told,
    *,
    labels: tuple[Told, Told] | None = None,
    limit: bool = False,
    marks: Sequence[Mapping[str, Any]] | None = None,
    directions: Any = (0, 1),
    **settings: Any,
) -> dict[str, Any]:
    """Measure a landscape over a plane and make the viewer's record of it.

    Parameters
    ----------
    land : Landscape
        The plane's centre is where it stands.
    title : Told
        What stands above the picture.
    labels : pair of Told, optional
        What stands at the axes.
    limit : bool
        Whether 2/λ_max of all parameters, and the curvature along the axes, are
        measured too.
    marks : sequence of mapping, optional
        As ``plane_record`` takes them; those of the map's merge tree by default.
    directions, **settings
        As :func:`theodolite.plane` takes them.
    """
    measured = plane(land, directions=directions, **settings)
    return record_of(
        measured,
        title,
        labels=labels,
        limit=speed_limit(land) if limit else None,
        hessian=hessian_on(land, measured.directions) if limit else None,
        marks=marks,
    )


def record_of(
    measured: Plane,
    title: Told,
    *,
    labels: tuple[Told, Told] | None = None,
    limit: SpeedLimit | None = None,
    hessian: list[list[float]] | None = None,
    marks: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The viewer's record of a plane, in both languages."""
    names = ("eigenvalue", "value", "low", "high")
    record = plane_record(
        measured,
        title=title.plain,
        limit=None if limit is None else {n: getattr(limit, n) for n in names},
        hessian=hessian,
        marks=marks,
    )
    if marks is None:
        record["marks"] = [_in_both(mark) for mark in record["marks"]]
    record["outcome"] |= _ended(measured)
    for axis, label in zip(record["axes"], labels or (), strict=False):
        axis["label"] = label.plain
    return record


def hessian_on(land: Landscape, directions: Tensor) -> list[list[float]]:
    """D H Dᵀ of two directions ``(2, p)``, by two products."""
    hessian = land.hessian()
    products = torch.stack([hessian @ direction for direction in directions])
    matrix = directions.double() @ products.double().T
    return ((matrix + matrix.T) / 2).tolist()


def marked(
    kind: str, point: Sequence[float], value: float, text: Told
) -> dict[str, Any]:
    """A minimum, saddle or pass to be marked on a plane."""
    x, y = (float(part) for part in point)
    return {"kind": kind, "x": x, "y": y, "value": value, "text": text.plain}


def _ended(measured: Plane) -> dict[str, Any]:
    """How measuring ended, in both languages; the viewer adds points and errors."""
    drawn_points = measured.loss.numel()
    said = {
        "exact": ("精确", f"图上的 {drawn_points} 个点全部经过测量。"),
        "converged": ("已收敛", f"图上的 {drawn_points} 个点由这些测量值插值得到。"),
    }
    name, text = measured.outcome.name, measured.outcome.text
    if name not in said:
        return {}
    chinese, sentence = said[name]
    return {
        "name": {"en": name, "zh": chinese},
        "text": {"en": text, "zh": sentence},
    }


def _in_both(mark: Mapping[str, Any]) -> dict[str, Any]:
    english = mark["text"]
    edge = _EDGE if "edge" in english else ""
    return {**mark, "text": {"en": english, "zh": _MARKS[mark["kind"]] + edge}}
