"""The largest eigenvalue without each group of the data, out of a few products."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.operators.by_batch import each_product
from theodolite.operators.curvature import Curvature
from theodolite.operators.operator import Operator
from theodolite.seeding import generator
from theodolite.site.other_data.groups import GroupMeans, Groups
from theodolite.site.other_data.jackknife import Spread, jackknife, left_out, mean_of
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.lanczos import lanczos
from theodolite.spectrum.vectors import inner, norm, without

# of Lanczos, for how much lower the rest of the spectrum lies
STEPS = 8


@dataclass(frozen=True)
class GroupForms:
    """Each group's Hessian within the span of a few eigenvectors, and beside it.

    Attributes
    ----------
    inside : Tensor
        ``Vᵀ H_b V`` of each group, ``(g, k, k)``.
    beside : Tensor
        ``‖(I − V Vᵀ) H_b v‖²`` for the first vector, ``(g,)``.
    mixture : Tensor
        A random combination of those rests, ``(p,)``.
    """

    inside: Float[Tensor, "g k k"]
    beside: Float[Tensor, " g"]
    mixture: Float[Tensor, " p"]


def group_forms(hessian: Curvature, groups: Groups, pairs: EigenPairs) -> GroupForms:
    """What every group's own Hessian does to the pairs' vectors; k products."""
    forms = _Forms(groups, pairs.vectors.T.contiguous(), pairs.seed)
    each_product(hessian, pairs.vectors, GroupMeans(groups, forms.add).add)
    return GroupForms(forms.inside, forms.beside, forms.mixture)


def eigenvalue_spread(
    forms: GroupForms, shares: Float[Tensor, " g"], resolvent: float
) -> Spread:
    """The jack-knife of λ_max, each left-out one within the span and a step beside it.

    λ_(b) = λ_max(Vᵀ H_(b) V) + (ρ/(1−ρ))² ‖(I − V Vᵀ) H_b v‖² · resolvent
    """
    mean = mean_of(forms.inside, shares)
    whole = float(torch.linalg.eigvalsh(mean)[-1])
    rest = left_out(mean, forms.inside, shares)
    values = torch.linalg.eigvalsh(rest)[:, -1]
    odds = (shares / (1 - shares)).square()
    return jackknife(whole, values + odds * forms.beside * resolvent, shares)


def resolvent_beside(
    matrix: Operator | Tensor,
    mixture: Float[Tensor, " p"],
    values: Float[Tensor, " k"],
    tol: float,
) -> float:
    """zᵀ (λ − H)⁻¹ z / ‖z‖² for a mixture z beside eigenvectors, by Lanczos.

    ``values`` are those vectors' eigenvalues, λ the first of them.
    """
    if len(values) == matrix.shape[0] or not norm(mixture) > 0:
        return 0.0
    nodes, weights = lanczos(matrix, STEPS, v0=mixture).quadrature()
    top = float(values[0])
    # nothing beside the pairs lies above the last of them
    gaps = top - nodes.clamp(max=float(values[-1]))
    floor = max(tol * abs(top), torch.finfo(torch.float64).tiny)
    return float((weights / gaps.clamp(min=floor)).sum())


@final
class _Forms:
    """Numbers of each group, and one long vector."""

    def __init__(self, groups: Groups, rows: Float[Tensor, "k p"], seed: int) -> None:
        count, size = rows.shape
        self._rows, self._shares = rows, groups.shares
        source = generator(seed)
        self._signs = torch.randint(0, 2, (len(groups),), generator=source) * 2 - 1
        self.inside = torch.zeros(len(groups), count, count, dtype=torch.float64)
        self.beside = torch.zeros(len(groups), dtype=torch.float64)
        self.mixture = torch.zeros(size, dtype=torch.float64, device=rows.device)

    def add(self, group: int, products: Float[Tensor, "k p"]) -> None:
        """One group's mean products."""
        require_finite(products)
        form = torch.stack([inner(self._rows, product) for product in products]).cpu()
        self.inside[group] = (form + form.T) / 2
        wide = products[0].to(torch.float64, copy=True)
        rest = without(wide, self._rows, inner(self._rows, wide))
        self.beside[group] = norm(rest) ** 2
        weight = float(self._shares[group] * self._signs[group])
        self.mixture.add_(rest, alpha=weight)
