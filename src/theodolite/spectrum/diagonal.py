"""The curvature along every single parameter, by random probes."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.estimate import Estimate
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.probes import Probe, Probes, Tally, require_tolerances


def diagonal(
    operator: Any,
    *,
    rtol: float = 0.1,
    atol: float = 0.0,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> Estimate[Tensor]:
    """The diagonal, with one standard error for every entry.

        diag H = diag(H V Vᵀ) + E[z ⊙ H z'],   z' = z − V Vᵀ z,  z of random signs

    The variance of an entry is the sum of squares beside it in its row, over the
    number of probes. Stops when the errors' Euclidean norm is below ``rtol`` of the
    diagonal's or below ``atol``, after at least 20 probes; computed exactly by p
    products where that is not more. About (‖H‖_F / (‖diag H‖ · rtol))² probes without
    deflation. ``deflate`` takes out large eigenvalues, for one more product a pair.
    Memory 2 p numbers.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    rtol, atol : float
        Norm of all errors asked for, relative to the diagonal's or absolute. A single
        small entry can have an error above its size.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    deflate : EigenPairs, optional
        Pairs of the same operator; any orthonormal vectors are right, good ones save
        probes.

    Returns
    -------
    Estimate
        Value and error are tensors ``(p,)``, float64.

    Raises
    ------
    ArgumentError
        When a tolerance is negative, or both are zero.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    Bekas, Kokiopoulou and Saad, "An estimator for the diagonal of a matrix", Appl.
    Numer. Math. 57 (2007), doi:10.1016/j.apnum.2007.01.003.
    """
    require_tolerances(rtol, atol, "rtol=0.1")
    matrix = as_operator(operator)
    probes = Probes(matrix, seed, deflate)
    tally = _Diagonals(known_diagonal(matrix, deflate), rtol, atol)
    ended = probes.run(tally, as_budget(budget, 1000))
    value, error = tally.estimate()
    return probes.estimate(tally, value, error, ended)


def known_diagonal(matrix: Operator, deflate: EigenPairs | None) -> Float[Tensor, " p"]:
    """The diagonal of H V Vᵀ in float64, by a product for each vector."""
    if deflate is None:
        return torch.zeros(matrix.shape[0], dtype=torch.float64, device=matrix.device)
    images = require_finite(matrix @ deflate.vectors)
    return (images.double() * deflate.vectors.to(images).double()).sum(1)


@final
class _Diagonals(Tally):
    """Running mean and spread of z ⊙ H z', or the diagonal itself."""

    def __init__(self, known: Float[Tensor, " p"], rtol: float, atol: float) -> None:
        super().__init__()
        self._known, self._rtol, self._atol = known, rtol, atol
        self._mean, self._squares = torch.zeros_like(known), torch.zeros_like(known)
        self._entries = torch.zeros_like(known)

    def add(self, probe: Probe) -> None:
        """One sample of every entry a probe."""
        for signs, product in zip(probe.signs.T, probe.products.T, strict=True):
            self.count += 1
            # Welford: no difference of large sums
            away = (signs * product).double() - self._mean
            self._mean += away / self.count
            self._squares += (self.count - 1) / self.count * away.square()

    def add_columns(self, rows: Tensor, columns: Tensor) -> None:
        """Their entries on the diagonal."""
        places = torch.arange(len(rows), device=rows.device)
        self._entries[rows] = columns[rows, places].double()

    def error_and_goal(self) -> tuple[float, float]:
        """The errors' norm, and the larger tolerance."""
        value, error = self.estimate()
        square = float(error.square().sum())
        # the noise makes the norm longer than it is
        size = max(0.0, float(value.square().sum()) - square) ** 0.5
        return square**0.5, max(self._rtol * size, self._atol)

    def estimate(self) -> tuple[Float[Tensor, " p"], Float[Tensor, " p"]]:
        """Every entry and its standard error."""
        if self.exact:
            return self._entries, torch.zeros_like(self._entries)
        if self.count < 2:
            return self._known + self._mean, torch.full_like(self._mean, float("inf"))
        variance = self._squares / (self.count - 1) / self.count
        return self._known + self._mean, variance.sqrt()
