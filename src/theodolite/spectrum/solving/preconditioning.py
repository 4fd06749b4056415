"""Approximate inverses that make a linear system easier."""

from collections.abc import Callable
from math import isfinite
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.solving.remembered import Precondition
from theodolite.spectrum.vectors import combined, inner


@final
class LowRankInverse(Operator):
    """The inverse of a matrix of which some eigenpairs are known, and a scale.

        P⁻¹ = V diag(1/μ) Vᵀ + (1/τ) (I − V Vᵀ)

    Symmetric and positive. A product costs 4 k p multiplications.

    Parameters
    ----------
    rows : Tensor
        The orthonormal vectors V, one a row, ``(k, p)``.
    values : Tensor
        Their eigenvalues μ in size, ``(k,)``, positive.
    rest : float
        τ, for everything beside them.
    """

    def __init__(
        self, rows: Float[Tensor, "k p"], values: Float[Tensor, " k"], rest: float
    ) -> None:
        super().__init__(rows.shape[1], torch.float64, rows.device)
        self.rows, self.values, self.rest = rows, values, rest
        self._factors = (1 / values - 1 / rest).to(rows.device, torch.float64)

    @property
    def bytes(self) -> int:
        """What the vectors hold."""
        return self.rows.nbytes

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        inside = torch.stack([inner(self.rows, column) for column in block.T], dim=1)
        known = combined(self.rows, self._factors[:, None] * inside).T
        return block / self.rest + known


def low_rank_inverse(
    rows: Float[Tensor, "k p"],
    values: Float[Tensor, " k"],
    damping: float,
    doubt: Float[Tensor, " k"] | float = 0.0,
) -> LowRankInverse:
    """The inverse of |H + δ I| by H's outer eigenpairs.

    ``doubt`` bounds the sizes from below, and so does rounding. What is not known is
    taken to be as large as the smallest that is.
    """
    sizes = torch.maximum((values.double() + damping).abs(), torch.as_tensor(doubt))
    largest = float(sizes.max()) if len(sizes) else 0.0
    least = torch.finfo(torch.float64).eps * largest
    sizes = sizes.clamp(min=least) if largest else torch.ones_like(sizes)
    return LowRankInverse(rows, sizes, float(sizes.min()) if len(sizes) else 1.0)


def by_pairs(pairs: EigenPairs, damping: float, like: Operator) -> LowRankInverse:
    """The preconditioner that eigenpairs at hand are.

    Raises
    ------
    ArgumentError
        When they are those of an operator of another size.
    """
    if pairs.vectors.shape[0] != like.shape[0]:
        raise ArgumentError(
            found=f"Eigenvectors of length {pairs.vectors.shape[0]} as preconditioner.",
            why=f"The operator is {like.shape[0]} × {like.shape[0]}.",
            instead="Give pairs of the same operator: preconditioner=td.eigsh(H, 10).",
        )
    rows = pairs.vectors.T.contiguous().to(like.device)
    doubt = pairs.residuals.double()
    return low_rank_inverse(rows, pairs.values.cpu(), damping, doubt.cpu())


def by_products(given: Any, like: Operator) -> Callable[[Tensor], Tensor]:
    """A function out of an operator, a tensor ``(p, p)``, or a function.

    Raises
    ------
    ArgumentError
        When it is neither, or its shape does not fit.
    """
    if hasattr(given, "__matmul__"):
        operator = as_operator(given, like)
        if operator.shape != like.shape:
            raise ArgumentError(
                found=f"A preconditioner of shape {operator.shape}.",
                why=f"The operator is {like.shape[0]} × {like.shape[0]}.",
                instead="Give one of the operator's own size.",
            )
        return lambda vector: operator @ vector
    if callable(given):
        return lambda vector: _fitting(given(vector), vector)
    raise ArgumentError(
        found=f"preconditioner={given!r}.",
        why="It has to multiply vectors like the inverse of H + damping · I.",
        instead='Give eigenpairs (td.eigsh(H, 10)), "nystrom", an operator, or a '
        "function of a vector.",
    )


def _fitting(found: Any, vector: Tensor) -> Tensor:
    if not isinstance(found, Tensor) or found.shape != vector.shape:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found)
        raise ArgumentError(
            found=f"The preconditioner turned {tuple(vector.shape)} into {shape}.",
            why="It has to turn a flat tensor into one of the same shape.",
            instead="Return a tensor of the argument's shape.",
        )
    return found


def conditioned(rest: Tensor, precondition: Precondition) -> Tensor:
    """P⁻¹ r; r itself without a preconditioner."""
    # a copy, as it may be kept by whoever made it
    return rest if precondition is None else precondition(rest).to(rest, copy=True)


def positive_form(rest: Tensor, conditioned: Tensor) -> float:
    """The inner product rᵀ P⁻¹ r.

    Raises
    ------
    ArgumentError
        When it is not positive, for r not zero.
    """
    square = float(inner(conditioned[None], rest)[0])
    if (square > 0 and isfinite(square)) or (square == 0 and not bool(rest.any())):
        return square
    raise ArgumentError(
        found=f"The preconditioner P gives rᵀ P r = {square:.3g} for a vector r.",
        why="It has to be symmetric and positive definite.",
        instead="Give an approximation of |H + damping · I|⁻¹; for a diagonal d "
        "Diagonal(1 / (d.abs() + damping)).",
    )
