"""A path between two points: the loss along it, and the barrier that is left."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.barrier import Barrier
from theodolite.maps.paths.curve import Curve
from theodolite.maps.place import Place
from theodolite.outcomes import Outcome


@final
@dataclass(frozen=True, repr=False)
class Path:
    """A curve from one point to another, and the loss along it.

    Attributes
    ----------
    method : str
        ``"straight"``, ``"bezier"``, ``"polychain"`` or ``"neb"``.
    curve : Curve
        Control points with the ends, ``(k, p)``, and how they are mixed.
    t : Tensor
        Where the loss was measured, ``(m,)`` from 0 to 1: the share of the length
        covered for ``"straight"`` and ``"neb"``; the curve's own parameter for
        ``"bezier"``, and the same share of it for every piece of a ``"polychain"``.
    distance : Tensor
        How far that is from the start along the curve, ``(m,)`` in parameter units.
    loss, test_loss : Tensor
        The loss there, ``(m,)``; ``None`` without test data.
    barrier, test_barrier : Barrier
        The highest loss above the higher end, each by its own losses and at its own
        place.
    straight_barrier : float
        The same of the straight line, on the training data.
    length, straight_length : float
        Of the curve and of the line, in parameter units.
    batch_norm : str
        What batch norm normalised by: ``"frozen"``, ``"interpolated"`` or
        ``"re-estimated"``.
    gradients : float
        Passes over all training data with gradients, in the whole.
    seconds, seed, outcome
        What it cost, what it was drawn from, and how it ended.
    """

    method: str
    curve: Curve
    t: Float[Tensor, " m"]
    distance: Float[Tensor, " m"]
    loss: Float[Tensor, " m"]
    test_loss: Float[Tensor, " m"] | None
    barrier: Barrier
    test_barrier: Barrier | None
    straight_barrier: float
    length: float
    straight_length: float
    batch_norm: BatchNorm
    gradients: float
    seconds: float
    seed: int
    outcome: Outcome

    @property
    def points(self) -> Float[Tensor, "m p"]:
        """The points at ``t``, mixed anew: m · p numbers."""
        return self.curve.points(self.t)

    @property
    def places(self) -> list[Place]:
        """The points at ``t`` with their buffers, for another sweep."""
        return self.curve.places(self.t)

    @property
    def highest(self) -> Place:
        """Where the training loss is highest."""
        return self.place(self.barrier.t)

    def place(self, t: float) -> Place:
        """The point at any parameter, with its buffers."""
        return self.curve.place(t)

    @property
    def removed(self) -> float:
        """What share of the straight line's barrier is gone; NaN where it had none."""
        if not isfinite(self.straight_barrier) or self.straight_barrier <= 0:
            return float("nan")
        return 1 - self.barrier.value / self.straight_barrier

    def to_dict(self) -> dict[str, Any]:
        """All numbers, plain, without the control points."""
        plain = {**vars(self), "points": len(self.curve.control)}
        del plain["curve"]
        for name, value in plain.items():
            if isinstance(value, torch.Tensor):
                plain[name] = value.tolist()
            elif isinstance(value, Barrier):
                plain[name] = value.to_dict()
        return {**plain, "removed": self.removed, "outcome": self.outcome.name}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import ways

        return ways({"paths": {self.method: self.to_dict()}})

    def __repr__(self) -> str:
        test = "" if self.test_barrier is None else f", on test {self.test_barrier!r}"
        share = (
            f", {100 * self.removed:.3g} % removed" if isfinite(self.removed) else ""
        )
        longer = self.length / self.straight_length if self.straight_length else 1.0
        return (
            f"Path ({self.method}): barrier {self.barrier!r}{test}; straight "
            f"{self.straight_barrier:.4g}{share}; length {self.length:.4g}, "
            f"{longer:.3g} of the line's; batch norm {self.batch_norm} "
            f"({self.gradients:.4g} gradients). {self.outcome}"
        )
