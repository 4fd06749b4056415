"""Any kind of run as a part of a page, and what runs are called beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from theodolite.report.checkpoints_part import checkpoints_part
from theodolite.report.map_part import line_part, plane_part
from theodolite.report.page_data import PageData
from theodolite.report.part import Part
from theodolite.report.survey_part import survey_part
from theodolite.report.ways_part import ways_part

Value = Mapping[str, Any]

_RECORDS = {"survey": "measurements", "plane": "plane", "line": "line"}
_PARTS: dict[str, Any] = {
    "survey": survey_part,
    "plane": plane_part,
    "line": line_part,
    "connect": ways_part,
    "compare": checkpoints_part,
}


def part_of(found: Value, data: PageData, prefix: str = "", title: str = "") -> Part:
    """Return what a page tells of one run, and add what it draws to the data.

    Parameters
    ----------
    found
        As :func:`theodolite.report.page.render_runs` takes it.
    data
        What is gathered for the page's script.
    prefix
        Before every anchor of this run.
    title
        Above its plane, where another one is wanted than its own.
    """
    kind = str(found["kind"])
    key = _RECORDS.get(kind)
    given = [found["run"]] if key is None else [found["run"], found[key]]
    return _PARTS[kind](*given, data, prefix=prefix, title=title)


def target_of(found: Value) -> str:
    """Return what a run is of, in few words."""
    run = found["run"]
    if found["kind"] == "survey":
        return str(run.get("target", {}).get("name", ""))
    if found["kind"] == "connect":
        return " – ".join(str(name) for name in run.get("between", ()))
    if found["kind"] == "compare":
        return ", ".join(str(row["name"]) for row in run["rows"])
    return str(run.get("landscape", {}).get("name", ""))


def labels_of(runs: Sequence[Value]) -> list[str]:
    """Return what each run is called: its target, and its folder if targets agree."""
    targets = [target_of(found) for found in runs]
    folders = [str(found["name"]) for found in runs]
    return [
        target if target and targets.count(target) == 1 else _both(target, folder)
        for target, folder in zip(targets, folders, strict=True)
    ]


def _both(target: str, folder: str) -> str:
    return folder if target in folder else f"{target} ({folder})"
