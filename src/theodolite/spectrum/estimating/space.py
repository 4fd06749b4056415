"""Vectors whose products are known, and what they tell without any probe."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.vectors import inner, norm, without

# entries of a float64 slab
_SLAB = 2**21


@dataclass(frozen=True)
class Known:
    """The part of a matrix that needs no probes, and how far it may be off.

    Attributes
    ----------
    trace, trace_error : float
        Of the part.
    square : float
        What it adds to the sum of squares of the matrix's entries.
    diagonal, diagonal_error : Tensor or None
        Of the part, ``(p,)`` in float64.
    layers, layer_errors : Tensor or None
        Of each layer's block, ``(l,)``; the diagonal's sums where nothing is said.
    whole : bool
        Whether it is all of the matrix, as far as it is asked for.
    drawn : int
        Random signs that its own errors come from.
    """

    trace: float = 0.0
    trace_error: float = 0.0
    square: float = 0.0
    diagonal: Float[Tensor, " p"] | None = None
    diagonal_error: Float[Tensor, " p"] | None = None
    layers: Float[Tensor, " l"] | None = None
    layer_errors: Float[Tensor, " l"] | None = None
    whole: bool = False
    drawn: int = 0


@final
class Space:
    """The span of orthonormal vectors, with their products where those are at hand.

        H = A + H Q Qᵀ + Q Qᵀ H − Q T Qᵀ,   A = P H P,  P = I − Q Qᵀ,  T = Qᵀ H Q

    All but A is known; probes are for A.

    Parameters
    ----------
    rows : Tensor
        Q, one vector a row, ``(m, p)``.
    images : Tensor or None
        H Q in the same form.
    values : Tensor
        The diagonal of T, ``(m,)``.
    """

    def __init__(
        self,
        rows: Float[Tensor, "m p"],
        images: Float[Tensor, "m p"] | None,
        values: Float[Tensor, " m"],
    ) -> None:
        self.rows, self.images, self._values = rows, images, values

    @classmethod
    def empty(cls, matrix: Operator) -> "Space":
        """Nothing known."""
        rows = torch.zeros(0, matrix.shape[0], dtype=matrix.dtype, device=matrix.device)
        return cls(rows, rows, torch.zeros(0, dtype=torch.float64))

    @classmethod
    def of_pairs(cls, pairs: EigenPairs, matrix: Operator, images: bool) -> "Space":
        """That of eigenpairs; their products cost one each, where they are needed."""
        vectors = pairs.vectors.to(matrix.device)
        products = require_finite(matrix @ vectors).T if images else None
        return cls(vectors.T.contiguous(), products, pairs.values)

    @classmethod
    def of_krylov(cls, krylov: Krylov, count: int) -> "Space":
        """That of the first vectors of a Krylov basis."""
        values = krylov.small.diagonal()[:count]
        return cls(krylov.basis[:count], krylov.products[:count], values)

    @property
    def dimension(self) -> int:
        """How many vectors."""
        return self.rows.shape[0]

    def off(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        """P times some vectors, in their type."""
        if not self.dimension:
            return block
        found = [
            without(v.to(torch.float64, copy=True), self.rows, inner(self.rows, v))
            for v in block.unbind(1)
        ]
        return torch.stack(found, 1).to(block.dtype)

    def compressed(
        self, signs: Float[Tensor, "p k"], products: Float[Tensor, "p k"], known: int
    ) -> Float[Tensor, "p k"]:
        """A z out of ``H P' z``, P' off the first ``known`` vectors alone."""
        if self.images is None or known == self.dimension:
            return self.off(products)
        rows, images = self.rows[known:], self.images[known:]
        found = [
            without(y.to(torch.float64, copy=True), images, inner(rows, z))
            for z, y in zip(signs.unbind(1), products.unbind(1), strict=True)
        ]
        return self.off(torch.stack(found, 1))

    def known(self, entries: bool, whole: bool = False) -> Known:
        """What is known of the matrix; with ``entries`` diagonal and squares."""
        trace = float(self._values.sum())
        if not entries or self.images is None:
            return Known(trace, whole=whole)
        inside = [inner(self.rows, image) for image in self.images]
        small = torch.stack(inside) if inside else self.rows.new_zeros(0, 0).double()
        squares = sum((norm(image) ** 2 for image in self.images), 0.0)
        return Known(
            trace,
            square=2 * squares - float(small.square().sum()),
            diagonal=_diagonal(self.rows, self.images, small),
            whole=whole,
        )


def _diagonal(
    rows: Float[Tensor, "m p"], images: Float[Tensor, "m p"], small: Tensor
) -> Float[Tensor, " p"]:
    """Of 2 H Q Qᵀ − Q T Qᵀ."""
    count, size = rows.shape
    total = torch.zeros(size, dtype=torch.float64, device=rows.device)
    step = max(1, _SLAB // max(1, count))
    for start in range(0, size, step):
        slab = slice(start, start + step)
        wide, products = rows[:, slab].double(), images[:, slab].double()
        total[slab] = (wide * (2 * products - small @ wide)).sum(0)
    return total
