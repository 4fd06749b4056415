"""A growing tridiagonal matrix turned into a triangular one, column by column."""

from dataclasses import dataclass
from math import hypot


@dataclass(frozen=True)
class Turned:
    """The last column of T = Z R, and what it says of the system T y = ‖b‖ e₁.

    Attributes
    ----------
    diagonal, beside, beyond : float
        The column of R: on the diagonal, one above it, and two above.
    share : float
        The column's entry of Zᵀ ‖b‖ e₁.
    rest : float
        Norm of the least residual with this many columns.
    reach : float
        ``‖A r‖ / ‖r‖`` of the residual r before this column: zero where no more
        columns make it less.
    bend : float
        ``rᵀ A r / ‖r‖²`` of that same residual.
    cosine, sine : float
        The last rotation.
    next_beside, next_beyond : float
        The next column, turned as far.
    """

    diagonal: float
    beside: float
    beyond: float
    share: float
    rest: float
    reach: float
    bend: float
    cosine: float
    sine: float
    next_beside: float
    next_beyond: float

    @property
    def galerkin(self) -> float:
        """The residual's norm where T y = ‖b‖ e₁ is solved as it stands."""
        return self.rest / abs(self.cosine) if self.cosine else float("inf")


def unturned(length: float) -> Turned:
    """Before the first column, for a right-hand side of this norm."""
    return Turned(0.0, 0.0, 0.0, 0.0, length, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0)


def turned(before: Turned, alpha: float, beta: float) -> Turned:
    """One more column of T: ``alpha`` on the diagonal, ``beta`` below it.

    Paige and Saunders, "Solution of sparse indefinite systems of linear equations",
    SIAM J. Numer. Anal. 1975, doi:10.1137/0712047. With the residual r before,
    A r = ‖r‖ (g v + d v') for two Lanczos vectors, v the older, and vᵀ r = −c ‖r‖.
    """
    cosine, sine = before.cosine, before.sine
    beside = cosine * before.next_beside + sine * alpha
    left = sine * before.next_beside - cosine * alpha
    next_beside = -cosine * beta
    diagonal = hypot(left, beta)
    # a column of zeros takes nothing away
    turn, away = (left / diagonal, beta / diagonal) if diagonal else (0.0, 1.0)
    return Turned(
        diagonal=diagonal,
        beside=beside,
        beyond=before.next_beyond,
        share=turn * before.rest,
        rest=away * before.rest,
        reach=hypot(left, next_beside),
        bend=-cosine * left,
        cosine=turn,
        sine=away,
        next_beside=next_beside,
        next_beyond=sine * beta,
    )
