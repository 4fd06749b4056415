"""Conjugate gradients, with or without a preconditioner."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.solving.iteration import Iteration, dots
from theodolite.spectrum.solving.preconditioning import conditioned, positive_form
from theodolite.spectrum.solving.remembered import Precondition
from theodolite.spectrum.vectors import norm


@final
class ConjugateGradients(Iteration):
    """The least energy ½ xᵀ A x − restᵀ x in a growing Krylov space.

    Ends where the curvature along its direction is not positive, or cannot be told
    from zero.

    Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems",
    1952, doi:10.6028/jres.049.044.

    Parameters
    ----------
    rest : Tensor
        Right-hand side, ``(p,)``, not zero.
    precondition : callable or None
        Multiplies like the inverse of A.
    rounding : float
        Relative rounding of a product.
    """

    certified = True

    def __init__(
        self, rest: Float[Tensor, " p"], precondition: Precondition, rounding: float
    ) -> None:
        super().__init__(rest, precondition is not None)
        self._precondition, self._rounding = precondition, rounding
        self._rest = rest.clone()
        self._conditioned = conditioned(self._rest, precondition)
        self._square = positive_form(self._rest, self._conditioned)
        self._direction = self._conditioned.clone()

    @property
    def next(self) -> Float[Tensor, " p"]:
        """The present direction."""
        return self._direction

    def absorb(self, image: Float[Tensor, " p"]) -> None:
        """One step, or the discovery that the direction does not bend upward."""
        direction = self._direction
        pairs = (direction, image), (direction, direction), (image, image)
        energy, square, size = dots(*pairs)
        self.iterations += 1
        self.scale = max(self.scale, (size / square) ** 0.5)
        curvature = energy / square
        if curvature <= self._rounding * self.scale:
            self.ended = "flat"
            if curvature <= 0:
                self.ended, self.bend, self.curvature = "bend", direction, curvature
            return
        self.past.add(self._rest, self._conditioned, self._square)
        step = self._square / energy
        self.x.add_(direction, alpha=step)
        self._rest.add_(image, alpha=-step)
        self._turn()

    def _turn(self) -> None:
        """The next direction, conjugate to all before."""
        rest = self._rest
        self._conditioned = conditioned(rest, self._precondition)
        self.past.clean(rest, self._conditioned)
        square = positive_form(rest, self._conditioned)
        bare = self._precondition is None
        self.residual = square**0.5 if bare else norm(rest)
        self._direction.mul_(square / self._square).add_(self._conditioned)
        # zero where nothing is left to do
        self._square = square or self._square
