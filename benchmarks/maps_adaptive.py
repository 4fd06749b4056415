"""Planes from few points: the error that is stated beside the true one."""

from dataclasses import dataclass

from spectra_tables import Table, percent

import theodolite as td

RTOL = 0.01


@dataclass(frozen=True)
class Grid:
    """How finely a network's plane is drawn, and how much of that is checked.

    Attributes
    ----------
    steps : int
        Points along each axis that are drawn.
    every : int
        So many of them lie between two that are measured for the truth.
    """

    steps: int
    every: int = 1

    @property
    def checked(self) -> int:
        """Points along each axis that are measured."""
        return (self.steps - 1) // self.every + 1


_GRIDS = {
    "digits-mlp": Grid(31),
    "digits-cnn": Grid(31),
    # slow: a point costs what ten of the others do
    "digits-vit": Grid(37, every=3),
}


def adaptive(rounds: int) -> list[Table]:
    """Both errors for each network, kind of directions and span."""
    del rounds
    rows = [
        _row(name, grid, directions, span)
        for name, grid in _GRIDS.items()
        for directions in ("filter", "eigen")
        for span in (None, 1.0)
    ]
    vit = _GRIDS["digits-vit"]
    text = (
        f"`td.plane(..., rtol={RTOL})` of the built-in networks: the error that it "
        "states, estimated from a few points kept for checking; the largest one that "
        "it has where all points of the grid are measured (every third along both "
        f"axes of digits-vit, {vit.checked} × {vit.checked}); both by the range of the "
        "loss. *Measured* counts the points that the polynomial passes through, those "
        "kept for checking, and those that find the span."
    )
    columns = (
        "network, directions",
        "span",
        "range of the loss",
        "stated",
        "true",
        "true ≤ stated",
        "points measured",
        "points drawn",
    )
    return [Table("Few points", text, columns, rows)]


def _row(name: str, grid: Grid, directions: str, span: float | None) -> tuple[str, ...]:
    land = td.builtin(name)
    found = td.plane(land, None, directions, grid.steps, span, rtol=RTOL)
    reach = [(float(axis[0]), float(axis[-1])) for axis in (found.x, found.y)]
    first, second = found.directions
    true = td.plane(land, None, (first, second), grid.checked, reach).loss
    drawn = found.loss[:: grid.every, :: grid.every]
    extent = float(true.max() - true.min())
    error = float((drawn - true).abs().max())
    # where all was measured in the end, rounding is all that differs
    right = error <= found.error + 1e-5 * extent
    return (
        f"{name}, {directions}",
        "automatic" if span is None else f"{span:g}",
        f"{extent:.3g}",
        percent(found.error / extent) if found.error else "none",
        percent(error / extent),
        "yes" if right else "**no**",
        str(found.evaluations),
        str(grid.steps**2),
    )
