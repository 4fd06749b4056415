"""Descent on a measured plane, and the surface between its points."""

from dataclasses import dataclass
from math import nan

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import theodolite as td
from spectra import with_spectrum
from theodolite.errors import ArgumentError
from theodolite.maps.descending.bicubic import Bicubic, slopes
from theodolite.maps.descending.descent import Descent, descend
from theodolite.maps.descending.descent_on_plane import descend_on
from theodolite.maps.plane import plane

F64 = torch.float64
BENDS = [8.0, 4.0, 2.0, 1.6]
# rates over 1/λ, and the kind of descent that each makes on a bowl
KINDS = {
    1e-3: "crawl",
    0.5: "converge",
    0.98: "converge",
    1.02: "oscillate",
    1.98: "oscillate",
    2.02: "diverge",
    5.0: "diverge",
}


@dataclass(frozen=True)
class Sheet:
    """A plane that was measured somewhere else."""

    x: Tensor
    y: Tensor
    loss: Tensor
    directions: Tensor


def grid(n: int, low: float, high: float, uneven: bool) -> Tensor:
    nodes = torch.linspace(0, 1, n, dtype=F64)
    if uneven:
        nodes = (1 - torch.cos(torch.pi * nodes)) / 2
    return low + (high - low) * nodes


def polynomial(x: Tensor, y: Tensor) -> Tensor:
    return 1 + x - 2 * y + x * y + 3 * x**2 * y - y**3 * x**3 + x**3


@pytest.mark.parametrize("uneven", [False, True], ids=["even", "Chebyshev"])
def test_the_surface_is_exact_for_cubic_polynomials(uneven: bool) -> None:
    x, y = grid(9, -1, 2, uneven), grid(7, -1, 1, uneven)
    surface = Bicubic(x, y, polynomial(x[:, None], y[None]))
    for at in ((0.3, 0.4), (-1.0, -1.0), (2.0, 1.0), (float(x[3]), float(y[2]))):
        point = torch.tensor(at, dtype=F64, requires_grad=True)
        patch = surface.at(*at)
        assert patch is not None
        value = polynomial(*point)
        (gradient,) = torch.autograd.grad(value, point)
        hessian = torch.autograd.functional.hessian(lambda p: polynomial(*p), point)
        assert patch.value == pytest.approx(float(value.detach()), abs=1e-12)
        torch.testing.assert_close(patch.gradient, gradient, rtol=0, atol=1e-11)
        torch.testing.assert_close(patch.hessian, hessian, rtol=0, atol=1e-9)


def test_the_surface_nears_a_smooth_one_with_the_fourth_power() -> None:
    def off(n: int) -> float:
        x = grid(n, -1, 1, False)
        surface = Bicubic(x, x, torch.sin(3 * x[:, None] + x[None]))
        found = [surface.at(0.13 + 0.05 * k, 0.37 - 0.07 * k) for k in range(5)]
        true = [
            float(torch.sin(torch.tensor(0.76 + 0.08 * k, dtype=F64))) for k in range(5)
        ]
        return max(abs(f.value - t) for f, t in zip(found, true, strict=True) if f)

    assert off(41) < off(11) / 100


def test_holes_spoil_their_neighbourhood_and_nothing_else() -> None:
    x = grid(21, -1, 1, False)
    values = polynomial(x[:, None], x[None])
    values[18, 10] = nan
    surface, whole = (
        Bicubic(x, x, values),
        Bicubic(x, x, polynomial(x[:, None], x[None])),
    )
    assert surface.at(0.81, 0.01) is None
    for at in ((0.35, 0.0), (-0.9, -0.9), (0.8, 0.4)):
        there, here = surface.at(*at), whole.at(*at)
        assert there is not None
        assert here is not None
        assert there.value == here.value


def test_few_nodes_make_what_surface_they_can() -> None:
    nodes = torch.tensor([0.0, 1.0, 3.0], dtype=F64)
    found = slopes(nodes, nodes[:, None].square())
    assert found.flatten().tolist() == pytest.approx([0, 2, 6])
    two = Bicubic(nodes[:2], nodes[:2], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    patch = two.at(0.25, 0.5)
    assert patch is not None
    assert patch.value == pytest.approx(1.0)
    with pytest.raises(ArgumentError, match="ascend"):
        Bicubic(nodes.flip(0), nodes, torch.zeros(3, 3))


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-0.9, 0.9), y=st.floats(-0.9, 0.9), tilt=st.floats(-0.9, 0.9))
def test_the_lowest_point_lies_between_the_nodes(
    x: float, y: float, tilt: float
) -> None:
    nodes = grid(11, -1, 1, False)
    u, v = nodes[:, None] - x, nodes[None] - y
    surface = Bicubic(nodes, nodes, u**2 + v**2 + tilt * u * v)
    assert surface.lowest() == pytest.approx((x, y), abs=1e-7)


# descent on planes


