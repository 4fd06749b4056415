"""At which learning rates gradient descent on a quadratic changes its ways."""

from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Any

from theodolite.errors import ArgumentError

CRAWL, CONVERGE, OSCILLATE, DIVERGE = "crawl", "converge", "oscillate", "diverge"
# the slower before the faster: a larger rate is never of an earlier kind
ORDER = (CRAWL, CONVERGE, OSCILLATE, DIVERGE)
# what "there" means: the distance that is left of the one at the start
REDUCTION = 0.1


@dataclass(frozen=True)
class Rates:
    """What the curvatures say of learning rates, exact on a quadratic.

    A step multiplies the distance along a direction of curvature λ by 1 − ηλ: it
    changes sign above 1/λ and grows above 2/λ. With momentum β, sign changes begin at
    (1 − √β)²/λ and growth at 2(1 + β)/λ.

    Attributes
    ----------
    largest, smallest : float
        λ_max and λ_min; the smallest is NaN where it is not known.
    steps : int
        Within which the distance along the flattest direction has to come down to a
        tenth, so that descent does not count as crawling.
    momentum : float
        β.
    """

    largest: float
    smallest: float = nan
    steps: int = 200
    momentum: float = 0.0

    @property
    def crawls_below(self) -> float:
        """A smaller rate needs more than ``steps``; NaN where λ_min is not positive."""
        if not self.smallest > 0:
            return nan
        shrinks = REDUCTION ** (1 / self.steps)
        # the momentum itself dies out too slowly
        if shrinks <= sqrt(self.momentum):
            return inf
        return (1 - shrinks) * (1 - self.momentum / shrinks) / self.smallest

    @property
    def oscillates_above(self) -> float:
        """Above, steps change sign along the steepest direction: 1/λ_max."""
        return self._over((1 - sqrt(self.momentum)) ** 2)

    @property
    def diverges_above(self) -> float:
        """Above, they grow along it: 2/λ_max."""
        return self._over(2 * (1 + self.momentum))

    def verdict(self, learning_rate: float) -> str:
        """What they say of a learning rate, the graver first.

        ``"crawl or converge"`` where it hangs on a λ_min that is not known.
        """
        if learning_rate > self.diverges_above:
            return DIVERGE
        if learning_rate > self.oscillates_above:
            return OSCILLATE
        if not self.smallest > 0:
            return f"{CRAWL} or {CONVERGE}"
        return CRAWL if learning_rate < self.crawls_below else CONVERGE

    def to_dict(self) -> dict[str, Any]:
        """Curvatures and boundaries, plain."""
        return {
            **vars(self),
            "crawls_below": self.crawls_below,
            "oscillates_above": self.oscillates_above,
            "diverges_above": self.diverges_above,
        }

    def _over(self, numerator: float) -> float:
        return numerator / self.largest if self.largest > 0 else inf


def require_rate(learning_rate: float, steps: int, momentum: float) -> None:
    """Refuse what no descent can be made of.

    Raises
    ------
    ArgumentError
        With the value.
    """
    if not 0 < learning_rate < inf:
        raise ArgumentError(
            found=f"learning_rate={learning_rate}.",
            why="Descent goes against the gradient, by a share of it.",
            instead="Give a positive number, like 1 / theodolite.speed_limit(land)"
            ".eigenvalue.",
        )
    if steps < 1:
        raise ArgumentError(
            found=f"steps={steps}.",
            why="Without a step nothing can be said.",
            instead="Give a positive whole number, like steps=200.",
        )
    if not 0 <= momentum < 1:
        raise ArgumentError(
            found=f"momentum={momentum}.",
            why="From 1 on the heavy ball never comes to rest.",
            instead="Give a number from 0 to below 1, like momentum=0.9.",
        )
