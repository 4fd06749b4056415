"""Diagonals, Frobenius norms and layers' traces, and how far they may be off."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import theodolite as td
from layered import layered
from problems import PROBLEMS
from spectra import bulk, filled, with_spectrum
from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.estimate import Estimate
from theodolite.site.layer_traces import layer_traces, layer_traces_of
from theodolite.spectrum.diagonal import diagonal
from theodolite.spectrum.frobenius import frobenius_norm

F64 = torch.float64
SEEDS = range(100)
ESTIMATORS: dict[str, tuple[Callable[..., Any], Callable[[Tensor], Any]]] = {
    "diagonal": (diagonal, torch.diagonal),
    "norm": (frobenius_norm, torch.linalg.matrix_norm),
}

few = settings(max_examples=10, deadline=None, derandomize=True, database=None)


def outliers() -> Tensor:
    return with_spectrum(filled(5.0, 3.0, -2.0, width=0.3))


PROBLEM_NAMES = ["mlp", "tied weights", "class weights"]


@pytest.mark.parametrize("problem", PROBLEM_NAMES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_defaults_agree_with_the_dense_hessian(name: str, problem: str) -> None:
    case = PROBLEMS[problem](F64)
    estimator, wanted = ESTIMATORS[name]
    found = estimator(case.landscape().hessian())
    true = wanted(case.hessian())
    assert found.outcome.good
    off = torch.as_tensor(found.value - true).abs()
    assert bool((off <= 5 * torch.as_tensor(found.error) + 1e-12).all())


@pytest.mark.parametrize("pairs", [0, 2])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_error_bars_cover_what_they_say(name: str, pairs: int) -> None:
    matrix = outliers()
    deflate = td.eigsh(matrix, pairs, "LM") if pairs else None
    estimator, wanted = ESTIMATORS[name]
    found = [
        estimator(matrix, rtol=1e-3, seed=s, budget=40, deflate=deflate, method="plain")
        for s in SEEDS
    ]
    scores = torch.stack(
        [torch.as_tensor((e.value - wanted(matrix)) / e.error) for e in found]
    ).abs()
    assert all(e.probes >= 38 for e in found)
    # 95 % of normal scores are below 2; with 100 independent runs the share is
    # 0.95 ± 0.022, less 0.03 for spreads that 40 skew samples underrate
    assert float((scores < 2).double().mean()) >= 0.95 - 0.03 - 2 * 0.022
    # and they are not too wide: half of normal scores are above 0.67
    assert float((scores > 0.67).double().mean()) >= 0.5 - 4 * 0.05


def test_deflation_takes_the_variance_of_outliers_out() -> None:
    matrix = outliers()
    pairs = td.eigsh(matrix, 3, "LM")
    for estimator, factor in ((diagonal, 3), (frobenius_norm, 50)):
        plain = estimator(matrix, budget=60, method="plain")
        deflated = estimator(matrix, budget=60, deflate=pairs)
        assert deflated.products <= plain.products
        errors = [float(torch.as_tensor(e.error).norm()) for e in (plain, deflated)]
        assert errors[1] * factor < errors[0] * (plain.probes / deflated.probes) ** 0.5


@pytest.mark.parametrize("name", ESTIMATORS)
def test_any_orthonormal_vectors_may_be_deflated(name: str) -> None:
    matrix = outliers()
    wrong = td.eigsh(with_spectrum(bulk(300)).roll((7, 7), (0, 1)), 5)
    estimator, wanted = ESTIMATORS[name]
    found = estimator(matrix, deflate=wrong, budget=200)
    scores = torch.as_tensor((found.value - wanted(matrix)) / found.error).abs()
    assert float(scores.median()) < 4
    assert float(scores.square().mean()) < 16


@pytest.mark.parametrize("name", ESTIMATORS)
def test_tolerances_are_met(name: str) -> None:
    matrix = with_spectrum(1 + bulk(300).abs())
    estimator, _ = ESTIMATORS[name]
    for settings_ in ({"rtol": 0.05}, {"rtol": 0.0, "atol": 1.0}):
        found = estimator(matrix, **settings_)
        error = float(torch.as_tensor(found.error).norm())
        size = float(torch.as_tensor(found.value).norm())
        assert found.outcome.name == "converged"
        assert error <= settings_.get("atol", 0.05 * size)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_tight_tolerances_are_met_exactly(name: str) -> None:
    matrix = outliers()
    estimator, wanted = ESTIMATORS[name]
    found = estimator(matrix, rtol=1e-9)
    assert found.outcome.name == "exact"
    assert found.probes == 0
    assert not torch.as_tensor(found.error).any()
    torch.testing.assert_close(
        torch.as_tensor(found.value).double(), wanted(matrix), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_spent_budget_says_so(name: str) -> None:
    estimator, _ = ESTIMATORS[name]
    found = estimator(outliers(), rtol=1e-3, budget=25)
    assert found.products == 25
    assert found.outcome.name == "budget"
    assert "deflate" in str(found.outcome)
    single = estimator(outliers(), budget=1)
    assert bool(torch.isinf(torch.as_tensor(single.error)).all())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_seed_gives_one_result(name: str) -> None:
    estimator, _ = ESTIMATORS[name]
    a, b, c = (estimator(outliers(), seed=s, budget=30).value for s in (3, 3, 4))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert bool((torch.as_tensor(a) != torch.as_tensor(c)).any())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_senseless_arguments_are_refused(name: str) -> None:
    estimator, _ = ESTIMATORS[name]
    for settings_ in ({"rtol": -1}, {"rtol": 0}, {"rtol": float("nan")}):
        with pytest.raises(ArgumentError, match="atol"):
            estimator(outliers(), **settings_)
    with pytest.raises(NonFiniteError):
        estimator(outliers() * float("nan"))


def test_a_diagonal_matrix_has_no_error_at_once() -> None:
    entries = bulk(300)
    found = diagonal(torch.diag(entries))
    torch.testing.assert_close(found.value, entries)
    assert float(found.error.max()) <= 1e-15
    assert found.products == 20


def test_zero_has_the_diagonal_and_the_norm_zero() -> None:
    nothing = torch.zeros(300, 300, dtype=F64)
    assert not diagonal(nothing).value.any()
    assert frobenius_norm(nothing).value == 0


@few
@given(values=st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=30))
def test_the_diagonal_adds_up_to_the_trace(values: list[float]) -> None:
    matrix = with_spectrum(torch.tensor(values, dtype=F64))
    found = diagonal(matrix, rtol=1e-9, atol=1e-12)
    assert abs(float(found.value.sum()) - sum(values)) <= 1e-9 * (
        1 + sum(map(abs, values))
    )
    norm = frobenius_norm(matrix, rtol=1e-9, atol=1e-12)
    assert norm.value**2 == pytest.approx(sum(v * v for v in values), abs=1e-9)


def test_estimates_of_many_numbers_print_their_norm_and_save() -> None:
    found = diagonal(with_spectrum(1 + bulk(300).abs()), budget=30)
    assert repr(found).startswith("300 numbers of norm 30.")
    assert found.to_dict()["value"] == found.value.tolist()
    assert found.to_dict()["outcome"] == found.outcome.name
    number = td.trace(torch.eye(3))
    assert number.to_dict()["value"] == float(number) == 3.0
    assert isinstance(number, Estimate)


@pytest.mark.parametrize("problem", [*PROBLEM_NAMES, "cnn with batch norm"])
def test_layers_have_the_traces_of_their_blocks(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    land = case.landscape()
    dense = case.hessian().diagonal()
    found = layer_traces(land)
    assert list(found) == list(land.layers)
    assert found.outcome.good
    for layer, place in land.layers.items():
        off = abs(found[layer].value - float(dense[place].sum()))
        assert off <= 4 * found[layer].error + 1e-12


@pytest.mark.parametrize("pairs", [0, 3])
def test_layers_traces_cover_what_they_say(pairs: int) -> None:
    dense = outliers()
    land = layered(dense)
    hessian = land.hessian()
    deflate = td.eigsh(hessian, pairs, "LM") if pairs else None
    true = torch.stack([dense.diagonal()[s].sum() for s in land.layers.values()])
    scores = []
    for seed in range(40):
        found = layer_traces_of(
            hessian,
            rtol=1e-4,
            seed=seed,
            budget=25 + pairs,
            deflate=deflate,
            method="plain",
        )
        rows = torch.tensor([[row.value, row.error] for row in found.values()]).double()
        scores.append((rows[:, 0] - true) / rows[:, 1])
    inside = torch.stack(scores).abs() < 2
    # 25 probes: Student's t leaves 94 % within 2, ± 0.038 over 40 seeds
    assert float(inside.double().mean()) >= 0.94 - 3 * 0.038


def test_one_product_serves_all_layers() -> None:
    land = PROBLEMS["transformer encoder layer"](F64).landscape()
    found = layer_traces(land, rtol=1e-3, budget=30, method="plain")
    assert found.products == 30
    assert {row.probes for row in found.values()} == {30}
    assert len(found) == 7
    text = repr(found)
    assert text.startswith("LayerTraces: 30 products. Not converged")
    assert "layer.linear1" in text
    assert found.to_dict()["rows"]["head"]["value"] == found["head"].value
