"""What eigenpairs tell about the blocks, so that probes need not."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.eigenpairs import EigenPairs


@final
class KnownPart:
    """The matrix A = V Θ Vᵀ of some eigenpairs, block by block.

    A control variate: ``‖Hz‖² − ‖Az‖² + ‖A‖²`` has the mean ``‖H‖²`` whatever A is,
    and varies little where A is most of H.

    Parameters
    ----------
    pairs : EigenPairs
        Of the whole matrix, vectors ``(p, k)``.
    lengths : sequence of int
        Parameters in each layer.
    """

    def __init__(self, pairs: EigenPairs, lengths: Sequence[int]) -> None:
        vectors = pairs.vectors.to("cpu", torch.float64)
        self._values = pairs.values.to("cpu", torch.float64)
        self._parts = vectors.split(list(lengths))
        # inner products of the vectors' parts, (l, k, k)
        self._grams = torch.stack([part.T @ part for part in self._parts])

    def expected(self, layer: int) -> Float[Tensor, " l"]:
        """‖A[i, layer]‖_F² for every layer i."""
        scaled = self._values[:, None] * self._grams[layer] * self._values
        return (self._grams * scaled).sum((1, 2))

    def squares(self, layer: int, block: Float[Tensor, "n k"]) -> Float[Tensor, "k l"]:
        """‖A[i, layer] z‖² for every layer i and every vector."""
        inside = self._parts[layer].T @ block.to("cpu", torch.float64)
        mixes = self._values[:, None] * inside
        return torch.einsum("mk,lmn,nk->kl", mixes, self._grams, mixes)
