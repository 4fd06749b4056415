"""Linear systems: several dampings at once."""

import pytest
import torch

import theodolite as td
from systems import DAMPINGS, METHODS, B, P, error, gap, indefinite, positive, singular
from theodolite.spectrum.solving import shifted


@pytest.mark.parametrize("method", METHODS)
def test_several_dampings_cost_what_the_hardest_costs(method: str) -> None:
    matrix = positive()
    found = td.solve(matrix, B, damping=DAMPINGS, method=method)
    alone = [td.solve(matrix, B, damping=d, method=method) for d in DAMPINGS]
    assert found[0].products <= max(one.products for one in alone)
    for one, other in zip(found, alone, strict=True):
        assert one.converged
        assert one.damping == other.damping
        assert one.residual == pytest.approx(gap(matrix, one), abs=1e-12)
        assert error(one, other.x) <= 1e-4
        assert one.iterations <= other.iterations


@pytest.mark.parametrize("method", METHODS)
def test_in_single_precision_each_damping_is_checked_by_a_product(method: str) -> None:
    matrix = positive(30.0).float()
    found = td.solve(matrix, B, damping=DAMPINGS, method=method, tol=1e-4)
    alone = [td.solve(matrix, B, damping=d, method=method, tol=1e-4) for d in DAMPINGS]
    assert all(one.converged for one in found)
    most = max(one.products for one in alone)
    assert found[0].products <= most + len(DAMPINGS)
    for one in found:
        assert one.residual == pytest.approx(gap(matrix, one), rel=0.1)


def test_indefinite_systems_share_a_space() -> None:
    matrix, shifts = indefinite(), [4.0, 1.0, 0.05, -4.0]
    found = td.solve(matrix, B, damping=shifts, method="minres", tol=1e-8)
    for one in found:
        assert one.converged
        true = torch.linalg.solve(matrix + one.damping * torch.eye(P), B)
        assert error(one, true) <= 1e-5
        # H + 4 I is positive
        assert (one.curvature is None) == (one.damping == 4)
    direction = found[1].negative_curvature
    assert direction is not None
    curvature = float(direction @ matrix @ direction) + 1.0
    assert curvature == pytest.approx(found[1].curvature)


def test_conjugate_gradients_end_where_a_damping_is_too_small() -> None:
    found = td.solve(indefinite(), B, damping=[4.0, 1.0])
    assert [one.outcome.name for one in found] == ["converged", "negative-curvature"]
    bend = found[1].negative_curvature
    assert bend is not None
    along = float(bend @ indefinite() @ bend) + 1.0
    assert along == pytest.approx(found[1].curvature)
    assert along <= 0
    assert found[1].residual == pytest.approx(gap(indefinite(), found[1]))


def test_one_singular_system_among_several_says_so() -> None:
    matrix = singular()
    found = td.solve(matrix, B, damping=[0.0, 2.0], method="minres")
    assert [one.outcome.name for one in found] == ["singular", "converged"]
    nearest = torch.linalg.pinv(matrix, rcond=1e-10) @ B
    least = float((B - matrix @ nearest).norm())
    assert found[0].residual == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_what_the_space_has_no_memory_for_is_finished_alone(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shifted, "_BASIS_BYTES", 20 * 2 * P * 8)
    matrix = positive()
    found = td.solve(matrix, B, damping=DAMPINGS, method=method, tol=1e-8)
    assert all(one.converged for one in found)
    assert all(gap(matrix, one) <= 1.01e-8 * float(B.norm()) for one in found)
    assert max(one.iterations for one in found) > 20


def test_several_dampings_out_of_budget_return_what_they_have() -> None:
    matrix = positive()
    found = td.solve(matrix, B, damping=[100.0, 0.0], budget=20)
    assert found[0].products == found[1].products <= 20
    assert found[0].converged
    assert found[1].outcome.name == "budget"
    assert found[1].residual == pytest.approx(gap(matrix, found[1]))


def test_dampings_may_be_a_tensor_and_one_may_be_a_list() -> None:
    found = td.solve(positive(), B, damping=torch.tensor([1.0, 2.0]))
    assert [one.damping for one in found] == [1, 2]
    assert len(td.solve(positive(), B, damping=[1.0])) == 1
