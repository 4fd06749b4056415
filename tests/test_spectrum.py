"""Lanczos, power iteration, trace and density."""

from math import sqrt

import pytest
import torch
from torch import Tensor

import theodolite as td
from problems import normal
from spectra import SIZE, SPECTRA, bulk, filled, true_values, with_spectrum
from theodolite.errors import ArgumentError

F64 = torch.float64
SEEDS = range(100)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_the_lanczos_basis_is_orthonormal(spectrum: str) -> None:
    run = td.lanczos(with_spectrum(SPECTRA[spectrum]), 120)
    eye = torch.eye(run.basis.shape[1], dtype=F64)
    torch.testing.assert_close(run.basis.T @ run.basis, eye, rtol=0, atol=1e-12)


def test_lanczos_is_the_projection_of_the_matrix() -> None:
    matrix = with_spectrum(SPECTRA["clusters"])
    run = td.lanczos(matrix, 50)
    projected = run.basis.T @ matrix @ run.basis
    torch.testing.assert_close(run.matrix, projected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("spectrum", SPECTRA)
def test_full_lanczos_reproduces_the_spectrum(spectrum: str) -> None:
    matrix = with_spectrum(SPECTRA[spectrum])
    run = td.lanczos(matrix, len(matrix))
    values = torch.linalg.eigvalsh(run.matrix).flip(0)
    torch.testing.assert_close(values, true_values(matrix), rtol=0, atol=1e-11)


def test_lanczos_has_no_ghosts() -> None:
    # 100, 50 and 20 above a bulk: without reorthogonalisation, six copies of 100
    matrix = with_spectrum(filled(100.0, 50.0, 20.0))
    values = torch.linalg.eigvalsh(td.lanczos(matrix, 120).matrix)
    assert values[-3:].tolist() == pytest.approx([20, 50, 100], rel=1e-10)
    assert float(values[-4]) < 1


def test_lanczos_starts_where_it_is_told() -> None:
    matrix, start = with_spectrum(bulk(20)), normal(20, dtype=F64)
    run = td.lanczos(matrix, 4, v0=start)
    torch.testing.assert_close(run.basis[:, 0], start / start.norm())
    assert run.products == 4
    with pytest.raises(ArgumentError, match="length 0"):
        td.lanczos(matrix, 4, v0=torch.zeros(20))
    with pytest.raises(ArgumentError, match="steps=0"):
        td.lanczos(matrix, 0)


def test_the_quadrature_of_lanczos_is_exact_for_polynomials() -> None:
    matrix, start = with_spectrum(bulk(40)), normal(40, dtype=F64)
    nodes, weights = td.lanczos(matrix, 5, v0=start).quadrature()
    unit, power = start / start.norm(), start / start.norm()
    for degree in range(10):  # 2 · steps − 1
        assert float(weights @ nodes**degree) == pytest.approx(
            float(unit @ power), abs=1e-10
        )
        power = matrix @ power


def test_power_iteration_finds_the_largest_in_size() -> None:
    for outlier in (4.0, -4.0):
        pair = td.power_iteration(with_spectrum(filled(outlier, 1.0)))
        assert pair.converged
        assert float(pair.values) == pytest.approx(outlier, rel=1e-3)
        assert float(pair.residuals) <= 1e-3 * 4


@pytest.mark.parametrize("low", [-1.0, -0.999])
def test_power_iteration_on_two_signs_says_it_has_not_converged(low: float) -> None:
    for seed in range(10):
        pair = td.power_iteration(with_spectrum(filled(1.0, low)), seed=seed)
        assert not pair.converged
        assert pair.outcome.name == "budget"
        assert "eigsh" in str(pair.outcome)


def test_power_iteration_goes_on_from_a_vector() -> None:
    matrix = with_spectrum(filled(4.0, 1.0))
    first = td.power_iteration(matrix)
    assert td.power_iteration(matrix, v0=first.vectors[:, 0]).products == 1
    assert td.power_iteration(matrix, v0=first.vectors[:, 0].float()).converged
    with pytest.raises(ArgumentError, match="length 0"):
        td.power_iteration(matrix, v0=torch.zeros(SIZE))


def test_power_iteration_on_zeros_ends_at_once() -> None:
    pair = td.power_iteration(torch.zeros(5, 5))
    assert (float(pair.values), pair.products) == (0, 1)


def trained_like() -> Tensor:
    """A positive bulk under ten outliers, which carry most of the trace's variance."""
    tops = [9.0, 7.0, 6.0, 5.0, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5]
    return with_spectrum(torch.cat([torch.tensor(tops, dtype=F64), bulk(890).abs()]))


@pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])
def test_the_traces_errors_are_calibrated(deflated: bool) -> None:
    matrix = trained_like()
    true = float(matrix.trace())
    deflate = td.eigsh(matrix, 10) if deflated else None
    traces = [td.trace(matrix, seed=seed, deflate=deflate) for seed in SEEDS]
    off = torch.tensor([(t.value - true) / t.error for t in traces])
    assert all(t.outcome.good for t in traces)
    assert int((off.abs() <= 3).sum()) >= 95
    # the mean of 100: no bias beyond four standard errors of it
    assert abs(float(off.mean())) <= 4 * float(off.std()) / 10
    # and the errors are not made too large either
    assert 0.6 <= float(off.std()) <= 1.6


