"""The spectral density, its band, and what is read off it."""

from collections.abc import Callable
from functools import cache
from math import inf, isfinite
from unittest.mock import Mock

import pytest
import torch
from scipy.stats import binom
from torch import Tensor

import theodolite as td
from problems import PROBLEMS, dense_reference
from spectra import SPECTRA, bulk, filled, true_values, with_spectrum
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.operators.operator import Operator
from theodolite.progress import Silent
from theodolite.spectrum.counting.chebyshev_markov_stieltjes import brackets
from theodolite.spectrum.counting.quadrature import Rule, rule_of
from theodolite.spectrum.counting.random_weights import count_interval, mean_variance
from theodolite.spectrum.density import SpectralDensity

F64 = torch.float64
SEEDS = 5
P = 150


def tail(count: int, power: float) -> Tensor:
    """A one-sided bulk that crowds at zero."""
    return bulk(count, seed=3).abs() ** power


KINDS = {
    "definite": tail(P, 2) + 0.01,
    "indefinite": torch.cat([v := torch.linspace(0.1, 3, P // 2).double(), -v]),
    "clustered": filled(5.0, 4.98, 4.96, 3.0, 2.99, 1.0, -2.0, -1.99, -1.5, size=P),
    "outliers": torch.cat([torch.linspace(2, 5, 9).double(), 0.02 * tail(P - 9, 3)]),
    "flat": bulk(P),
    "copies": filled(2.0, 2.0, 2.0, 1.0, -1.0, -1.0, size=P),
}


class Diagonal(Operator):
    """Random directions know nothing of a basis, so that this one is as good."""

    def __init__(self, values: Tensor) -> None:
        super().__init__(len(values), values.dtype, values.device)
        self.values = values

    def _multiply(self, block: Tensor) -> Tensor:
        return self.values[:, None] * block


def measured(kind: str, deflated: bool = False) -> list[SpectralDensity]:
    return _measured(kind, deflated)


@cache
def _measured(kind: str, deflated: bool) -> list[SpectralDensity]:
    values = KINDS[kind]
    pairs = td.eigsh(torch.diag(values), 4, tol=1e-2) if deflated else None
    return [
        td.spectral_density(
            Diagonal(values), probes=3, steps=20, seed=seed, deflate=pairs
        )
        for seed in range(1 if deflated else SEEDS)
    ]


def share_up_to(values: Tensor, places: Tensor) -> Tensor:
    return (values[None, :] <= places[:, None]).double().mean(1)


def covered(found: list[Estimate[float]], wanted: float) -> float:
    slack = 1e-9 * max(abs(wanted), 1.0)
    inside = [
        low - slack <= wanted <= high + slack
        for low, high in (one.interval() for one in found)
    ]
    return sum(inside) / len(inside)


def least(draws: int) -> float:
    """A share of 95 % intervals that fewer hold in once in a thousand."""
    return float(binom.ppf(1e-3, draws, 0.95)) / draws


@pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])
def test_the_band_holds_the_cumulative_distribution(deflated: bool) -> None:
    inside = [
        ((one.low - 1e-9 <= true) & (true <= one.high + 1e-9)).double().mean()
        for kind, values in KINDS.items()
        for one in measured(kind, deflated)
        for true in [share_up_to(values, one.grid)]
    ]
    # 95 % of the points; those of one draw are held or missed together
    assert float(torch.stack(inside).mean()) >= 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_the_band_is_no_wider_than_the_draw_and_the_steps_leave_open(kind: str) -> None:
    # at one half: ±2 √(2/4 / (3 p)) by the draw, and two weights of 1/20 a probe
    bound = 4 * (0.5 / (3 * P)) ** 0.5 + 0.1
    for one in measured(kind):
        assert bool((one.low <= one.cumulative + 1e-9).all())
        assert bool((one.cumulative <= one.high + 1e-9).all())
        assert float((one.high - one.low).mean()) <= bound


READINGS: dict[
    str,
    tuple[Callable[[SpectralDensity], Estimate[float]], Callable[[Tensor], Tensor]],
] = {
    "negative": (lambda one: one.negative(), lambda v: (v < 0).sum()),
    "near zero": (lambda one: one.near_zero(0.3), lambda v: (v.abs() <= 0.3).sum()),
    "in between": (
        lambda one: one.count(0.02, 2.5),
        lambda v: ((v >= 0.02) & (v <= 2.5)).sum(),
    ),
    "trace": (lambda one: one.trace(), torch.sum),
    "frobenius": (lambda one: one.frobenius_norm(), torch.norm),
    "nuclear": (lambda one: one.schatten_norm(1), lambda v: v.abs().sum()),
    "effective": (
        lambda one: one.effective_dimension(0.1),
        lambda v: (v.clamp(min=0) / (v.abs() + 0.1)).sum(),
    ),
    "determinant": (
        lambda one: one.log_determinant(5.0),
        lambda v: (v + 5).log().sum(),
    ),
    "exponential": (lambda one: one.sum(torch.exp), lambda v: v.exp().sum()),
}


@pytest.mark.parametrize("reading", READINGS)
def test_intervals_hold_the_dense_value(reading: str) -> None:
    read, true = READINGS[reading]
    shares = [
        covered([read(one) for one in measured(kind)], float(true(values)))
        for kind, values in KINDS.items()
    ]
    assert sum(shares) / len(KINDS) >= least(len(KINDS) * SEEDS)


def test_too_few_steps_show_in_the_error() -> None:
    values = KINDS["outliers"]
    wanted = float((values + 1e-3).log().sum())
    found = [
        td.spectral_density(Diagonal(values), probes=8, steps=4, seed=seed)
        for seed in range(SEEDS)
    ]
    logs = [one.log_determinant(1e-3) for one in found]
    # the bias is larger than the draw's error, and the interval knows
    bias = sum(one.value for one in logs) / SEEDS - wanted
    assert abs(bias) > 5
    assert covered(logs, wanted) >= least(SEEDS)
    assert covered([one.negative() for one in found], 0.0) == 1


def run(values: Tensor, steps: int, seed: int = 0) -> tuple[Rule, Tensor]:
    """The rule of a random start, and the shares of it along each eigenvector."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(len(values), generator=generator, dtype=F64)
    chain = td.lanczos(torch.diag(values), steps, v0=start)
    return rule_of(chain.alphas, chain.betas), (start / start.norm()).square()


@pytest.mark.parametrize("steps", [1, 2, 20, 60])
@pytest.mark.parametrize("kind", [*KINDS, "twelve decades"])
def test_brackets_hold_the_measure_of_the_start(kind: str, steps: int) -> None:
    values = SPECTRA[kind] if kind in SPECTRA else KINDS[kind]
    rule, shares = run(values, steps)
    ends = [float(values.min()) - 1, float(values.max()) + 1]
    places = torch.cat(
        [torch.linspace(ends[0], ends[1], 300, dtype=F64), values + 1e-7]
    )
    low, high = brackets(rule).at(places)
    true = ((values[None, :] <= places[:, None]) * shares).sum(1)
    assert bool((low <= true + 1e-9).all())
    assert bool((true <= high + 1e-9).all())


def test_the_recurrence_is_read_back_from_a_rule() -> None:
    chain = td.lanczos(torch.diag(KINDS["flat"]), 25)
    alphas, betas = rule_of(chain.alphas, chain.betas).recurrence
    torch.testing.assert_close(alphas, chain.alphas, rtol=0, atol=1e-12)
    torch.testing.assert_close(betas, chain.betas, rtol=0, atol=1e-12)


@pytest.mark.parametrize("probes", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 5, 40, P // 2])
def test_a_random_directions_share_has_the_law_that_is_claimed(
    count: int, probes: int
) -> None:
    generator = torch.Generator().manual_seed(count)
    draws = torch.randn(2000, probes, P, generator=generator, dtype=F64).square()
    shares = (draws[..., :count].sum(-1) / draws.sum(-1)).mean(1)
    low, high = count_interval(shares, shares, P, probes)
    inside = float(((low <= count) & (count <= high)).double().mean())
    # four binomial standard errors; very few degrees of freedom are held by more
    assert 0.93 <= inside <= (0.97 if count * probes > 2 else 0.985)
    values, weights = torch.zeros(P).double(), torch.full((P,), 1 / P).double()
    values[:count] = 1
    variance, freedom = mean_variance(values, weights, P, probes)
    variance /= 1 + (2 / max(1, freedom)) ** 0.5
    # the variance of a sample variance, for tails up to those of one squared normal
    assert variance == pytest.approx(float(shares.var()), rel=4 * (14 / 2000) ** 0.5)


def test_outliers_are_counted_exactly_and_their_products_too() -> None:
    values = KINDS["outliers"]
    for one in measured("outliers"):
        assert one.products == 60
        found = one.outliers[one.outliers > 1].sort().values
        torch.testing.assert_close(found, values[:9], rtol=0, atol=1e-4)
        assert one.count(1, inf).interval() == pytest.approx((9, 9), abs=6)
    plain = td.spectral_density(Diagonal(values), probes=1, steps=60)
    assert len(plain.outliers) == 0


def test_copies_that_one_start_cannot_see_are_not_missed() -> None:
    top = [one.count(1.9, 2.1).value for one in measured("copies")]
    # two of three copies are drawn by chance: a squared normal of 3 · 3 degrees
    error = (3 * 2 / 3 / SEEDS) ** 0.5
    assert abs(sum(top) / SEEDS - 3) <= 4 * error
    assert all(2.0 not in one.outliers.round(decimals=6) for one in measured("copies"))


def test_rough_pairs_leave_the_trace_unbiased() -> None:
    matrix = with_spectrum(KINDS["clustered"])
    rough = td.eigsh(matrix, 5, tol=0.3, budget=12)
    assert float(rough.residuals.max()) > 1e-2
    found = [
        td.spectral_density(matrix, probes=2, steps=15, seed=seed, deflate=rough)
        for seed in range(SEEDS)
    ]
    for read in (SpectralDensity.trace, SpectralDensity.frobenius_norm):
        wanted = float(READINGS[read.__name__.partition("_")[0]][1](KINDS["clustered"]))
        estimates = [read(one) for one in found]
        mean = sum(one.value for one in estimates) / SEEDS
        assert abs(mean - wanted) <= 4 * estimates[0].error / SEEDS**0.5
    true = share_up_to(KINDS["clustered"], found[0].grid)
    assert bool((found[0].low <= true + 0.05).all())


def distance(nodes: Tensor, weights: Tensor, values: Tensor) -> float:
    """Wasserstein-1 to the spectrum, in units of its width."""
    places = torch.cat([nodes, values])
    masses = torch.cat([weights, torch.full_like(values, -1 / len(values))])
    order = places.argsort()
    apart = masses[order].cumsum(0)[:-1].abs() @ places[order].diff()
    return float(apart) / float(values.max() - values.min())


def plain_quadrature(values: Tensor, probes: int, steps: int, seed: int) -> float:
    rules = [run(values, steps, seed * probes + i)[0] for i in range(probes)]
    nodes = torch.cat([rule.nodes for rule in rules])
    weights = torch.cat([rule.weights for rule in rules]) / probes
    return distance(nodes, weights, values)


@pytest.mark.parametrize("kind", ["clusters", "flat"])
def test_equal_products_bring_it_nearer_than_plain_quadrature(kind: str) -> None:
    values = SPECTRA[kind]
    found = [
        td.spectral_density(Diagonal(values), probes=3, steps=33, seed=seed)
        for seed in range(2)
    ]
    ours = [distance(one.nodes, one.weights, values) for one in found]
    for probes, steps in ((1, 99), (4, 25)):
        theirs = [plain_quadrature(values, probes, steps, seed) for seed in range(2)]
        assert sum(ours) < sum(theirs)
    if kind != "flat":
        assert sum(ours) / 2 < 1e-3


@pytest.mark.parametrize("spectrum", ["all zero", "identity", "rank one"])
def test_a_start_that_is_exhausted_leaves_nothing_open(spectrum: str) -> None:
    values = SPECTRA[spectrum]
    one = td.spectral_density(with_spectrum(values), probes=2, steps=20)
    assert one.products < 40
    low, high = one.count(float(values.min()) - 0.5, 10.0).interval()
    assert low == pytest.approx(300, abs=1e-6)
    assert high == pytest.approx(300, abs=1e-6)


@pytest.mark.parametrize("problem", ["mlp", "lstm"])
def test_a_small_network_is_counted_exactly(problem: str) -> None:
    values = torch.linalg.eigvalsh(dense_reference(problem))
    one = td.spectral_density(PROBLEMS[problem](F64).landscape().hessian())
    assert one.outcome.name == "exact"
    tolerance = 1e-9
    wanted = float((values < -tolerance).sum())
    assert one.negative(tolerance).interval() == pytest.approx((wanted, wanted))
    assert one.trace().interval() == pytest.approx((float(values.sum()),) * 2)
    assert one.frobenius_norm().error == 0 == one.effective_dimension(0.1).error
    true = share_up_to(values, one.grid)
    torch.testing.assert_close(one.cumulative, true, rtol=0, atol=1.5 / len(values))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_only_widen_the_band(dtype: torch.dtype) -> None:
    matrix = with_spectrum(SPECTRA["clusters"], dtype)
    values = true_values(matrix)
    one = td.spectral_density(matrix, probes=3, steps=30)
    assert one.nodes.dtype == one.low.dtype == F64
    assert one.rounding > 8 * torch.finfo(F64).eps
    true = share_up_to(values, one.grid)
    inside = (one.low - 1e-9 <= true) & (true <= one.high + 1e-9)
    assert float(inside.double().mean()) >= 0.9
    trace = one.trace()
    assert abs(trace.value - float(values.sum())) <= 4 * trace.error + 0.5


def test_moments_are_checked_against_independent_estimates() -> None:
    values = KINDS["outliers"]
    one = measured("outliers")[0]
    trace = td.trace(Diagonal(values), seed=1, rtol=0.2)
    frobenius = td.frobenius_norm(Diagonal(values), seed=1, rtol=0.2)
    agreement = one.check(trace=trace, frobenius=frobenius)
    assert agreement.good
    assert "they agree" in repr(agreement)
    other = td.trace(Diagonal(values + 1), seed=1, rtol=0.01)
    broken = one.check(trace=other)
    assert not broken.good
    assert "disagree" in repr(broken)
    assert broken.to_dict()["trace"]["distance"] > 4
    with pytest.raises(ArgumentError, match=r"td\.trace"):
        one.check()


def test_seeds_decide_and_nothing_else_does() -> None:
    values, before = KINDS["flat"], torch.get_rng_state()
    found = [
        td.spectral_density(Diagonal(values), probes=2, steps=10, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(found[0].nodes, found[1].nodes)
    assert not torch.equal(found[0].nodes, found[2].nodes)
    assert torch.equal(before, torch.get_rng_state())


def test_the_result_is_plain_and_says_what_it_cost() -> None:
    one = td.spectral_density(Diagonal(tail(200, 2)))
    plain = one.to_dict()
    assert plain["products"] == 120 == one.trace().products
    assert (plain["outcome"], plain["probes"], plain["size"]) == ("converged", 2, 200)
    assert isfinite(plain["seconds"])
    assert plain["bytes"] >= 2 * 60 * 200 * 8
    rules = [
        Rule(
            torch.tensor(rule["nodes"], dtype=F64),
            torch.tensor(rule["weights"], dtype=F64),
            rule["order"],
            rule["closed"],
        )
        for rule in plain["rules"]
    ]
    low, _ = brackets(rules[0]).at(one.grid)
    assert torch.equal(low, brackets(one.rules[0]).at(one.grid)[0])
    assert "2 probes × 60 steps" in repr(one)


def test_a_budget_shortens_the_first_probe_and_leaves_out_others() -> None:
    one = td.spectral_density(Diagonal(bulk(300)), budget=15)
    assert (one.products, one.probes, len(one.rules[0].nodes)) == (15, 1, 15)
    assert one.outcome.name == "budget"
    assert bool(torch.isfinite(one.low).all())
    assert bool(torch.isfinite(one.band).all())


def test_progress_is_told_to_the_end() -> None:
    watcher = Mock(spec=Silent)
    td.spectral_density(Diagonal(bulk(200)), probes=2, steps=10, progress=watcher)
    assert watcher.update.call_count == 20
    assert watcher.update.call_args.args == ("spectral density", 1.0, 0.0)
    watcher.close.assert_called_once()


def test_readings_refuse_what_has_no_meaning() -> None:
    one = measured("indefinite")[0]
    with pytest.raises(ArgumentError, match=r"gauss_newton"):
        one.log_determinant(1.0)
    with pytest.raises(ArgumentError, match="alpha=0"):
        one.effective_dimension(0)
    with pytest.raises(ArgumentError, match="eigsh"):
        one.schatten_norm(inf)
    with pytest.raises(ArgumentError, match="low ≤ high"):
        one.count(1.0, -1.0)


def test_no_reading_costs_a_product() -> None:
    operator = Diagonal(bulk(200))
    one = td.spectral_density(operator, probes=2, steps=20)
    spent = operator.products
    for read, _ in READINGS.values():
        read(one)
    assert operator.products == spent == 40
