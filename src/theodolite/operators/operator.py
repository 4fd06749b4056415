"""A symmetric matrix known by its products."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, MissingPackageError

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


class Operator(ABC):
    """A symmetric ``(p, p)`` matrix that can multiply vectors, and count it.

    Subclasses say their size, type and device and implement :meth:`_multiply`.

    Attributes
    ----------
    shape : tuple of int
        ``(p, p)``.
    dtype : torch.dtype
        The type of the products.
    device : torch.device
        Where products are returned.
    products : int
        Single-vector products computed so far.
    """

    def __init__(self, size: int, dtype: torch.dtype, device: torch.device) -> None:
        self.shape = (size, size)
        self.dtype = dtype
        self.device = device
        self.products = 0

    @property
    def resolution(self) -> float:
        """The relative rounding of one product."""
        return torch.finfo(self.dtype).eps

    @property
    def block_size(self) -> int:
        """How many vectors are best multiplied together, where the order is free."""
        return 1

    @abstractmethod
    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        """The matrix times ``k`` vectors."""

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Multiply one vector ``(p,)`` or ``k`` of them ``(p, k)``.

        Raises
        ------
        ArgumentError
            When the shape does not fit.
        """
        if vectors.ndim not in (1, 2) or vectors.shape[0] != self.shape[0]:
            raise ArgumentError(
                found=f"A tensor of shape {tuple(vectors.shape)}.",
                why=f"This operator is {self.shape[0]} × {self.shape[1]}.",
                instead=f"Multiply ({self.shape[0]},) or ({self.shape[0]}, k).",
            )
        block = vectors.detach().to(dtype=self.dtype, device=self.device)
        columns = block.reshape(self.shape[0], -1)
        result = self._multiply(columns)
        self.products += columns.shape[1]
        return result.reshape(vectors.shape)

    def dense(self) -> Float[Tensor, "p p"]:
        """The whole matrix, by ``p`` products; memory p² numbers."""
        identity = torch.eye(self.shape[0], dtype=self.dtype, device=self.device)
        return self @ identity

    def to_scipy(self) -> "LinearOperator":
        """The same operator for ``scipy.sparse.linalg``.

        Raises
        ------
        MissingPackageError
            When SciPy is not installed.
        """
        try:
            from scipy.sparse.linalg import LinearOperator
        except ImportError as error:
            raise MissingPackageError(
                found="SciPy is not installed.",
                why="to_scipy() returns a scipy.sparse.linalg.LinearOperator.",
                instead="pip install scipy",
            ) from error

        def multiply(vectors: Any) -> Any:
            return (self @ torch.as_tensor(vectors)).cpu().numpy()

        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        # a function that makes one of several classes, whatever SciPy's stub says
        make: Any = LinearOperator
        return make(
            self.shape, matvec=multiply, rmatvec=multiply, matmat=multiply, dtype=dtype
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.shape[0]} × {self.shape[1]}, "
            f"{str(self.dtype).removeprefix('torch.')}, {self.products} products)"
        )
