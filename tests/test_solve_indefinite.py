"""Linear systems: negative curvature, and least residuals."""

from collections.abc import Callable

import pytest
import torch
from scipy.sparse.linalg import minres as scipy_minres
from torch import Tensor

import theodolite as td
from problems import normal
from spectra import SIZE, filled, with_spectrum
from systems import METHODS, B, P, error, gap, indefinite, positive, singular
from theodolite.operators.diagonal import Diagonal
from theodolite.spectrum.solving.minres import Minres

F64 = torch.float64


def test_negative_curvature_is_met_and_returned() -> None:
    matrix, b = with_spectrum(filled(3.0, 2.0, -1.0)), normal(SIZE, dtype=F64)
    solution = td.solve(matrix, b)
    assert not solution.converged
    assert solution.outcome.name == "negative-curvature"
    direction = solution.negative_curvature
    assert direction is not None
    assert float(direction.norm()) == pytest.approx(1)
    assert float(direction @ matrix @ direction) == pytest.approx(solution.curvature)
    assert solution.curvature is not None
    assert solution.curvature <= 0
    assert "damping" in str(solution.outcome)
    assert "minres" in str(solution.outcome)


@pytest.mark.parametrize("preconditioned", [False, True], ids=["plain", "conditioned"])
@pytest.mark.parametrize("seed", range(3))
def test_least_residuals_go_on_through_negative_curvature_and_certify_it(
    seed: int, preconditioned: bool
) -> None:
    matrix, b = indefinite(), normal(P, dtype=F64, seed=seed)
    scaling = Diagonal(1 + torch.linspace(0, 1, P)) if preconditioned else None
    solution = td.solve(matrix, b, method="minres", preconditioner=scaling)
    assert solution.converged
    assert gap(matrix, solution, b) <= 1.01e-6 * float(b.norm())
    direction = solution.negative_curvature
    assert direction is not None
    assert float(direction.norm()) == pytest.approx(1)
    curvature = float(direction @ matrix @ direction)
    assert curvature == pytest.approx(solution.curvature, abs=1e-12)
    assert curvature < -0.01
    assert "curvature" in repr(solution)


def test_residuals_bend_as_the_recurrence_says() -> None:
    matrix = indefinite()
    method = Minres(B, None, torch.finfo(F64).eps)
    least = float("inf")
    for _ in range(40):
        rest = B - matrix @ method.x
        least = min(least, float(rest @ matrix @ rest / rest.square().sum()))
        method.absorb(matrix @ method.next)
        assert method.curvature == pytest.approx(least, rel=1e-8) or least > 0
    assert least < 0


def test_positive_definite_systems_show_no_negative_curvature() -> None:
    for damping in (0.0, [0.0, 1.0]):
        for method in METHODS:
            found = td.solve(positive(9.0), B, method=method, damping=damping)
            for one in found if isinstance(found, list) else [found]:
                assert one.negative_curvature is None
                assert one.curvature is None


@pytest.mark.parametrize("make", [positive, indefinite, singular])
def test_minres_agrees_with_scipy_after_every_number_of_iterations(
    make: Callable[[], Tensor],
) -> None:
    matrix = make()
    for steps in (1, 2, 5, 30):
        x, _ = scipy_minres(matrix.numpy(), B.numpy(), maxiter=steps, rtol=0)
        theirs = float((B - matrix @ torch.as_tensor(x)).norm())
        method = Minres(B, None, torch.finfo(F64).eps)
        for _ in range(steps):
            method.absorb(matrix @ method.next)
        ours = float((B - matrix @ method.x).norm())
        assert ours == pytest.approx(theirs, rel=0.1)
        assert ours == pytest.approx(method.residual, rel=1e-8)


@pytest.mark.parametrize("make", [positive, indefinite])
def test_minres_residuals_never_rise(make: Callable[[], Tensor]) -> None:
    matrix, method, last = make(), Minres(B, None, torch.finfo(F64).eps), B.norm()
    for _ in range(60):
        method.absorb(matrix @ method.next)
        now = (B - matrix @ method.x).norm()
        assert float(now) <= float(last) * (1 + 1e-12)
        last = now


def test_conditioned_minres_residuals_never_rise_in_their_own_norm() -> None:
    matrix, scale = indefinite(), 1 + torch.linspace(0, 4, P).double()
    method = Minres(B, lambda v: v * scale, torch.finfo(F64).eps)
    last = float("inf")
    for _ in range(60):
        method.absorb(matrix @ method.next)
        rest = B - matrix @ method.x
        assert method.residual == pytest.approx(float(rest.norm()), rel=1e-8)
        now = float(rest @ (scale * rest))
        assert now <= last * (1 + 1e-12)
        last = now


def test_singular_systems_that_have_a_solution_get_the_shortest() -> None:
    matrix = singular()
    b = matrix @ B
    solution = td.solve(matrix, b, method="minres", tol=1e-10)
    assert solution.converged
    assert error(solution, torch.linalg.pinv(matrix, rcond=1e-10) @ b) <= 1e-7


@pytest.mark.parametrize("least", [0.3, 1e-2])
def test_singular_systems_without_a_solution_get_the_shortest_of_the_nearest(
    least: float,
) -> None:
    matrix = singular(least)
    solution = td.solve(matrix, B, method="minres")
    nearest = torch.linalg.pinv(matrix, rcond=1e-10) @ B
    assert solution.outcome.name == "singular"
    assert "no solution" in str(solution.outcome)
    assert solution.residual == pytest.approx(float((B - matrix @ nearest).norm()))
    assert solution.residual == pytest.approx(gap(matrix, solution))
    assert error(solution, nearest) <= 1e-5
    single = td.solve(matrix.float(), B, method="minres")
    assert single.outcome.name == "singular"
    assert single.residual == pytest.approx(solution.residual, rel=1e-3)


def test_conjugate_gradients_say_that_a_matrix_is_singular() -> None:
    values = torch.cat([torch.logspace(-1, 0, 80).double(), torch.zeros(20)])
    solution = td.solve(with_spectrum(values), B)
    assert solution.outcome.name in {"singular", "negative-curvature"}
    assert not solution.converged
    assert "minres" in str(solution.outcome)
    assert solution.residual <= float(B.norm()) * (1 + 1e-12)


def test_the_zero_matrix_has_no_curvature() -> None:
    zero = torch.zeros(P, P)
    flat = td.solve(zero, B.float())
    assert (flat.outcome.name, flat.curvature) == ("negative-curvature", 0)
    nearest = td.solve(zero, B.float(), method="minres")
    assert nearest.outcome.name == "singular"
    assert not nearest.x.any()
    assert td.solve(zero, B.float(), damping=2.0).converged
