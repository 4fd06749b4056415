"""The explorer: all lessons on one page that needs no network."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from json import dumps
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined, Template

from theodolite.exploring.engraving import Engraving, engraved_record
from theodolite.exploring.lesson import Instrument, Lesson
from theodolite.report.embedding import embed
from theodolite.report.printing import read
from theodolite.version import __version__

Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Mounted:
    """An instrument in its place on the page.

    Attributes
    ----------
    instrument : Instrument
        What is shown.
    planes : tuple of int
        Where its landscapes lie in the page's data.
    engraving : Engraving
        What is seen of the first without a script.
    start : str
        What it opens with, as JSON.
    """

    instrument: Instrument
    planes: tuple[int, ...]
    engraving: Engraving
    start: str


@dataclass(frozen=True)
class Chapter:
    """A lesson in its place on the page.

    Attributes
    ----------
    number : int
        From one.
    lesson : Lesson
        What is told.
    mounted : tuple of Mounted
        Its instruments.
    """

    number: int
    lesson: Lesson
    mounted: tuple[Mounted, ...]


def render(
    lessons: Sequence[Lesson], front: Engraving, *, language: Language = "en"
) -> str:
    """Return the explorer as a self-contained HTML page, in English and Chinese.

    Words, tables and line drawings are there without JavaScript; the instruments need
    it. A policy inside forbids every request and every other script. 2 to 3 MB.

    Parameters
    ----------
    lessons : sequence of Lesson
        In their order.
    front : Engraving
        The drawing at the head.
    language : str
        ``"en"`` or ``"zh"``: which one it opens in.
    """
    script = read("viewer.js")
    planes = [p for one in lessons for held in one.instruments for p in held.planes]
    return _template().render(
        chapters=list(_chapters(lessons)),
        front=front,
        language=language,
        version=__version__,
        style="\n".join([read("viewer.css"), read("page.css"), _own("explore.css")]),
        script=script,
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        data=embed({"surveys": [], "planes": planes, "charts": {}}),
    )


def _chapters(lessons: Sequence[Lesson]) -> Iterator[Chapter]:
    taken = 0
    for number, lesson in enumerate(lessons, 1):
        mounted = []
        for instrument in lesson.instruments:
            places = range(taken, taken := taken + len(instrument.planes))
            mounted.append(
                Mounted(
                    instrument,
                    tuple(places),
                    engraved_record(instrument.planes[0], instrument.start),
                    _opening(instrument.start),
                )
            )
        yield Chapter(number, lesson, tuple(mounted))


def _opening(start: Mapping[str, Any]) -> str:
    return dumps(start, ensure_ascii=False)


def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_own("explore.html.j2"))


def _own(name: str) -> str:
    return files("theodolite.exploring").joinpath(name).read_text(encoding="utf-8")
