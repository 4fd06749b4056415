"""A curve through parameter space: a few control points, and how they are mixed."""

from dataclasses import dataclass, replace
from math import comb
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.maps.place import Place
from theodolite.spectrum.vectors import combined, inner

# parts of a Bezier curve that its length is summed over: right to seven digits
_PARTS = 4096

Form = Literal["bezier", "chain"]


@final
@dataclass(frozen=True)
class Curve:
    """Control points and how a parameter from 0 to 1 mixes them.

    Attributes
    ----------
    form : str
        ``"bezier"``: Bernstein polynomials, through the first and last point alone;
        ``"chain"``: straight pieces from each point to the next.
    control : Tensor
        ``(k, p)``, the ends first and last.
    knots : Tensor
        ``(k,)`` from 0 to 1: where a chain passes its points; evenly spaced otherwise.
    start, stop : Place
        The ends, with their buffers.
    """

    form: Form
    control: Float[Tensor, "k p"]
    knots: Float[Tensor, " k"]
    start: Place
    stop: Place

    def weights(self, t: Float[Tensor, " m"]) -> Float[Tensor, "m k"]:
        """Each control point's share at each parameter."""
        if self.form == "bezier":
            return bernstein(t, len(self.control) - 1)
        return hats(t, self.knots)

    def points(self, t: Float[Tensor, " m"]) -> Float[Tensor, "m p"]:
        """The points at some parameters, mixed in float64."""
        return combined(self.control, self.weights(t).T)

    def place(self, t: float) -> Place:
        """The point at one parameter, with its buffers."""
        at = torch.tensor([t], dtype=torch.float64)
        return Place(self.points(at)[0], self.buffers(t))

    def image(self, number: int) -> Place:
        """A control point, to the last bit."""
        return Place(self.control[number], self.buffers(float(self.knots[number])))

    def buffers(self, t: float) -> dict[str, Tensor]:
        """Those of the line between the ends, at the same share of it.

        Control points have none of their own: theirs are the line's at their knots, and
        mixed as the points are they give the line's again.
        """
        first, last = self.start.buffers, self.stop.buffers
        return {
            name: torch.lerp(first[name], last[name], t)
            for name in first
            if name in last
        }

    def places(self, t: Float[Tensor, " m"]) -> list[Place]:
        """The places at some parameters."""
        return [self.place(float(at)) for at in t]

    def distances(self, t: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """How far each is from the start, along the curve, in parameter units."""
        steps = self.control.diff(dim=0)
        products = torch.stack([inner(steps, step).cpu() for step in steps])
        if self.form == "chain":
            covered = products.diagonal().clamp(min=0).sqrt().cumsum(0)
            at_knots = torch.cat([covered.new_zeros(1), covered])
            return hats(t, self.knots) @ at_knots
        grid = torch.linspace(0, 1, _PARTS + 1, dtype=torch.float64)
        shares = (len(self.control) - 1) * bernstein(grid, len(steps) - 1)
        speed = ((shares @ products) * shares).sum(1).clamp(min=0).sqrt()
        covered = torch.cat([speed.new_zeros(1), torch.cumulative_trapezoid(speed)])
        return hats(t, grid) @ (covered / _PARTS)

    @property
    def length(self) -> float:
        """From end to end, in parameter units."""
        return float(self.distances(torch.ones(1, dtype=torch.float64))[0])

    def moved(self, inside: Float[Tensor, "j p"]) -> "Curve":
        """The same with other control points between the ends."""
        ends = self.control[:1], self.control[-1:]
        return replace(self, control=torch.cat([ends[0], inside, ends[1]]))

    def evenly_walked(self) -> "Curve":
        """A chain whose parameter is the share of its length covered."""
        covered = self.distances(self.knots)
        if not float(covered[-1]) > 0:
            return self
        return replace(self, knots=covered / covered[-1])


def straight(start: Place, stop: Place, count: int, form: Form = "chain") -> Curve:
    """The line between two places as a curve of so many evenly spaced points."""
    knots = torch.linspace(0, 1, count, dtype=torch.float64)
    ends = torch.stack([start.point, stop.point])
    control = combined(ends, torch.stack([1 - knots, knots]))
    # to the last bit, whatever is mixed
    control[0], control[-1] = start.point, stop.point
    return Curve(form, control, knots, start, stop)


def bernstein(t: Float[Tensor, " m"], degree: int) -> Float[Tensor, "m k"]:
    """Bernstein polynomials, ``comb(n, i) tⁱ (1 − t)ⁿ⁻ⁱ``."""
    powers = torch.arange(degree + 1, dtype=torch.float64)
    counts = torch.tensor([comb(degree, i) for i in range(degree + 1)])
    return counts * t[:, None] ** powers * (1 - t[:, None]) ** (degree - powers)


def hats(t: Float[Tensor, " m"], knots: Float[Tensor, " k"]) -> Float[Tensor, "m k"]:
    """Shares of linear interpolation between knots."""
    last = len(knots) - 2
    left = (torch.searchsorted(knots, t.contiguous(), right=True) - 1).clamp(0, last)
    gap = knots[left + 1] - knots[left]
    share = torch.where(gap > 0, (t - knots[left]) / gap, 0.0)
    weights = torch.zeros(len(t), len(knots), dtype=torch.float64)
    weights.scatter_(1, left[:, None], (1 - share)[:, None])
    return weights.scatter_(1, left[:, None] + 1, share[:, None])