def test_deflation_saves_probes() -> None:
    matrix = with_spectrum(filled(60.0, 50.0, 40.0, width=0.1))
    plain = td.trace(matrix, budget=200, method="plain")
    deflated = td.trace(matrix, budget=200, deflate=td.eigsh(matrix, 3))
    assert deflated.error < plain.error / 10


def test_the_traces_error_is_below_what_was_asked() -> None:
    matrix = trained_like()
    for rtol in (0.05, 0.01):
        trace = td.trace(matrix, rtol=rtol)
        assert trace.error <= rtol * abs(trace.value)
    assert td.trace(matrix, rtol=0, atol=20.0).error <= 20


def test_a_trace_that_probes_cannot_reach_is_computed_exactly() -> None:
    matrix = with_spectrum(SPECTRA["plus and minus"])
    trace = td.trace(matrix)
    assert (trace.outcome.name, trace.error, trace.probes) == ("exact", 0.0, 0)
    assert trace.value == pytest.approx(0, abs=1e-11)
    assert trace.products <= 1000


def test_a_trace_out_of_budget_says_so() -> None:
    trace = td.trace(with_spectrum(bulk(SIZE)), budget=20)
    assert trace.outcome.name == "budget"
    assert trace.products == 20
    assert td.trace(with_spectrum(bulk(SIZE)), budget=2).products == 2
    assert "deflate" in str(trace.outcome)


def test_a_traces_seed_repeats_it() -> None:
    matrix = trained_like()
    values = [td.trace(matrix, seed=seed).value for seed in (3, 3, 4)]
    assert values[0] == values[1] != values[2]
    for settings in ({"rtol": -1.0}, {"rtol": 0.0}, {"atol": -1.0}):
        with pytest.raises(ArgumentError, match="never gets below zero"):
            td.trace(matrix, **settings)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])
def test_the_density_integrates_to_one(spectrum: str, deflated: bool) -> None:
    matrix = with_spectrum(SPECTRA[spectrum])
    pairs = td.eigsh(matrix, 1) if deflated else None
    density = td.spectral_density(matrix, probes=3, steps=20, deflate=pairs)
    area = float(torch.trapezoid(density.density, density.grid))
    assert area + len(density.outliers) / len(matrix) == pytest.approx(1, abs=1e-9)
    assert float(density.weights.sum()) == pytest.approx(1, abs=1e-12)
    assert bool((density.weights >= 0).all())
    assert bool(torch.isfinite(density.density).all())


def test_the_quadratures_moments_are_the_matrixs() -> None:
    matrix = trained_like()
    p = len(matrix)
    density = td.spectral_density(matrix, probes=10, steps=30)
    first, second = (float(density.weights @ density.nodes**n) for n in (1, 2))
    # the spread of zᵀAz/p over signs z, for A = H and A = H²; four standard errors
    for moment, power in ((first, matrix), (second, matrix @ matrix)):
        off = power - torch.diag(power.diagonal())
        error = sqrt(2 / density.probes) * float(off.norm()) / p
        assert abs(moment - float(power.trace()) / p) <= 4 * error


def test_the_density_of_a_small_matrix_is_exact() -> None:
    matrix = with_spectrum(bulk(100))
    density = td.spectral_density(matrix)
    assert density.outcome.name == "exact"
    torch.testing.assert_close(density.nodes.flip(0), true_values(matrix))
    assert not density.band.any()
    assert density.share_below(0.0) == pytest.approx(
        float((true_values(matrix) < 0).double().mean())
    )


def test_the_density_tells_how_many_lie_below() -> None:
    matrix = with_spectrum(torch.cat([-bulk(300).abs() - 0.5, bulk(700).abs() + 0.5]))
    density = td.spectral_density(matrix)
    assert density.share_below(0.0) == pytest.approx(0.3, abs=0.05)


def test_a_density_out_of_budget_leaves_probes_out() -> None:
    density = td.spectral_density(with_spectrum(bulk(SIZE)), budget=90)
    assert (density.probes, density.products) == (1, 60)
    assert density.outcome.name == "budget"
    with pytest.raises(ArgumentError, match="probes=0"):
        td.spectral_density(with_spectrum(bulk(SIZE)), probes=0)
