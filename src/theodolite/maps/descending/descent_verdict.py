"""What kind of descent it was, read off what it met on the way."""

from dataclasses import dataclass
from math import inf, log

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.descending.gradient_descent import Steps
from theodolite.maps.descending.rates import (
    CONVERGE,
    CRAWL,
    DIVERGE,
    OSCILLATE,
    REDUCTION,
)

LEFT = "left the map"


@dataclass(frozen=True)
class Doubt:
    """What counts as nothing.

    Attributes
    ----------
    resolution : float
        The rounding of one number.
    gradient, loss : float
        Below which differences of gradients and of losses are rounding.
    leak : float
        The share of a gradient that a step makes look like one along the steepest
        direction, where that is not exactly known: η‖Hv − λv‖.
    """

    resolution: float
    gradient: float = 0.0
    loss: float = 0.0
    leak: float = 0.0


def judged(
    made: Steps, *, steps: int, momentum: float, doubt: Doubt
) -> tuple[str, str]:
    """The verdict on a descent, and why.

    Read off the sequences alone, whatever was predicted. Let aₜ be the gradient's
    component along the steepest direction (first column of ``made.along``), and bₜ that
    along the flattest (second column, if there is one); values that rounding may have
    made, or below √ε of the largest, are left out. The first of these that holds:

    - **diverge**: the loss, up or down, or the gradient is beyond all bounds or no
      number; or the loss ends above where it began; or it ends above its lowest while
      aₜ changes sign and its amplitude still grows in the last quarter;
    - **left the map**: the next point would have lain beyond its end;
    - **oscillate**: aₜ changes sign at every second step or more often (with momentum:
      at all), or more than half of the late steps turn back on the one before;
    - **crawl**: as fast as it was on the whole along the flattest direction (or, where
      none is given, as the gradient shrinks in the last quarter), bₜ would take more
      than ``steps`` to come down to a tenth;
    - **converge**: none of these.
    """
    steepest = trusted(made, doubt)
    grown = _divergence(made, steepest, momentum, doubt)
    if grown:
        return DIVERGE, grown
    if made.left:
        return LEFT, "The next step leads beyond the end of the map."
    swings = _oscillation(made, steepest, momentum, doubt)
    if swings:
        return OSCILLATE, swings
    needed, along = steps_to_a_tenth(made, doubt)
    said = f"a tenth of the {along} takes {needed:.3g} steps"
    if needed == inf:
        return CRAWL, f"The {along} does not shrink yet."
    if needed > steps:
        return CRAWL, f"At this pace {said}, more than {steps}."
    return CONVERGE, f"Nothing changes sign, and {said}."


def steps_to_a_tenth(made: Steps, doubt: Doubt) -> tuple[float, str]:
    """How many steps bring the flattest component to a tenth at the pace observed."""
    flattest = made.along[:, 1:2].flatten()
    seen = clear(flattest, doubt).nonzero().flatten()
    if len(seen) > 1 and seen[0] == 0:
        pace = _pace(flattest.abs(), 0, int(seen[-1]))
        return pace, "distance along the flattest direction"
    seen = clear(made.gradient_norms, doubt).nonzero().flatten()
    if len(seen) < 2:
        return 0.0, "gradient"
    last = int(seen[-1])
    return _pace(made.gradient_norms, min(3 * last // 4, last - 1), last), "gradient"


def trusted(made: Steps, doubt: Doubt) -> Float[Tensor, " n1"]:
    """The components along the steepest direction; zero what may be something else."""
    values = made.along[:, 0].clone()
    leaked = doubt.leak * made.gradient_norms[:-1]
    values[1:][~(values[1:].abs() > leaked)] = 0.0
    return torch.where(clear(values, doubt), values, 0.0)


def clear(values: Float[Tensor, " n"], doubt: Doubt) -> Tensor:
    """Which values are more than rounding."""
    sizes = values.abs()
    sizes = torch.where(sizes.isfinite(), sizes, 0.0)
    if not len(sizes):
        return torch.zeros(0, dtype=torch.bool)
    least = max(doubt.resolution**0.5 * float(sizes.max()), doubt.gradient)
    return sizes > least


def _pace(sizes: Tensor, start: int, end: int) -> float:
    """Steps to a tenth at the mean rate between two steps."""
    shrunk = log(float(sizes[start] / sizes[end])) / (end - start)
    return -log(REDUCTION) / shrunk if shrunk > 0 else inf


def _divergence(made: Steps, steepest: Tensor, momentum: float, doubt: Doubt) -> str:
    losses, last = made.losses, float(made.losses[-1])
    if made.unbounded:
        return f"The loss is {last:.4g} after {len(losses) - 1} steps."
    if last > float(losses[0]) + doubt.loss:
        return f"The loss rose from {float(losses[0]):.6g} to {last:.6g}."
    if last > float(losses.min()) + doubt.loss and _swells(steepest, momentum, doubt):
        return "Swings along the steepest direction still grow."
    return ""


def _swells(steepest: Tensor, momentum: float, doubt: Doubt) -> bool:
    """Whether the last quarter swings, and further than the quarter before."""
    quarter = max(1, len(steepest) // 4)
    late = steepest[-2 * quarter :]
    sizes = late.abs()
    if len(sizes) < 2:
        return False
    growth = float(sizes[-quarter:].max() / sizes[:-quarter].max())
    grows = growth > 1 + doubt.resolution**0.5
    return grows and bool(_changes_sign(late, momentum))


def _oscillation(made: Steps, steepest: Tensor, momentum: float, doubt: Doubt) -> str:
    changes = _changes_sign(steepest, momentum)
    if changes:
        return changes
    late = len(made.cosines) // 2
    seen = clear(made.gradient_norms, doubt)
    turns = made.cosines[late:][(seen[:-1] & seen[1:])[late:]]
    back = int((turns < 0).sum())
    if len(turns) > 3 and 2 * back > len(turns):
        return f"{back} of the last {len(turns)} steps turned back on the one before."
    return ""


def _changes_sign(values: Tensor, momentum: float) -> str:
    # signs, as a product of two small numbers may be none
    turns = torch.sign(values[:-1]) * torch.sign(values[1:])
    flips, count = int((turns < 0).sum()), int((turns != 0).sum())
    enough = flips > 0 if momentum else 2 * flips >= count > 0
    if not enough:
        return ""
    return (
        f"Along the steepest direction {flips} of {count} steps change the "
        "gradient's sign."
    )
