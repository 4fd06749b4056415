"""How high a curve rises above its higher end, and how surely."""

from dataclasses import dataclass
from math import isnan, nan
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths.curve import Curve
from theodolite.maps.paths.profile import unseen
from theodolite.maps.paths.walk import walking
from theodolite.site.other_data.groups import GroupMeans, Groups
from theodolite.site.other_data.jackknife import jackknife, left_out


@final
@dataclass(frozen=True, repr=False)
class Barrier:
    """The highest loss on a curve above the higher of its ends.

    Attributes
    ----------
    value : float
        Never negative: the ends are on the curve.
    error : float
        One standard error over samples, from paired losses at the peak and the higher
        end; NaN where it is not known, zero where the data are not random.
    resolution : float
        What parabolas through neighbours say that the loss may be higher between the
        samples than at any of them.
    t : float
        Where the loss is highest.
    loss : float
        How high.
    end : float
        The loss at the higher end.
    groups : int
        Parts of the data that the error was seen from; zero where it was not.
    """

    value: float
    error: float
    resolution: float
    t: float
    loss: float
    end: float
    groups: int

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return dict(vars(self))

    def __repr__(self) -> str:
        doubt = "" if isnan(self.error) else f" ± {self.error:.2g}"
        more = f" (+ {self.resolution:.1g} between samples)" if self.resolution else ""
        where = f" at t = {self.t:.3g}" if self.value else " (never above its ends)"
        return f"{self.value:.4g}{doubt}{where}{more}"


def barrier_of(
    t: Float[Tensor, " m"], loss: Float[Tensor, " m"], error: tuple[float, int]
) -> Barrier:
    """The barrier of measured losses; NaN where one of them is."""
    # NaN counts as the largest
    place = int(loss.argmax())
    end = float(loss[[0, -1]].max())
    return Barrier(
        value=float(loss[place]) - end,
        error=error[0],
        resolution=unseen(t, loss),
        t=float(t[place]),
        loss=float(loss[place]),
        end=end,
        groups=error[1],
    )


def inner_peak(loss: Float[Tensor, " m"]) -> int | None:
    """The highest sample inside that is no lower than its neighbours."""
    middle = loss[1:-1]
    tops = (middle >= loss[:-2]) & (middle >= loss[2:])
    if not bool(tops.any()):
        return None
    return int(middle.where(tops, -torch.inf).argmax()) + 1


def data_error(
    groups: Groups | None,
    land: Landscape,
    curve: Curve,
    t: Float[Tensor, " m"],
    loss: Float[Tensor, " m"],
    batch_norm: BatchNorm,
) -> tuple[float, int]:
    """The standard error of the loss at the peak less that at the higher end.

        d_g = loss_g(peak) − loss_g(end),   error² = G/(G−1) Σ (u_g − ū)²

    with u_g as in the jack-knife of a weighted mean. Both are measured on the same
    samples, and what makes a sample hard everywhere cancels. A curve that never rises
    above its higher end is judged by its highest top inside: that is what could rise
    on other data. Without one, it descends on any.
    """
    if land.model is None:
        return 0.0, 0
    place = inner_peak(loss)
    if groups is None or not bool(loss.isfinite().all()):
        return nan, 0
    if place is None:
        return 0.0, len(groups)
    end = 0.0 if loss[0] >= loss[-1] else 1.0
    high, low = (
        group_losses(groups, land, curve, at, batch_norm)
        for at in (float(t[place]), end)
    )
    difference, shares = high - low, groups.shares
    mean = shares @ difference
    spread = jackknife(float(mean), left_out(mean, difference, shares), shares)
    return spread.error, len(groups)


def group_losses(
    groups: Groups, land: Landscape, curve: Curve, t: float, batch_norm: BatchNorm
) -> Float[Tensor, " g"]:
    """Each group's mean loss at one parameter of a curve.

    Batch norm is re-estimated from ``land``, the training data, whatever the groups
    are of.
    """
    found = torch.zeros(len(groups), dtype=torch.float64)
    means = GroupMeans(groups, found.__setitem__)
    with walking(groups.land, batch_norm, statistics=land) as walk:
        walk.go_to(curve.place(t))
        for mean, weight in walk.losses(groups.land):
            means.add(torch.tensor(mean, dtype=torch.float64), weight)
    return found
