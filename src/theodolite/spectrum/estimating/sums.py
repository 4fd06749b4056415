"""What is gathered from random probes, and the errors that follow from it.

For signs z and a symmetric matrix A every entry of x = z ⊙ A z has the mean A_ii and
the variance Σ_{j≠i} A_ij². The trace's variance is twice the sum of all of those: two
probes of a large matrix tell it well, where two traces tell little.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# beyond, Student's t is the normal distribution
MOST_FREEDOM = 200


@dataclass
class Spread:
    """Mean and squared deviations of independent samples, numbers or vectors.

    Attributes
    ----------
    count : int
        Samples so far.
    mean : Tensor
        Float64, of one sample's shape.
    squares, cubes : Tensor
        Σ (x − mean)² and Σ (x − mean)³, entry by entry.
    """

    count: int = 0
    mean: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    squares: Tensor = field(
        default_factory=lambda: torch.zeros((), dtype=torch.float64)
    )
    cubes: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))

    def add(self, sample: Tensor) -> Tensor:
        """Take one float64 sample; returns what the squares grew by."""
        self.count += 1
        # Welford: no difference of large sums
        away, count = sample - self.mean, self.count
        self.mean = self.mean + away / count
        grown = (count - 1) / count * away.square()
        third = grown * away * (count - 2) / count
        self.cubes = self.cubes + third - 3 * away / count * self.squares
        self.squares = self.squares + grown
        return grown

    @property
    def variance(self) -> Tensor:
        """Of one sample; infinite before there are two."""
        if self.count < 2:
            return torch.full_like(self.mean, float("inf"))
        return self.squares / (self.count - 1)

    @property
    def skewness(self) -> Tensor:
        """Of one sample, as those at hand show it; zero where they do not differ."""
        if self.count < 2:
            return torch.zeros_like(self.mean)
        scale = self.variance.pow(1.5)
        return torch.where(scale > 0, self.cubes / self.count / scale, 0.0)


@dataclass
class Sums:
    """Sums over the probes of one matrix A.

    Attributes
    ----------
    mean : Tensor
        Of x = z ⊙ A z: the diagonal, ``(p,)`` in float64.
    entries : Tensor or None
        Σ (x − mean)² for every entry, where those are asked for.
    spread : float
        The same over all entries.
    lengths : sequence of int
        Parameters of each layer, where layers are asked for.
    layers : Spread
        Of every layer's sum of x.
    layer_spreads : Tensor
        Every layer's part of ``spread``.
    square : Spread
        Of ‖A z‖².
    """

    mean: Float[Tensor, " p"]
    entries: Float[Tensor, " p"] | None = None
    spread: float = 0.0
    lengths: Sequence[int] = ()
    layers: Spread = field(default_factory=Spread)
    layer_spreads: Tensor = field(
        default_factory=lambda: torch.zeros((), dtype=torch.float64)
    )
    square: Spread = field(default_factory=Spread)

    @classmethod
    def of(
        cls, size: int, device: torch.device, entries: bool, lengths: Sequence[int] = ()
    ) -> "Sums":
        """No probe yet."""
        zeros = torch.zeros(size, dtype=torch.float64, device=device)
        return cls(zeros, zeros.clone() if entries else None, lengths=lengths)

    @property
    def count(self) -> int:
        """Probes so far."""
        return self.square.count

    @property
    def bytes(self) -> int:
        """What the sums hold."""
        return self.mean.nbytes * (1 if self.entries is None else 2)

    def add(self, signs: Float[Tensor, "p k"], products: Float[Tensor, "p k"]) -> None:
        """Take ``k`` probes and the products of A with them."""
        for sign, product in zip(signs.T, products.T, strict=True):
            self._add(sign.double() * product.double())

    def _add(self, sample: Float[Tensor, " p"]) -> None:
        self.square.add(sample.square().sum().cpu())
        away = sample - self.mean
        self.mean += away / self.count
        grown = away.square_().mul_((self.count - 1) / self.count)
        self.spread += float(grown.sum())
        if self.entries is not None:
            self.entries += grown
        if self.lengths:
            self.layers.add(self.by_layer(sample))
            self.layer_spreads = self.layer_spreads + self.by_layer(grown)

    def by_layer(self, entries: Float[Tensor, " p"]) -> Float[Tensor, " l"]:
        """Every layer's sum, on the CPU."""
        parts = entries.split(list(self.lengths))
        return torch.stack([part.sum() for part in parts]).cpu()

    @property
    def trace_variance(self) -> float:
        """Of one sample of zᵀ A z, from the entries' variances."""
        if self.count < 2:
            return float("inf")
        return 2 * self.spread / (self.count - 1)

    @property
    def layer_variances(self) -> Float[Tensor, " l"]:
        """Of one sample of every layer's sum.

        A layer's variance lies between that of its entries and twice as much: where the
        few sums at hand say otherwise, that is chance.
        """
        single = self.layer_spreads / max(1, self.count - 1)
        return self.layers.variance.clamp(single, 2 * single)

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the variances that entries told together.

        χ² with ν degrees has a relative variance of 2/ν; what the variances' own is,
        the spread of ‖A z‖² tells.
        """
        if self.count < 2 or not self.spread:
            return max(1, self.count - 1)
        entries = self.spread / (self.count - 1)
        uncertain = float(self.square.variance) / self.count / entries**2
        known = 2 / uncertain if uncertain > 2 / MOST_FREEDOM else MOST_FREEDOM
        return max(1, self.count - 1, int(known))

    def to_dict(self) -> dict[str, Any]:
        """The whole state: tensors and plain numbers."""
        return {**vars(self), "layers": vars(self.layers), "square": vars(self.square)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Sums":
        """The same sums out of their state."""
        spreads = {key: Spread(**state[key]) for key in ("layers", "square")}
        return cls(**{**state, **spreads})
