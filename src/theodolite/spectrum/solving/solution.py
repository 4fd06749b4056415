"""An approximate solution of a linear system, and how it came about."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from theodolite.outcomes import Outcome
from theodolite.spectrum.vectors import norm


@dataclass(frozen=True, repr=False)
class Solution:
    """An approximate solution of (H + δ I) x = b.

    Attributes
    ----------
    x : Tensor
        The solution ``(p,)``, as far as it was reached.
    residual : float
        ``‖b − (H + δ I) x‖``, from products with this x, not from a recurrence.
    tolerance : float
        What the residual was asked to be below.
    damping : float
        δ.
    method : str
        ``"cg"`` or ``"minres"``.
    iterations : int
        Steps of the method: products without those that check.
    negative_curvature : Tensor or None
        A unit direction ``d`` with ``dᵀ (H + δ I) d ≤ 0``, when one was met.
    curvature : float or None
        That value of ``dᵀ (H + δ I) d``, from a product with d.
    products, seconds, bytes
        What it cost, and held for vectors at most; for several dampings, what all of
        them cost together.
    seed : int
        Of what was random, if anything was.
    outcome : Outcome
        How it ended: ``"converged"``, ``"negative-curvature"``, ``"singular"``,
        ``"rounding"`` or ``"budget"``.
    """

    x: Float[Tensor, " p"]
    residual: float
    tolerance: float
    damping: float
    method: str
    iterations: int
    negative_curvature: Float[Tensor, " p"] | None
    curvature: float | None
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    @property
    def converged(self) -> bool:
        """Whether the residual met its tolerance."""
        return self.outcome.good

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the vectors, plain."""
        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in {"x", "negative_curvature"}
        }
        return {**plain, "size": norm(self.x), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        matrix = f"(H {_signed(self.damping)} I)" if self.damping else "H"
        met = "≤" if self.residual <= self.tolerance else ">"
        head = (
            f"Solution of {matrix} x = b: ‖x‖ = {norm(self.x):.4g}, "
            f"residual {self.residual:.2g} {met} {self.tolerance:.2g}; "
            f"{self.iterations} iterations ({self.method}), {self.products} products. "
        )
        bends = ""
        if self.curvature is not None and self.outcome.name != "negative-curvature":
            bends = f" On the way the curvature {self.curvature:.3g} was met."
        return f"{head}{self.outcome}{bends}"


def _signed(damping: float) -> str:
    return f"{'−' if damping < 0 else '+'} {abs(damping):g}"
