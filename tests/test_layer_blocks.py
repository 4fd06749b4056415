"""How layers bend each other: every block's norm, and how far it may be off."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import theodolite as td
from layered import SIZES, layered
from problems import PROBLEMS, normal
from spectra import bulk, filled, with_spectrum
from theodolite.errors import ArgumentError, ParameterError
from theodolite.operators.layer_columns import LayerColumns
from theodolite.site.interactions import Interactions, interactions, interactions_of

F64 = torch.float64
SEEDS = range(100)
SPECTRA: dict[str, Tensor] = {
    "outliers": filled(5.0, 3.0, -2.0, width=0.05),
    "flat": bulk(300),
    "decaying": 1 / torch.arange(1, 301, dtype=F64),
}

# a spectrum, and how many of its pairs are deflated
RUNS = [("outliers", 0), ("flat", 0), ("decaying", 3)]

few = settings(max_examples=3, deadline=None, derandomize=True, database=None)


def block_norms(dense: Tensor, places: list[slice]) -> Tensor:
    return torch.tensor(
        [[float(dense[a, b].norm()) for b in places] for a in places], dtype=F64
    )


def places_of(land: td.Landscape) -> list[slice]:
    return list(land.layers.values())


def share_between(norms: Tensor) -> float:
    squares = norms.square()
    return 1 - float(squares.diagonal().sum() / squares.sum())


@pytest.mark.parametrize(
    "problem", ["mlp", "scaled dot product", "tied weights", "cnn with batch norm"]
)
def test_defaults_agree_with_the_dense_blocks(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    land = case.landscape()
    found = interactions(land)
    true = block_norms(case.hessian(), places_of(land))
    assert found.names == tuple(land.layers)
    assert found.outcome.good
    assert bool(((found.norms - true).abs() <= 4 * found.errors + 1e-9).all())
    assert abs(found.norm - float(true.norm())) <= 4 * found.norm_error + 1e-9
    off = abs(found.off_diagonal - share_between(true))
    assert off <= 4 * found.off_diagonal_error + 1e-9
    assert float(found.errors.max()) <= 0.05 * found.norm


@cache
def runs(spectrum: str, pairs: int) -> tuple[Tensor, list[Interactions]]:
    """A hundred seeds on two layers of 60 and 40, and the true norms."""
    matrix = with_spectrum(SPECTRA[spectrum][:100])
    land = layered(matrix, (60, 40))
    hessian = land.hessian()
    deflate = td.eigsh(matrix, pairs, "LM") if pairs else None
    found = [interactions_of(hessian, rtol=0.2, seed=s, deflate=deflate) for s in SEEDS]
    return block_norms(matrix, places_of(land)), found


@pytest.mark.parametrize(("spectrum", "pairs"), RUNS)
def test_stated_errors_cover_the_true_norms(spectrum: str, pairs: int) -> None:
    true, found = runs(spectrum, pairs)
    scores = torch.stack([(one.norms - true) / one.errors for one in found]).abs()
    # chi-square-like samples, ten or twenty to an entry: a norm whose samples were
    # all low has a low error, too. For one dominant direction, χ with 10 degrees of
    # freedom and the error χ/√20, 3 errors miss P(χ² < 3.6) = 3.6 %, 2 miss 8.5 %
    assert float((scores < 3).double().mean()) >= 0.95
    assert float((scores < 2).double().mean()) >= 0.88
    shares = [
        (f.off_diagonal - share_between(true)) / f.off_diagonal_error for f in found
    ]
    norms = [(f.norm - float(true.norm())) / f.norm_error for f in found]
    for single in (shares, norms):
        # 90 % within two errors by the above; over 100 runs less 3 · 3 %
        assert sum(abs(score) < 2 for score in single) >= 81


@pytest.mark.parametrize(("spectrum", "pairs"), RUNS[1:])
def test_probing_is_unbiased(spectrum: str, pairs: int) -> None:
    true, found = runs(spectrum, pairs)
    squares = torch.stack([one.norms.square() for one in found])
    score = (squares.mean(0) - true.square()) / (squares.std(0) / len(SEEDS) ** 0.5)
    assert float(score.abs().max()) <= 4


def test_deflation_sharpens_every_block_without_further_products() -> None:
    matrix = with_spectrum(SPECTRA["outliers"])
    land = layered(matrix)
    pairs = td.eigsh(matrix, 3, "LM")
    plain, sharp = (interactions(land, rtol=0.5, deflate=d) for d in (None, pairs))
    assert plain.products == sharp.products == 10 * len(SIZES)
    assert float(sharp.errors.max()) < float(plain.errors.max()) / 5
    with pytest.raises(ArgumentError, match="300 entries"):
        interactions(land, layers="layer[01]", deflate=pairs)


def test_any_pairs_may_be_deflated() -> None:
    matrix = with_spectrum(SPECTRA["outliers"])
    land = layered(matrix)
    wrong = td.eigsh(with_spectrum(SPECTRA["decaying"]).roll((7, 7), (0, 1)), 4)
    found = interactions(land, deflate=wrong)
    true = block_norms(matrix, places_of(land))
    assert bool(((found.norms - true).abs() <= 5 * found.errors + 1e-9).all())


def test_a_tight_tolerance_is_met_exactly_and_by_symmetry() -> None:
    matrix = with_spectrum(SPECTRA["flat"])
    found = interactions(layered(matrix), rtol=1e-6)
    assert found.outcome.name == "exact"
    assert not found.errors.any()
    true = block_norms(matrix, places_of(layered(matrix)))
    torch.testing.assert_close(found.norms, true)
    assert found.off_diagonal_error == found.norm_error == 0
    assert found.products <= sum(SIZES) + 10 * len(SIZES)


def test_a_tiny_layers_rows_and_columns_are_exact() -> None:
    case = PROBLEMS["scaled dot product"](F64)
    found = interactions(case.landscape(), rtol=0.5)
    tiny = found.names.index("norm")  # eight parameters, no more than first probes
    assert not found.errors[tiny].any()
    assert not found.errors[:, tiny].any()
    assert bool((found.errors.diagonal() > 0).any())
    torch.testing.assert_close(found.norms, found.norms.T)


def test_probes_go_where_the_error_is() -> None:
    matrix = torch.zeros(300, 300, dtype=F64)
    matrix[:120, :120] = with_spectrum(filled(3.0, 1.0, width=0.1, size=120))
    matrix[135:, 135:] = 1e-3 * with_spectrum(bulk(165))
    found = interactions(layered(matrix), rtol=0.1)
    # ten for every layer; all others are for the first, whose block is most of H
    assert found.outcome.good
    assert 40 < found.products <= 40 + 120
    assert float(found.errors[0, 0]) < 0.1 * found.norm
    assert found.off_diagonal < 1e-4


def test_a_spent_budget_says_so() -> None:
    land = layered(with_spectrum(SPECTRA["outliers"]))
    found = interactions(land, rtol=0.01, budget=50)
    assert found.products == 50
    assert found.outcome.name == "budget"
    assert "rtol" in str(found.outcome)
    least = interactions(land, budget=1)
    assert least.products == len(SIZES)
    assert bool(torch.isfinite(least.norms).all())


def test_only_the_wanted_layers_are_measured() -> None:
    matrix = with_spectrum(SPECTRA["flat"])
    found = interactions(layered(matrix), layers=["layer1", "layer3"], rtol=1e-6)
    assert found.names == ("layer1", "layer3")
    some = [slice(120, 135), slice(235, 300)]
    torch.testing.assert_close(found.norms, block_norms(matrix, some))
    with pytest.raises(ParameterError, match="layer9"):
        interactions(layered(matrix), layers="layer9")
    with pytest.raises(ArgumentError, match=r"rtol=0\.05"):
        interactions(layered(matrix), rtol=0.0)


def test_a_function_is_one_layer() -> None:
    land = td.Landscape.from_function(lambda w: (w**2).sum(), torch.ones(3, dtype=F64))
    found = interactions(land)
    assert found.norms.tolist() == [[pytest.approx(12**0.5)]]
    assert found.off_diagonal == 0
    assert found.strongest() == []


def test_one_seed_gives_one_result() -> None:
    land = layered(with_spectrum(SPECTRA["outliers"]))
    a, b, c = (interactions(land, seed=seed).norms for seed in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_results_print_a_matrix_and_the_strongest_couplings() -> None:
    found = interactions(layered(with_spectrum(SPECTRA["outliers"])))
    lines = repr(found).splitlines()
    assert "of ‖H‖² lies between them" in lines[0]
    assert lines[1].split() == list(found.names)
    assert [line.split()[0] for line in lines[2:6]] == list(found.names)
    first = found.strongest(1)[0]
    assert lines[7].strip().startswith(" – ".join(first.layers))
    off = found.norms - found.norms.diag().diag()
    assert first.norm == float(off.max())
    saved = found.to_dict()
    assert saved["norms"] == found.norms.tolist()
    assert saved["names"] == list(found.names)
    assert saved["outcome"] == found.outcome.name


@pytest.mark.parametrize("memory", [None, 0])
def test_columns_are_those_of_the_whole(memory: int | None) -> None:
    land = PROBLEMS["mlp"](F64).landscape(memory=memory)
    columns, dense = LayerColumns(land.hessian()), land.hessian().dense()
    blocks = {
        name: normal(place.stop - place.start, 3, dtype=F64)
        for name, place in land.layers.items()
    }
    squares = columns.squares(blocks)
    for name, place in land.layers.items():
        product = dense[:, place] @ blocks[name]
        wanted = torch.stack(
            [product[other].square().sum(0) for other in land.layers.values()], 1
        )
        torch.testing.assert_close(squares[name], wanted)
    assert columns.products == 6


@few
@given(seed=st.integers(0, 2**16), factor=st.floats(0.1, 10))
def test_norms_scale_with_the_loss_and_shares_do_not(seed: int, factor: float) -> None:
    matrix = with_spectrum(SPECTRA["decaying"])
    one, other = (
        interactions(layered(scale * matrix), rtol=0.3, seed=seed)
        for scale in (1.0, factor)
    )
    torch.testing.assert_close(other.norms, factor * one.norms)
    torch.testing.assert_close(other.errors, factor * one.errors)
    assert other.off_diagonal == pytest.approx(one.off_diagonal)
    assert float(one.norms.square().sum()) == pytest.approx(one.norm**2)
