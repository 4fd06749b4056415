"""From near a pass to the very point where the gradient vanishes."""

from dataclasses import dataclass, field
from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.maps.paths.course import Passes
from theodolite.maps.paths.quadratic_model import QuadraticModel, quadratic_model
from theodolite.outcomes import Outcome, converged, out_of_budget, rounding
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.vectors import norm

# how far off the foretold gradient may be, of the present one, for longer steps and
# before they get shorter: beside the step's own change, small along a flat ridge,
# nothing would be good enough
_GOOD, _POOR = 0.25, 0.75
# shorter steps than this share of the first are lost in rounding
_LEAST = 1e-9


@final
@dataclass
class SaddleSearch:
    """A search for a saddle, and where it has come to.

    Attributes
    ----------
    land : Landscape
        Where.
    point, mode, gradient : Tensor
        The present place ``(p,)``, the direction that it bends down in as far as is
        known, and the gradient there.
    radius : float
        How long a step may be.
    gtol : float
        What gradient norm counts as zero.
    passes : Passes
        Counts gradients, and each product as two.
    effort : Effort
        Knows the budget.
    steps, products : int
        Taken, and spent, so far.
    model : QuadraticModel
        What the landscape is like at the present place.
    """

    land: Landscape
    point: Float[Tensor, " p"]
    mode: Float[Tensor, " p"]
    gradient: Float[Tensor, " p"]
    radius: float
    gtol: float
    passes: Passes
    effort: Effort
    steps: int = 0
    products: int = 0
    model: QuadraticModel = field(init=False)

    def run(self, steps: int, seed: int) -> Outcome:
        """Newton's method with one direction turned upside down, in a trust radius.

        The radius follows how well the quadratic foretells the next gradient; a step
        that it foretells badly is not taken.

        Cerjan and Miller, "On finding transition states", 1981, doi:10.1063/1.442352.
        """
        least = _LEAST * self.radius
        self._look(seed)
        while not norm(self.gradient) <= self.gtol:
            if self.steps >= steps or self.effort.spent():
                return out_of_budget(
                    f"‖∇loss‖ is {norm(self.gradient):.2g} after {self.steps} steps",
                    "Raise steps or budget, or gtol",
                )
            self._step(least)
            self._look(seed + self.steps)
            if self.radius < least:
                return rounding(
                    f"no step lowers ‖∇loss‖ = {norm(self.gradient):.2g} as foretold: "
                    "the loss has kinks, or its type no more digits",
                    "Raise gtol, or measure in a wider type (land.to(torch.float64))",
                )
        return converged(f"‖∇loss‖ is {norm(self.gradient):.2g}")

    def _look(self, seed: int) -> None:
        """What the landscape is like here."""
        self.model = quadratic_model(
            self.land, self.point, self.gradient, self.mode, seed
        )
        self.mode = self.model.mode
        self.products += self.model.spent
        self.passes.add(2 * self.model.spent)

    def _step(self, least: float) -> None:
        """One step, as soon as one is foretold well enough."""
        self.steps += 1
        while self.radius >= least:
            inside = self.model.step(self.radius)
            length, change = norm(inside), self.model.change(inside)
            point = self.point + self.model.move(inside)
            gradient = self.land.gradient(point)
            self.passes.add(1)
            self.effort.tell(float("inf"))
            off = norm(gradient - self.gradient - change) / norm(self.gradient)
            if off < _GOOD:
                self.radius = max(self.radius, 2 * length)
            elif not off < _POOR:
                self.radius = length / 3
            if off < 1:
                self.point, self.gradient = point, gradient
                return
