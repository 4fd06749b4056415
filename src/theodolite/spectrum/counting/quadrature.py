"""Gauss rules: what one Lanczos run knows of the spectral measure of its start."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# lighter nodes change no moment by more than rounding
_WEIGHTLESS = 1e-28


@dataclass(frozen=True)
class Rule:
    """Nodes and weights of a Gauss rule, and how far it is to be trusted.

    Attributes
    ----------
    nodes, weights : Tensor
        ``(n,)``, float64; the weights add up to one.
    order : int
        Means of polynomials are right up to degree 2 · order − 1.
    closed : bool
        Whether the Lanczos run exhausted its space: then the measure is these atoms,
        and nothing else.
    """

    nodes: Float[Tensor, " n"]
    weights: Float[Tensor, " n"]
    order: int
    closed: bool = False

    @cached_property
    def recurrence(self) -> tuple[Tensor, Tensor]:
        """The tridiagonal matrix behind the rule, ``(m,)`` and ``(m − 1,)``, m ≤ order.

        Lanczos on the diagonal matrix of the nodes: small, so that it is done in full.
        """
        heavy = self.weights > _WEIGHTLESS
        nodes, start = self.nodes[heavy], self.weights[heavy].sqrt()
        steps = min(self.order, len(nodes))
        basis = start.new_zeros(steps, len(nodes))
        alphas, betas = start.new_zeros(steps), start.new_zeros(steps)
        direction, beta = start, start.norm()
        negligible = 1e-14 * float(nodes.abs().max())
        for step in range(steps):
            basis[step] = direction / beta
            product = nodes * basis[step]
            alphas[step] = basis[step] @ product
            known = basis[: step + 1]
            for _ in range(2):
                product = product - (known @ product) @ known
            direction, beta = product, product.norm()
            betas[step] = beta
            if float(beta) <= negligible:
                return alphas[: step + 1], betas[:step]
        return alphas, betas[:-1]

    @cached_property
    def shorter(self) -> list["Rule"]:
        """What the run gave after a quarter, half, and three quarters of its steps.

        And after each of those since.
        """
        alphas, betas = self.recurrence
        steps = len(alphas)
        late = min(steps - 1, 3 * steps // 4)
        stages = [steps // 4, steps // 2, *range(late, steps)]
        return [
            rule_of(alphas[:m], betas[: m - 1]) for m in (max(1, m) for m in stages)
        ]

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {
            "nodes": self.nodes.tolist(),
            "weights": self.weights.tolist(),
            "order": self.order,
            "closed": self.closed,
        }

    def without(self, gone: Tensor) -> "Rule":
        """The rule of the start's rest, off some Ritz vectors that have converged."""
        nodes, weights = self.nodes[~gone], self.weights[~gone]
        order = max(1, self.order - int(gone.sum()))
        return Rule(nodes, weights / weights.sum(), order, self.closed)

    def beside_atoms(self, atoms: Tensor, share: float) -> "Rule":
        """The measure mixed with atoms, each of which has the share given."""
        rest = self.weights * (1 - share * len(atoms))
        return replace(
            self,
            nodes=torch.cat([self.nodes, atoms]),
            weights=torch.cat([rest, torch.full_like(atoms, share)]),
        )


def rule_of(alphas: Tensor, betas: Tensor, *, closed: bool = False) -> Rule:
    """The rule of a tridiagonal matrix with this diagonal and off-diagonal.

    Golub and Welsch, "Calculation of Gauss quadrature rules", Math. Comp. 1969.
    """
    small = torch.diag(alphas) + torch.diag(betas, 1) + torch.diag(betas, -1)
    nodes, vectors = torch.linalg.eigh(small)
    return Rule(nodes, vectors[0].square(), len(nodes), closed)
