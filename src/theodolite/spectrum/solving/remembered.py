"""Past vectors to which new ones are kept orthogonal."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.vectors import inner, without

# multiplies like the inverse of the matrix; None for the identity
Precondition = Callable[[Tensor], Tensor] | None
# of all vectors that are remembered
BASIS_BYTES = 2**28


@final
class Remembered:
    """Residuals rᵢ with rᵢᵀ P⁻¹ rⱼ = 0, as far as memory goes.

    Rounding makes short recurrences forget them, and find again what they had found:
    in exact arithmetic this does nothing, in practice it saves products, many where the
    matrix is ill conditioned. The first ones matter most, as they hold the outer
    eigenvectors; so where memory ends, the later ones are left out.

    Greenbaum, "Behavior of slightly perturbed Lanczos and conjugate-gradient
    recurrences", Linear Algebra Appl. 1989, doi:10.1016/0024-3795(89)90285-1.

    Parameters
    ----------
    like : Tensor
        A vector of the kind to be remembered, ``(p,)``.
    conditioned : bool
        Whether there is a preconditioner, so that P⁻¹ r is remembered as well.
    """

    def __init__(self, like: Float[Tensor, " p"], conditioned: bool) -> None:
        each = max(1, like.nbytes) * (2 if conditioned else 1)
        self._most = min(BASIS_BYTES // each, len(like))
        none = like.new_empty((0, len(like)))
        self._kept = [none, none] if conditioned else [none]
        self._squares = torch.zeros(0, dtype=torch.float64, device=like.device)
        self.count = 0

    @property
    def bytes(self) -> int:
        """What is held."""
        return sum(rows.nbytes for rows in self._kept)

    def add(self, vector: Tensor, conditioned: Tensor, square: float) -> None:
        """Remember one more r, with its P⁻¹ r and rᵀ P⁻¹ r."""
        if self.count == self._most:
            return
        if self.count == len(self._squares):
            self._widen()
        for rows, row in zip(self._kept, (vector, conditioned), strict=False):
            rows[self.count] = row
        self._squares[self.count] = square
        self.count += 1

    def clean(self, vector: Tensor, conditioned: Tensor) -> None:
        """Take from r and P⁻¹ r, in place, their parts along those remembered."""
        shares = inner(self._kept[0][: self.count], conditioned)
        shares /= self._squares[: self.count]
        for rows, row in zip(self._kept, (vector, conditioned), strict=False):
            without(row, rows[: self.count], shares)

    def _widen(self) -> None:
        """Half as much room again, while there is."""
        room = min(self._most, max(16, 3 * self.count // 2))
        self._kept = [_widened(rows, room) for rows in self._kept]
        self._squares = _widened(self._squares, room)


def _widened(rows: Tensor, room: int) -> Tensor:
    wide = rows.new_empty((room, *rows.shape[1:]))
    wide[: len(rows)] = rows
    return wide
