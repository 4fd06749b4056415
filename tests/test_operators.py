"""What can be multiplied with, and how."""

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.sparse.linalg import aslinearoperator
from torch import Tensor

import theodolite as td
from problems import PROBLEMS, normal
from theodolite.errors import ArgumentError
from theodolite.operators.layer_blocks import LayerBlocks, escaped
from theodolite.operators.matrix import as_operator
from theodolite.operators.observed import Observed
from theodolite.operators.scaled import Scaled
from theodolite.parameters import matches

F64 = torch.float64


def symmetric(size: int = 6, dtype: torch.dtype = F64) -> Tensor:
    matrix = normal(size, size, dtype=dtype)
    return matrix + matrix.T


@pytest.fixture
def land() -> td.Landscape:
    return PROBLEMS["mlp"](F64).landscape()


WRAPPED = {
    "tensor": lambda matrix: matrix,
    "array": lambda matrix: matrix.numpy(),
    "sparse": lambda matrix: scipy.sparse.csr_array(matrix.numpy()),
    "scipy": lambda matrix: aslinearoperator(matrix.numpy()),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_anybodys_operator_multiplies_like_the_matrix(kind: str) -> None:
    matrix = symmetric()
    operator = as_operator(WRAPPED[kind](matrix))
    vectors = normal(6, 3, dtype=F64)
    torch.testing.assert_close(operator @ vectors, matrix @ vectors)
    torch.testing.assert_close(operator @ vectors[:, 0], matrix @ vectors[:, 0])
    torch.testing.assert_close(operator.dense(), matrix)
    assert operator.products == 3 + 1 + 6


@pytest.mark.parametrize("dtype", [torch.int64, torch.bfloat16, torch.float16])
def test_rough_tensors_are_widened(dtype: torch.dtype) -> None:
    matrix = torch.diag(torch.arange(50)).to(dtype)
    pairs = td.eigsh(matrix, 2)
    assert pairs.converged
    assert pairs.values.tolist() == pytest.approx([49, 48], rel=1e-3)


def test_operators_are_wrapped_once(land: td.Landscape) -> None:
    hessian = land.hessian()
    assert as_operator(hessian) is hessian


@pytest.mark.parametrize(
    "matrix", [torch.zeros(2, 3), torch.zeros(4), np.zeros((2, 2, 2)), "no"]
)
def test_what_is_not_square_is_refused(matrix: object) -> None:
    with pytest.raises(ArgumentError, match="symmetric square"):
        as_operator(matrix)


@pytest.mark.parametrize("shape", [(42,), (44,), (1, 43), (43, 2, 2), ()])
def test_a_vector_of_the_wrong_shape_is_refused(
    land: td.Landscape, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ArgumentError, match=r"Multiply \(43,\) or \(43, k\)"):
        land.hessian() @ torch.zeros(shape)


def test_vectors_of_another_type_are_converted(land: td.Landscape) -> None:
    hessian = land.hessian()
    ones = torch.ones(43, dtype=F64)
    for vector in (ones.float(), ones.int(), ones.bfloat16(), ones.requires_grad_()):
        product = hessian @ vector
        assert product.dtype == F64
        assert not product.requires_grad
        torch.testing.assert_close(product, hessian @ torch.ones(43, dtype=F64))


def test_scipy_sees_the_same_operator(land: td.Landscape) -> None:
    hessian = land.hessian()
    theirs = hessian.to_scipy()
    vectors = normal(43, 2, dtype=F64)
    np.testing.assert_allclose(theirs @ vectors.numpy(), (hessian @ vectors).numpy())
    column = vectors[:, :1].numpy()
    np.testing.assert_allclose(theirs @ column, (hessian @ vectors[:, :1]).numpy())
    np.testing.assert_allclose(theirs.rmatvec(column[:, 0]), theirs @ column[:, 0])
    assert theirs.dtype == np.float64


def test_scaled_is_the_matrix_between_two_diagonals() -> None:
    matrix, scale = symmetric(), normal(6, dtype=F64).abs()
    scaled = Scaled(as_operator(matrix), scale)
    torch.testing.assert_close(scaled.dense(), scale[:, None] * matrix * scale)


def test_observed_reports_every_product() -> None:
    counts: list[int] = []
    observed = Observed(as_operator(symmetric()), counts.append)
    observed @ torch.ones(6)
    observed @ torch.ones(6, 3)
    assert counts == [1, 3]
    torch.testing.assert_close(observed.dense(), symmetric())


@pytest.mark.parametrize("memory", [None, 0])
def test_layer_blocks_multiply_side_by_side(memory: int | None) -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape(memory=memory)
    dense = land.hessian().dense()
    blocks = LayerBlocks(land.hessian())
    whole = normal(land.size, dtype=F64)
    vectors = {layer: whole[place] for layer, place in land.layers.items()}
    products = blocks.multiply(vectors)
    for layer, place in land.layers.items():
        torch.testing.assert_close(products[layer], dense[place, place] @ whole[place])
    assert blocks.products == len(land.layers)


@pytest.mark.parametrize("name", ["a.b", "a[0]", "what?", "*", "[!x]"])
def test_an_escaped_layer_matches_itself_alone(name: str) -> None:
    assert matches(name, (escaped(name),))
    assert not matches("other", (escaped(name),))


def test_operators_print_their_size_type_and_products(land: td.Landscape) -> None:
    hessian = land.hessian()
    hessian @ torch.ones(43)
    assert repr(hessian) == "Hessian(43 × 43, float64, 1 products)"
