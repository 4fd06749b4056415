"""What methods for linear systems have in common: a product at a time."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.solving.remembered import Remembered
from theodolite.spectrum.vectors import inner, norm


class Iteration(ABC):
    """The state of a Krylov method for A x = rest, from x = 0.

    Multiply :attr:`next` by A and give the product to :meth:`absorb`.

    Attributes
    ----------
    x : Tensor
        The solution so far, ``(p,)``.
    residual : float
        The norm of what is left of ``rest``, by recurrence.
    iterations : int
        Products taken.
    ended : str
        Why the method cannot go on: ``"bend"`` (the curvature is not positive),
        ``"flat"`` (it cannot be told from zero) or ``"stuck"`` (no less residual
        exists); empty where it can.
    bend : Tensor or None
        A direction along which the curvature was found not to be positive, ``(p,)``.
    curvature : float
        Along that direction, made a unit vector.
    certified : bool
        Whether the curvature is from a product with the direction itself.
    scale : float
        About the norm of the matrix, from below.
    past : Remembered
        Keeps new residuals orthogonal to those before.

    Parameters
    ----------
    rest : Tensor
        Right-hand side, ``(p,)``, not zero.
    conditioned : bool
        Whether there is a preconditioner.
    """

    certified = False

    def __init__(self, rest: Float[Tensor, " p"], conditioned: bool) -> None:
        self.x = torch.zeros_like(rest)
        self.residual = norm(rest)
        self.iterations = 0
        self.ended = ""
        self.bend: Tensor | None = None
        self.curvature = float("inf")
        self.scale = 0.0
        self.past = Remembered(rest, conditioned)

    @property
    @abstractmethod
    def next(self) -> Float[Tensor, " p"]:
        """The vector to be multiplied."""

    @abstractmethod
    def absorb(self, image: Float[Tensor, " p"]) -> None:
        """Take the product with :attr:`next`.

        Raises
        ------
        ArgumentError
            When the preconditioner is not positive.
        NonFiniteError
            When the product is NaN or infinite.
        """

    def settled(self, x: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """What is to be returned for x: it may hold parts that A sends to zero."""
        return x

    @property
    def bytes(self) -> int:
        """What its vectors hold."""
        held = [value for value in vars(self).values() if isinstance(value, Tensor)]
        # some names may share a vector
        own = sum({part.data_ptr(): part.nbytes for part in held}.values())
        return own + self.past.bytes


def dots(*pairs: tuple[Tensor, Tensor]) -> list[float]:
    """Inner products in float64, with one wait for the device.

    Raises
    ------
    NonFiniteError
        When one of them is NaN or infinite, as a product must have been.
    """
    found = torch.stack([inner(left[None], right)[0] for left, right in pairs])
    return require_finite(found.cpu()).tolist()
