"""Eigenvalues with their vectors and residuals."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.outcomes import Outcome


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
    products : int
        Single-vector products spent.
    seconds : float
        Time spent.
    seed : int
        Of the random start.
    outcome : Outcome
        How it ended.
    """

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "p k"]
    residuals: Float[Tensor, " k"]
    tolerances: Float[Tensor, " k"]
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    @property
    def converged(self) -> bool:
        """Whether every pair met its tolerance."""
        return self.outcome.good and bool((self.residuals <= self.tolerances).all())

    def at(self, chosen: slice | Tensor) -> "EigenPairs":
        """Some of the pairs."""
        return EigenPairs(
            self.values[chosen],
            self.vectors[:, chosen],
            self.residuals[chosen],
            self.tolerances[chosen],
            self.products,
            self.seconds,
            self.seed,
            self.outcome,
        )

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the vectors, plain."""
        rows = zip(
            self.values.tolist(),
            self.residuals.tolist(),
            (self.residuals <= self.tolerances).tolist(),
            strict=True,
        )
        return {
            "pairs": [
                {"value": value, "residual": residual, "converged": good}
                for value, residual, good in rows
            ],
            "products": self.products,
            "seconds": self.seconds,
            "seed": self.seed,
            "outcome": self.outcome.name,
        }

    def __repr__(self) -> str:
        rows = [
            f"  {value:+.6e} ± {residual:.1e}"
            + ("" if residual <= tolerance else "  ?")
            for value, residual, tolerance in zip(
                self.values.tolist(),
                self.residuals.tolist(),
                self.tolerances.tolist(),
                strict=True,
            )
        ]
        head = (
            f"EigenPairs: {len(rows)} values, {self.products} products. {self.outcome}"
        )
        return "\n".join([head, *rows])


def chosen_positions(values: Tensor, k: int, which: str) -> Tensor:
    """Where the wanted Ritz values stand in an ascending list."""
    count = values.shape[0]
    k = min(k, count)
    if which == "LM":
        return values.abs().argsort(descending=True)[:k].sort().values
    low = {"LA": 0, "SA": k, "BE": k // 2}[which]
    everything = torch.arange(count)
    return torch.cat([everything[:low], everything[count - (k - low) :]])
