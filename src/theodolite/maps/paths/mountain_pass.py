"""A saddle between two valleys, and what was verified of it."""

from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.maps.paths.path import Path
from theodolite.outcomes import Outcome
from theodolite.site.critical_point import CriticalPoint


@final
@dataclass(frozen=True, repr=False)
class Pass:
    """The highest point of the lowest way from one valley to another.

    Attributes
    ----------
    point : Tensor
        ``(p,)``.
    direction : Tensor
        Unit vector ``(p,)`` along which the loss falls on both sides, towards the
        path's end.
    loss : float
        At the pass.
    above_a, above_b : float
        The pass's loss above that of each end.
    place : CriticalPoint
        What :func:`theodolite.classify` says of the point.
    path : Path or None
        The elastic band that it was found on.
    gradients : float
        Passes over all training data with gradients, the band's among them.
    products : int
        Hessian-vector products, those of the verification among them.
    seconds, seed, outcome
        What it cost, what it was drawn from, and how it ended.
    """

    point: Float[Tensor, " p"]
    direction: Float[Tensor, " p"]
    loss: float
    above_a: float
    above_b: float
    place: CriticalPoint
    path: Path | None
    gradients: float
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    @property
    def index(self) -> int:
        """Directions that surely bend down."""
        return self.place.index

    @property
    def gradient_norm(self) -> float:
        """Of the loss at the point."""
        return self.place.gradient_norm

    @property
    def lowest(self) -> float:
        """The smallest eigenvalue."""
        return self.place.lowest

    @property
    def verified(self) -> bool:
        """Whether it is a critical point, and one direction alone bends down."""
        known = self.place.kind == "saddle" and self.place.index_is_exact
        return known and self.index == 1

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain, without the tensors."""
        plain = {**vars(self), "verified": self.verified}
        del plain["point"], plain["direction"]
        plain["place"] = self.place.to_dict()
        plain["path"] = None if self.path is None else self.path.to_dict()
        return {**plain, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        exactly = "" if self.place.index_is_exact else " at least"
        return (
            f"Pass{'' if self.verified else ' (not verified)'}: loss {self.loss:.6g}, "
            f"{self.above_a:.4g} above a and {self.above_b:.4g} above b; "
            f"{self.place.kind} of index{exactly} {self.index}, |gradient| "
            f"{self.gradient_norm:.2g}, lowest eigenvalue {self.lowest:.4g} "
            f"({self.gradients:.4g} gradients, {self.products} products). "
            f"{self.outcome}"
        )
