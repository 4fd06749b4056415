"""A matrix at hand, or anybody's operator, as an operator of ours."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.operator import Operator


@final
class Matrix(Operator):
    """A symmetric tensor ``(p, p)``, or any object with ``shape`` and ``@``."""

    def __init__(self, matrix: Any) -> None:
        if isinstance(matrix, Tensor) and matrix.dtype != torch.float32:
            # integers hold no directions, and bfloat16's are too rough for a basis
            matrix = matrix.double()
        dtype = matrix.dtype if isinstance(matrix, Tensor) else torch.float64
        device = matrix.device if isinstance(matrix, Tensor) else torch.device("cpu")
        super().__init__(matrix.shape[0], dtype, device)
        self._matrix = matrix

    @property
    def block_size(self) -> int:
        """Several: what takes time is reading the matrix."""
        return 16

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        if isinstance(self._matrix, Tensor):
            return self._matrix @ block
        product = self._matrix @ _given_to(self._matrix, block)
        return torch.as_tensor(product).to(block).reshape(block.shape)


def _given_to(matrix: Any, block: Tensor) -> Any:
    """Torch operators get tensors, all others arrays."""
    is_torch = isinstance(getattr(matrix, "dtype", None), torch.dtype)
    return block.to(matrix.dtype) if is_torch else block.cpu().numpy()


def as_operator(matrix: Any) -> Operator:
    """Our own operators as they are; others, and tensors, wrapped.

    Raises
    ------
    ArgumentError
        When it is not square, or has no ``shape`` and ``@``.
    """
    if isinstance(matrix, Operator):
        return matrix
    shape = tuple(getattr(matrix, "shape", ()))
    if getattr(matrix, "dtype", None) in (torch.complex64, torch.complex128):
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
    return Matrix(matrix)
