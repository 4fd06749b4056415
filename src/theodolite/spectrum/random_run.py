"""Lanczos steps from a random direction, and what they rule out."""

from dataclasses import dataclass, replace
from math import inf
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.student import student_quantile


@final
@dataclass(frozen=True)
class RandomRun:
    """Lanczos steps in a row from one random direction.

    They are those of the operator compressed to the complement of the basis vectors
    before them.

    Attributes
    ----------
    start : int
        How many basis vectors lie before the run.
    alphas, betas : Tensor
        The tridiagonal matrix, and the length along which it would go on: ``(s,)``
        each, float64.
    dimension : int
        Of the complement, in which the direction was random.
    """

    start: int
    alphas: Float[Tensor, " s"]
    betas: Float[Tensor, " s"]
    dimension: int

    def times(self, sign: float) -> "RandomRun":
        """The run of the operator times 1 or −1."""
        return replace(self, alphas=sign * self.alphas)

    def ceiling(self, doubt: float) -> float:
        """What no eigenvalue of the operator is above, but with a probability.

            (qᵀu)² Σ_j p_j(λ)² ≤ 1

        for an eigenvector u at λ and the orthonormal polynomials p_j of the start q;
        and (qᵀu)² is that of a random direction.

        Parameters
        ----------
        doubt : float
            The probability of being wrong, at most.

        References
        ----------
        Van Dorsselaer, Hochstenbach and van der Vorst, "Computing probabilistic bounds
        for extreme eigenvalues of symmetric matrices with the Lanczos method", SIAM J.
        Matrix Anal. Appl. 22 (2000), doi:10.1137/S0895479800366859; sharper than
        Kuczyński and Woźniakowski, 1992, doi:10.1137/0613066, who take the spectrum to
        be the worst there is.
        """
        off = torch.diag(self.betas[:-1], 1)
        values = torch.linalg.eigvalsh(torch.diag(self.alphas) + off + off.T)
        largest = float(values[-1])
        if float(self.betas[-1]) == 0 or self.dimension == 1:
            # the space was exhausted: what the direction has a part of was seen
            return largest
        quantile = student_quantile(doubt, self.dimension - 1)
        rarest = quantile**2 / (quantile**2 + self.dimension - 1)
        low, high = 0.0, max(largest - float(values[0]), float(self.betas[-1]))
        while self._squares(largest + high) * rarest < 1:
            low, high = high, 2 * high
        for _ in range(60):
            middle = (low + high) / 2
            if self._squares(largest + middle) * rarest < 1:
                low = middle
            else:
                high = middle
        return largest + high

    def _squares(self, place: float) -> float:
        """The sum of squares of the orthonormal polynomials."""
        before, now, total, beta = 0.0, 1.0, 1.0, 0.0
        for alpha, after in zip(self.alphas.tolist(), self.betas.tolist(), strict=True):
            before, now = now, ((place - alpha) * now - beta * before) / after
            beta, total = after, total + now * now
            if total > 1e200:
                return inf
        return total
