"""The trace, the diagonal and the density, beside what others give for the same."""

from collections.abc import Callable
from functools import partial

import torch
from spectra_cases import CASES, KNOWN, SMALL, Case
from spectra_eigenpairs import OURS, seconds_of_gradient
from spectra_peers import DENSITIES, DIAGONALS, TRACES, Rule
from spectra_tables import Setting, Table, installed, middle, percent, short
from timing import seconds
from torch import Tensor

import theodolite as td

# half the width of a 95 % interval, relative; and of the diagonal's error
TRACE, DIAGONAL = 0.01, 0.05
# a normal variable is within so many standard errors 95 times in a hundred
_REACH = 1.96
_PRODUCTS = 100
_BUDGET = 20_000
# what shares that agree may differ by
_ROUNDS = 1e-9
# products for a diagonal: ours ends there, and nobody gets more to beat it
_FEW = 1000


def trace(setting: Setting) -> Table:
    """The trace to one per cent at 95 %."""
    rows: list[tuple[str, ...]] = []
    for name in filter(SMALL.__contains__, setting.cases):
        rows += _traces(CASES[name](), setting.seeds)
    text = (
        f"The trace to {percent(TRACE)} at 95 %, medians over {setting.seeds} seeds. "
        "*Gradients* is CPU time by that of a gradient, with all set-up; *half-width* "
        "that of our 95 % interval, relative. Hutchinson's need is computed, "
        "2 (‖H‖_F² − ‖diag H‖²) (1.96 / (ε tr H))² probes of random signs. PyHessian "
        "and hessian-eigenthings stop by themselves; curvlinops gets as many products "
        "as ours took, or half as many as ours took gradients where that is more."
    )
    columns = ("", "products", "gradients", "half-width", "error", "largest error")
    return Table("Trace", text, columns, rows)


