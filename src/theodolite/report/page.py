"""One run, or several side by side, as one HTML page that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from theodolite.report.page_data import PageData
from theodolite.report.parts import labels_of, part_of
from theodolite.report.printing import printed
from theodolite.report.side_by_side import side_by_side

Value = Mapping[str, Any]


def render(run: Value, measurements: Mapping[str, Value]) -> str:
    """Return one survey as a self-contained HTML page.

    The page holds its style, its script and its data; a policy inside it forbids
    every request and every other script. Words and tables are there without
    JavaScript; the pictures need it. About 1.2 MB; no products.

    Parameters
    ----------
    run
        The run's record: target, landscape, settings, versions, state.
    measurements
        Name of a measurement to its value, outcome, seconds and products; floats that
        are not finite as the strings ``"nan"``, ``"inf"``, ``"-inf"``. Names that the
        report does not know are left out.

    Returns
    -------
    str
        The page, to be written as UTF-8.
    """
    found = {"kind": "survey", "name": "", "run": run, "measurements": measurements}
    return render_runs([found])


def render_runs(runs: Sequence[Value]) -> str:
    """Return one run of any kind, or several side by side, as a page like a survey's.

    Several begin with a comparison: their headline numbers in one table, their spectra
    on one scale, their planes under one camera; each then has its own part.

    Parameters
    ----------
    runs
        Each with its ``kind``: ``"survey"``, ``"plane"``, ``"line"``, ``"connect"`` or
        ``"compare"``; its ``name``, which no other one bears; its record ``run``; and
        beside it ``measurements`` of a survey, or the ``plane`` or the ``line`` as
        ``maps.page_record`` writes them.

    Returns
    -------
    str
        The page, to be written as UTF-8.
    """
    return _one(runs[0]) if len(runs) == 1 else _several(runs)


def _one(found: Value) -> str:
    data = PageData()
    part = part_of(found, data)
    return printed(
        "run.html.j2",
        data.plain,
        part=part,
        title=part.name,
        version=_version([found]),
        navigation=[
            *([("picture", "Picture")] if part.instrument else []),
            *((s.anchor, _short(s.title)) for s in part.sections),
            *([("numbers", "Numbers")] if part.tables else []),
            *([("provenance", "Provenance")] if part.provenance else []),
        ],
    )


def _several(runs: Sequence[Value]) -> str:
    data = PageData()
    labels = labels_of(runs)
    parts = [
        part_of(found, data, f"run{number}-", label)
        for number, (found, label) in enumerate(zip(runs, labels, strict=True), 1)
    ]
    together = side_by_side(runs, labels, parts, data)
    return printed(
        "runs.html.j2",
        data.plain,
        together=together,
        labels=labels,
        # planes stand in the comparison, once
        parts=[replace(part, instrument=None) for part in parts],
        title=", ".join(labels),
        version=_version(runs),
        navigation=[
            ("together", "Side by side"),
            *((f"run{number}", label) for number, label in enumerate(labels, 1)),
        ],
    )


def _short(title: str) -> str:
    return title.removeprefix("The ").capitalize()


def _version(runs: Sequence[Value]) -> str:
    return str(runs[0]["run"].get("theodolite", ""))
