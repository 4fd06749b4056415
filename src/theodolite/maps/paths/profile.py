"""The loss along a curve, looked at more closely where it may be highest."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.curve import Curve
from theodolite.maps.paths.losses_along import losses_along

# further looks at most, for each of training and test
_LOOKS = 12
# of the barrier, and of the loss's range: what the peak may be higher than measured
_RTOL, _OF_RANGE = 1e-3, 1e-5


@final
@dataclass(frozen=True)
class Profile:
    """Losses along a curve, in order.

    Attributes
    ----------
    t : Tensor
        Where, ``(m,)``.
    loss, test_loss : Tensor
        ``(m,)``; no test losses where there are no test data.
    """

    t: Float[Tensor, " m"]
    loss: Float[Tensor, " m"]
    test_loss: Float[Tensor, " m"] | None

    def with_more(self, other: "Profile") -> "Profile":
        """Both together, in order."""
        t, order = torch.cat([self.t, other.t]).sort(stable=True)
        loss = torch.cat([self.loss, other.loss])[order]
        if self.test_loss is None or other.test_loss is None:
            return Profile(t, loss, None)
        return Profile(t, loss, torch.cat([self.test_loss, other.test_loss])[order])

    @property
    def sides(self) -> list[Float[Tensor, " m"]]:
        """Training losses, and test losses where there are some."""
        return [self.loss] if self.test_loss is None else [self.loss, self.test_loss]


def profile_of(
    land: Landscape, curve: Curve, grid: Float[Tensor, " m"], batch_norm: BatchNorm
) -> Profile:
    """The loss on a grid, and where a parabola says that it is higher still."""

    def measured(t: Tensor) -> Profile:
        return Profile(t, *losses_along(land, curve, t, batch_norm))

    profile = measured(grid)
    for _ in range(_LOOKS):
        wanted = {next_look(profile.t, side) for side in profile.sides} - {None}
        if not wanted:
            break
        # pyright cannot see that None was taken out
        more = torch.tensor(sorted(at for at in wanted if at is not None))
        profile = profile.with_more(measured(more.double()))
    return profile


def next_look(t: Float[Tensor, " m"], loss: Float[Tensor, " m"]) -> float | None:
    """Where the loss may be higher than anything measured, if it may."""
    at, excess = _peak(t, loss)
    known = loss[loss.isfinite()]
    if at is None or len(known) < len(loss):
        return None
    top = float(loss.max())
    barrier = top - float(loss[[0, -1]].max())
    allowed = _RTOL * barrier + _OF_RANGE * float(loss.max() - loss.min())
    if excess <= allowed + 1e-7 * abs(top):
        return None
    # beside a sample a further one says little: then the middle of the wider gap
    right = int(torch.searchsorted(t, at).clamp(1, len(t) - 1))
    gap = float(t[right] - t[right - 1])
    nearest = min(at - float(t[right - 1]), float(t[right]) - at)
    if nearest > 0.05 * gap:
        return at
    near = right if float(t[right]) - at < at - float(t[right - 1]) else right - 1
    sides = [i for i in (near - 1, near) if 0 <= i < len(t) - 1]
    widest = max(sides, key=lambda i: float(t[i + 1] - t[i]))
    return float(t[widest] + t[widest + 1]) / 2


def unseen(t: Float[Tensor, " m"], loss: Float[Tensor, " m"]) -> float:
    """How much higher than measured the loss may be between the samples.

    By parabolas through three neighbours each: what is narrower than the samples'
    distance is not seen.
    """
    at, excess = _peak(t, loss)
    return 0.0 if at is None else max(0.0, excess)


def _peak(
    t: Float[Tensor, " m"], loss: Float[Tensor, " m"]
) -> tuple[float | None, float]:
    """The highest top of all parabolas, and by how much it exceeds all samples."""
    if len(t) < 3:
        return None, 0.0
    left, middle, right = t[:-2], t[1:-1], t[2:]
    first = (loss[1:-1] - loss[:-2]) / (middle - left)
    second = (loss[2:] - loss[1:-1]) / (right - middle)
    bend = (second - first) / (right - left)
    # slope at the middle of the first gap is `first`
    top = (left + middle) / 2 - first / (2 * bend)
    height = loss[:-2] + first * (top - left) + bend * (top - left) * (top - middle)
    inside = (bend < 0) & (top > left) & (top < right) & height.isfinite()
    if not bool(inside.any()):
        return None, 0.0
    heights = height.where(inside, -torch.inf)
    place = int(heights.argmax())
    return float(top[place]), float(heights[place] - loss.max())
