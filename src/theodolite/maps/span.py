"""How far a map reaches, where nobody said: to where the loss has doubled."""

from collections.abc import Callable, Sequence
from math import isfinite, sqrt

from theodolite.maps.frame import Direction, Frame
from theodolite.maps.grid import Interval
from theodolite.spectrum.vectors import norm

# directions that are scaled alike share one reach
_ALIKE = {"filter", "layer", "random"}
_ROUNDS = 8
# how near to twice the loss is near enough
_NEAR = 1.5

Losses = Callable[[Sequence[tuple[float, ...]]], list[float]]


def automatic_span(frame: Frame, losses: Losses) -> list[Interval]:
    """Intervals around zero at whose ends the loss has changed by its own size.

    Between checkpoints the intervals hold them with a margin. Costs two to a dozen
    losses; no further than the weights' own length, and to there where the loss at the
    centre is zero.
    """
    axes = frame.directions
    if all(direction.kind == "checkpoint" for direction in axes):
        return [_margins(0.0, 1.0)] * len(axes)
    centre = losses([(0.0,) * len(axes)])[0]
    if all(direction.kind in _ALIKE for direction in axes):
        share = 1 / sqrt(len(axes))
        reach = _reach(frame, axes[0], [share] * len(axes), centre, losses)
        return [(-reach, reach)] * len(axes)
    found = []
    for number, direction in enumerate(axes):
        along = [float(number == other) for other in range(len(axes))]
        reach = _reach(frame, direction, along, centre, losses)
        found.append((-reach, reach))
    return found


def _margins(low: float, high: float, share: float = 0.25) -> Interval:
    margin = share * (high - low)
    return low - margin, high + margin


def _reach(
    frame: Frame,
    direction: Direction,
    along: Sequence[float],
    centre: float,
    losses: Losses,
) -> float:
    """How far along a direction the loss changes by its own size."""
    farthest = _farthest(frame, direction)
    wanted = abs(centre)
    if not isfinite(wanted) or not wanted:
        return farthest
    reach = _first_guess(direction, wanted, farthest)
    for _ in range(_ROUNDS):
        ends = [tuple(sign * reach * a for a in along) for sign in (1.0, -1.0)]
        changes = [abs(loss - centre) for loss in losses(ends)]
        change = max(changes) if all(map(isfinite, changes)) else float("inf")
        near = wanted / _NEAR <= change <= wanted * _NEAR
        if near or (change < wanted and reach >= farthest):
            break
        # as if the loss were a parabola, but never far from where it was measured
        factor = sqrt(wanted / change) if change else 4.0
        reach = min(reach * min(max(factor, 0.125), 4.0), farthest)
    return rounded(reach)


def _farthest(frame: Frame, direction: Direction) -> float:
    """The length of the weights, or one where there are none."""
    return (norm(frame.origin.point) or 1.0) / direction.length


def _first_guess(direction: Direction, wanted: float, farthest: float) -> float:
    bend = (direction.curvature or 0.0) * direction.length**2
    guess = sqrt(2 * wanted / abs(bend)) if bend else farthest
    return min(guess, farthest)


def rounded(number: float) -> float:
    """Two digits, so that axes carry numbers that can be read."""
    return float(f"{number:.2g}")
