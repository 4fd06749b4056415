"""Training in rounds, each ending at rest, until the barrier no longer falls."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.curve import Curve
from theodolite.maps.paths.ends import require_finite_ends
from theodolite.maps.paths.losses_along import losses_along
from theodolite.maps.paths.profile import profile_of
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.spectrum.effort import Effort

# steps of the first round; each that helps is followed by one of twice as many
FIRST = 150
# after a round that did not help, steps are so much shorter; after two it ends
_SHORTER, _PATIENCE = 0.3, 2
# samples that the barrier is judged on meanwhile
_JUDGED = 4096
# points of the curve that it is judged by, at least
_GRID = 17

UNBEATEN = out_of_budget(
    "no curve was lower than the straight line, which is returned",
    "Raise budget, or give more bends",
)


@final
@dataclass(frozen=True)
class Seen:
    """A curve, and the loss along it.

    Attributes
    ----------
    curve : Curve
        What was looked at.
    t, losses : Tensor
        Where, and what was seen there, ``(m,)``.
    """

    curve: Curve
    t: Float[Tensor, " m"]
    losses: Float[Tensor, " m"]

    @property
    def rise(self) -> float:
        """The highest loss above the higher end; infinite where one is no number."""
        known = self.losses.nan_to_num(nan=inf, posinf=inf)
        return float(known.max() - known[[0, -1]].max())


@final
@dataclass(frozen=True)
class Judge:
    """How high a curve rises, measured in the same way after every round.

    Attributes
    ----------
    land : Landscape
        All training samples, or a random part of them.
    batch_norm : str
        What batch norm normalises by.
    """

    land: Landscape
    batch_norm: BatchNorm

    def see(self, curve: Curve) -> Seen:
        """The loss on an even grid of a curve."""
        t = even_grid(curve, _GRID)
        losses, _ = losses_along(self.land, curve, t, self.batch_norm)
        return Seen(curve, t, losses)

    def see_closely(self, curve: Curve) -> Seen:
        """The same, and between where it may be higher."""
        grid = even_grid(curve, 2 * _GRID - 1)
        found = profile_of(self.land, curve, grid, self.batch_norm)
        return Seen(curve, found.t, found.loss)


def judge_for(land: Landscape, batch_norm: BatchNorm, seed: int) -> Judge:
    """A judge that sees training samples alone, and not too many."""
    few = land.model is not None and land.samples > _JUDGED
    part = land.sample(_JUDGED, seed=seed) if few else land.over(land.batches)
    part.test = None
    return Judge(part, batch_norm)


def even_grid(curve: Curve, count: int) -> Float[Tensor, " m"]:
    """Evenly spaced parameters; on a chain, as many in every gap, and all knots."""
    if curve.form == "bezier":
        return torch.linspace(0, 1, count, dtype=torch.float64)
    gaps = len(curve.knots) - 1
    within = max(3, -(-(count - 1) // gaps))
    shares = torch.arange(within, dtype=torch.float64) / within
    starts, steps = curve.knots[:-1], curve.knots.diff()
    inner = (starts[:, None] + shares * steps[:, None]).flatten()
    return torch.cat([inner, curve.knots[-1:]])


@final
@dataclass(frozen=True)
class Stage:
    """One round to be trained.

    Attributes
    ----------
    number : int
        Counted from zero.
    steps : int
        How many.
    share : float
        Of the usual length of a step.
    idle : int
        Rounds before it that did not lower the barrier.
    """

    number: int = 0
    steps: int = FIRST
    share: float = 1.0
    idle: int = 0

    def after(self, helped: bool) -> "Stage":
        """The next round: longer, or shorter and with shorter steps."""
        if helped:
            return Stage(self.number + 1, 2 * self.steps, self.share)
        shorter = _SHORTER * self.share
        steps = max(FIRST, self.steps // 2)
        return Stage(self.number + 1, steps, shorter, self.idle + 1)


Round = Callable[[Seen, Stage], Curve]


def lowered(
    line: Curve,
    begin: Curve,
    judge: Judge,
    one_round: Round,
    rtol: float,
    effort: Effort,
    climb: bool = False,
) -> tuple[Curve, Outcome]:
    """The lowest curve of all rounds, the straight line among them.

    Rounds go on until the barrier is below ``rtol`` times the line's, or two in a row
    have not lowered it by as much; one, where an image climbs: its barrier cannot fall
    below the pass, and of bands that are equal to that tolerance the last is taken.
    """
    straight = judge.see_closely(line)
    require_finite_ends(straight.losses)
    if straight.rise == 0:
        return line, converged("The straight line does not rise above its higher end")
    enough = rtol * straight.rise if isfinite(straight.rise) else 0.0
    # where the rounds begin, all but on the line
    seen, stage, best, lowest = replace(straight, curve=begin), Stage(), begin, inf
    patience = 1 if climb else _PATIENCE
    while True:
        seen = judge.see(one_round(seen, stage))
        if seen.rise <= enough:
            seen = judge.see_closely(seen.curve)
        if seen.rise < lowest + (enough if climb else 0.0):
            best = seen.curve
        helped = seen.rise < (lowest - enough if isfinite(lowest) else inf)
        lowest = min(lowest, seen.rise)
        stage = stage.after(helped)
        if (ended := _ended(lowest, enough, stage, rtol, patience, effort)) is not None:
            # a curve that is high at first may fall below the line yet
            lower = lowest < straight.rise
            return (best, ended) if lower else (line, UNBEATEN)


def _ended(
    lowest: float,
    enough: float,
    stage: Stage,
    rtol: float,
    patience: int,
    effort: Effort,
) -> Outcome | None:
    """How it has ended, if it has."""
    share = f"{rtol:g} of the straight line's"
    if lowest <= enough:
        return converged(f"The barrier fell below {share}")
    if effort.spent():
        return out_of_budget(
            f"the budget ended with a barrier of {lowest:.4g} that may fall further",
            "Raise budget",
        )
    if stage.idle < patience:
        return None
    return converged(
        f"The barrier stopped falling: the last {patience} of {stage.number} rounds "
        f"did not lower it by {share}"
    )
