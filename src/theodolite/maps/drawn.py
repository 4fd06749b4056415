"""What is drawn of a map: measured values, and polynomials between them."""

from collections.abc import Mapping
from itertools import product
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.adaptive import Adaptive
from theodolite.maps.field import Field
from theodolite.maps.measuring import Measuring
from theodolite.maps.point_store import Coordinates, PointStore
from theodolite.maps.quantities import LOSS, TEST, AtNodes, Quantity
from theodolite.outcomes import Outcome, converged, out_of_budget

Axes = tuple[Float[Tensor, " _"], ...]


def drawn(
    measuring: Measuring, axes: Axes, adaptive: Adaptive | None
) -> dict[str, Field]:
    """All that one forward pass gives, over the grid.

    Measured values stand where they were measured; a polynomial fills the rest where
    one was refined, and NaN where none was.
    """
    names = measuring.names
    fields = {name: on_grid(name, measuring.store.held(name), axes) for name in names}
    if adaptive is None or not adaptive.usable or bool(fields[LOSS].measured.all()):
        return fields
    polynomials = adaptive.interpolants(names)
    return {
        name: Field(
            name,
            torch.where(field.measured, field.values, polynomials[name].on(axes)),
            field.measured,
            adaptive.error(name),
        )
        for name, field in fields.items()
    }


def drawn_around(
    store: PointStore, axes: Axes, quantities: Mapping[str, Quantity]
) -> dict[str, Field]:
    """What was measured on a coarser grid."""
    found: dict[str, Field] = {}
    for name, quantity in quantities.items():
        if isinstance(quantity, AtNodes):
            parts = quantity.parts(name, len(axes))
            for full in (*parts, *(TEST + part for part in parts)):
                if held := store.held(full):
                    coarse = coarser(axes, quantity.every)
                    found[full] = on_grid(full, held, coarse, quantity.every)
    return found


def coarser(axes: Axes, every: int) -> Axes:
    """Every so-manieth coordinate, the centre's among them."""
    centres = [int(values.abs().argmin()) for values in axes]
    return tuple(
        values[centre % every :: every]
        for values, centre in zip(axes, centres, strict=True)
    )


def on_grid(
    name: str, held: Mapping[Coordinates, float], axes: Axes, every: int = 1
) -> Field:
    """Measured values on a grid; NaN where there is none."""
    places = list(product(*(values.tolist() for values in axes)))
    shape = tuple(len(values) for values in axes)
    values = [held.get(at, float("nan")) for at in places]
    known = [at in held for at in places]
    return Field(
        name,
        torch.tensor(values, dtype=torch.float64).reshape(shape),
        torch.tensor(known).reshape(shape),
        every=every,
    )


def ending(loss: Field, adaptive: Adaptive | None) -> Outcome:
    """How the measuring of a map ended."""
    count, known = loss.values.numel(), int(loss.measured.sum())
    broken = int(loss.broken.sum())
    told = f"; the loss is no number at {broken} of them" if broken else ""
    if known == count:
        return Outcome(
            "exact", f"All {count} points that are drawn were measured{told}."
        )
    if adaptive is not None and adaptive.usable:
        share = loss.error / adaptive.range if adaptive.range else 0.0
        what = (
            f"{adaptive.points} points give the {count} that are drawn to "
            f"{loss.error:.2g}, {share:.2g} of the range"
        )
        if share <= adaptive.rtol:
            return converged(what)
        if not isfinite(share):
            what = f"{adaptive.points} points, of which none was left to check"
        return out_of_budget(
            what, "Raise budget=, relax rtol=, or choose a smaller span"
        )
    return out_of_budget(
        f"{known} of {count} points were measured{told}",
        "Raise budget=, take fewer steps=, or give rtol=0.01 to need fewer points",
    )
