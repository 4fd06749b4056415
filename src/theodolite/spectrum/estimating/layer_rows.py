"""Every layer's trace, by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from theodolite.estimate import Estimate
from theodolite.outcomes import Outcome


@final
@dataclass(frozen=True, repr=False)
class LayerTraces(Mapping[str, Estimate[float]]):
    """The trace of every layer's block, by layer name.

    Attributes
    ----------
    rows : dict
        Layer name to :class:`~theodolite.estimate.Estimate`, in the model's order;
        the products of each are those that all share.
    products, seconds, seed, outcome, bytes
        What it cost and how it ended.
    """

    rows: dict[str, Estimate[float]]
    products: int
    seconds: float
    seed: int
    outcome: Outcome
    bytes: int = 0

    def __getitem__(self, layer: str) -> Estimate[float]:
        return self.rows[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        rows = {name: row.to_dict() for name, row in self.rows.items()}
        return {**vars(self), "rows": rows, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [
            f"  {name:{width}}  {row.value:.5g} ± {row.error:.1g}"
            for name, row in self.rows.items()
        ]
        head = f"LayerTraces: {self.products} products. {self.outcome}"
        return "\n".join([head, *lines])

    @classmethod
    def of(cls, names: Sequence[str], found: Estimate[Tensor]) -> "LayerTraces":
        """Rows out of one estimate with a number for each layer."""
        pairs = zip(found.value.tolist(), found.error.tolist(), strict=True)
        rows: dict[str, Estimate[float]] = {
            name: Estimate(**{**vars(found), "value": value, "error": error})
            for name, (value, error) in zip(names, pairs, strict=True)
        }
        return cls(
            rows, found.products, found.seconds, found.seed, found.outcome, found.bytes
        )


def layer_lengths(matrix: Any) -> list[int]:
    """Parameters in each layer of a landscape's operator."""
    places = matrix.parameters.layers.values()
    return [place.stop - place.start for place in places]
