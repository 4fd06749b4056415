"""Many samples whose losses, gradients and Hessians are all known."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from dense import F64
from problems import labels, normal
from theodolite.site.other_data.data_spread import DataRow
from theodolite.site.other_data.group_eigenvalues import (
    GroupForms,
    eigenvalue_spread,
    resolvent_beside,
)
from theodolite.site.other_data.group_gradients import GradientSpread, combined_spread
from theodolite.site.other_data.jackknife import jackknife, left_out, mean_of
from theodolite.site.other_data.spread_rows import (
    eigenvalue_row,
    gradient_row,
    loss_row,
)


@dataclass(frozen=True)
class Population:
    """Per-sample numbers of a small model over very many samples."""

    losses: Tensor
    gradients: Tensor
    hessians: Tensor

    def truth(self) -> dict[str, float]:
        hessian = self.hessians.mean(0)
        return {
            "loss": float(self.losses.mean()),
            "gradient_norm": float(self.gradients.mean(0).norm()),
            "largest_eigenvalue": float(torch.linalg.eigvalsh(hessian)[-1]),
            "trace": float(hessian.trace()),
        }


def softmax_loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(w.view(3, 4) @ x, y)


def tanh_loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    hidden = torch.tanh(w[:16].view(4, 4) @ x)
    return cross_entropy(w[16:28].view(3, 4) @ hidden, y)


def squared_loss(w: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return mse_loss(w @ x, 2 * x.sum() + y)


LOSSES: dict[str, tuple[Callable[..., Tensor], int]] = {
    "softmax regression": (softmax_loss, 12),
    "tanh network": (tanh_loss, 28),
    "linear regression": (squared_loss, 4),
}


@cache
def population(name: str) -> Population:
    loss, size = LOSSES[name]
    x = normal(8_000, 4, dtype=F64) * torch.tensor([1.6, 1.0, 0.7, 0.5])
    w = normal(size, dtype=F64, seed=5)
    y = labels(3, 8_000)
    if name != "linear regression":
        # half of them follow the inputs
        y = torch.where(torch.arange(8_000) % 2 == 0, (x[:, :3]).argmax(1), y)
    slope = torch.func.grad(loss)
    each = [
        torch.func.vmap(part, (None, 0, 0))(w, x, y)
        for part in (loss, slope, torch.func.jacrev(slope))
    ]
    return Population(*each)


def dense_rows(found: Population, groups: int, k: int = 6) -> dict[str, DataRow]:
    """What data_error makes of groups whose Hessians are known."""
    parts = torch.arange(len(found.losses)).tensor_split(groups)
    shares = torch.tensor([len(i) / len(found.losses) for i in parts], dtype=F64)
    losses, gradients, hessians = (
        torch.stack([each[i].mean(0) for i in parts])
        for each in (found.losses, found.gradients, found.hessians)
    )

    def average(values: Tensor) -> DataRow:
        mean = mean_of(values, shares)
        return loss_row(
            float(mean), jackknife(float(mean), left_out(mean, values, shares), shares)
        )

    return {
        "loss": average(losses),
        "gradient_norm": gradient_row(of_gradients(gradients, shares)),
        "largest_eigenvalue": of_hessians(hessians, shares, k),
        "trace": average(hessians.diagonal(dim1=1, dim2=2).sum(1)),
    }


def of_gradients(gradients: Tensor, shares: Tensor) -> GradientSpread:
    mean = mean_of(gradients, shares)
    apart = gradients - mean
    return combined_spread(
        float(mean @ mean),
        gradients @ mean,
        gradients.square().sum(1),
        (apart[1:] * apart[:-1]).sum(1),
        shares,
    )


def of_hessians(hessians: Tensor, shares: Tensor, k: int) -> DataRow:
    mean = mean_of(hessians, shares)
    values, vectors = torch.linalg.eigh(mean)
    values, vectors = values.flip(0)[:k], vectors.flip(1)[:, :k]
    products = hessians @ vectors
    inside = vectors.T @ products
    rests = (products - vectors @ inside)[..., 0]
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (len(shares),), generator=generator) * 2 - 1
    forms = GroupForms(inside, rests.square().sum(1), (signs * shares) @ rests)
    resolvent = resolvent_beside(mean, forms.mixture, values, 1e-3)
    spread = eigenvalue_spread(forms, shares, resolvent)
    return eigenvalue_row(float(values[0]), spread)
