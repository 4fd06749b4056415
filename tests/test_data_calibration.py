"""Intervals hold what unlimited data would say as often as they state."""

from math import sqrt

import pytest
import torch

from dense import F64
from populations import Population, dense_rows, of_gradients, of_hessians, population
from problems import normal
from theodolite.site.other_data.data_spread import DataRow
from theodolite.site.other_data.group_gradients import square_of_covariance
from theodolite.site.other_data.jackknife import jackknife, left_out, mean_of
from theodolite.site.other_data.spread_rows import gradient_row

NAMES = ("loss", "gradient_norm", "largest_eigenvalue", "trace")


@pytest.mark.parametrize(
    ("name", "samples"),
    [("softmax regression", 200), ("tanh network", 500), ("linear regression", 200)],
)
def test_intervals_hold_the_populations_value(name: str, samples: int) -> None:
    whole, truth, repeats = population(name), population(name).truth(), 60
    generator = torch.Generator().manual_seed(7)
    rows: dict[str, list[DataRow]] = {each: [] for each in NAMES}
    for _ in range(repeats):
        i = torch.randperm(8_000, generator=generator)[:samples]
        drawn = Population(whole.losses[i], whole.gradients[i], whole.hessians[i])
        for each, row in dense_rows(drawn, 40).items():
            rows[each].append(row)
    for each in NAMES:
        held = sum(row.low <= truth[each] <= row.high for row in rows[each])
        # 4 standard errors of 0.95 in so many repeats
        assert held >= repeats * (0.95 - 4 * sqrt(0.95 * 0.05 / repeats)), each
        if each in {"loss", "trace"}:
            # no wider than they have to be
            spread = torch.tensor([row.value for row in rows[each]]).std()
            error = sum(row.error for row in rows[each]) / repeats
            # 4 standard errors of a standard deviation
            assert error == pytest.approx(float(spread), rel=4 / sqrt(2 * repeats))


def test_the_bias_of_the_largest_eigenvalue_is_found() -> None:
    spectrum = torch.ones(12, dtype=F64)
    spectrum[0] = 1.5
    generator = torch.Generator().manual_seed(3)
    shares = torch.full((40,), 1 / 40, dtype=F64)
    rows: list[DataRow] = []
    for _ in range(60):
        x = torch.randn(40, 4, 12, generator=generator, dtype=F64) * spectrum.sqrt()
        rows.append(of_hessians(x.mT @ x / 4, shares, 6))
    bias = torch.tensor([row.value for row in rows]) - 1.5
    left = torch.tensor([row.corrected for row in rows]) - 1.5
    # 11 eigenvalues below: the sum of λ λ_j / n (λ − λ_j), to second order
    assert float(bias.mean()) == pytest.approx(11 * 1.5 / (160 * 0.5), rel=0.3)
    # what is left is of a higher order: less than a third
    assert abs(left.mean()) < bias.mean() / 3 + 2 * left.std() / sqrt(60)


def test_the_gradient_of_pure_noise_is_corrected_to_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.full((40,), 1 / 40, dtype=F64)
    squares, held = [], 0
    for _ in range(200):
        gradients = torch.randn(40, 30, generator=generator, dtype=F64)
        found = of_gradients(gradients, shares)
        squares.append(found.square - found.spread.bias)
        held += gradient_row(found).low == 0
    mean, spread = torch.tensor(squares).mean(), torch.tensor(squares).std()
    assert abs(mean) < 4 * spread / sqrt(200)
    # the interval of the square begins at or below zero in 97.5 %
    assert held >= 200 * (0.975 - 4 * sqrt(0.975 * 0.025 / 200))


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_the_interval_holds_gradients_as_small_as_their_noise(size: float) -> None:
    """By chance small means come with small spreads; the true error is another."""
    scales = torch.tensor([2.0, 1.0, 1.0, 0.5, 0.3], dtype=F64)
    # that long beside the mean's own noise
    true = size * scales / sqrt(40)
    generator = torch.Generator().manual_seed(0)
    shares = torch.full((40,), 1 / 40, dtype=F64)
    repeats, held = 400, 0
    for _ in range(repeats):
        noise = torch.randn(40, 5, generator=generator, dtype=F64) * scales
        row = gradient_row(of_gradients(true + noise, shares))
        held += row.low <= float(true.norm()) <= row.high
    # 4 standard errors of 0.95 in so many repeats
    assert abs(held / repeats - 0.95) <= 4 * sqrt(0.95 * 0.05 / repeats)


def test_the_square_of_the_covariance_is_unbiased() -> None:
    scales = torch.tensor([3.0, 1.0, 0.5], dtype=F64)
    generator = torch.Generator().manual_seed(1)
    shares = torch.full((40,), 1 / 40, dtype=F64)
    found = []
    for _ in range(400):
        rows = torch.randn(40, 3, generator=generator, dtype=F64) * scales
        apart = rows - rows.mean(0)
        products = (apart[1:] * apart[:-1]).sum(1)
        found.append(square_of_covariance(products, shares))
    values = torch.tensor(found)
    true = float((scales.square() / 40).square().sum())
    assert abs(values.mean() - true) < 4 * values.std() / 20


def test_of_a_mean_the_jackknife_is_the_ratio_estimator() -> None:
    values, weights = normal(12, dtype=F64), torch.arange(1, 13).double()
    shares = weights / weights.sum()
    mean = mean_of(values, shares)
    found = jackknife(float(mean), left_out(mean, values, shares), shares)
    square = 12 / 11 * (shares * (values - mean)).square().sum()
    assert found.bias == pytest.approx(0.0, abs=1e-12)
    assert found.error == pytest.approx(float(square.sqrt()), rel=1e-12)


def test_of_a_square_the_jackknifes_bias_is_the_means_variance() -> None:
    values = normal(12, dtype=F64)
    shares = torch.full((12,), 1 / 12, dtype=F64)
    mean = mean_of(values, shares)
    without = left_out(mean, values, shares).square()
    found = jackknife(float(mean**2), without, shares)
    assert found.bias == pytest.approx(float(values.var()) / 12, rel=1e-10)
