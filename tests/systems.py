"""Linear systems of the tests, and how far a solution is from solving them."""

import numpy as np
import torch
from torch import Tensor

import theodolite as td
from problems import normal
from spectra import with_spectrum

F64 = torch.float64
METHODS = ("cg", "minres")
DAMPINGS = [10.0, 3.0, 1.0, 0.3, 0.1]
P = 100
B = normal(P, dtype=F64)


def positive(condition: float = 100.0) -> Tensor:
    return with_spectrum(torch.logspace(0, np.log10(condition), P).double())


def indefinite() -> Tensor:
    values = torch.linspace(0.1, 3, P // 2).double()
    return with_spectrum(torch.cat([values, -values]))


def singular(least: float = 1e-2) -> Tensor:
    """Rank 80 of 100, with both signs."""
    values = torch.logspace(np.log10(least), 0, 40).double()
    return with_spectrum(torch.cat([values, -values, torch.zeros(20)]))


def gap(matrix: Tensor, solution: td.Solution, b: Tensor = B) -> float:
    """‖b − (H + δ I) x‖ by the dense matrix."""
    x = solution.x.double()
    return float((b - matrix.double() @ x - solution.damping * x).norm())


def error(solution: td.Solution, true: Tensor) -> float:
    return float((solution.x - true).norm() / true.norm())
