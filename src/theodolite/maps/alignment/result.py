"""What an alignment found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from theodolite.maps.alignment.unit_groups import UnitGroup, moved_units, units_of
from theodolite.outcomes import Outcome


@dataclass(frozen=True, repr=False)
class Alignment:
    """A model with its units in another model's order.

    Attributes
    ----------
    model : Module
        A copy of the second model with its units permuted: the same function.
    groups : tuple of UnitGroup
        The units that can be permuted, in groups that move together.
    permutations : mapping
        For each group by name, which unit of the second model stands at each place
        now, ``(n,)``; for what lies within blocks, like the dimensions of attention
        heads, one row a block, ``(blocks, n)``.
    method : str
        ``"weights"`` or ``"activations"``.
    distance_before, distance_after : float
        ``‖θ_a − θ_b‖`` over all parameters.
    deviation : float
        The largest difference between the outputs of ``model`` and of the second model
        on the inputs, by the largest output.
    sweeps : int
        Passes over all groups.
    notes : tuple of str
        What stays where it is although it might be permuted, and why.
    seconds, seed, outcome
        What it cost and how it ended.
    """

    model: nn.Module
    groups: tuple[UnitGroup, ...]
    permutations: Mapping[str, Tensor]
    method: str
    distance_before: float
    distance_after: float
    deviation: float
    sweeps: int
    notes: tuple[str, ...]
    seconds: float
    seed: int
    outcome: Outcome

    @property
    def moved(self) -> int:
        """Units that stand elsewhere than before."""
        return moved_units(self.permutations)

    def to_dict(self) -> dict[str, Any]:
        """All but the model, plain."""
        plain = {
            **vars(self),
            "groups": [vars(group) for group in self.groups],
            "permutations": {n: p.tolist() for n, p in self.permutations.items()},
            "notes": list(self.notes),
            "moved": self.moved,
            "outcome": self.outcome.name,
        }
        del plain["model"]
        return plain

    def __repr__(self) -> str:
        return " ".join(
            [
                f"Alignment by {self.method}: {self.moved} of {units_of(self.groups)} "
                f"units moved in {len(self.groups)} groups, distance "
                f"{self.distance_before:.4g} → {self.distance_after:.4g}, outputs kept "
                f"to {self.deviation:.1g}. {self.outcome}",
                *self.notes,
            ]
        )
