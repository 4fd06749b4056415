"""The highest loss within a ball around a point, found by climbing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.spectrum.vectors import norm

# a step that gains less, relative to what was gained, ends a climb
_ENOUGH = 1e-3
# how often a step that fell is taken back by half
_TRIES = 6


@dataclass(frozen=True)
class Climbs:
    """The ends of all climbs.

    Attributes
    ----------
    rises : dict
        Name of each start to the rise of the loss at its end; never below zero.
    unfinished : tuple of str
        Starts whose climb was cut short.
    gradients, losses : int
        Passes over the data.
    """

    rises: dict[str, float]
    unfinished: tuple[str, ...]
    gradients: int
    losses: int

    @property
    def highest(self) -> float:
        """The highest rise found, a lower bound of the highest there is."""
        return max(self.rises.values(), default=0.0)


@final
class Ball:
    """All points ``θ + s ∘ u`` with ``‖u‖ ≤ ρ``.

    With s = 1 a ball around the point; with s the sizes of the parameters, a ball of
    relative changes.

    Parameters
    ----------
    land : Landscape
        Its loss is climbed, from where it is.
    radius : float
        ρ.
    scale : Tensor or None
        s ``(p,)``; ones by default.
    """

    def __init__(
        self, land: Landscape, radius: float, scale: Float[Tensor, " p"] | None = None
    ) -> None:
        self._land, self.radius, self._scale = land, radius, scale
        self._point, self._base = land.point, land.loss()
        self.gradients = self.losses = 0

    def scaled(self, vector: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        """S ∘ v: a gradient by u out of one by θ, and a walk in θ out of one in u."""
        return vector if self._scale is None else self._scale * vector

    def on_edge(self, direction: Tensor) -> Tensor | None:
        """The point of the sphere in a direction; ``None`` where there is none."""
        length = norm(direction)
        if not 0.0 < length < float("inf"):
            return None
        return direction * (self.radius / length)

    def rise(self, u: Tensor) -> float:
        """The loss at u less that in the middle."""
        self.losses += 1
        return self._land.loss(self._point + self.scaled(u)) - self._base

    def gradient(self, u: Tensor) -> Tensor:
        """The gradient by u."""
        self.gradients += 1
        return self.scaled(self._land.gradient(self._point + self.scaled(u)))


@dataclass
class Climb:
    """Where one climb is.

    Attributes
    ----------
    u : Tensor
        The point on the sphere.
    rise : float
        Of the loss, there.
    pull : float
        How much of the present point is kept in a step, in the gradient's units: found
        where full steps fall.
    settled : bool
        Whether steps gain nothing more.
    """

    u: Tensor
    rise: float
    pull: float = 0.0
    settled: bool = False

    def step(self, ball: Ball) -> None:
        """One gradient, and the best point of the sphere that it points to."""
        slope = ball.gradient(self.u)
        for _ in range(_TRIES):
            u = ball.on_edge(slope + self.pull * self.u)
            if u is None:
                break
            rise = ball.rise(u)
            if rise > self.rise:
                self.settled = rise - self.rise <= _ENOUGH * abs(rise)
                self.u, self.rise = u, rise
                return
            self.pull = max(2 * self.pull, norm(slope) / ball.radius)
        self.settled = True


def climbs(
    ball: Ball,
    starts: Mapping[str, Float[Tensor, " p"]],
    *,
    steps: int = 20,
    late: Callable[[], bool] = lambda: False,
) -> Climbs:
    """Climb the loss on a ball's edge from every start.

        u ← ρ (∇f(u) + c u) / ‖∇f(u) + c u‖

    With c = 0 the linear maximum over the ball, which never falls where f is convex;
    c grows where it fell. On a quadratic the fixed points are those of the trust-region
    problem. A step is one gradient and one loss, more where it falls.

    Parameters
    ----------
    ball : Ball
        Where.
    starts : mapping
        Directions in u by name; a direction of no length is left out.
    steps : int
        For each start, at most.
    late : callable
        Whether to stop.
    """
    rises: dict[str, float] = {}
    unfinished: list[str] = []
    for name, direction in starts.items():
        u = ball.on_edge(direction)
        if u is None or (rises and late()):
            continue
        climb = Climb(u, ball.rise(u))
        for _ in range(steps):
            if climb.settled or late():
                break
            climb.step(ball)
        rises[name] = max(climb.rise, 0.0)
        if not climb.settled:
            unfinished.append(name)
    return Climbs(rises, tuple(unfinished), ball.gradients, ball.losses)


def quadratic_rise(gradient_norm: float, eigenvalue: float, radius: float) -> float:
    """ρ ‖g‖ + ½ ρ² λ_max: a quadratic rises by no more within the ball."""
    return radius * gradient_norm + radius**2 / 2 * max(eigenvalue, 0.0)
