"""Eigenvalues with their vectors and residuals."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isinf
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.outcomes import Outcome
from theodolite.spectrum.enclosure import rounding_of

# fields with one number a pair
ROWS = ("values", "residuals", "tolerances", "low", "high")


@dataclass(frozen=True, repr=False)
class EigenPairs:
    """Approximate eigenpairs of a symmetric operator, values descending.

    Attributes
    ----------
    values : Tensor
        Ritz values ``(k,)``, descending, float64.
    vectors : Tensor
        Unit vectors ``(p, k)``, one a column.
    residuals : Tensor
        ``‖H v − θ v‖`` of each pair ``(k,)``. Some eigenvalue lies that near the
        value (Weinstein's bound).
    tolerances : Tensor
        What each residual was asked to be below ``(k,)``.
    low, high : Tensor
        What the eigenvalue of that rank, counted from its end, lies between ``(k,)``:
        one side is sure, as no Ritz value is outside the spectrum it comes from; the
        other holds with probability ``confidence``, each for itself, and is infinite
        where no random direction tells. Where it is near the value, none was missed.
    confidence : float
        Of ``low`` and ``high``.
    products : int
        Single-vector products spent.
    seconds : float
        Time spent.
    bytes : int
        Held by the basis and its products.
    seed : int
        Of the random start.
    outcome : Outcome
        How it ended.
    lowest : int
        How many of them, the last ones, were counted from the lower end.
    """

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "p k"]
    residuals: Float[Tensor, " k"]
    tolerances: Float[Tensor, " k"]
    low: Float[Tensor, " k"]
    high: Float[Tensor, " k"]
    confidence: float
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome
    lowest: int = 0

    @property
    def converged(self) -> bool:
        """Whether every pair met its tolerance."""
        return self.outcome.good and bool((self.residuals <= self.tolerances).all())

    def at(self, chosen: slice | Tensor) -> "EigenPairs":
        """Some of the pairs."""
        rows = {name: getattr(self, name)[chosen] for name in ROWS}
        count = len(self.values)
        lowest = int((torch.arange(count) >= count - self.lowest)[chosen].sum())
        return replace(self, vectors=self.vectors[:, chosen], lowest=lowest, **rows)

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the vectors, plain."""
        return {
            "pairs": [
                {
                    "value": value,
                    "residual": residual,
                    "converged": residual <= tolerance,
                    "low": low,
                    "high": high,
                }
                for value, residual, tolerance, low, high in self._rows()
            ],
            "confidence": self.confidence,
            "products": self.products,
            "seconds": self.seconds,
            "bytes": self.bytes,
            "seed": self.seed,
            "outcome": self.outcome.name,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Values with all that they may be off, as pages and tables show them."""
        return [
            eigenvalue_row(
                value, residual, self.vectors.dtype, good=residual <= tolerance
            )
            for value, residual, tolerance, _, _ in self._rows()
        ]

    def to_record(self) -> dict[str, Any]:
        """What a page draws of them: each end from its outermost one inwards."""
        rows = self.rows()
        top = len(rows) - self.lowest
        return {"top": rows[:top], "bottom": rows[top:][::-1]}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("eigenvalues", self.to_record(), rows=len(self.values))

    def _rows(self) -> Iterator[tuple[float, ...]]:
        columns = (getattr(self, name).tolist() for name in ROWS)
        return zip(*columns, strict=True)

    def __repr__(self) -> str:
        rows = [
            f"  {value:+.6e} ± {residual:.1e}"
            + ("   " if residual <= tolerance else "  ?")
            + ("" if isinf(low) or isinf(high) else f"  in [{low:.6g}, {high:.6g}]")
            for value, residual, tolerance, low, high in self._rows()
        ]
        head = (
            f"EigenPairs: {len(rows)} values ± residuals, {self.products} products. "
            f"{self.outcome}"
        )
        if bool((self.low.isfinite() & self.high.isfinite()).any()):
            head += f" By rank, each with probability {self.confidence:g}:"
        return "\n".join([head, *rows])


def eigenvalue_row(
    value: float, residual: float, dtype: torch.dtype, *, good: bool
) -> dict[str, Any]:
    """One value with its residual and the rounding of its products."""
    error = residual + rounding_of(value, dtype)
    return {"value": value, "residual": error, "converged": good}


def chosen_positions(values: Tensor, k: int, which: str) -> Tensor:
    """Where the wanted Ritz values stand in an ascending list."""
    count = values.shape[0]
    k = min(k, count)
    if which == "LM":
        return values.abs().argsort(descending=True)[:k].sort().values
    low = {"LA": 0, "SA": k, "BE": k // 2}[which]
    everything = torch.arange(count)
    return torch.cat([everything[:low], everything[count - (k - low) :]])