def _traces(case: Case, seeds: int) -> list[tuple[str, ...]]:
    true, unit = float(case.diagonal.sum()), seconds_of_gradient(case)
    found: list[td.Estimate[float]] = []

    def ours(seed: int) -> None:
        hessian = case.land.hessian()
        found.append(td.trace(hessian, rtol=TRACE, seed=seed, budget=_BUDGET))

    ours(0)
    # what the first call imported is not timed
    found.clear()
    took = [seconds(partial(ours, seed)) / unit for seed in range(seeds)]
    errors = [abs(estimate.value / true - 1) for estimate in found]
    products = int(middle([estimate.products for estimate in found]))
    fair = max(products, int(middle(took)) // 2)
    halves = [_half_width(estimate) / abs(true) for estimate in found]
    spread = 2 * (case.frobenius**2 - float(case.diagonal.square().sum()))
    need = spread * (_REACH / (TRACE * true)) ** 2
    rows: list[tuple[str, ...]] = [
        (f"**{case.name}**, trace {true:.5g}", "", "", "", "", ""),
        _row(OURS, products, middle(took), percent(middle(halves)), errors),
        ("Hutchinson's need", f"{need:,.0f}", "", percent(TRACE), "", ""),
    ]
    for name, module, call in TRACES:
        if installed(module):
            rows.append(_their_trace(name, call, case, fair, seeds, true, unit))
    return rows


def _half_width(estimate: td.Estimate[float]) -> float:
    low, high = estimate.interval(0.95)
    return (high - low) / 2


def _row(
    name: str, products: int, gradients: float, half: str, errors: list[float]
) -> tuple[str, ...]:
    ends = percent(middle(errors)), percent(max(errors))
    return (name, f"{products:,}", f"{gradients:,.0f}", half, *ends)


def _their_trace(
    name: str,
    call: Callable[[Case, int, int], tuple[float, int]],
    case: Case,
    products: int,
    seeds: int,
    true: float,
    unit: float,
) -> tuple[str, ...]:
    found: list[tuple[float, int]] = []
    took = [
        seconds(lambda seed=seed: found.append(call(case, products, seed))) / unit
        for seed in range(seeds)
    ]
    errors = [abs(value / true - 1) for value, _ in found]
    spent = int(middle([count for _, count in found]))
    return _row(name, spent, middle(took), "", errors)


def diagonal(setting: Setting) -> Table:
    """The diagonal to five per cent."""
    rows: list[tuple[str, ...]] = []
    for name in filter(SMALL.__contains__, setting.cases):
        rows += _diagonals(CASES[name](), setting.seeds)
    text = (
        f"The diagonal to {percent(DIAGONAL)} in the Euclidean norm, in {_FEW:,} "
        f"products at most, medians over {setting.seeds} seeds. Plain need: "
        "(‖H‖_F² − ‖diag H‖²) / (ε ‖diag H‖)² probes of random signs. curvlinops gets "
        "as many products as ours took, or half as many as ours took gradients where "
        "that is more."
    )
    columns = ("", "products", "gradients", "error said", "error", "largest error")
    return Table("Diagonal", text, columns, rows)


def _diagonals(case: Case, seeds: int) -> list[tuple[str, ...]]:
    true, unit = case.diagonal, seconds_of_gradient(case)
    size = float(true.norm())
    found: list[td.Estimate[Tensor]] = []

    def ours(seed: int) -> None:
        hessian = case.land.hessian()
        found.append(td.diagonal(hessian, rtol=DIAGONAL, seed=seed, budget=_FEW))

    ours(0)
    # what the first call imported is not timed
    found.clear()
    took = [seconds(partial(ours, seed)) / unit for seed in range(seeds)]
    errors = [float((estimate.value - true).norm()) / size for estimate in found]
    products = int(middle([estimate.products for estimate in found]))
    fair = min(_FEW, max(products, int(middle(took)) // 2))
    said = middle([float(estimate.error.norm()) / size for estimate in found])
    need = (case.frobenius**2 - size**2) / (DIAGONAL * size) ** 2
    rows: list[tuple[str, ...]] = [
        (f"**{case.name}**", "", "", "", "", ""),
        _row(OURS, products, middle(took), percent(said), errors),
        ("plain need", f"{need:,.0f}", "", percent(DIAGONAL), "", ""),
    ]
    for name, module, call in DIAGONALS:
        if not installed(module):
            continue
        theirs = [call(case, fair, seed) for seed in range(seeds)]
        errors = [float((value - true).norm()) / size for value, _ in theirs]
        ends = percent(middle(errors)), percent(max(errors))
        rows.append((name, f"{theirs[0][1]:,}", "", "", *ends))
    return rows


def density(setting: Setting) -> Table:
    """How far from the true spectrum a density of a hundred products is."""
    rows: list[tuple[str, ...]] = []
    for name in filter(KNOWN.__contains__, setting.cases):
        rows += _densities(CASES[name](), setting.seeds)
    text = (
        "Wasserstein distance between the quadrature and all eigenvalues, by the "
        f"spectrum's width, at {_PRODUCTS} products at most; medians over "
        f"{setting.seeds} seeds and largest. *After ten pairs*: `eigsh` for the ten "
        "largest (tolerance 0.01), and what is left on two probes. *In the band*: the "
        "least share of the grid, over seeds, at which the 95 % band holds the true "
        "cumulative share."
    )
    columns = ("", "products", "distance / width", "largest", "in the band")
    return Table("Spectral density", text, columns, rows)


def _run(case: Case, products: int, seed: int, probes: int) -> td.SpectralDensity:
    return td.spectral_density(
        case.land.hessian(), probes=probes, steps=products // probes, seed=seed
    )


def _our_density(case: Case, products: int, seed: int, probes: int) -> tuple[Rule, int]:
    found = _run(case, products, seed, probes)
    return (found.nodes, found.weights), found.products


def _in_band(values: Tensor, found: td.SpectralDensity) -> float:
    """The share of the grid at which the band holds the true cumulative share."""
    below = torch.searchsorted(values.flip(0).contiguous(), found.grid, right=True)
    true = below.double() / len(values)
    return float(
        ((found.low - _ROUNDS <= true) & (true <= found.high + _ROUNDS)).double().mean()
    )


def _after_pairs(case: Case, products: int, seed: int) -> tuple[Rule, int]:
    hessian = case.land.hessian()
    pairs = td.eigsh(hessian, 10, tol=1e-2, seed=seed, budget=products - 20)
    steps = (products - pairs.products) // 2
    found = td.spectral_density(
        hessian, probes=2, steps=steps, seed=seed, deflate=pairs
    )
    return (found.nodes, found.weights), found.products + pairs.products


def _densities(case: Case, seeds: int) -> list[tuple[str, ...]]:
    values = case.values
    if values is None:
        return []
    theirs = {name: call for name, module, call in DENSITIES if installed(module)}
    ways: dict[str, Callable[[Case, int, int], tuple[Rule, int]]] = {
        f"{OURS}, 1 probe": partial(_our_density, probes=1),
        f"{OURS}, 2 probes": partial(_our_density, probes=2),
        f"{OURS}, 3 probes": partial(_our_density, probes=3),
        f"{OURS}, 4 probes": partial(_our_density, probes=4),
        f"{OURS}, after ten pairs": _after_pairs,
        **theirs,
    }
    width = float(values[0] - values[-1])
    rows: list[tuple[str, ...]] = [(f"**{case.name}**", "", "", "", "")]
    for name, call in ways.items():
        found = [call(case, _PRODUCTS, seed) for seed in range(seeds)]
        apart = [wasserstein(*rule, values) / width for rule, _ in found]
        products = middle([count for _, count in found])
        ends = short(middle(apart)), short(max(apart))
        held = ""
        if probes := _PROBES.get(name):
            runs = [_run(case, _PRODUCTS, seed, probes) for seed in range(seeds)]
            held = percent(min(_in_band(values, run) for run in runs))
        rows.append((name, f"{products:.0f}", *ends, held))
    return rows


_PROBES = {f"{OURS}, {n} probe{'s' * (n > 1)}": n for n in (1, 2, 3, 4)}


def wasserstein(nodes: Tensor, weights: Tensor, values: Tensor) -> float:
    """The area between two cumulative distributions, the second of equal weights."""
    share = torch.full_like(values, -1 / len(values))
    places = torch.cat([nodes.double(), values])
    steps = torch.cat([weights.double() / weights.double().sum(), share])
    order = places.argsort()
    heights = steps[order].cumsum(0)[:-1].abs()
    return float((heights * places[order].diff()).sum())
