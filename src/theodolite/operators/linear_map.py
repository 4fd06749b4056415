"""A matrix known by its products, and how such matrices are put together."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, MissingPackageError

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


class LinearMap(ABC):
    """A ``(m, n)`` matrix that can multiply vectors, and count it.

    Maps are put together like matrices: ``A + B``, ``A - B``, ``2 * A``, ``A / 2``,
    ``-A``, ``A @ B``, ``A.T``; nothing is multiplied before a vector is. What is
    known to be symmetric is an :class:`~theodolite.operators.operator.Operator`:
    sums of such, a sum with its own transpose, and products that read the same
    backwards (``S @ A @ S``, ``B.T @ B``). Estimators take nothing else.

    Subclasses say their shape, type and device and implement both products.

    Attributes
    ----------
    shape : tuple of int
        ``(m, n)``.
    dtype : torch.dtype
        The type of the products.
    device : torch.device
        Where products are returned.
    products : int
        Single-vector products computed so far, those of the transpose included.
    """

    # NumPy then leaves `array + map` and `array @ map` to us
    __array_ufunc__ = None

    def __init__(
        self, shape: tuple[int, int], dtype: torch.dtype, device: torch.device
    ) -> None:
        self.shape = shape
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

    @property
    def expression(self) -> str:
        """What it is called, or the formula it stands for."""
        return type(self).__name__

    @property
    def compound(self) -> bool:
        """Whether the formula needs parentheses inside a larger one."""
        return False

    @property
    def identity(self) -> Any:
        """Equal for two maps that are the same matrix by construction."""
        return id(self)

    @property
    def T(self) -> "LinearMap":
        """The transpose, on the same products."""
        from theodolite.operators.transposed import Transposed

        return Transposed(self)

    @abstractmethod
    def _multiply(self, block: Float[Tensor, "n k"]) -> Float[Tensor, "m k"]:
        """The matrix times ``k`` vectors."""

    @abstractmethod
    def _multiply_transposed(self, block: Float[Tensor, "m k"]) -> Float[Tensor, "n k"]:
        """The transpose times ``k`` vectors."""

    def __matmul__(self, other: Any) -> Any:
        """Multiply one vector ``(n,)``, ``k`` of them ``(n, k)``, or another map.

        Raises
        ------
        ArgumentError
            When the shape does not fit.
        """
        if isinstance(other, LinearMap):
            from theodolite.operators.product import product_of

            return product_of(self, other)
        if isinstance(other, np.ndarray):
            raise ArgumentError(
                found=f"An array of shape {other.shape} behind @.",
                why="Products are computed by torch, with tensors.",
                instead="Give torch.from_numpy(v), or take H.to_scipy() for arrays.",
            )
        if not isinstance(other, Tensor):
            return NotImplemented
        block = self._columns(other, self.shape[1])
        result = self._multiply(block)
        self.products += block.shape[1]
        return result.reshape(self.shape[0], *other.shape[1:])

    def multiply_transposed(self, vectors: Tensor) -> Tensor:
        """The transpose times one vector ``(m,)`` or ``k`` of them ``(m, k)``.

        Raises
        ------
        ArgumentError
            When the shape does not fit.
        """
        block = self._columns(vectors, self.shape[0])
        result = self._multiply_transposed(block)
        self.products += block.shape[1]
        return result.reshape(self.shape[1], *vectors.shape[1:])

    def _columns(self, vectors: Tensor, size: int) -> Float[Tensor, "n k"]:
        """One vector or several, as columns of the map's type."""
        if vectors.ndim not in (1, 2) or vectors.shape[0] != size:
            raise ArgumentError(
                found=f"A tensor of shape {tuple(vectors.shape)}.",
                why=f"This operator is {self.shape[0]} × {self.shape[1]}.",
                instead=f"Multiply ({size},) or ({size}, k).",
            )
        block = vectors.detach().to(dtype=self.dtype, device=self.device)
        return block.reshape(size, -1)

    def __add__(self, other: Any) -> "LinearMap":
        from theodolite.operators.sum import sum_of

        return sum_of(self, other, 1.0)

    def __radd__(self, other: Any) -> "LinearMap":
        # sum([A, B]) starts from the number 0
        return self if isinstance(other, int) and other == 0 else self + other

    def __sub__(self, other: Any) -> "LinearMap":
        from theodolite.operators.sum import sum_of

        return sum_of(self, other, -1.0)

    def __rsub__(self, other: Any) -> "LinearMap":
        return -self + other

    def __mul__(self, factor: Any) -> "LinearMap":
        from theodolite.operators.sum import multiple_of

        return multiple_of(self, factor)

    def __rmul__(self, factor: Any) -> "LinearMap":
        return self * factor

    def __truediv__(self, divisor: Any) -> "LinearMap":
        from theodolite.operators.sum import quotient_of

        return quotient_of(self, divisor)

    def __neg__(self) -> "LinearMap":
        return self * -1.0

    def shifted(self, sigma: float) -> "LinearMap":
        """A + σ I: every eigenvalue moved by ``sigma``.

        Raises
        ------
        ArgumentError
            When the map is not square, or ``sigma`` is no finite number.
        """
        from theodolite.operators.sum import shifted

        return shifted(self, sigma)

    def dense(self) -> Float[Tensor, "m n"]:
        """The whole matrix, by ``n`` products; memory m · n numbers."""
        identity = torch.eye(self.shape[1], dtype=self.dtype, device=self.device)
        return self @ identity

    def to_scipy(self) -> "LinearOperator":
        """The same matrix for ``scipy.sparse.linalg``.

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

        def transposed(vectors: Any) -> Any:
            return self.multiply_transposed(torch.as_tensor(vectors)).cpu().numpy()

        dtype = torch.empty(0, dtype=self.dtype).numpy().dtype
        # a function that makes one of several classes, whatever SciPy's stub says
        make: Any = LinearOperator
        return make(
            self.shape,
            matvec=multiply,
            rmatvec=transposed,
            matmat=multiply,
            rmatmat=transposed,
            dtype=dtype,
        )

    def __repr__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        size = f"{self.shape[0]} × {self.shape[1]}, {kind}"
        if self.compound:
            return f"{self.expression} ({size})"
        return f"{self.expression}({size}, {self.products} products)"
