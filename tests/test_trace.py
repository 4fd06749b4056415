"""Traces by the cheapest way, their error bars, and all moments from one run."""

from functools import cache

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

import theodolite as td
from layered import layered
from spectra import bulk, filled, with_spectrum
from theodolite.errors import ArgumentError
from theodolite.spectrum.estimating.sums import Sums
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.moments import moments
from theodolite.spectrum.trace import trace

F64 = torch.float64
SMALL = 80
RUNS = 20


@cache
def matrices() -> dict[str, Tensor]:
    """Definite, with outliers, indefinite, and of a trace near zero."""
    flat = bulk(SMALL)
    tops = torch.tensor([30.0, 20.0, 10.0, 5.0], dtype=F64)
    ends = torch.tensor([8.0, 5.0, -6.0], dtype=F64)
    spectra = {
        "definite": 1 + flat.abs(),
        "outliers": torch.cat([tops, flat[4:].abs()]),
        "indefinite": torch.cat([ends, 0.3 + flat[3:]]),
        "near zero": flat - flat.mean(),
    }
    return {name: with_spectrum(values) for name, values in spectra.items()}


def plain_spread(matrix: Tensor) -> float:
    """The standard deviation of zᵀ H z over signs z."""
    off = matrix - torch.diag(matrix.diagonal())
    return 2**0.5 * float(off.norm())


def after(probes: int, matrix: Tensor) -> float:
    """What so many plain probes reach, as half a 95 % interval."""
    return 1.96 * plain_spread(matrix) / probes**0.5


@pytest.mark.parametrize("method", ["auto", "plain"])
@pytest.mark.parametrize("name", matrices())
def test_intervals_cover_the_trace(name: str, method: str) -> None:
    matrix = matrices()[name]
    true, goal = float(matrix.trace()), after(16, matrix)
    held = 0
    for seed in range(RUNS):
        found = trace(matrix, rtol=0, atol=goal, seed=seed, method=method)
        low, high = found.interval()
        held += low - 1e-9 <= true <= high + 1e-9
        assert found.outcome.good
    # an honest 92 % goes below this once in a thousand times
    assert held >= int(binom.ppf(1e-3, RUNS, 0.92))


def test_intervals_of_all_moments_cover_them() -> None:
    matrix, held = matrices()["outliers"], torch.zeros(3)
    true = (matrix.trace(), matrix.norm(), matrix.diagonal())
    runs = 16
    for seed in range(runs):
        found = moments(matrix, seed=seed, trace=0.1, diagonal=None, frobenius=0.1)
        for row, (name, number) in enumerate(
            zip(("trace", "frobenius", "diagonal"), true, strict=True)
        ):
            low, high = map(torch.as_tensor, getattr(found, name).interval())
            held[row] += ((low <= number) & (number <= high)).double().mean()
    assert bool((held[:2] >= binom.ppf(1e-3, runs, 0.92)).all())
    # entries of one run are not independent: four standard errors of a mean of runs
    assert abs(float(held[2]) / runs - 0.95) <= 4 * 0.22 / runs**0.5


def test_outliers_cost_a_few_lanczos_steps() -> None:
    tops = [40.0, 30.0, 25.0, 20.0, 16.0, 12.0, 10.0, 8.0, 6.0]
    matrix = with_spectrum(
        torch.cat([torch.tensor(tops, dtype=F64), 0.02 * bulk(891).abs()])
    )
    found = trace(matrix, rtol=0.01)
    assert found.outcome.name == "converged"
    assert "Krylov" in str(found.outcome)
    assert found.products <= 30
    assert abs(found.value / float(matrix.trace()) - 1) <= 0.01
    # plain probes would take a hundred times as many
    assert (plain_spread(matrix) * 1.96 / (0.01 * found.value)) ** 2 > 3000


@pytest.mark.parametrize("probes", [12, 40, 150])
def test_flat_spectra_cost_hardly_more_than_plain_probes(probes: int) -> None:
    matrix = with_spectrum(bulk(900) + 3)
    goal = after(probes, matrix)
    both = [
        sum(
            trace(matrix, rtol=0, atol=goal, seed=s, method=method).products
            for s in range(4)
        )
        for method in ("auto", "plain")
    ]
    assert both[0] <= 1.1 * both[1] + 5


def test_half_the_interval_meets_the_tolerance() -> None:
    matrix = matrices()["definite"]
    for rtol, atol in ((0.03, 0.0), (0.0, 6.0)):
        found = trace(matrix, rtol=rtol, atol=atol)
        low, high = found.interval()
        assert (high - low) / 2 <= max(atol, rtol * found.value)


