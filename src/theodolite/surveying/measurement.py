"""One named part of a survey's result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.outcomes import Outcome
from theodolite.storage.plain import spelled, unspelled


@dataclass(frozen=True)
class Measurement:
    """One named part of a survey's result.

    Attributes
    ----------
    name : str
        What was measured.
    value : dict
        The numbers, plain; floats that are not finite are floats still.
    seconds : float
        Time spent.
    products : int
        Products spent.
    outcome : Outcome
        How it ended.
    """

    name: str
    value: Mapping[str, Any]
    seconds: float
    products: int
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for strict JSON."""
        return {
            "name": self.name,
            "seconds": self.seconds,
            "products": self.products,
            "outcome": {"name": self.outcome.name, "text": self.outcome.text},
            "value": spelled(self.value),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Measurement":
        """The measurement that :meth:`to_dict` wrote down."""
        return cls(
            name=row["name"],
            value=unspelled(row["value"]),
            seconds=row["seconds"],
            products=row["products"],
            outcome=Outcome(row["outcome"]["name"], row["outcome"]["text"]),
        )
