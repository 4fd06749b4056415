"""How often intervals contain the truth, and what a survey saves."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from spectra_cases import CASES, SMALL, Case
from spectra_tables import Setting, Table, middle, percent
from torch import Tensor

import theodolite as td

CONFIDENCE = 0.95
_SIZE = 600
_LIKELY = 1.96


def _normal(count: int, width: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return width * torch.randn(count, generator=generator, dtype=torch.float64)


def _with_outliers(*outliers: float, rest: Tensor) -> Tensor:
    return torch.cat([torch.tensor(outliers, dtype=torch.float64), rest])


def _spectra() -> dict[str, Tensor]:
    """What intervals are tried on."""
    bulk = _normal(_SIZE - 5, 0.1, 1)
    return {
        "definite, outliers": _with_outliers(20, 15, 9, 5, 4, rest=bulk.abs()),
        "definite, flat": _normal(_SIZE, 1.0, 2).abs() + 0.1,
        "indefinite": _with_outliers(9, 6, 3, -2, -1, rest=bulk),
        "trace near zero": (v := _normal(_SIZE, 1.0, 3)) - v.mean() + 1e-3,
        "power law": 1 / torch.arange(1, _SIZE + 1, dtype=torch.float64),
    }


def _matrix(values: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    normal = torch.randn(_SIZE, _SIZE, generator=generator, dtype=torch.float64)
    vectors = torch.linalg.qr(normal).Q
    matrix = vectors * values @ vectors.T
    return (matrix + matrix.T) / 2


# between which of 600 eigenvalues they are counted
_RANKS = 150, 450


@cache
def _inner(matrix: Tensor) -> tuple[float, float]:
    """An interval that holds 300 of the eigenvalues."""
    values = torch.linalg.eigvalsh(matrix)
    low, high = (values[rank - 1 : rank + 1].mean() for rank in _RANKS)
    return float(low), float(high)


@cache
def _shift(matrix: Tensor) -> float:
    """What makes the matrix definite, with room."""
    values = torch.linalg.eigvalsh(matrix)
    return float(0.01 * values[-1] - 2 * min(values[0], values.new_zeros(())))


def _log_determinant(matrix: Tensor) -> float:
    return float(
        torch.linalg.slogdet(matrix + _shift(matrix) * torch.eye(_SIZE).double())[1]
    )


# what is estimated: how, its truth, and a tolerance by ‖H‖_F that leaves much to chance
_QUANTITIES: dict[
    str,
    tuple[Callable[[Tensor, float, int], Any], Callable[[Tensor], Any], float],
] = {
    "trace": (
        lambda m, size, seed: td.trace(m, rtol=0, atol=size, seed=seed),
        lambda m: float(m.trace()),
        0.2,
    ),
    "diagonal": (
        lambda m, size, seed: td.diagonal(m, rtol=0, atol=size, seed=seed),
        lambda m: m.diagonal(),
        0.15,
    ),
    "Frobenius norm": (
        lambda m, size, seed: td.frobenius_norm(m, rtol=0, atol=size, seed=seed),
        lambda m: float(m.norm()),
        0.05,
    ),
    "count": (
        lambda m, _, seed: td.spectral_density(m, seed=seed).count(*_inner(m)),
        lambda m: float(_RANKS[1] - _RANKS[0]),
        0.0,
    ),
    "log det": (
        lambda m, _, seed: td.spectral_density(m, seed=seed).log_determinant(_shift(m)),
        _log_determinant,
        0.0,
    ),
}


def coverage(setting: Setting) -> Table:
    """How often a 95 % interval contains the truth."""
    rows = [
        _covered(quantity, spectrum, _matrix(values), setting.draws)
        for quantity in _QUANTITIES
        for spectrum, values in _spectra().items()
    ]
    spread = _LIKELY * (CONFIDENCE * (1 - CONFIDENCE) / setting.draws) ** 0.5
    text = (
        f"Share of {setting.draws} seeds whose 95 % interval contains the truth, on "
        f"matrices {_SIZE} × {_SIZE}; an honest one lies within "
        f"{percent(CONFIDENCE - spread)} and {percent(CONFIDENCE + spread)} 95 times "
        "in a hundred. Absolute tolerances: 0.2 ‖H‖_F for the trace, 0.15 ‖H‖_F for "
        "the diagonal, whose coverage is the mean over its entries, 0.05 ‖H‖_F for "
        "the norm. *Count* is of the eigenvalues between the 150th and the 450th, "
        "*log det* that of H + αI with α = 0.01 λ_max − 2 min(λ_min, 0), both by "
        "`td.spectral_density` at its defaults."
    )
    columns = ("", "covered", "products", "exact", "unconverged")
    return Table("Coverage of 95 % intervals", text, columns, rows)


def _covered(
    quantity: str, spectrum: str, matrix: Tensor, draws: int
) -> tuple[str, ...]:
    estimate, truth, share = _QUANTITIES[quantity]
    true = truth(matrix)
    size = share * float(matrix.norm())
    found = [estimate(matrix, size, seed) for seed in range(draws)]
    inside = [_inside(one, true) for one in found]
    exact = [float(one.outcome.name == "exact") for one in found]
    late = [float(not one.outcome.good) for one in found]
    return (
        f"{quantity}, {spectrum}",
        percent(sum(inside) / draws),
        f"{middle([one.products for one in found]):.0f}",
        percent(sum(exact) / draws),
        percent(sum(late) / draws),
    )


def _inside(estimate: td.Estimate[Any], true: Any) -> float:
    """Whether the interval contains the truth; the share of entries where it does."""
    low, high = estimate.interval(CONFIDENCE)
    # exact values are off by rounding
    slack = 1e-9
    inside = torch.as_tensor((low - slack <= true) & (true <= high + slack))
    return float(inside.double().mean())


def surveys(setting: Setting) -> Table:
    """A survey's products beside those of the same, one by one."""
    rows: list[tuple[str, ...]] = []
    for name in filter(SMALL.__contains__, setting.cases):
        case = CASES[name]()
        together = td.survey(case.land)
        spent = sum(row.products for row in together.measurements.values())
        apart = _one_by_one(case)
        total = sum(apart.values())
        parts = ", ".join(f"{what} {count}" for what, count in apart.items())
        rows.append((name, f"{spent:,}", f"{total:,}", f"{spent / total:.2f}", parts))
    text = (
        "Products of `td.survey(land)` and of its parts asked for one by one, each at "
        "its own defaults; the rise under noise evaluates the loss and takes none."
    )
    columns = ("", "survey", "one by one", "ratio", "parts")
    return Table("A survey's products", text, columns, rows)


def _one_by_one(case: Case) -> dict[str, int]:
    """What each part costs without the others."""
    land = case.land
    hessian = land.hessian()
    top = td.eigsh(hessian, 10)
    return {
        "speed limit": td.speed_limit(land).products,
        "ten largest": top.products,
        "three smallest": td.eigsh(hessian, 3, "SA").products,
        "kind of place": td.classify(land).products,
        "stiffness": td.stiffness(land).products,
        "layers": td.layer_eigenvalues(land).products,
        "trace": td.trace(hessian).products,
        "density": td.spectral_density(hessian, deflate=top).products,
        "other data": td.data_error(land).products,
    }
