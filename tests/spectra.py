"""Symmetric matrices of prescribed spectrum."""

from functools import cache

import torch
from torch import Tensor

import theodolite as td

SIZE = 300


def bulk(count: int, width: float = 1.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return width * torch.randn(count, generator=generator, dtype=torch.float64)


def filled(*outliers: float, width: float = 0.1, size: int = SIZE) -> Tensor:
    """Outliers beside a bulk around zero."""
    rest = bulk(size - len(outliers), width / 4)
    return torch.cat([torch.tensor(outliers, dtype=torch.float64), rest])


def clustered() -> Tensor:
    """Ten outliers in close pairs and triples at both ends."""
    tops = [5.0, 4.98, 4.96, 3.0, 2.99, 1.0]
    return filled(*tops, -2.0, -1.99, -1.5, -1.0)


SPECTRA = {
    "clusters": clustered(),
    "plus and minus": torch.cat([v := torch.linspace(0.1, 3, SIZE // 2).double(), -v]),
    "plus and nearly minus": filled(1.0, -0.999, 0.5, -0.4),
    "twelve decades": torch.logspace(-12, 0, SIZE, dtype=torch.float64),
    "multiplicity five": filled(2.0, 2.0, 2.0, 2.0, 2.0, 1.0, -1.0, -1.0, -1.0, -1.0),
    "nearer than the tolerance": filled(5.0, 4.9999, 3.0, 2.9999, -1.0, -0.99999),
    "all zero": torch.zeros(SIZE, dtype=torch.float64),
    "smaller than a basis": bulk(25),
    "rank one": filled(3.0, width=0.0),
    "negative rank one": filled(-3.0, width=0.0),
    "identity": torch.ones(SIZE, dtype=torch.float64),
    "flat": bulk(SIZE),
    "one by one": torch.tensor([-2.5], dtype=torch.float64),
}


@cache
def rotation(size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(normal).Q


def with_spectrum(values: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """A dense matrix with these eigenvalues and random eigenvectors."""
    vectors = rotation(len(values))
    matrix = vectors * values @ vectors.T
    return ((matrix + matrix.T) / 2).to(dtype)


def true_values(matrix: Tensor) -> Tensor:
    """What the eigenvalues are after rounding to the matrix's type, descending."""
    return torch.linalg.eigvalsh(matrix.double()).flip(0)


def wanted_of(values: Tensor, k: int, which: str) -> Tensor:
    """The wanted ones of all eigenvalues, descending."""
    k = min(k, len(values))
    if which == "LM":
        chosen = values[values.abs().argsort(descending=True)[:k]]
    else:
        low = {"LA": 0, "SA": k, "BE": k // 2}[which]
        chosen = torch.cat([values[: k - low], values[len(values) - low :]])
    return chosen.sort(descending=True).values


def quadratic(values: Tensor, at: Tensor | None = None) -> td.Landscape:
    """½ wᵀHw with a prescribed spectrum, and its matrix's own eigenvectors."""
    matrix = with_spectrum(values)
    point = torch.zeros(len(values), dtype=torch.float64) if at is None else at
    return td.Landscape.from_function(lambda w: w @ matrix @ w / 2, point)
