"""A comparison as tables for the terminal."""

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from theodolite.site.sharpness_measures import Measure

if TYPE_CHECKING:
    from theodolite.maps.comparison import Compared, Comparison

# what fits beside each other
_EIGENVALUES = 5
# a residual below which a value is worth printing, by its size
_RESOLVED = 0.1
_UNKNOWN = "not resolved"


def tables(found: "Comparison") -> RenderableType:
    """One column a checkpoint, then the ways between them."""
    main = Table(title="Checkpoints", title_justify="left", box=None)
    main.add_column("", style="bold", no_wrap=True)
    for row in found.rows:
        main.add_column(escape(row.name), justify="right")
    for title, told in _LINES.items():
        cells = [told(row) for row in found.rows]
        if any(cells):
            main.add_row(title, *(cell or "–" for cell in cells))
    parts: list[RenderableType] = [main]
    if found.paths:
        parts.append(_between(found))
    return Group(*parts)


def _number(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else ""


def _share(value: float) -> str:
    return f"{100 * value:.2f} %" if isfinite(value) else ""


def _eigenvalues(row: "Compared") -> str:
    pairs = row.eigenvalues
    sure = (pairs.residuals <= _RESOLVED * pairs.values.abs()).tolist()
    values = pairs.values[:_EIGENVALUES].tolist()
    shown = [f"{value:.3g}" for value, one in zip(values, sure, strict=False) if one]
    return ", ".join([*shown, *([] if pairs.converged else ["…"])]) or _UNKNOWN


def _lowest(row: "Compared") -> str:
    value, residual = float(row.lowest.values[0]), float(row.lowest.residuals[0])
    if residual > _RESOLVED * float(row.eigenvalues.values.abs().max()):
        return _UNKNOWN
    return f"{value:.3g} ± {residual:.1g}"


def _measure(name: str) -> Callable[["Compared"], str]:
    def told(row: "Compared") -> str:
        measure: Measure | None = getattr(row.sharpness, name)
        if measure is None:
            return ""
        if measure.high == float("inf"):
            return f"≥ {measure.value:.4g}"
        half = (measure.high - measure.low) / 2
        if not half <= abs(measure.value):
            return _UNKNOWN
        return f"{measure.value:.4g} ± {half:.1g}" if half else f"{measure.value:.4g}"

    return told


_LINES: dict[str, Callable[["Compared"], str]] = {
    "loss": lambda row: _number(row.loss),
    "test loss": lambda row: _number(row.test_loss),
    "error": lambda row: _share(row.error),
    "test error": lambda row: _share(row.test_error),
    "largest eigenvalues": _eigenvalues,
    "smallest eigenvalue": _lowest,
    "λ_max": _measure("largest_eigenvalue"),
    "trace": _measure("trace"),
    "‖H‖_F": _measure("frobenius_norm"),
    "mean rise": _measure("expected_rise"),
    "worst rise found": _measure("worst_rise"),
    "λ_max of relative changes": _measure("adaptive_eigenvalue"),
    "Fisher–Rao norm²": _measure("fisher_rao"),
    "‖θ‖": lambda row: _number(row.norm),
}


def _between(found: "Comparison") -> Table:
    method = next(iter(found.paths.values())).method
    title = f"Between them: {method}, batch norm {found.batch_norm}"
    table = Table(title=title, title_justify="left", box=None)
    for head in ("", "distance", "barrier", "test barrier"):
        table.add_column(head, justify="left" if not head else "right")
    for (a, b), path in found.paths.items():
        barriers = [path.barrier, path.test_barrier]
        table.add_row(
            f"{escape(a)} – {escape(b)}",
            f"{found.distances[a, b]:.4g}",
            *(
                "–" if one is None else _with_error(one.value, one.error)
                for one in barriers
            ),
        )
    return table


def _with_error(value: float, error: float) -> str:
    return f"{value:.4g} ± {error:.1g}" if isfinite(error) else f"{value:.4g}"
