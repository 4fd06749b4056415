"""Whether a residual can still become less, or rounding only makes it seem so."""

from dataclasses import dataclass

# reach of a residual, in roundings of the matrix's norm, that is as good as zero
STUCK = 64


@dataclass(frozen=True)
class Place:
    """A solution on the way, for whose residual r the matrix A gives nearly zero.

    There the residual is least, if the system has no solution. The method goes on, as
    it may have one along directions of little curvature. Rounding alone lets x grow
    along directions of none, and then nothing else is seen.

    Attributes
    ----------
    reach : float
        ``‖A r‖ / (‖A‖ ‖r‖)``.
    residual : float
        ``‖r‖``.
    size : float
        ``‖x‖``.
    """

    reach: float
    residual: float
    size: float

    def better(self, other: "Place") -> bool:
        """Whether this later one is a place to come back to instead."""
        if self.residual <= other.residual / 2:
            return True
        return self.reach <= other.reach and self.size <= 2 * other.size

    def in_vain(
        self, residual: float, size: float, *, scale: float, rounding: float, last: bool
    ) -> bool:
        """Whether what came after it, up to this residual and ‖x‖, came of rounding.

        ``scale`` is the matrix's norm; ``last`` where there will be no more.
        """
        blind = rounding * scale * size >= residual
        less = residual < self.residual / 2
        if last:
            return blind or not less
        natural = max(self.size, self.residual / scale)
        grown = size * rounding**0.5 >= natural
        return not less and (blind or grown)