def test_a_krylov_space_at_hand_is_shared() -> None:
    matrix = with_spectrum(filled(60.0, 50.0, 40.0, width=0.1))
    krylov = Krylov.from_random(300, 40, matrix[0], 0)
    td.eigsh(matrix, 3, krylov=krylov)
    found = trace(matrix, rtol=0.01, krylov=krylov)
    assert found.products <= 10
    assert abs(found.value - float(matrix.trace())) <= 4 * found.error
    with pytest.raises(ArgumentError, match="Both deflate and krylov"):
        trace(matrix, krylov=krylov, deflate=td.eigsh(matrix, 1))


def test_a_space_that_spans_everything_is_exact() -> None:
    matrix = with_spectrum(bulk(30))
    krylov = Krylov.from_random(30, 30, matrix[0], 0)
    while not krylov.exhausted:
        krylov.grow(_operator(matrix), 1)
    found = trace(matrix, krylov=krylov)
    assert (found.outcome.name, found.products, found.error) == ("exact", 0, 0.0)
    assert found.value == pytest.approx(float(matrix.trace()), abs=1e-12)


def _operator(matrix: Tensor):
    from theodolite.operators.matrix import as_operator

    return as_operator(matrix)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_keep_their_errors(dtype: torch.dtype) -> None:
    matrix = matrices()["outliers"].to(dtype)
    found = trace(matrix, rtol=0.02)
    wanted = float(matrix.double().trace())
    assert abs(found.value - wanted) <= 4 * found.error + 1e-5 * wanted
    assert isinstance(found.value, float)


def test_a_diagonal_matrix_needs_no_more_than_the_fewest() -> None:
    entries = bulk(300)
    found = trace(torch.diag(entries))
    assert found.products == 8
    assert found.error <= 1e-12
    assert found.value == pytest.approx(float(entries.sum()), rel=1e-12)


def test_moments_are_those_that_single_functions_find() -> None:
    matrix = matrices()["definite"]
    found = moments(matrix, diagonal=None, frobenius=None)
    alone = trace(matrix)
    assert found.trace.value == pytest.approx(alone.value, rel=1e-12)
    assert found.products == alone.products
    assert found.layers is None
    assert repr(found).startswith(f"Moments: {found.products} products")
    assert found.to_dict()["trace"]["value"] == found.trace.value


def test_one_run_serves_all_moments() -> None:
    matrix = with_spectrum(filled(5.0, 3.0, -2.0, width=0.3))
    found = moments(layered(matrix).hessian(), trace=0.05, layers=0.05)
    assert found.outcome.good
    layers = found.layers
    assert layers is not None
    total = sum(row.value for row in layers.values())
    assert total == pytest.approx(found.trace.value, rel=1e-9)
    assert float(found.diagonal.value.sum()) == pytest.approx(total, rel=1e-9)
    assert abs(found.frobenius.value - float(matrix.norm())) <= (
        5 * found.frobenius.error + 1e-9
    )
    for name in ("trace", "frobenius"):
        assert getattr(found, name).products == found.products


def test_sums_survive_their_own_form() -> None:
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (50, 6), generator=generator).double() * 2 - 1
    products = matrices()["definite"][:50, :50] @ signs
    sums, halves = (Sums.of(50, torch.device("cpu"), True, (20, 30)) for _ in range(2))
    sums.add(signs, products)
    halves.add(signs[:, :3], products[:, :3])
    halves = Sums.from_dict(halves.to_dict())
    halves.add(signs[:, 3:], products[:, 3:])
    assert halves.trace_variance == sums.trace_variance
    torch.testing.assert_close(halves.mean, sums.mean, rtol=0, atol=0)


def test_senseless_settings_are_refused() -> None:
    matrix = matrices()["definite"]
    with pytest.raises(ArgumentError, match="'plain'"):
        trace(matrix, method="quick")
    with pytest.raises(ArgumentError, match="Gauss–Newton"):
        trace(matrix, method="split")
    with pytest.raises(ArgumentError, match="No tolerance"):
        moments(matrix, trace=None, diagonal=None, frobenius=None, layers=None)


class _Told:
    def __init__(self) -> None:
        self.shares: list[float] = []
        self.closed = False

    def update(self, stage: str, done: float, left: float) -> None:
        self.shares.append(done)

    def close(self) -> None:
        self.closed = True


def test_progress_is_told_and_let_go() -> None:
    told = _Told()
    trace(matrices()["definite"], rtol=0.01, progress=told)
    assert told.closed
    assert told.shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in told.shares)


def test_a_budget_is_not_exceeded() -> None:
    matrix = matrices()["near zero"]
    for budget in (1, 5, 9, 30, 60):
        found = trace(matrix, rtol=1e-6, budget=budget)
        assert found.products == budget
        assert found.outcome.name == "budget"
