"""One quantity over a map, with what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from theodolite.errors import ArgumentError, nearest_names


def field_named(fields: Mapping[str, "Field"], name: str, what: str) -> "Field":
    """One quantity of a map by its name.

    Raises
    ------
    ArgumentError
        When there is none of that name.
    """
    if name not in fields:
        raise ArgumentError(
            found=f"No quantity {name!r} was measured on this {what}.",
            why=f"There are {', '.join(fields)}.",
            instead=f"Near: {nearest_names(name, fields)}.",
        )
    return fields[name]


@dataclass(frozen=True)
class Field:
    """One quantity over a map.

    Attributes
    ----------
    name : str
        Like ``"loss"``, ``"test loss"``, ``"error"``.
    values : Tensor
        ``(nx, ny)`` over a plane, ``(n,)`` along a line; NaN and infinity where the
        quantity is, NaN where it was not measured.
    measured : Tensor
        Whether each value was measured; interpolated or missing otherwise.
    error : float
        How far interpolated values are off by an estimate of the largest error, no
        bound (:mod:`theodolite.maps.adaptive`), in the quantity's own units; zero
        where all are measured.
    every : int
        So many steps of the map's axes lie between two values.
    """

    name: str
    values: Float[Tensor, "..."]
    measured: Bool[Tensor, "..."]
    error: float = 0.0
    every: int = 1

    @property
    def finite(self) -> Bool[Tensor, "..."]:
        """Where the value is a number."""
        return self.values.isfinite()

    @property
    def broken(self) -> Bool[Tensor, "..."]:
        """Where the measured value is NaN or infinite."""
        return self.measured & ~self.finite

    @property
    def missing(self) -> int:
        """Values that are neither measured nor interpolated."""
        return int((~self.measured & self.values.isnan()).sum())

    @property
    def low(self) -> float:
        """The lowest number; NaN where there is none."""
        numbers = self.values[self.finite]
        return float(numbers.min()) if numbers.numel() else float("nan")

    @property
    def high(self) -> float:
        """The highest number; NaN where there is none."""
        numbers = self.values[self.finite]
        return float(numbers.max()) if numbers.numel() else float("nan")

    def coordinates(self, axis: Float[Tensor, " n"]) -> Float[Tensor, " m"]:
        """Those of a plane's coordinates that this quantity was measured at."""
        centre = int(axis.abs().argmin())
        return axis[centre % self.every :: self.every]

    @property
    def range_told(self) -> str:
        """From the lowest to the highest number, with the error, in words."""
        if not bool(self.finite.any()):
            return f"{self.name} nowhere a number"
        error = f" ± {self.error:.2g}" if self.error else ""
        return f"{self.name} {self.low:.4g} … {self.high:.4g}{error}"

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {
            "name": self.name,
            "values": self.values.tolist(),
            "measured": self.measured.tolist(),
            "error": self.error,
            "every": self.every,
        }


def unmeasured(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Values and mask of a field of which nothing is known."""
    values = torch.full(shape, float("nan"), dtype=torch.float64)
    return values, torch.zeros(shape, dtype=torch.bool)
