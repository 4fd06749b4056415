"""The lowest curve between two places that training finds."""

from dataclasses import dataclass
from typing import final

import torch

from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm
from theodolite.maps.paths import curve_training, elastic_band
from theodolite.maps.paths.course import Course, Passes
from theodolite.maps.paths.curve import Curve, straight
from theodolite.maps.paths.curve_training import trained
from theodolite.maps.paths.elastic_band import relaxed, with_more_images
from theodolite.maps.paths.rounds import Round, Seen, Stage, judge_for, lowered
from theodolite.maps.place import Place
from theodolite.outcomes import Outcome
from theodolite.seeding import generator
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.vectors import random_vector

# images are inserted up to so many times as many as there were
_GROWTH = 3
# where the loss between two exceeds the line between theirs by so much of its range
_EXCESS = 0.2
# sideways push of control points, in units of the ends' mean difference: symmetry alone
# would hold a curve on a ridge
_PUSH = 1e-3


@final
@dataclass(frozen=True)
class Search:
    """What kind of curve is sought, and with what.

    Attributes
    ----------
    method : str
        ``"bezier"``, ``"polychain"`` or ``"neb"``.
    bends : int
        Control points between the ends.
    climb : bool
        Whether a band's highest image climbs.
    rtol : float
        What share of the straight line's barrier is small enough.
    batch_norm : str
        What batch norm normalises by.
    cut : bool
        Whether samples may be dealt to small batches.
    seed : int
        Of everything random.
    passes, effort
        Count gradients, and know the budget.
    """

    method: str
    bends: int
    climb: bool
    rtol: float
    batch_norm: BatchNorm
    cut: bool
    seed: int
    passes: Passes
    effort: Effort

    def run(self, land: Landscape, start: Place, stop: Place) -> tuple[Curve, Outcome]:
        """The lowest curve between two places, and how the search ended."""
        form = "bezier" if self.method == "bezier" else "chain"
        line = straight(start, stop, self.bends + 2, form)
        judge = judge_for(land, self.batch_norm, self.seed)
        # looks whether there is a gradient, and nothing hidden from it
        judge.land.gradient(start.point)
        gap = (stop.point - start.point).double()
        course = Course(
            land,
            self.batch_norm,
            self.cut,
            float(gap.square().mean().sqrt()),
            self.passes,
            self.effort,
        )
        return lowered(
            line,
            self._pushed(line, course.scale),
            judge,
            self._rounds(course),
            self.rtol,
            self.effort,
            climb=self.climb,
        )

    def _pushed(self, line: Curve, scale: float) -> Curve:
        source = generator(self.seed)
        sideways = [
            random_vector(line.control.shape[1], source, line.control)
            for _ in range(self.bends)
        ]
        return line.moved(line.control[1:-1] + _PUSH * scale * torch.stack(sideways))

    def _rounds(self, course: Course) -> Round:
        """One round of training, of the kind that was asked for."""
        source = generator(self.seed)

        def seed() -> int:
            return int(torch.randint(2**62, (), generator=source))

        def of_curve(seen: Seen, stage: Stage) -> Curve:
            rate = stage.share * curve_training.RATE
            return trained(course, seen.curve, stage.steps, rate, seed())

        def of_band(seen: Seen, stage: Stage) -> Curve:
            most = _GROWTH * self.bends if stage.number else 0
            curve = with_more_images(seen.curve, seen.t, seen.losses, most, _EXCESS)
            rate, climb = stage.share * elastic_band.RATE, self.climb and stage.number
            return relaxed(course, curve, stage.steps, rate, seed(), bool(climb))

        return of_band if self.method == "neb" else of_curve
