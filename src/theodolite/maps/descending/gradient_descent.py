"""Gradient descent, step by step, and what it leaves behind to be judged."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import torch
from jaxtyping import Float, Int
from torch import Tensor

from theodolite.spectrum.vectors import inner, norm

# a loss that has grown so far has left for good
_GROWN = 1e12

# loss and gradient at a point; nothing beyond the end of a map
Slope = Callable[[Tensor], tuple[float, Tensor] | None]


@dataclass(frozen=True)
class Steps:
    """Where descent went, and what it met.

    Attributes
    ----------
    path : Tensor
        ``(k, p)``: points that were kept, the first and the last among them.
    kept : Tensor
        ``(k,)``: their steps.
    losses, gradient_norms : Tensor
        ``(n + 1,)``: at every step, the start included.
    along : Tensor
        ``(n + 1, d)``: the gradient's components along the directions of the compass.
    cosines : Tensor
        ``(n,)``: between each gradient and the next.
    left : bool
        Whether the next point lay beyond the end of the map.
    unbounded : bool
        Whether the loss, up or down, or the gradient went beyond all bounds.
    """

    path: Float[Tensor, "k p"]
    kept: Int[Tensor, " k"]
    losses: Float[Tensor, " n1"]
    gradient_norms: Float[Tensor, " n1"]
    along: Float[Tensor, "n1 d"]
    cosines: Float[Tensor, " n"]
    left: bool
    unbounded: bool = False


def follow(
    slope: Slope,
    start: Float[Tensor, " p"],
    rate: float,
    *,
    steps: int,
    compass: Float[Tensor, "d p"],
    momentum: float = 0.0,
    every: int = 1,
    rest: float = 0.0,
    told: Callable[[float], None] | None = None,
) -> Steps:
    """Follow the gradient downhill.

        v ← β v + ∇f(θ),   θ ← θ − η v

    It ends early where the loss is no number any more, has grown beyond all bounds, or
    where the map ends; and, without momentum, where the gradient is down
    to a share ``rest`` of the first.
    ``every`` so-manieth point is kept; ``told`` hears the share done after each step.
    """
    found = _Diary(start, compass, steps, every)
    point, velocity, left = start.clone(), None, False
    for step in range(steps + 1):
        met = slope(point)
        if met is None:
            left = True
            break
        loss, gradient = met
        found.note(step, point, loss, gradient)
        if told is not None:
            told((step + 1) / (steps + 1))
        rests = not momentum and found.rests(rest)
        if step == steps or rests or found.unbounded:
            break
        if momentum and velocity is not None:
            gradient = gradient.add(velocity, alpha=momentum)
        velocity = gradient
        point = point.sub(velocity, alpha=rate)
    return found.steps(left)


class _Diary:
    """What is noted on the way."""

    def __init__(self, start: Tensor, compass: Tensor, steps: int, every: int) -> None:
        rows = steps // every + 2
        self._path = torch.empty(rows, len(start), dtype=start.dtype)
        self._compass, self._every = compass, every
        self._kept: list[int] = []
        self._rows: list[list[float]] = []
        self._cosines: list[float] = []
        self._last: tuple[int, Tensor] = (0, start)
        self._gradient: Tensor | None = None

    def note(self, step: int, point: Tensor, loss: float, gradient: Tensor) -> None:
        length = norm(gradient)
        along = inner(self._compass, gradient).tolist()
        if self._gradient is not None:
            product = float(inner(self._gradient[None], gradient))
            lengths = self._rows[-1][1] * length
            self._cosines.append(product / lengths if lengths else 0.0)
        self._rows.append([loss, length, *along])
        self._gradient, self._last = gradient, (step, point)
        if step % self._every == 0:
            self._keep()

    @property
    def unbounded(self) -> bool:
        """Whether a next step makes no sense."""
        loss, length, *_ = self._rows[-1]
        bound = _GROWN * (1 + abs(self._rows[0][0]))
        return not (isfinite(length) and abs(loss) <= bound)

    def rests(self, share: float) -> bool:
        """Whether the gradient has come down to a share of the first."""
        return self._rows[-1][1] <= share * self._rows[0][1]

    def steps(self, left: bool) -> Steps:
        if self._rows and self._kept[-1] != self._last[0]:
            self._keep()
        double = torch.float64
        rows = torch.tensor(self._rows, dtype=double)
        rows = rows.reshape(len(self._rows), 2 + len(self._compass))
        return Steps(
            path=self._path[: len(self._kept)],
            kept=torch.tensor(self._kept, dtype=torch.int64),
            losses=rows[:, 0].clone(),
            gradient_norms=rows[:, 1].clone(),
            along=rows[:, 2:].clone(),
            cosines=torch.tensor(self._cosines, dtype=double),
            left=left,
            unbounded=bool(self._rows) and self.unbounded,
        )

    def _keep(self) -> None:
        step, point = self._last
        self._path[len(self._kept)] = point
        self._kept.append(step)
