"""Ways between two checkpoints as a part of a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from theodolite.report import ways_words
from theodolite.report.amounts import amount, duration, is_known, number, percent
from theodolite.report.page_data import PageData
from theodolite.report.part import SETTLED, Chart, Figure, Part, Section, Table
from theodolite.report.prose import listed
from theodolite.report.provenance import provenance

Value = Mapping[str, Any]
_DRAWN = ("t", "distance", "loss", "test_loss", "barrier", "test_barrier", "outcome")


def ways_part(run: Value, data: PageData, *, prefix: str = "", title: str = "") -> Part:
    """Return all that a page tells of ways, and add what it draws to the data.

    Parameters
    ----------
    run
        The run's record, with ``between``, ``paths`` and ``alignment``.
    data
        What is gathered for the page's script.
    prefix
        Before every anchor.
    title
        Of no use here: there is no plane.
    """
    del title
    paths: Mapping[str, Value] = run["paths"]
    between = [str(name) for name in run.get("between") or ("a", "b")]
    words = [*ways_words.ways(paths), *ways_words.alignment(run.get("alignment"))]
    chart = profile(paths, between, data, words)
    section = Section(
        "ways",
        "The ways",
        words,
        [*ways_words.hidden(), *unfinished(paths)],
        [chart],
    )
    return Part(
        prefix=prefix,
        kind="Ways between two checkpoints",
        name=" – ".join(between),
        verdict=ways_words.summary(paths),
        notes=[str(note) for note in run.get("notes") or []],
        figures=list(_figures(paths)),
        sections=[section],
        tables=[ways_table(paths)],
        provenance=provenance(run),
    )


def profile(
    paths: Mapping[str, Value],
    ends: list[str] | None,
    data: PageData,
    words: list[str],
) -> Chart:
    """Return the chart of the loss along ways, and add it to the data."""
    ways = [
        {"name": name, **{key: path[key] for key in _DRAWN}}
        for name, path in paths.items()
    ]
    return Chart(
        "profile",
        ways_words.CAPTION,
        ways_words.CHANGE,
        f"Chart of the loss along {len(ways)} ways. {' '.join(words)}",
        data.chart("profile", {"ends": ends, "ways": ways}),
    )


def unfinished(paths: Mapping[str, Value]) -> list[str]:
    """Return which ways were not looked for to the end."""
    names = [
        name for name, path in paths.items() if str(path["outcome"]) not in SETTLED
    ]
    if not names:
        return []
    return [
        f"Not looked for to the end: {listed(names)}. A lower way may be near; allow"
        " more time."
    ]


def ways_table(paths: Mapping[str, Value]) -> Table:
    """Return barriers, lengths and costs as the terminal prints them."""
    straight = next(iter(paths.values()))["straight_barrier"]
    rows = [(name, *_cells(path, straight)) for name, path in paths.items()]
    columns = (
        "way",
        "barrier",
        "on test data",
        "removed",
        "length",
        "gradients",
        "time",
    )
    policies = dict.fromkeys(str(path["batch_norm"]) for path in paths.values())
    text = f"Batch norm: {', '.join(policies)}. Errors are one standard error."
    return Table("Ways", columns, rows, text=text, broad=True)


def _cells(path: Value, straight: object) -> Iterator[str]:
    yield ways_words.barrier(path["barrier"])
    yield ways_words.barrier(path["test_barrier"])
    whole = number(straight)
    left = number(path["barrier"]["value"])
    yield percent(1 - left / whole) if whole > 0 and is_known(left / whole) else "–"
    yield amount(path["length"])
    yield amount(path["gradients"])
    yield duration(path["seconds"])


def _figures(paths: Mapping[str, Value]) -> Iterator[Figure]:
    known = {w: p for w, p in paths.items() if is_known(p["barrier"]["value"])}
    if "straight" in known:
        yield _figure("Straight barrier", known["straight"], "of the training loss")
    if len(known) > 1:
        best = min(known, key=lambda name: number(known[name]["barrier"]["value"]))
        yield _figure("Lowest barrier", known[best], ways_words.name_in_words(best))
    first = next(iter(paths.values()), None)
    if first is not None:
        yield Figure(
            "Distance", amount(first["straight_length"]), "", "in parameter units"
        )


def _figure(label: str, path: Value, note: str) -> Figure:
    shown, sign, spread = ways_words.barrier(path["barrier"]).partition("±")
    return Figure(label, shown.strip(), f"± {spread.strip()}" if sign else "", note)
