"""At which learning rate each kind of descent begins, observed beside predicted."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan, sqrt
from typing import Any

import torch
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.maps.descending.bends import Bends, bends_at
from theodolite.maps.descending.descent import descent_from, doubt_at
from theodolite.maps.descending.gradient_descent import Slope, follow
from theodolite.maps.descending.rates import ORDER, Rates, require_rate
from theodolite.maps.descending.slope import standing_still
from theodolite.maps.place import PlaceLike, as_place
from theodolite.progress import ProgressLike, Watcher, as_watcher
from theodolite.spectrum.vectors import norm

# doublings or halvings from the first guess
_REACH = 40
# below this share of the first gradient nothing more is told
_REST = 1e-8

Interval = tuple[float, float]


@dataclass(frozen=True, repr=False)
class Boundaries:
    """Learning rates between which descent changes its ways.

    Each observed boundary is an interval: the largest rate that was seen below it and
    the smallest above. NaN where it was not looked for.

    Attributes
    ----------
    rates : Rates
        The boundaries that the curvature predicts.
    converges, oscillates, diverges : pair of float
        Where convergence follows crawling, where oscillation begins, and divergence.
        No rate converges in between where the flattest direction is so flat that
        oscillation begins before crawling ends.
    descents, gradients, products : int
        What it cost.
    seconds : float
        Time spent.
    """

    rates: Rates
    converges: Interval
    oscillates: Interval
    diverges: Interval
    descents: int
    gradients: int
    products: int
    seconds: float

    @property
    def off(self) -> dict[str, float]:
        """Observed over predicted less one, for each boundary, by interval middles."""
        predicted = {
            "converges": self.rates.crawls_below,
            "oscillates": self.rates.oscillates_above,
            "diverges": self.rates.diverges_above,
        }
        return {
            name: sqrt(getattr(self, name)[0] * getattr(self, name)[1]) / rate - 1
            for name, rate in predicted.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "rates": self.rates.to_dict(), "off": self.off}

    def __repr__(self) -> str:
        told = [
            f"{name} from {_middle(interval):.4g} (predicted {rate:.4g})"
            for name, interval, rate in (
                ("converges", self.converges, self.rates.crawls_below),
                ("oscillates", self.oscillates, self.rates.oscillates_above),
                ("diverges", self.diverges, self.rates.diverges_above),
            )
            if interval[0] == interval[0]
        ]
        return (
            f"Boundaries: gradient descent {', '.join(told)} "
            f"({self.descents} descents)."
        )


def boundaries(
    land: Landscape,
    *,
    at: PlaceLike = None,
    steps: int = 200,
    momentum: float = 0.0,
    rtol: float = 0.01,
    kick: float | None = None,
    dtype: torch.dtype | None = torch.float64,
    seed: int = 0,
    progress: ProgressLike = False,
) -> Boundaries:
    """At which learning rates descent around a point changes its ways.

    Descents start beside the point, pushed off it along the steepest direction (and
    the flattest, where λ_min is known), and their verdicts are looked at as by
    :func:`theodolite.maps.descend`. Bisection finds the rates between which they
    change. The point is made to stand still: its gradient is subtracted,
    f(θ) − ∇f(θ₀)ᵀθ, which leaves every curvature as it is, so that the predictions
    1/λ_max and 2/λ_max can be tested at points that are no minima. Where convergence
    begins hangs on ``steps``, within which the distance has to come down to a tenth; it
    is looked for up to 256 parameters, where λ_min is positive.

    Costs 15 to 40 descents of up to ``steps`` gradients.

    Misleads where the landscape bends otherwise within the kick, as networks with kinks
    do within any kick that single precision can see. Observed and predicted come
    together in double precision, in which everything is therefore measured.

    Parameters
    ----------
    land : Landscape
        Whose gradient is followed.
    at : optional
        The place; where the model is by default.
    steps : int
        Of each descent.
    momentum : float
        β of the heavy ball.
    rtol : float
        Relative width of the intervals.
    kick : float, optional
        How far descents start from the point, over the norm of its parameters; by
        default 1.5e-8 in double precision and 3.5e-4 in single.
    dtype : torch.dtype, optional
        What networks are measured in; ``None`` for their own.
    seed : int
        Of the eigenvalue's random start.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When a number is out of its range, or nothing bends upward at the point.
    TheodoliteError
        As :func:`theodolite.maps.descend` raises.

    References
    ----------
    LeCun, Simard and Pearlmutter, "Automatic learning rate maximization by on-line
    estimation of the Hessian's eigenvectors", NIPS 1992.
    """
    require_landscape(land)
    require_rate(1.0, steps, momentum)
    began = time.perf_counter()
    point = as_place(land, at).point
    if dtype is not None and land.model is not None and dtype != land.dtype:
        land, point = land.to(dtype), point.to(dtype)
    # small to the landscape, large to rounding
    small = torch.finfo(land.dtype).eps ** 0.5 if kick is None else kick
    _require_positive(rtol=rtol, kick=small)
    bends = bends_at(land, point, seed)
    if not bends.largest > 0:
        raise ArgumentError(
            found=f"A point whose largest curvature is {bends.largest:.4g}.",
            why="Where nothing bends upward, every rate leads away.",
            instead="Give a place near a minimum: at=...",
        )
    rates = Rates(bends.largest, bends.smallest, steps, momentum)
    watcher = as_watcher(progress)
    try:
        with standing_still(land, point) as slope:
            trial = _Trials(slope, point, bends, rates, small)
            found = _searched(trial, rates, rtol, watcher)
    finally:
        watcher.close()
    return Boundaries(
        rates,
        *found,
        descents=len(trial.ranks),
        gradients=trial.gradients,
        products=bends.products,
        seconds=time.perf_counter() - began,
    )


class _Trials:
    """Descents from one start at several rates, each made once."""

    def __init__(
        self, slope: Slope, point: Tensor, bends: Bends, rates: Rates, kick: float
    ) -> None:
        self._slope, self._point = slope, point
        self._bends, self._rates = bends, rates
        push = kick * (norm(point) or 1.0)
        self._start = point + push * bends.directions.to(point).sum(0)
        self.ranks: dict[float, int] = {}
        self.gradients = 1

    def rank(self, rate: float) -> int:
        """Which kind of descent it is, in their order."""
        if rate not in self.ranks:
            steps, momentum = self._rates.steps, self._rates.momentum
            found = follow(
                self._slope,
                self._start,
                rate,
                steps=steps,
                compass=self._bends.directions.to(self._point),
                momentum=momentum,
                # the path is of no use here, nor what comes after the last swing
                every=steps,
                rest=_REST,
            )
            self.gradients += len(found.losses)
            run = descent_from(
                found,
                self._bends,
                rate,
                steps=steps,
                momentum=momentum,
                doubt=doubt_at(self._point, self._bends, rate, found),
            )
            self.ranks[rate] = ORDER.index(run.verdict)
        return self.ranks[rate]


def _searched(
    trial: _Trials, rates: Rates, rtol: float, watcher: Watcher
) -> tuple[Interval, Interval, Interval]:
    found: list[Interval] = []
    for number in (1, 2, 3):
        watcher.update(f"where it {ORDER[number]}s", (number - 1) / 3, inf)
        unknown = number == 1 and not rates.crawls_below > 0
        guess = 0.3 / rates.largest

        def beyond(rate: float, number: int = number) -> bool:
            return trial.rank(rate) >= number

        found.append((nan, nan) if unknown else bisected(beyond, guess, rtol))
    if trial.ranks.get(found[0][1], 1) > 1:
        # it swings before it is fast enough
        found[0] = (nan, nan)
    return found[0], found[1], found[2]


def bisected(beyond: Callable[[float], bool], guess: float, rtol: float) -> Interval:
    """The interval in which a condition on a positive number begins to hold.

    Raises
    ------
    ArgumentError
        When it holds everywhere that was looked, or nowhere.
    """
    above = beyond(guess)
    factor = 0.5 if above else 2.0
    low = high = guess
    for _ in range(_REACH):
        far = (low if above else high) * factor
        if beyond(far) != above:
            low, high = (far, low) if above else (high, far)
            break
        low, high = (far, low) if above else (high, far)
    else:
        raise ArgumentError(
            found=f"No change of verdict between {min(low, high):.3g} and "
            f"{max(low, guess):.3g}.",
            why="The boundary lies beyond.",
            instead="Look at single rates: theodolite.maps.descend(land, rate).",
        )
    while high > low * (1 + rtol):
        middle = sqrt(low * high)
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low, high


def _middle(interval: Interval) -> float:
    return sqrt(interval[0] * interval[1])


def _require_positive(**given: float) -> None:
    for name, value in given.items():
        if not 0 < value < inf:
            raise ArgumentError(
                found=f"{name}={value}.",
                why="It is a share of a length.",
                instead=f"Give a small positive number, like {name}=0.01.",
            )
