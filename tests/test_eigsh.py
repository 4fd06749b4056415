"""The outermost eigenpairs: right where they say so, at defaults, on every spectrum."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from torch import Tensor

import theodolite as td
from problems import PROBLEMS
from spectra import SPECTRA, filled, true_values, wanted_of, with_spectrum
from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.spectrum.eigsh import ENDS

TYPES = [torch.float64, torch.float32]
# what a type's own rounding may move a value or a residual by, relative to the norm
ROUNDING = {torch.float64: 1e-13, torch.float32: 4e-6}


def tolerances(values: Tensor, largest: float, tol: float = 1e-3) -> Tensor:
    return tol * values.abs().clamp(min=1e-3 * largest)


def ordered(values: Tensor, which: str) -> Tensor:
    """For "LM", +λ and −λ are as large as each other."""
    return values.abs().sort().values if which == "LM" else values


@cache
def matrix_of(spectrum: str, dtype: torch.dtype) -> Tensor:
    return with_spectrum(SPECTRA[spectrum], dtype)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_it_never_says_converged_when_wrong(spectrum: str, dtype: torch.dtype) -> None:
    matrix = matrix_of(spectrum, dtype)
    true = true_values(matrix)
    k, largest = min(6, len(true)), float(true.abs().max())
    for which in ENDS:
        for seed in range(3):
            pairs = td.eigsh(matrix, k, which, seed=seed)
            wanted = wanted_of(true, k, which)
            off = (ordered(pairs.values, which) - ordered(wanted, which)).abs()
            allowed = tolerances(ordered(wanted, which), largest)
            assert pairs.converged, (which, seed, pairs)
            assert bool((off <= allowed).all()), (which, seed, pairs, wanted)


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_reported_residuals_are_the_true_ones(
    spectrum: str, dtype: torch.dtype
) -> None:
    matrix = matrix_of(spectrum, dtype)
    largest = float(true_values(matrix).abs().max())
    for which in ENDS:
        pairs = td.eigsh(matrix, min(6, len(matrix)), which)
        wide = pairs.vectors.double()
        true = (matrix.double() @ wide - wide * pairs.values).norm(dim=0)
        allowed = ROUNDING[dtype] * largest
        torch.testing.assert_close(true, pairs.residuals, rtol=1e-6, atol=allowed)
        gram = wide.T @ wide
        eye = torch.eye(len(gram), dtype=torch.float64)
        torch.testing.assert_close(gram, eye, rtol=0, atol=100 * ROUNDING[dtype])


def test_a_budget_that_ends_first_is_never_convergence() -> None:
    for spectrum in SPECTRA:
        matrix = matrix_of(spectrum, torch.float64)
        for budget in (1, 7, 20):
            pairs = td.eigsh(matrix, min(6, len(matrix)), budget=budget)
            assert pairs.products <= budget
            if pairs.outcome.name == "budget":
                assert not pairs.converged
                assert "Raise budget" in str(pairs.outcome)
            elif pairs.outcome.good:
                wanted = wanted_of(true_values(matrix), len(pairs.values), "LA")
                torch.testing.assert_close(pairs.values, wanted, rtol=2e-3, atol=1e-5)


def test_a_budget_of_time_ends_too() -> None:
    pairs = td.eigsh(matrix_of("flat", torch.float64), budget="1ms", tol=1e-15)
    assert pairs.outcome.name == "budget"


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("spectrum", ["clusters", "flat", "plus and minus"])
def test_small_bases_restart_to_the_same_values(spectrum: str, which: str) -> None:
    matrix = matrix_of(spectrum, torch.float64)
    wanted = wanted_of(true_values(matrix), 3, which)
    for basis in (7, 12, 20):
        pairs = td.eigsh(matrix, 3, which, basis=basis, budget=5000)
        assert pairs.converged
        assert pairs.products > basis
        torch.testing.assert_close(
            ordered(pairs.values, which), ordered(wanted, which), rtol=1e-3, atol=1e-3
        )


@pytest.mark.parametrize("which", ENDS)
@pytest.mark.parametrize("spectrum", ["clusters", "flat", "plus and nearly minus"])
def test_scipy_agrees(spectrum: str, which: str) -> None:
    matrix = matrix_of(spectrum, torch.float64)
    operator = td.eigsh(matrix, 5, which, tol=1e-8, budget=5000)
    theirs = scipy.sparse.linalg.eigsh(matrix.numpy(), 5, which=which)[0]
    np.testing.assert_allclose(
        operator.values.numpy(), np.sort(theirs)[::-1], rtol=1e-8, atol=1e-10
    )


def test_scipy_agrees_through_to_scipy() -> None:
    hessian = PROBLEMS["cnn with batch norm"](torch.float64).landscape().hessian()
    ours = td.eigsh(hessian, 4, tol=1e-6).values.numpy()
    theirs = scipy.sparse.linalg.eigsh(hessian.to_scipy(), 4, which="LA")[0]
    np.testing.assert_allclose(ours, theirs[::-1], rtol=1e-8)


def test_a_seed_gives_the_same_bits_again() -> None:
    matrix = matrix_of("clusters", torch.float64)
    first, again, other = (td.eigsh(matrix, 3, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(first.values, again.values)
    assert torch.equal(first.vectors, again.vectors)
    assert not torch.equal(first.vectors, other.vectors)
    torch.testing.assert_close(first.values, other.values, rtol=1e-3, atol=0)
    assert (first.seed, other.seed) == (4, 5)


def test_a_tighter_tolerance_is_met() -> None:
    for tol in (1e-2, 1e-6, 1e-10):
        pairs = td.eigsh(matrix_of("clusters", torch.float64), 5, tol=tol)
        assert pairs.converged
        assert bool((pairs.residuals <= tol * pairs.values.abs() * (1 + 1e-9)).all())


def test_a_tolerance_below_the_types_rounding_is_said_to_be_so() -> None:
    matrix = matrix_of("clusters", torch.float32)
    pairs = td.eigsh(matrix, 3, tol=1e-12, basis=60)
    assert not pairs.converged
    assert not td.eigsh(matrix, 3, tol=1e-12).converged
    assert pairs.outcome.name in {"rounding", "budget"}


def test_every_pair_of_a_small_matrix_is_exact() -> None:
    matrix = with_spectrum(filled(3.0, 1.0, -2.0, size=12))
    pairs = td.eigsh(matrix, 12)
    assert pairs.outcome.name == "exact"
    torch.testing.assert_close(pairs.values, true_values(matrix))


def test_pairs_print_mark_and_save_what_did_not_converge() -> None:
    pairs = td.eigsh(matrix_of("flat", torch.float64), 3, budget=15)
    assert "?" in repr(pairs)
    assert "Not converged" in repr(pairs)
    plain = pairs.to_dict()
    assert plain["outcome"] == "budget"
    assert not all(row["converged"] for row in plain["pairs"])
    assert len(pairs.at(slice(0, 2)).values) == 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 301}, "300 eigenvalues"),
        ({"which": "XX"}, '"BE"'),
        ({"tol": 0.0}, "tol=0"),
        ({"tol": float("nan")}, "tol=nan"),
        ({"basis": 5}, "basis=10 at least"),
        ({"budget": 0}, "budget=0"),
        ({"budget": "soon"}, '"60s"'),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        td.eigsh(matrix_of("flat", torch.float64), **settings)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_product_that_is_no_number_is_refused(bad: float) -> None:
    matrix = matrix_of("flat", torch.float64).clone()
    matrix[3, 4] = bad
    for use in (
        lambda: td.eigsh(matrix, 1),
        lambda: td.lanczos(matrix, 3),
        lambda: td.power_iteration(matrix),
        lambda: td.trace(matrix),
        lambda: td.spectral_density(matrix),
        lambda: td.solve(matrix, torch.ones(300)),
    ):
        with pytest.raises(NonFiniteError, match="wider type"):
            use()


def test_a_small_matrix_costs_no_more_than_all_of_it() -> None:
    """Hundreds of copies of zero at the wanted end, as flat directions make them."""
    values = torch.cat([torch.zeros(400), torch.logspace(-3, 1, 200)]).double()
    found = td.eigsh(with_spectrum(values), 5, "SA")
    assert found.converged
    assert found.products <= len(values)
    assert float(found.values.abs().max()) <= 1e-9
