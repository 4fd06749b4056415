"""Minimal residuals, for systems that may be indefinite or singular."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.solving.givens import Turned, turned, unturned
from theodolite.spectrum.solving.iteration import Iteration, dots
from theodolite.spectrum.solving.preconditioning import conditioned, positive_form
from theodolite.spectrum.solving.remembered import Precondition
from theodolite.spectrum.solving.stagnation import STUCK, Place
from theodolite.spectrum.vectors import norm


@final
class Minres(Iteration):
    """The least residual in a growing Krylov space.

    Goes on through negative curvature, and remembers the residual that bent the most:
    its curvature is known without a product (Liu and Roosta, "MINRES: from negative
    curvature detection to monotonicity properties", SIAM J. Optim. 2022,
    arXiv:2109.10286). Ends where the residual cannot become less, the system having no
    solution: then x is the shortest of those with that residual (Liu, Milzarek and
    Roosta, "Obtaining pseudo-inverse solutions with MINRES", 2023, arXiv:2309.17096),
    unless there is a preconditioner.

    Parameters
    ----------
    rest : Tensor
        Right-hand side, ``(p,)``, not zero.
    precondition : callable or None
        Multiplies like the inverse of A, or of its absolute value.
    rounding : float
        Relative rounding of a product.
    """

    def __init__(
        self, rest: Float[Tensor, " p"], precondition: Precondition, rounding: float
    ) -> None:
        super().__init__(rest, precondition is not None)
        self._precondition, self._rounding = precondition, rounding
        primal = conditioned(rest, precondition)
        self._length = positive_form(rest, primal) ** 0.5
        # Lanczos vectors and, conditioned, the directions that they stand for
        self._dual, self._older = rest / self._length, torch.zeros_like(rest)
        bare = precondition is None
        self._primal = self._dual if bare else primal / self._length
        self._turned: Turned = unturned(self._length)
        # the triangle's last two columns as directions of x
        self._step, self._last_step = torch.zeros_like(rest), torch.zeros_like(rest)
        self._rest = rest.clone()
        self._conditioned = self._rest if bare else primal
        self._below, self._spread = 0.0, 0.0
        # to come back to
        self._place: Place | None = None
        self._kept: tuple[Tensor, Tensor] | None = None

    @property
    def next(self) -> Float[Tensor, " p"]:
        """The newest Lanczos vector, conditioned."""
        return self._primal

    def absorb(self, image: Float[Tensor, " p"]) -> None:
        """One Lanczos step, and the least residual with it."""
        alpha, size, square = dots(
            (self._primal, image), (image, image), (self._primal, self._primal)
        )
        self.iterations += 1
        self.scale = max(self.scale, (size / square) ** 0.5)
        ahead, primal, beta = self._lanczos(image, alpha)
        self._spread = max(self._spread, (alpha**2 + beta**2 + self._below**2) ** 0.5)
        now = turned(self._turned, alpha, beta)
        self._note_bend(now)
        if self._settles(now):
            return
        self._advance(now)
        self._go_on_along(ahead, primal, beta)
        self._shrink(now)
        self._look_back()

    def _lanczos(self, image: Tensor, alpha: float) -> tuple[Tensor, Tensor, float]:
        """The next Lanczos vector, conditioned as well, and its length."""
        ahead = image.add(self._older, alpha=-self._below)
        ahead.add_(self._dual, alpha=-alpha)
        self.past.add(self._dual, self._primal, 1.0)
        primal = conditioned(ahead, self._precondition)
        self.past.clean(ahead, primal)
        return ahead, primal, positive_form(ahead, primal) ** 0.5

    def _advance(self, now: Turned) -> None:
        """The triangle's newest column, as a step of x."""
        fresh = self._primal.add(self._last_step, alpha=-now.beyond)
        fresh.add_(self._step, alpha=-now.beside).div_(now.diagonal)
        self._last_step, self._step = self._step, fresh
        self.x.add_(fresh, alpha=now.share)
        self._turned = now

    def _go_on_along(self, ahead: Tensor, primal: Tensor, beta: float) -> None:
        """The next Lanczos vector; none where the space is exhausted."""
        size = 1 / beta if beta else 0.0
        self._older, self._below = self._dual, beta
        self._dual = ahead * size
        bare = self._precondition is None
        self._primal = self._dual if bare else primal * size

    def _shrink(self, now: Turned) -> None:
        """The residual itself, r ← s² r − c ‖r‖ v."""
        kept, turn = now.sine**2, -now.rest * now.cosine
        self._rest.mul_(kept).add_(self._dual, alpha=turn)
        if self._precondition is None:
            self.residual = now.rest
            return
        self._conditioned.mul_(kept).add_(self._primal, alpha=turn)
        self.residual = norm(self._rest)

    def _note_bend(self, now: Turned) -> None:
        """Keep the residual that bends downward the most."""
        if now.bend > 0:
            return
        length = norm(self._conditioned) / self._turned.rest
        curvature = now.bend / length**2
        if curvature < self.curvature:
            self.bend, self.curvature = self._conditioned.clone(), curvature

    def _settles(self, now: Turned) -> bool:
        """Whether A sends the residual to zero; notes where it nearly does."""
        reach = now.reach / self._spread if self._spread else 0.0
        if reach <= STUCK * self._rounding:
            self.ended = "stuck"
            self._look_back()
        elif reach <= self._rounding**0.5:
            here = Place(reach, self.residual, norm(self.x))
            if self._place is None or here.better(self._place):
                self._place, self._kept = here, (self.x.clone(), self._rest.clone())
        return bool(self.ended)

    def _look_back(self) -> None:
        """Return to where A nearly sent the residual to zero, if nothing came of it."""
        if self._place is None or self._kept is None:
            return
        if self._place.in_vain(
            self.residual,
            norm(self.x),
            scale=self.scale,
            rounding=self._rounding,
            last=bool(self.ended),
        ):
            self.x, self._rest = self._kept
            self.residual, self.ended = self._place.residual, "stuck"

    def settled(self, x: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """Without its part along a residual that A sends to zero."""
        if self.ended != "stuck" or self._precondition is not None:
            return x
        along, square = dots((self._rest, x), (self._rest, self._rest))
        return x.add(self._rest, alpha=-along / square)
