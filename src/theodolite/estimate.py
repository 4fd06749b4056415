"""A number with its standard error."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from theodolite.outcomes import Outcome
from theodolite.student import student_quantile

# one number, or one for every parameter
Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True, repr=False)
class Estimate(Generic[Value]):
    """A number measured by random probes, and how far it may be off.

    Attributes
    ----------
    value : float or Tensor
        The estimate; a tensor ``(p,)`` for a number of every parameter.
    error : float or Tensor
        One standard error of the probes, for each number; zero where the value is
        exact.
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
    bytes : int
        Held for vectors, at most.
    freedom : int or None
        Degrees of freedom that the error was estimated with; one less than the probes
        where nothing is said.
    """

    value: Value
    error: Value
    probes: int
    products: int
    seconds: float
    seed: int
    outcome: Outcome
    bytes: int = 0
    freedom: int | None = None

    def interval(self, confidence: float = 0.95) -> tuple[Value, Value]:
        """Where the true value lies, with a given confidence.

        By Student's t distribution: few probes underrate their own spread.
        """
        freedom = self.probes - 1 if self.freedom is None else self.freedom
        # nothing drawn, nothing in doubt
        reach = student_quantile(confidence, freedom) if self.probes else 0.0
        return self.value - reach * self.error, self.value + reach * self.error

    def __float__(self) -> float:
        return float(self.value)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain; tensors as lists."""
        numbers = {"value": self.value, "error": self.error}
        plain = {
            name: number.tolist() if isinstance(number, Tensor) else number
            for name, number in numbers.items()
        }
        return {**vars(self), **plain, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        front, value = _shown(self.value)
        _, error = _shown(self.error)
        return (
            f"{front}{value:.6g} ± {error:.2g} "
            f"({self.probes} probes, {self.products} products). {self.outcome}"
        )


def _shown(number: float | Tensor) -> tuple[str, float]:
    """A number as it is; several by their norm."""
    if isinstance(number, Tensor):
        return f"{number.numel()} numbers of norm ", float(number.norm())
    return "", number


def mean_and_error(samples: Tensor) -> tuple[float, float]:
    """The mean of independent samples and its standard error."""
    spread = float(samples.std()) if len(samples) > 1 else float("inf")
    return float(samples.mean()), spread / len(samples) ** 0.5
