"""Every number of a survey as tables."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from theodolite.report.amounts import (
    amount,
    counted,
    duration,
    interval,
    is_known,
    ordinal,
    percent,
    whole,
)
from theodolite.report.data_words import NAMES
from theodolite.report.map_tables import interactions_table, plane_table
from theodolite.report.part import Rows, Table

Value = Mapping[str, Any]

TITLES = {
    "loss": "Loss",
    "place": "Place",
    "plane": "Plane",
    "eigenvalues": "Eigenvalues",
    "speed_limit": "Speed limit",
    "trace": "Trace",
    "density": "Spectral density",
    "layers": "Layers",
    "interactions": "Interactions of layers",
    "rise": "Rise under noise",
    "stiffness": "Stiffness",
    "data": "Other data",
}


def tables(measurements: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return one table per measurement that this report knows, in its order."""
    known = [name for name in TITLES if name in measurements]
    return [_table(name, measurements[name]) for name in known]


def _table(name: str, measurement: Value) -> Table:
    columns, rows = _TABLES[name](measurement["value"])
    outcome = measurement.get("outcome", {})
    products = counted(measurement.get("products"), "product", "products")
    cost = f"{duration(measurement.get('seconds'))}, {products}"
    state, text = str(outcome.get("name", "")), str(outcome.get("text", ""))
    return Table(TITLES[name], columns, rows, state, text, cost)


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _plain(raw: object) -> str:
    return "not known" if raw is None else amount(raw)


def _loss(value: Value) -> tuple[tuple[str, ...], Rows]:
    sides = [("training", value["train"]), ("test", value.get("test"))]
    rows = [_side(name, side) for name, side in sides if side]
    return ("data", "loss", "gradient norm", "right", "samples"), rows


def _side(name: str, side: Value) -> tuple[str, ...]:
    right = side.get("accuracy")
    return (
        name,
        _plain(side["loss"]),
        _plain(side.get("gradient_norm")),
        percent(right, 4) if is_known(right) else "not known",
        whole(side["samples"]),
    )


def _place(value: Value) -> tuple[tuple[str, ...], Rows]:
    least = "" if value["index_is_exact"] else "at least "
    rows: Rows = [
        ("kind", str(value["kind"])),
        ("gradient norm", amount(value["gradient_norm"])),
        ("tolerance of the gradient norm", amount(value["gradient_tolerance"])),
        ("lowest eigenvalue", _pair(value["lowest"])),
        ("highest eigenvalue", _pair(value["highest"])),
        ("index (negative eigenvalues)", least + whole(value["index"])),
        *_certificate(value),
    ]
    return ("quantity", "value"), rows


def _certificate(value: Value) -> Iterator[tuple[str, ...]]:
    """What is ruled out, in surveys that say so."""
    if "floor" in value:
        surely = f"no eigenvalue below, with probability {value['confidence']:g}"
        yield surely, amount(value["floor"])
        yield surely.replace("below", "above"), amount(value["ceiling"])
    if is_known(value.get("flatness")):
        yield "‖H∇f‖ / (‖H‖ ‖∇f‖)", amount(value["flatness"])


def _pair(pair: Value) -> str:
    told = amount(pair["value"], pair["residual"])
    return told if pair["converged"] else f"{told}, not converged"


def _eigenvalues(value: Value) -> tuple[tuple[str, ...], Rows]:
    top = [(ordinal(i), pair) for i, pair in enumerate(value["top"], 1)]
    names = [
        "lowest",
        *(f"{ordinal(i)} lowest" for i in range(2, len(value["bottom"]) + 1)),
    ]
    bottom = list(zip(names, value["bottom"], strict=False))[::-1]
    rows: Rows = [
        (name, amount(pair["value"], pair["residual"]), _yes(pair["converged"]))
        for name, pair in [*top, *bottom]
    ]
    return ("rank", "eigenvalue", "converged"), rows


def _speed_limit(value: Value) -> tuple[tuple[str, ...], Rows]:
    low, shown, high = interval(value["low"], value["value"], value["high"])
    rows: Rows = [
        ("speed limit 2/λ_max", shown),
        ("lower end", low),
        ("upper end", high),
        ("largest eigenvalue", amount(value["eigenvalue"], value["residual"])),
    ]
    return ("quantity", "value"), rows


def _layers(value: Value) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (
            str(row["name"]),
            whole(row["size"]),
            amount(row["eigenvalue"], row["residual"]),
            _yes(row["converged"]),
            amount(row["learning_rate"]),
        )
        for row in value["rows"]
    ]
    columns = ("layer", "parameters", "λ_max", "converged", "learning rate")
    return columns, [*rows, *_together(value)]


def _together(value: Value) -> Iterator[tuple[str, ...]]:
    yield ("coupling of all layers", "", amount(value["coupling"]), "", "")


def _trace(value: Value) -> tuple[tuple[str, ...], Rows]:
    row = ("trace", amount(value["value"], value["error"]))
    return ("quantity", "value"), [row]


def _density(value: Value) -> tuple[tuple[str, ...], Rows]:
    grid = value["grid"]
    outliers = ", ".join(amount(x) for x in value["outliers"]) or "none"
    span = f"{amount(grid[0])} to {amount(grid[-1])}" if grid else "empty"
    rows: Rows = [
        ("random probes", str(value["probes"])),
        ("Lanczos steps per probe", str(value["steps"])),
        ("grid", f"{len(grid)} points, {span}"),
        ("outliers", outliers),
    ]
    return ("quantity", "value"), rows


def _rise(value: Value) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (
            amount(row["sigma"]),
            amount(row["predicted"]["value"], row["predicted"]["error"]),
            amount(row["measured"]["value"], row["measured"]["error"]),
        )
        for row in value["rows"]
    ]
    return ("σ", "predicted rise", "measured rise"), rows


def _stiffness(value: Value) -> tuple[tuple[str, ...], Rows]:
    least = "at least " if value["condition_is_lower_bound"] else ""
    rows: Rows = [
        ("condition", least + amount(value["condition"])),
        ("decades", least + amount(value["decades"])),
        ("largest eigenvalue", amount(value["largest"])),
        ("smallest eigenvalue resolved", amount(value["smallest"])),
        ("floor of resolution", amount(value["floor"])),
        ("steps at 1/λ_max", least + amount(value["steps"])),
        ("down to", percent(value["reduction"])),
    ]
    return ("quantity", "value"), rows


def _data(value: Value) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (
            NAMES[name].removeprefix("the "),
            amount(row["value"], row["error"]),
            amount(row["bias"]),
            f"{amount(row['low'])} to {amount(row['high'])}",
        )
        for name, row in value["rows"].items()
    ]
    return ("quantity", "value", "bias", "95 % interval for all data"), rows


_TABLES: dict[str, Callable[[Value], tuple[tuple[str, ...], Rows]]] = {
    "loss": _loss,
    "place": _place,
    "eigenvalues": _eigenvalues,
    "speed_limit": _speed_limit,
    "trace": _trace,
    "density": _density,
    "layers": _layers,
    "plane": plane_table,
    "interactions": interactions_table,
    "rise": _rise,
    "stiffness": _stiffness,
    "data": _data,
}
