"""A curve's control points moved until the loss along it is low on average."""

from collections.abc import Iterator

import torch

from theodolite.maps.paths.course import Course, Descent
from theodolite.maps.paths.curve import Curve
from theodolite.seeding import generator

# first steps of a coordinate, in units of the ends' mean difference
RATE = 0.1
# parameters of the curve of which each window of steps visits every part once
_WINDOW = 16


def trained(course: Course, curve: Curve, steps: int, rate: float, seed: int) -> Curve:
    """Some steps down the gradient of the mean loss along the curve.

        minimise E_t [loss(Σ wᵢ(t) cᵢ)],   ∂/∂cᵢ = wᵢ(t) ∇loss

    One small batch at one parameter a step; the parameters of a window of steps are
    stratified, so that each of its parts has its turn.

    Garipov et al., "Loss surfaces, mode connectivity, and fast ensembling of DNNs",
    2018, arXiv:1802.10026.
    """
    inside = curve.control[1:-1].clone().requires_grad_()
    with course.walk(seed) as (walk, stream):
        steps = course.affordable(steps, stream.share)
        descent = Descent(inside, rate * course.scale, steps)
        for number, t in enumerate(stratified(steps, seed)):
            if course.effort.spent():
                break
            curve = curve.moved(inside.detach())
            walk.go_to(curve.place(t))
            _, gradient = walk.gradient(stream.draw())
            at = torch.tensor([t], dtype=torch.float64)
            weights = curve.weights(at)[0, 1:-1].to(gradient)
            descent.step(weights[:, None] * gradient)
            course.spend(stream.share, (steps - number - 1) * stream.share)
    return curve.moved(inside.detach().clone())


def stratified(steps: int, seed: int) -> Iterator[float]:
    """So many parameters in [0, 1], evenly spread over every window of steps."""
    source = generator(seed)
    while steps > 0:
        count = min(steps, _WINDOW)
        parts = torch.randperm(count, generator=source)
        within = torch.rand(count, generator=source, dtype=torch.float64)
        yield from ((parts + within) / count).tolist()
        steps -= count
