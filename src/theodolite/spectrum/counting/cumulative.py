"""How many eigenvalues lie up to some value: bounds that hold, and what probes add.

What is known beside the rules stands for one eigenvalue each. With residuals r_j, the
matrix is that of the values θ_j and of the compression B, coupled by no more than r_j.
By Haynsworth's inertia theorem it has as many eigenvalues below x as there are values
below x, and as B has below x − Σ r_j²/(x − θ_j) and x + Σ r_j²/(θ_j − x), over the
values below and above x. A value nearer to x than a few residuals counts as unknown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.counting.chebyshev_markov_stieltjes import Brackets, brackets
from theodolite.spectrum.counting.known_values import Known
from theodolite.spectrum.counting.quadrature import Rule
from theodolite.spectrum.counting.random_weights import count_interval

# residuals between x and a value that is surely on one side of it
_SURE = 3.0


@dataclass(frozen=True)
class Counted:
    """Numbers of eigenvalues ``(g,)``: the likeliest, and an interval."""

    value: Float[Tensor, " g"]
    low: Float[Tensor, " g"]
    high: Float[Tensor, " g"]


@dataclass(frozen=True)
class _Below:
    """What is below some places: known values, and shares of the rest."""

    surely: Tensor
    perhaps: Tensor
    lower: Tensor
    upper: Tensor


@dataclass(frozen=True)
class Cumulative:
    """The cumulative distribution that rules and known values leave open.

    Attributes
    ----------
    tables : tuple of Brackets
        Of each probe.
    known : Known
        Eigenvalues beside them.
    dimension : int
        Eigenvalues that the probes stand for.
    rounding : float
        How far rounding of the products may move eigenvalues.
    exact : bool
        Whether the one rule is the spectrum itself.
    """

    tables: tuple[Brackets, ...]
    known: Known
    dimension: int
    rounding: float
    exact: bool

    @classmethod
    def of(
        cls,
        rules: Sequence[Rule],
        known: Known,
        size: int,
        rounding: float,
        *,
        exact: bool,
    ) -> "Cumulative":
        """What follows from the rules of all probes."""
        dimension = size - len(known.values)
        tables = tuple(brackets(rule) for rule in rules)
        return cls(tables, known, dimension, rounding, exact)

    def up_to(self, x: Float[Tensor, " g"]) -> Counted:
        """How many eigenvalues are at most x."""
        return self.between(torch.full_like(x, -torch.inf), x)

    def between(self, low: Float[Tensor, " g"], high: Float[Tensor, " g"]) -> Counted:
        """How many eigenvalues are in [low, high]."""
        start, stop = self._below(low, before=True), self._below(high, before=False)
        lower = (stop.lower - start.upper).clamp(0, 1)
        upper = (stop.upper - start.lower).clamp(0, 1)
        surely = (stop.surely - start.perhaps).clamp(min=0)
        perhaps = stop.perhaps - start.surely
        middle = self.dimension * (lower + upper) / 2 + (surely + perhaps) / 2
        least, most = self._interval(lower, upper)
        return Counted(middle, surely + least, perhaps + most)

    def _interval(self, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
        if self.exact:
            return lower * self.dimension, upper * self.dimension
        probes = len(self.tables)
        return count_interval(lower, upper, self.dimension, probes)

    def _below(self, x: Tensor, *, before: bool) -> _Below:
        """Bounds of what is below x, or up to x."""
        values, residuals = self.known.values, self.known.residuals
        beyond = x[:, None] - values[None, :]
        surely = beyond > _SURE * residuals
        perhaps = beyond >= -_SURE * residuals
        moved = torch.nan_to_num(residuals.square() / beyond, 0.0, 0.0, 0.0)
        down = (moved * surely).sum(1) + self.rounding
        up = (-moved * ~perhaps).sum(1) + self.rounding
        lower = [table.at(x - down, before=before)[0] for table in self.tables]
        upper = [table.at(x + up, before=before)[1] for table in self.tables]
        return _Below(
            surely.sum(1).double(),
            perhaps.sum(1).double(),
            torch.stack(lower).mean(0),
            torch.stack(upper).mean(0),
        )