@pytest.mark.parametrize("share", list(KINDS))
def test_model_and_plane_agree_over_weight_and_bias(share: float) -> None:
    land = td.builtin("linear-regression").to(F64)
    map_ = plane(land, directions=(0, 1), steps=15, span=3.0)
    largest = float(torch.linalg.eigvalsh(land.hessian().dense())[-1])
    steps = 30 if share < 2 else 12
    there = descend_on(map_, share / largest, (0.0, 0.0), steps=steps)
    here = descend(land, share / largest, steps=steps)
    assert (there.verdict, there.predicted) == (here.verdict, here.predicted)
    assert there.rates.largest == pytest.approx(largest, rel=1e-6)
    count = len(there.path)
    moved = here.path[:count] - here.path[0]
    torch.testing.assert_close(there.path, moved, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(there.losses, here.losses[:count])
    torch.testing.assert_close(
        there.gradient_norms, here.gradient_norms[:count], rtol=1e-6, atol=1e-9
    )


def oblique(scale: float) -> tuple[Sheet, Tensor, Tensor]:
    """A bowl over a plane of its minimum, with directions of any angle and length."""
    matrix = with_spectrum(torch.tensor(BENDS, dtype=F64))
    rows = torch.tensor([[1.0, 2, 0, 1], [1.5, 2, 1, 1]], dtype=F64)
    rows = rows * torch.tensor([[scale], [1.0]])
    x, y = torch.linspace(-2, 2, 9).double() / scale, torch.linspace(-2, 2, 11).double()
    bend = rows @ matrix @ rows.T
    loss = (
        bend[0, 0] * x[:, None] ** 2 / 2
        + bend[0, 1] * x[:, None] * y[None]
        + bend[1, 1] * y[None] ** 2 / 2
    )
    return Sheet(x, y, loss, rows), matrix, rows


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e-3])
def test_descent_on_a_plane_is_that_of_the_parameters_held_on_it(scale: float) -> None:
    sheet, matrix, rows = oblique(scale)
    start = (1.0 / scale, -1.2)
    run = descend_on(sheet, 0.05, start, steps=20)
    inside = torch.linalg.pinv(rows.T) @ rows.T
    torch.testing.assert_close(inside, torch.eye(2, dtype=F64), rtol=0, atol=1e-9)
    # a projected step of the parameters themselves
    projector = torch.linalg.pinv(rows) @ rows
    point = torch.tensor(start, dtype=F64) @ rows
    for number in range(20):
        wanted = torch.linalg.lstsq(rows.T, point[:, None]).solution[:, 0]
        torch.testing.assert_close(
            run.path[number], wanted, rtol=1e-8, atol=1e-9 / scale
        )
        assert float(run.losses[number]) == pytest.approx(
            float(point @ matrix @ point / 2), rel=1e-8
        )
        point = point - 0.05 * projector @ matrix @ point
    # the plane's own curvature, in parameter units
    metric = rows @ rows.T
    values = torch.linalg.eigvals(torch.linalg.solve(metric, rows @ matrix @ rows.T))
    assert run.rates.largest == pytest.approx(float(values.real.max()), rel=1e-8)
    assert run.rates.smallest == pytest.approx(float(values.real.min()), rel=1e-8)
    assert run.rates.largest <= max(BENDS) * (1 + 1e-9)


@pytest.mark.parametrize("share", [s for s in KINDS if 0.1 < s < 2.1])
def test_the_planes_own_boundaries_hold_on_it(share: float) -> None:
    sheet, _, _ = oblique(1.0)
    largest = descend_on(sheet, 0.01, (0.1, 0.1)).rates.largest
    # so near to the bottom that even what grows stays on the map for a while
    run = descend_on(sheet, share / largest, (0.01, -0.02), steps=40)
    assert (run.verdict, run.predicted) == (KINDS[share], KINDS[share])


def test_downhill_off_the_edge_is_left_the_map() -> None:
    x = torch.linspace(-1, 1, 11).double()
    slope = Sheet(x, x, (x[:, None] + 0 * x[None]), torch.eye(2, dtype=F64))
    run = descend_on(slope, 0.3, (0.0, 0.0))
    assert run.verdict == "left the map"
    torch.testing.assert_close(run.path[:, 0], -0.3 * torch.arange(4).double())
    assert "end of the map" in run.why


def test_a_start_beyond_the_edge_is_refused() -> None:
    sheet, _, _ = oblique(1.0)
    with pytest.raises(ArgumentError, match="reaches from -2 to 2"):
        descend_on(sheet, 0.1, (5.0, 0.0))


def test_a_plane_without_one_finite_loss_is_refused() -> None:
    x = torch.linspace(-1, 1, 7).double()
    nothing = torch.full((7, 7), nan, dtype=F64)
    with pytest.raises(ArgumentError):
        descend_on(Sheet(x, x, nothing, torch.eye(2, dtype=F64)), 0.1, (0.0, 0.0))


def test_results_of_both_kinds_are_one() -> None:
    sheet, _, _ = oblique(1.0)
    run = descend_on(sheet, 0.05, (0.5, 0.5), steps=5)
    assert isinstance(run, Descent)
    assert run.path.shape == (6, 2)
    assert (run.gradients, run.products) == (0, 0)
