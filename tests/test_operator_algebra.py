"""Operators are put together like matrices, and say what they are."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator, eigsh, svds
from torch import Tensor

import theodolite as td
from dense import close
from problems import PROBLEMS, normal
from theodolite.errors import (
    ArgumentError,
    ParameterError,
)
from theodolite.operators.diagonal import Diagonal
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.operators.preconditioned import preconditioned
from theodolite.operators.symmetric import Symmetric

F64 = torch.float64
SIZE = 43

few = settings(max_examples=8, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**16)
numbers = st.floats(-10, 10).filter(lambda x: abs(x) > 1e-3)


def symmetric(size: int = 6, seed: int = 1) -> Tensor:
    matrix = normal(size, size, dtype=F64, seed=seed)
    return matrix + matrix.T


def operator(size: int = 6, seed: int = 1) -> Operator:
    return as_operator(symmetric(size, seed))


@pytest.fixture
def land() -> td.Landscape:
    return PROBLEMS["class weights"](F64).landscape()


A, B, D = symmetric(seed=1), symmetric(seed=2), normal(6, dtype=F64, seed=3)
EXPRESSIONS: dict[str, tuple[Callable[..., Any], Tensor, bool]] = {
    "A + B": (lambda a, b, d: a + b, A + B, True),
    "A − B": (lambda a, b, d: a - b, A - B, True),
    "−A": (lambda a, b, d: -a, -A, True),
    "2 A": (lambda a, b, d: 2 * a, 2 * A, True),
    "A 2": (lambda a, b, d: a * 2, 2 * A, True),
    "A / 4": (lambda a, b, d: a / 4, A / 4, True),
    "A + 3 I": (lambda a, b, d: a.shifted(3), A + 3 * torch.eye(6).double(), True),
    "sum": (lambda a, b, d: sum([a, b, a]), 2 * A + B, True),
    "nothing": (lambda a, b, d: a - a, 0 * A, True),
    "A @ B": (lambda a, b, d: a @ b, A @ B, False),
    "A @ A": (lambda a, b, d: a @ a, A @ A, True),
    "D @ A": (lambda a, b, d: d @ a, D[:, None] * A, False),
    "D @ A @ D": (lambda a, b, d: d @ a @ d, D[:, None] * A * D, True),
    "2 D @ A @ D": (lambda a, b, d: (2 * d) @ a @ d, 2 * D[:, None] * A * D, True),
    "AB + BA": (lambda a, b, d: a @ b + b @ a, A @ B + B @ A, True),
    "AB − BA": (lambda a, b, d: a @ b - b @ a, A @ B - B @ A, False),
    "(AB).T": (lambda a, b, d: (a @ b).T, B @ A, False),
    "(AB).T @ AB": (lambda a, b, d: (a @ b).T @ (a @ b), B @ A @ A @ B, True),
    "general part": (lambda a, b, d: (a @ b + d).T, B @ A + torch.diag(D), False),
    "(A + B) @ A": (lambda a, b, d: (a + b) @ a, (A + B) @ A, False),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_are_the_matrices_they_stand_for(name: str) -> None:
    make, wanted, is_symmetric = EXPRESSIONS[name]
    found = make(as_operator(A), as_operator(B), Diagonal(D))
    close(found.dense(), wanted)
    close(found.T.dense(), wanted.T)
    close(
        found.multiply_transposed(normal(6, dtype=F64)), wanted.T @ normal(6, dtype=F64)
    )
    assert isinstance(found, Operator) is is_symmetric


@few
@given(seed=seeds, a=numbers, b=numbers, shift=numbers)
def test_products_of_sums_are_sums_of_products(
    seed: int, a: float, b: float, shift: float
) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    first, second = land.hessian(), operator(land.size, seed)
    v = normal(land.size, dtype=F64, seed=seed)
    mixed = (a * first - second / b).shifted(shift)
    torch.testing.assert_close(
        mixed @ v, a * (first @ v) - (second @ v) / b + shift * v, rtol=1e-9, atol=1e-8
    )
    assert isinstance(mixed, Operator)


@few
@given(seed=seeds)
def test_sums_are_symmetric_and_products_transpose(seed: int) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    hessian, other = land.hessian(), operator(land.size, seed)
    u, v = (normal(land.size, dtype=F64, seed=seed + k) for k in (1, 2))
    total = hessian + other
    torch.testing.assert_close(u @ (total @ v), v @ (total @ u), rtol=1e-9, atol=1e-8)
    product = hessian @ other
    torch.testing.assert_close(
        u @ (product @ v), v @ (product.T @ u), rtol=1e-9, atol=1e-8
    )


def test_sums_flatten_and_multiply_every_matrix_once(land: td.Landscape) -> None:
    hessian, other = land.hessian(), operator(SIZE)
    total = hessian + other - 3 * (hessian - other).shifted(2.0)
    total @ normal(SIZE, 2, dtype=F64)
    assert (total.products, hessian.products, other.products) == (2, 2, 2)
    assert repr(total) == "−2 Hessian + 4 Matrix − 6 I (43 × 43, float64)"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda h, o: h - o, "Hessian − Matrix (43 × 43, float64)"),
        (lambda h, o: -h, "−Hessian (43 × 43, float64)"),
        (lambda h, o: h @ (h + o), "Hessian @ (Hessian + Matrix) (43 × 43, float64)"),
        (lambda h, o: h @ h @ o, "Hessian @ Hessian @ Matrix (43 × 43, float64)"),
        (lambda h, o: 0.5 * (h @ o), "0.5 (Hessian @ Matrix) (43 × 43, float64)"),
        (lambda h, o: h - h, "0 (43 × 43, float64)"),
        (lambda h, o: h - h + o, "Matrix(43 × 43, float64, 0 products)"),
        (
            lambda h, o: preconditioned(h, torch.ones(43)),
            "S @ Hessian @ S (43 × 43, float64)",
        ),
        (
            lambda h, o: h.block("fc1", "fc2").T,
            "Hessian[fc1 | fc2]ᵀ(18 × 25, float64, 0 products)",
        ),
    ],
)
def test_expressions_print_as_they_are_written(
    land: td.Landscape, make: Callable[..., Any], text: str
) -> None:
    assert repr(make(land.hessian(), operator(SIZE))) == text


STRANGERS: dict[str, Callable[[Tensor], Any]] = {
    "tensor": lambda matrix: matrix,
    "array": lambda matrix: matrix.numpy(),
    "scipy": lambda matrix: aslinearoperator(matrix.numpy()),
}


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("kind", STRANGERS)
def test_anybodys_matrix_can_be_added_from_both_sides(
    kind: str, dtype: torch.dtype
) -> None:
    hessian = PROBLEMS["class weights"](dtype).landscape().hessian()
    matrix = symmetric(SIZE).to(dtype)
    other, dense = STRANGERS[kind](matrix), hessian.dense()
    torch.testing.assert_close((hessian + other).dense(), dense + matrix)
    if kind != "scipy":  # SciPy's operators keep the sum to themselves, and fail
        torch.testing.assert_close((other - hessian).dense(), matrix - dense)
    assert (hessian + other).dtype == dtype
    assert td.eigsh(hessian + other, 1).converged


@pytest.mark.parametrize("number", [np.float64(2), np.float32(2), torch.tensor(2.0), 2])
def test_every_number_scales_from_both_sides(number: Any) -> None:
    for scaled in (number * operator(), operator() * number):
        close(scaled.dense(), 2 * A)
    close((operator() / number).dense(), A / 2)


def test_an_unsymmetric_matrix_makes_an_unsymmetric_sum(land: td.Landscape) -> None:
    rough = normal(SIZE, SIZE, dtype=F64)
    total = land.hessian() + rough
    close(total.T.dense(), (land.hessian().dense() + rough).T)
    assert not isinstance(total, Operator)
    half = (total + total.T) / 2
    close(half.dense(), land.hessian().dense() + (rough + rough.T) / 2)
    assert isinstance(half, Operator)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "a number added": (lambda h: h + 2, r"shifted\(2\)"),
    "a vector times": (lambda h: h * torch.ones(43), r"Diagonal\(d\)"),
    "an operator times": (lambda h: h * h, "with @"),
    "zero": (lambda h: h / 0, "zero"),
    "NaN": (lambda h: h * float("nan"), "finite"),
    "infinite shift": (lambda h: h.shifted(float("inf")), "finite"),
    "another shape": (lambda h: h + torch.eye(3).double(), "one shape"),
    "another type": (lambda h: h + torch.eye(43), "float32 on cpu"),
    "a product of another type": (
        lambda h: h @ as_operator(torch.eye(43)),
        "float32 on cpu",
    ),
    "a product that does not fit": (lambda h: h @ operator(6), "columns of the first"),
    "a shifted rectangle": (lambda h: h.block("fc1", "fc2").shifted(1.0), "square"),
    "a symmetric rectangle": (lambda h: Symmetric(h.block("fc1", "fc2")), "square"),
    "a matrix as diagonal": (lambda h: Diagonal(torch.eye(3)), r"shape \(p,\)"),
    "a negative preconditioner": (
        lambda h: preconditioned(h, -torch.ones(43)),
        "43 of 43",
    ),
    "a short preconditioner": (lambda h: preconditioned(h, torch.ones(3)), r"\(43,\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_nothing_is_refused(name: str, land: td.Landscape) -> None:
    make, text = REFUSED[name]
    with pytest.raises(ArgumentError, match=text):
        make(land.hessian())


def test_strings_are_nobodys_operators(land: td.Landscape) -> None:
    for make in (lambda h: h + "x", lambda h: h * "x", lambda h: h @ "x"):
        with pytest.raises(TypeError):
            make(land.hessian())


@pytest.mark.parametrize(
    "measure",
    [
        lambda m: td.eigsh(m, 1),
        td.trace,
        lambda m: td.lanczos(m, 3),
        td.power_iteration,
        td.spectral_density,
        lambda m: td.solve(m, torch.ones(43)),
        lambda m: preconditioned(m, torch.ones(43)),
    ],
)
def test_estimators_refuse_what_is_not_symmetric(
    land: td.Landscape, measure: Callable[[Any], Any]
) -> None:
    hessian = land.hessian()
    with pytest.raises(ArgumentError, match=r"B\.T @ B"):
        measure(hessian @ hessian.shifted(1.0))
    assert hessian.products == 0


def test_block_size_and_resolution_are_those_of_the_parts(land: td.Landscape) -> None:
    hessian, matrix = land.hessian(), operator(SIZE)
    assert (hessian + matrix).block_size == matrix.block_size == 16
    assert (hessian @ matrix).block_size == 16
    assert hessian.block("fc1", "fc2").T.block_size == 1
    mixed = PROBLEMS["class weights"](torch.float32).landscape().hessian()
    assert (mixed + np.eye(SIZE)).resolution == torch.finfo(torch.float32).eps


@pytest.mark.parametrize(
    ("problem", "memory"),
    [("mlp", None), ("mlp", 0), ("tied weights", None), ("unused parameter", 0)],
)
def test_every_block_is_the_submatrix(problem: str, memory: int | None) -> None:
    land = PROBLEMS[problem](F64).landscape(memory=memory)
    hessian, dense = land.hessian(), PROBLEMS[problem](F64).hessian()
    for (row, here), (column, there) in itertools.product(
        land.layers.items(), repeat=2
    ):
        block, wanted = hessian.block(row, column), dense[here, there]
        torch.testing.assert_close(block.dense(), wanted, rtol=1e-8, atol=1e-12)
        v = normal(wanted.shape[0], dtype=F64)
        torch.testing.assert_close(block.T @ v, wanted.T @ v, rtol=1e-8, atol=1e-12)
        assert isinstance(block, Operator) == (row == column)


def test_a_block_of_several_layers_follows_the_patterns() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    dense, layers = land.hessian().dense(), land.layers
    block = land.hessian().block(["embed", "head"], "[qn]*")
    place = {name: torch.arange(s.start, s.stop) for name, s in layers.items()}
    rows = torch.cat([place["embed"], place["head"]])
    columns = torch.cat([place["qkv"], place["norm"]])
    close(block.dense(), dense[rows][:, columns])
    with pytest.raises(ParameterError, match="fc9"):
        land.hessian().block("embed", "fc9")


def test_products_with_a_block_are_counted_once_each_way(land: td.Landscape) -> None:
    block = land.hessian().block("fc1", "fc2")
    block @ torch.ones(18, 2)
    block.T @ torch.ones(25)
    assert block.products == 3
    with pytest.raises(ArgumentError, match=r"Multiply \(18,\)"):
        block @ torch.ones(25)


def test_singular_values_of_a_block_are_found(land: td.Landscape) -> None:
    block = land.hessian().block("fc1", "fc2")
    wanted = torch.linalg.svdvals(block.dense())
    pairs = td.eigsh(block.T @ block, 2, tol=1e-8)
    torch.testing.assert_close(pairs.values.sqrt(), wanted[:2])
    theirs = svds(block.to_scipy(), 2, random_state=0)[1]
    np.testing.assert_allclose(sorted(theirs), sorted(wanted[:2].tolist()))


def test_scipy_sees_sums_and_products(land: td.Landscape) -> None:
    hessian = land.hessian()
    total = (hessian - 0.5 * operator(SIZE)).shifted(1.0)
    wanted = torch.linalg.eigvalsh(total.dense())[-1:]
    found = eigsh(total.to_scipy(), 1, return_eigenvectors=False, v0=np.ones(SIZE))
    np.testing.assert_allclose(found, wanted.numpy())
    product = hessian @ operator(SIZE)
    v = normal(SIZE, 2, dtype=F64)
    theirs = product.to_scipy()
    np.testing.assert_allclose((theirs @ v.numpy()), (product @ v).numpy())
    np.testing.assert_allclose(theirs.rmatmat(v.numpy()), (product.T @ v).numpy())


def test_every_map_is_one_of_two_kinds(land: td.Landscape) -> None:
    hessian = land.hessian()
    assert isinstance(hessian, LinearMap)
    assert hessian.T is hessian
    block = hessian.block("fc1", "fc2")
    assert block.T.T is block
    assert isinstance(block.T @ block, Operator)
    assert not isinstance(block @ block.T @ block, Operator)
