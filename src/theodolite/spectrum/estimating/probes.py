"""Random signs and their products."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.spectrum.estimating.space import Space

# an error that is by chance too small ends the probing: ask for a little less
EAGERNESS = 1.2


@dataclass(frozen=True)
class Probe:
    """Some random vectors and their products.

    Attributes
    ----------
    signs : Tensor
        Independent random signs ``(p, k)``.
    products : Tensor
        H P z, P off the vectors that were known then.
    known : int
        How many those were.
    others : Tensor or None
        G z, where the Gauss–Newton part is taken out.
    """

    signs: Float[Tensor, "p k"]
    products: Float[Tensor, "p k"]
    known: int = 0
    others: Float[Tensor, "p k"] | None = None

    def compressed(self, space: Space) -> Float[Tensor, "p k"]:
        """P H P z for the vectors known by now."""
        return space.compressed(self.signs, self.products, self.known)


def require_tolerances(rtol: float, atol: float, example: str) -> None:
    """Refuse tolerances that no error can be below.

    Raises
    ------
    ArgumentError
        When one is negative, or both are zero.
    """
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0):
        raise ArgumentError(
            found=f"rtol={rtol}, atol={atol}.",
            why="An error never gets below zero.",
            instead=f"Give {example}, or an absolute atol.",
        )
