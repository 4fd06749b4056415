"""A number with its standard error."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from theodolite.outcomes import Outcome


@dataclass(frozen=True, repr=False)
class Estimate:
    """A number measured by random probes, and how far it may be off.

    Attributes
    ----------
    value : float
        The estimate.
    error : float
        One standard error of the probes; zero where the value is exact.
    probes : int
        Independent probes it is the mean of; zero where none were needed.
    products : int
        Single-vector products spent.
    seconds : float
        Time spent.
    seed : int
        Of the probes.
    outcome : Outcome
        How it ended.
    """

    value: float
    error: float
    probes: int
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        return (
            f"{self.value:.6g} ± {self.error:.2g} "
            f"({self.probes} probes, {self.products} products). {self.outcome}"
        )


def mean_and_error(samples: Tensor) -> tuple[float, float]:
    """The mean of independent samples and its standard error."""
    spread = float(samples.std()) if len(samples) > 1 else float("inf")
    return float(samples.mean()), spread / len(samples) ** 0.5
