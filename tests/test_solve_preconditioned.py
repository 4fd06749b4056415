"""Linear systems: what makes them easier."""

from typing import Any

import pytest
import torch
from torch import Tensor

import theodolite as td
from problems import normal
from spectra import SIZE, bulk, filled, with_spectrum
from systems import METHODS, B, P, error, gap, indefinite, positive
from theodolite.errors import ArgumentError
from theodolite.operators.diagonal import Diagonal
from theodolite.operators.matrix import as_operator
from theodolite.spectrum.solving.nystrom import nystrom
from theodolite.spectrum.solving.preconditioning import by_pairs

F32, F64 = torch.float32, torch.float64


@pytest.mark.parametrize("method", METHODS)
def test_ritz_pairs_save_products(method: str) -> None:
    # outliers of a trained network, and a bulk that reaches below zero
    tops = [3.2, 2.7, 2.1, 2.0, 1.2, 0.75, 0.48, 0.31, 0.28, 0.25]
    rest = 0.1 * bulk(SIZE - 10).abs() - 0.005
    matrix = with_spectrum(torch.cat([torch.tensor(tops), rest]).double())
    b = normal(SIZE, dtype=F64)
    settings: dict[str, Any] = {"damping": 0.032, "method": method, "tol": 1e-4}
    plain, faster = (
        td.solve(matrix, b, preconditioner=known, **settings)
        for known in (None, td.eigsh(matrix, 10))
    )
    assert plain.converged
    assert faster.converged
    assert faster.products <= 0.75 * plain.products
    true = torch.linalg.solve(matrix + 0.032 * torch.eye(SIZE), b)
    assert error(faster, true) <= 1e-3


def test_exact_pairs_of_both_signs_leave_few_iterations() -> None:
    values = torch.cat(
        [torch.tensor([9.0, 5.0, -4.0, -8.0]).double(), bulk(P - 4) / 50]
    )
    matrix = with_spectrum(values)
    pairs = td.eigsh(matrix, 4, "LM", tol=1e-8)
    plain, faster = (
        td.solve(matrix, B, damping=1.0, method="minres", preconditioner=known)
        for known in (None, pairs)
    )
    assert faster.converged
    assert faster.products < plain.products
    true = torch.linalg.solve(matrix + torch.eye(P), B)
    assert error(faster, true) <= 1e-5


def test_the_inverse_by_all_pairs_is_the_inverse_of_the_absolute_value() -> None:
    matrix = with_spectrum(bulk(60))
    pairs = td.eigsh(matrix, 60, tol=1e-10)
    inverse = by_pairs(pairs, 0.5, as_operator(matrix)).dense()
    values, vectors = torch.linalg.eigh(matrix)
    wanted = vectors / (values + 0.5).abs() @ vectors.T
    torch.testing.assert_close(inverse, wanted, rtol=1e-6, atol=1e-6)


def decaying(size: int = P) -> Tensor:
    """Positive, with a spectrum that falls off like i⁻²."""
    return with_spectrum(100 / torch.arange(1, size + 1).double().square())


@pytest.mark.parametrize("method", METHODS)
def test_a_nystrom_sketch_saves_iterations(method: str) -> None:
    matrix = decaying()
    plain, sketched = (
        td.solve(matrix, B, damping=1e-2, method=method, preconditioner=known)
        for known in (None, "nystrom")
    )
    assert sketched.converged
    assert sketched.iterations <= 0.5 * plain.iterations
    # the sketch's products are counted
    assert sketched.products >= sketched.iterations + 11
    true = torch.linalg.solve(matrix + 1e-2 * torch.eye(P), B)
    assert error(sketched, true) <= 1e-3


def test_a_nystrom_sketch_serves_several_right_hand_sides() -> None:
    matrix = as_operator(decaying())
    inverse = nystrom(matrix, 40, damping=1e-2)
    assert matrix.products == 40
    units = inverse.rows @ inverse.rows.T
    torch.testing.assert_close(units, torch.eye(40).double(), rtol=0, atol=1e-6)
    for seed in range(3):
        b = normal(P, dtype=F64, seed=seed)
        solution = td.solve(matrix, b, damping=1e-2, preconditioner=inverse)
        assert solution.converged
        assert solution.products <= 25


def test_a_nystrom_sketch_of_full_rank_is_the_matrix() -> None:
    matrix = positive(100.0)
    inverse = nystrom(matrix, P, damping=0.5).dense()
    wanted = torch.linalg.inv(matrix + 0.5 * torch.eye(P))
    torch.testing.assert_close(inverse, wanted, rtol=1e-7, atol=1e-9)


def test_a_nystrom_sketch_of_low_rank_keeps_that_rank() -> None:
    for dtype in (F32, F64):
        matrix = with_spectrum(filled(3.0, 2.0, 1.0, width=0.0), dtype)
        inverse = nystrom(matrix, 20, damping=0.1)
        assert len(inverse.values) == 3
        wanted = torch.tensor([3.1, 2.1, 1.1]).double()
        torch.testing.assert_close(inverse.values, wanted, rtol=1e-4, atol=1e-4)


def test_the_nystrom_seed_repeats_it() -> None:
    matrix = decaying()
    first, again, other = (nystrom(matrix, 10, seed=seed).rows for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    solved = [
        td.solve(matrix, B, damping=1e-2, preconditioner="nystrom", seed=seed)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(solved[0].x, solved[1].x)
    assert not torch.equal(solved[0].x, solved[2].x)


def test_a_nystrom_sketch_refuses_indefinite_matrices() -> None:
    with pytest.raises(ArgumentError, match="gauss_newton"):
        td.solve(indefinite(), B, preconditioner="nystrom")
    with pytest.raises(ArgumentError, match="rank=0"):
        nystrom(decaying(), 0)


@pytest.mark.parametrize("method", METHODS)
def test_any_positive_operator_or_function_preconditions(method: str) -> None:
    scale = torch.logspace(0, 4, P).double()
    mixed = with_spectrum(1 + bulk(P).abs())
    matrix = scale.sqrt()[:, None] * mixed * scale.sqrt()
    plain = td.solve(matrix, B, method=method)
    given = (Diagonal(1 / scale), torch.diag(1 / scale), lambda v: v / scale)
    for known in given:
        solution = td.solve(matrix, B, method=method, preconditioner=known)
        assert solution.converged
        assert solution.products <= 0.5 * plain.products
        assert gap(matrix, solution) <= 1.01e-6 * float(B.norm())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("preconditioner", "text"),
    [
        (lambda v: -v, "positive definite"),
        (lambda v: v * float("nan"), "positive definite"),
        (lambda v: v[:3], "same shape"),
        (torch.eye(3), "own size"),
        (3.0, "nystrom"),
        ("jacobi", "nystrom"),
        (td.eigsh(torch.eye(3), 1), "same operator"),
    ],
)
def test_what_cannot_precondition_is_refused(
    method: str, preconditioner: Any, text: str
) -> None:
    with pytest.raises(ArgumentError, match=text):
        td.solve(positive(), B, method=method, preconditioner=preconditioner)
