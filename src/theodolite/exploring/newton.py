"""Newton's method in its plainest form, as the lessons walk it."""

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.spectrum.solve import solve
from theodolite.spectrum.vectors import norm


def newton(
    land: Landscape, *, steps: int = 30, gtol: float = 1e-11
) -> Float[Tensor, "k p"]:
    """θ ← θ − H⁻¹∇f from where the landscape stands; the points, the start included.

    It makes for the nearest critical point of whatever kind, and ends where the
    gradient's norm is below ``gtol`` or after so many steps. Costs a gradient and p
    products a step.

    Parameters
    ----------
    land : Landscape
        Of few parameters, and with a Hessian that can be inverted.
    steps : int
        At most.
    gtol : float
        What gradient norm counts as zero.
    """
    points = [land.point]
    for _ in range(steps):
        gradient = land.gradient(points[-1])
        if norm(gradient) <= gtol:
            break
        hessian = land.hessian(point=points[-1])
        step = solve(hessian, gradient, method="minres", tol=1e-13).x
        points.append(points[-1] - step)
    return torch.stack(points)
