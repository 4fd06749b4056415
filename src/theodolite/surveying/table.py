"""A survey as tables for the terminal."""

from collections.abc import Iterator, Mapping
from math import floor, inf, log10
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from theodolite.maps.page_record import unpacked
from theodolite.surveying.measurement import Measurement

Run = Mapping[str, Any]
Measurements = Mapping[str, Measurement]

# layers shown in the terminal; the report shows all
_LAYERS = 12


def table(run: Run, measurements: Measurements) -> RenderableType:
    """All measurements, and what is missing."""
    land = run["landscape"]
    title = (
        f"{run['target']['name']} · {land['parameters']:,} parameters · "
        f"{land['samples']:,} samples"
    )
    main = Table(title=escape(title), title_justify="left", show_header=False, box=None)
    main.add_column(style="bold", no_wrap=True)
    main.add_column()
    for name, text in _rows(measurements):
        main.add_row(name, Text(text))
    parts: list[RenderableType] = [main]
    if "layers" in measurements:
        parts.append(_layers(measurements["layers"].value))
    parts += [Text(line, style="yellow") for line in _warnings(run, measurements)]
    return Group(*parts)


def _rows(measurements: Measurements) -> Iterator[tuple[str, str]]:
    """One row a measurement, those there are."""
    makers = {
        "loss": _loss,
        "place": _place,
        "speed_limit": _limit,
        "eigenvalues": _eigenvalues,
        "stiffness": _stiffness,
        "plane": _plane,
        "trace": _trace,
        "rise": _rise,
        "density": _density,
        "data": _data,
        "interactions": _interactions,
    }
    for name, make in makers.items():
        if name in measurements:
            yield from make(measurements[name].value)


def _loss(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for side in ("train", "test"):
        part = value[side]
        if part is not None:
            right = part["accuracy"]
            share = "" if right is None else f"   {right:.2%} right"
            norm = f"   gradient norm {part['gradient_norm']:.3g}"
            yield f"loss, {side}", f"{part['loss']:.5g}{norm}{share}"


def _place(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    least = "" if value["index_is_exact"] else "at least "
    number = value["index"]
    words = "direction bends" if number == 1 else "directions bend"
    bends = f"{least}{number} {words} down" if number else "no direction bends down"
    if not number and not value["index_is_exact"]:
        bends = "no direction was found that bends down"
    yield "place", f"{value['kind']}   {bends}"


def _limit(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if value["value"] == float("inf"):
        yield "speed limit 2/λ_max", "none: nothing bends upward"
        return
    low, high = value["low"], value["high"]
    digits = _digits_apart(low, high)
    between = f"between {low:.{digits}g} and {high:.{digits}g}"
    yield "speed limit 2/λ_max", f"{value['value']:.5g}   {between}"


def _digits_apart(low: float, high: float) -> int:
    """As many digits as tell two numbers from each other, within reason."""
    if not 0 < low < high < inf:
        return 5
    return max(5, min(10, 2 - floor(log10((high - low) / high))))


def _eigenvalues(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for end, name in (("top", "largest eigenvalues"), ("bottom", "smallest")):
        yield name, "  ".join(_with_residual(row) for row in value[end][:3])


def _with_residual(row: Mapping[str, Any]) -> str:
    doubt = "" if row["converged"] else " (not converged)"
    return f"{row['value']:.5g} ± {row['residual']:.1g}{doubt}"


def _stiffness(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if value["condition"] != value["condition"]:
        yield "condition", "none: nothing bends upward"
        return
    least = "at least " if value["condition_is_lower_bound"] else ""
    yield (
        "condition",
        f"{least}{value['condition']:.4g}   {least}{value['steps']:.3g} steps of "
        f"gradient descent to {value['reduction']:g}",
    )


def _plane(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the loss is between, and how far its picture reaches."""
    field = value["fields"]["loss"]
    losses = unpacked(field["values"])
    losses = losses[losses.isfinite()]
    reach = [float(unpacked(value[axis]).abs().max()) for axis in ("x", "y")]
    error = f" ± {field['error']:.2g}" if field["error"] else ""
    yield (
        "plane",
        f"loss {float(losses.min()):.4g} … {float(losses.max()):.4g}{error}   "
        f"reaching {reach[0]:.3g} × {reach[1]:.3g}   {value['points']} losses",
    )


def _trace(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    error = f"± {value['error']:.2g}" if value["error"] else "  exact"
    yield "trace", f"{value['value']:.5g} {error}"


def _rise(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for row in value["rows"]:
        predicted, measured = row["predicted"], row["measured"]
        yield (
            f"rise, σ = {row['sigma']:.3g}",
            f"predicted {predicted['value']:.3g} ± {predicted['error']:.1g}   "
            f"measured {measured['value']:.3g} ± {measured['error']:.1g}",
        )


def _density(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "density", f"{value['probes']} probes, {len(value['outliers'])} outliers"


def _data(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What would move on other data of the same number."""
    names = {
        "loss": "loss",
        "gradient_norm": "gradient norm",
        "largest_eigenvalue": "λ_max",
        "trace": "trace",
    }
    parts = [
        f"{names[name]} ± {row['error']:.2g}"
        + (f" (bias {row['bias']:+.2g})" if abs(row["bias"]) > row["error"] / 2 else "")
        for name, row in value["rows"].items()
    ]
    yield f"on other {value['samples']:,} samples", "   ".join(parts)


def _interactions(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield (
        "between layers",
        f"{value['off_diagonal']:.1%} ± {value['off_diagonal_error']:.1%} of ‖H‖²",
    )


def _layers(value: Mapping[str, Any]) -> Table:
    """The steepest layers with their safe learning rates."""
    rows = sorted(value["rows"], key=lambda row: -row["eigenvalue"])
    shown = Table(title_justify="left", box=None, pad_edge=False)
    for name in ("layer", "parameters", "λ_max", "learning rate"):
        shown.add_column(name, justify="left" if name == "layer" else "right")
    for row in rows[:_LAYERS]:
        shown.add_row(
            escape(row["name"]),
            f"{row['size']:,}",
            _with_residual({**row, "value": row["eigenvalue"]}),
            f"{row['learning_rate']:.3g}",
        )
    if len(rows) > _LAYERS:
        shown.add_row(f"… {len(rows) - _LAYERS} more in the report", "", "", "")
    return shown


def _warnings(run: Run, measurements: Measurements) -> Iterator[str]:
    """What did not converge, and what was not measured."""
    texts: dict[str, list[str]] = {}
    for name, measurement in measurements.items():
        if not measurement.outcome.good:
            # what follows from one search shares its outcome, which is said once
            texts.setdefault(measurement.outcome.text, []).append(name)
    for text, names in texts.items():
        yield f"{', '.join(names).replace('_', ' ')}: {text}"
    for gap in run["missing"]:
        yield f"{gap['name'].replace('_', ' ')}: not measured, {gap['reason']}."
    yield from run["notes"]
