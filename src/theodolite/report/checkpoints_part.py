"""Checkpoints side by side as a part of a page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from theodolite.report import checkpoints_words as words
from theodolite.report.amounts import amount, counted, is_known, number, percent
from theodolite.report.beside import beside
from theodolite.report.page_data import PageData
from theodolite.report.part import Figure, Gallery, Part, Rows, Section, Table
from theodolite.report.prose import listed
from theodolite.report.provenance import provenance
from theodolite.report.ways_part import profile, unfinished
from theodolite.report.ways_words import barrier

Value = Mapping[str, Any]

# a residual below which a value is worth printing, by its size
_RESOLVED = 0.1
_UNKNOWN = "not resolved"
_MEASURES = {
    "λ_max": "largest_eigenvalue",
    "trace": "trace",
    "‖H‖_F": "frobenius_norm",
    "mean rise": "expected_rise",
    "worst rise found": "worst_rise",
    "λ_max of relative changes": "adaptive_eigenvalue",
    "Fisher–Rao norm²": "fisher_rao",
}
_PLAIN = {"loss": "loss", "test loss": "test_loss"}
_SHARES = {"error": "error", "test error": "test_error"}


def checkpoints_part(
    run: Value, data: PageData, *, prefix: str = "", title: str = ""
) -> Part:
    """Return all that a page tells of a comparison, and add its charts to the data."""
    del title
    rows: Sequence[Value] = run["rows"]
    names = [str(row["name"]) for row in rows]
    summary = words.summary(run)
    sections = [
        Section(
            "checkpoints",
            "The checkpoints",
            [_over(run), *words.measures(rows)],
            gallery=Gallery(list(_panels(rows, data)), words.CAPTION, words.CHANGE),
        ),
        *_between(run, data),
    ]
    return Part(
        prefix=prefix,
        kind="Checkpoints side by side",
        name=listed(names),
        verdict=summary,
        notes=[str(note) for note in run.get("notes") or []],
        figures=list(_figures(rows)),
        sections=sections,
        tables=[checkpoints_table(rows), *_between_table(run)],
        provenance=provenance(run),
    )


def _over(run: Value) -> str:
    landscape = run.get("landscape", {})
    samples = counted(landscape.get("samples"), "sample", "samples")
    size = counted(landscape.get("parameters"), "parameter", "parameters")
    return f"Networks of {size}, each measured over the same {samples}."


def _panels(rows: Sequence[Value], data: PageData) -> Iterator[Any]:
    for title, key in {**_PLAIN, **_SHARES}.items():
        points = [
            {"name": row["name"], "value": row[key], "low": row[key], "high": row[key]}
            for row in rows
        ]
        yield from beside(title, points, data)
    spectrum = [
        {"name": row["name"], **{key: pair[key] for key in ("value", "low", "high")}}
        for row in rows
        for pair in [*row["eigenvalues"]["pairs"], *row["lowest"]["pairs"]]
    ]
    yield from beside("largest and smallest eigenvalues", spectrum, data)
    for title, key in _MEASURES.items():
        found = [(row["name"], row["sharpness"].get(key)) for row in rows]
        points = [
            {"name": name, **{end: one[end] for end in ("value", "low", "high")}}
            for name, one in found
            if one
        ]
        yield from beside(title, points, data)


def _between(run: Value, data: PageData) -> Iterator[Section]:
    if not run["paths"]:
        return
    paths = {" – ".join(path["between"]): path for path in run["paths"]}
    told = [words.way(name, path) for name, path in paths.items()]
    policy = f"Batch norm between them: {run.get('batch_norm', 'frozen')}."
    chart = profile(paths, None, data, told)
    yield Section(
        "between", "Between them", [*told, policy], unfinished(paths), [chart]
    )


def checkpoints_table(rows: Sequence[Value]) -> Table:
    """Return what the terminal prints: a column a checkpoint, a row a quantity."""
    lines: Rows = [
        (title, *(cell or "–" for cell in cells))
        for title, told in _LINES.items()
        if any(cells := [told(row) for row in rows])
    ]
    columns = ("", *(str(row["name"]) for row in rows))
    return Table("Checkpoints", columns, lines, broad=True)


def _known(raw: object) -> str:
    return amount(raw) if is_known(raw) else ""


def _share(raw: object) -> str:
    return percent(raw) if is_known(raw) else ""


def _eigenvalues(row: Value) -> str:
    pairs = row["eigenvalues"]["pairs"]
    shown = [amount(p["value"]) for p in pairs if _is_resolved(p, p["value"])]
    open_ones = any(not pair["converged"] for pair in pairs)
    return ", ".join([*shown, *(["…"] if open_ones else [])]) or _UNKNOWN


def _is_resolved(pair: Value, size: object) -> bool:
    return number(pair["residual"]) <= _RESOLVED * abs(number(size))


def _lowest(row: Value) -> str:
    pairs = row["lowest"]["pairs"]
    top = max(abs(number(pair["value"])) for pair in row["eigenvalues"]["pairs"])
    if not pairs or not _is_resolved(pairs[0], top):
        return _UNKNOWN
    return amount(pairs[0]["value"], pairs[0]["residual"])


def _measure(key: str) -> Callable[[Value], str]:
    def told(row: Value) -> str:
        measure = row["sharpness"].get(key)
        if measure is None:
            return ""
        low, high = number(measure["low"]), number(measure["high"])
        if high == float("inf"):
            return f"≥ {amount(measure['value'])}"
        half = (high - low) / 2
        if not half <= abs(number(measure["value"])):
            return _UNKNOWN
        return amount(measure["value"], half or None)

    return told


_LINES: dict[str, Callable[[Value], str]] = {
    **{title: (lambda row, k=key: _known(row[k])) for title, key in _PLAIN.items()},
    **{title: (lambda row, k=key: _share(row[k])) for title, key in _SHARES.items()},
    "largest eigenvalues": _eigenvalues,
    "smallest eigenvalue": _lowest,
    **{title: _measure(key) for title, key in _MEASURES.items()},
    "‖θ‖": lambda row: _known(row["norm"]),
}


def _between_table(run: Value) -> Iterator[Table]:
    if not run["paths"]:
        return
    distances = {tuple(d["between"]): d["distance"] for d in run["distances"]}
    rows: Rows = [
        (
            " – ".join(path["between"]),
            amount(distances.get(tuple(path["between"]))),
            barrier(path["barrier"]),
            barrier(path["test_barrier"]),
        )
        for path in run["paths"]
    ]
    method = str(run["paths"][0]["method"])
    yield Table(
        "Between them", ("", "distance", "barrier", "on test data"), rows, text=method
    )


def _figures(rows: Sequence[Value]) -> Iterator[Figure]:
    for row in rows[:4]:
        pair = row["eigenvalues"]["pairs"][0]
        shown, sign, spread = amount(pair["value"], pair["residual"]).partition("±")
        error = f"± {spread.strip()}" if sign else ""
        note = f"λ_max; test loss {_known(row['test_loss']) or 'not known'}"
        yield Figure(str(row["name"]), shown.strip(), error, note)
