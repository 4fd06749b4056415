"""A matrix at hand, or anybody's operator, as an operator of ours."""

from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, ProductError
from theodolite.operators.asymmetry import allowed_asymmetry, asymmetry_of
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.operator import Operator


@final
class Matrix(Operator):
    """A symmetric tensor ``(p, p)``, or any object with ``shape`` and ``@``.

    Parameters
    ----------
    matrix : Any
        The tensor or object.
    like : LinearMap, optional
        Whose type and device the products of an object have; float64 on the CPU by
        default. A tensor has its own.
    """

    def __init__(self, matrix: Any, like: LinearMap | None = None) -> None:
        self._matrix = _widened(matrix)
        super().__init__(matrix.shape[0], *_kind(self._matrix, like))

    @property
    def block_size(self) -> int:
        """Several: what takes time is reading the matrix."""
        return 16

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return _times(self._matrix, block)


@final
class GeneralMatrix(LinearMap):
    """Any tensor ``(m, n)``, or an object with ``shape``, ``@`` and ``T``."""

    def __init__(self, matrix: Any, like: LinearMap | None = None) -> None:
        self._matrix = _widened(matrix)
        rows, columns = matrix.shape
        super().__init__((rows, columns), *_kind(self._matrix, like))

    @property
    def expression(self) -> str:
        """As for symmetric ones."""
        return "Matrix"

    @property
    def block_size(self) -> int:
        """Several: what takes time is reading the matrix."""
        return 16

    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        return _times(self._matrix, block)

    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        return _times(self._matrix.T, block)


def _widened(matrix: Any) -> Any:
    # integers hold no directions, and bfloat16's are too rough for a basis
    narrow = isinstance(matrix, Tensor) and matrix.dtype != torch.float32
    return matrix.double() if narrow else matrix


def _kind(matrix: Any, like: LinearMap | None) -> tuple[torch.dtype, torch.device]:
    """The type and device of a matrix's products."""
    if isinstance(matrix, Tensor):
        return matrix.dtype, matrix.device
    if like is not None:
        return like.dtype, like.device
    return torch.float64, torch.device("cpu")


def _times(matrix: Any, block: Tensor) -> Tensor:
    if isinstance(matrix, Tensor):
        return matrix @ block
    product = matrix @ _given_to(matrix, block)
    return torch.as_tensor(product).to(block).reshape(-1, block.shape[1])


def _given_to(matrix: Any, block: Tensor) -> Any:
    """Torch operators get tensors, all others arrays."""
    is_torch = isinstance(getattr(matrix, "dtype", None), torch.dtype)
    return block.to(matrix.dtype) if is_torch else block.cpu().numpy()


def as_operator(matrix: Any, like: LinearMap | None = None) -> Operator:
    """Our own operators as they are; others, and tensors, wrapped.

    Parameters
    ----------
    matrix
        An operator, a symmetric tensor ``(p, p)``, or any object with a shape and
        ``@``.
    like : LinearMap, optional
        Whose type and device the products of an object have.

    Raises
    ------
    ArgumentError
        When it is not square, not symmetric by its making, complex, or has no
        ``shape`` and ``@``.
    ProductError
        When a tensor or array is not symmetric.
    """
    if isinstance(matrix, Operator):
        return matrix
    if isinstance(matrix, LinearMap):
        raise _not_symmetric(matrix)
    shape = tuple(getattr(matrix, "shape", ()))
    if "complex" in str(getattr(matrix, "dtype", "")):
        raise ArgumentError(
            found=f"A matrix of type {matrix.dtype}.",
            why="Hessians are real.",
            instead="Give its real part, matrix.real.",
        )
    if len(shape) != 2 or shape[0] != shape[1] or not hasattr(matrix, "__matmul__"):
        raise ArgumentError(
            found=f"A {type(matrix).__name__} of shape {shape}.",
            why="Spectra are those of symmetric square operators.",
            instead="Give land.hessian(), a tensor (p, p), or an object with a shape "
            "(p, p) and @.",
        )
    if isinstance(matrix, (Tensor, np.ndarray)):
        # a copy of arrays: torch warns of those that cannot be written to
        own = matrix if isinstance(matrix, Tensor) else torch.tensor(matrix)
        _require_symmetric(own)
    return Matrix(matrix, like)


def _require_symmetric(matrix: Tensor) -> None:
    # integers, which are exact, count as float64
    kind = matrix.dtype if matrix.is_floating_point() else torch.float64
    resolution = torch.finfo(kind).eps
    asymmetry = asymmetry_of(matrix.double())
    if asymmetry > allowed_asymmetry(resolution):
        raise ProductError(
            found=f"The matrix is not symmetric: entries differ by {asymmetry:.3g} of "
            "the largest.",
            why="Spectra here are those of symmetric operators.",
            instead="Give (A + A.T) / 2 for the symmetric part; torch.linalg.eigvals "
            "knows general matrices.",
        )


def _not_symmetric(given: LinearMap) -> ArgumentError:
    return ArgumentError(
        found=f"{given!r}.",
        why="Spectra are those of symmetric operators, and this one is not symmetric "
        "by its making.",
        instead="Use S @ A @ S for S @ A, B.T @ B for the singular values of B, "
        "(A + A.T) / 2 for the symmetric part, or A.dense() with torch.linalg.",
    )
