"""Results as pages in the cells of a notebook."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from theodolite.report.checkpoints_part import checkpoints_part
from theodolite.report.map_part import line_part
from theodolite.report.page_data import PageData
from theodolite.report.part import Chart, Part
from theodolite.report.plate import plate
from theodolite.report.ways_part import ways_part
from theodolite.report.words import CAPTIONS

Value = Mapping[str, Any]

# pixels: of a survey's whole page, and of a plane with its controls
WHOLE, PLANE = 720, 1140
# the training curve beneath a plane with checkpoints
_TRAINING = 300


@dataclass(frozen=True)
class Shown:
    """How one of a survey's charts is shown alone.

    Attributes
    ----------
    title : str
        What it is called.
    height : int
        Pixels with its caption.
    rows : callable
        Pixels more for so many rows.
    """

    title: str
    height: int
    rows: Callable[[int], int] = lambda rows: 0 * rows


SHOWN = {
    "density": Shown("Spectral density", 480),
    "eigenvalues": Shown("Eigenvalues", 166, lambda rows: 24 * rows),
    "interactions": Shown("Interactions of layers", 210, lambda rows: 46 * rows),
    # as high as the chart's own rows, which are lower where there are many
    "layers": Shown(
        "Largest eigenvalue of each layer",
        150,
        lambda rows: rows * (36 if rows <= 12 else 25),
    ),
    "rise": Shown("Rise under noise", 460),
    "speed_limit": Shown("Speed limit", 340),
    "stiffness": Shown("Stiffness", 370),
}
# pixels of a line and of several ways, and of one quantity of several checkpoints
_LINE, _WAYS, _PANEL, _CHECKPOINT = 480, 560, 110, 26


def framed(page: str, height: int, title: str) -> str:
    """Return a page inside a frame that a notebook's cell shows.

    The frame runs the page's own script and nothing else: it has an origin of its own,
    reaches neither the notebook nor the network, and may offer a picture to be saved.

    Parameters
    ----------
    page
        A whole page as text.
    height
        Of the frame in pixels.
    title
        What screen readers call it.
    """
    return (
        f'<iframe srcdoc="{escape(page)}" title="{escape(title)}" '
        'sandbox="allow-scripts allow-downloads" loading="lazy" '
        f'style="width: 100%; height: {height:d}px; border: 0"></iframe>'
    )


def chart(name: str, record: Value, *, rows: int = 1) -> str:
    """Return one of a survey's charts as a cell shows it.

    Parameters
    ----------
    name
        Of :data:`SHOWN`.
    record
        What it draws, as a survey's measurement of this name holds it.
    rows
        How many rows it has, where its height hangs on them.
    """
    shown, data = SHOWN[name], PageData()
    number = data.survey({}, {name: {"value": record}})
    drawn = Chart(name, CAPTIONS[name], "", shown.title, number)
    return _cell([drawn], data, shown.height + shown.rows(rows), shown.title)


def surface(record: Value, title: str) -> str:
    """Return a measured plane, to be turned and walked on, as a cell shows it."""
    page = plate({"planes": [record]}, [{"plane": 0, "id": "plane"}], title)
    more = _TRAINING if record.get("tracks") else 0
    return framed(page, PLANE + more, title)


def line(record: Value) -> str:
    """Return the loss along a line, by its record, as a cell shows it."""
    data = PageData()
    drawn = _charts(line_part({}, record, data))
    return _cell(drawn, data, _LINE, "Loss along a line")


def ways(plain: Value) -> str:
    """Return the loss along ways between two checkpoints as a cell shows it.

    Parameters
    ----------
    plain
        Their numbers: ``paths`` by name, and ``alignment``.
    """
    data = PageData()
    drawn = _charts(ways_part(plain, data))
    return _cell(drawn, data, _WAYS, "Loss along ways")


def checkpoints(plain: Value) -> str:
    """Return checkpoints side by side, by their plain numbers, as a cell shows them."""
    data = PageData()
    drawn = _charts(checkpoints_part(plain, data))
    panels = sum(one.name == "beside" for one in drawn)
    height = panels * (_PANEL + _CHECKPOINT * len(plain["rows"]))
    height += _WAYS * (len(drawn) - panels)
    return _cell(drawn, data, height, "Checkpoints side by side")


def _charts(part: Part) -> list[Chart]:
    """All charts of a part, in the page's order."""
    found: list[Chart] = []
    for section in part.sections:
        found += [] if section.gallery is None else section.gallery.charts
        found += section.charts
    return found


def _cell(drawn: Sequence[Chart], data: PageData, height: int, title: str) -> str:
    figures = [
        {"chart": one.name, "of": one.of, "caption": one.caption, "label": one.label}
        for one in drawn
    ]
    return framed(plate(data.plain, figures, title), height, title)
