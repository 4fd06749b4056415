"""Eigenpairs: ten at the upper end, the outermost ones, warm starts, and bfloat16."""

from copy import deepcopy
from functools import cache, partial

import torch
from spectra_cases import CASES, KNOWN, SMALL, Case
from spectra_peers import EIGENPAIRS, Pairs, Search
from spectra_tables import Setting, Table, installed, middle, short, times_by_ours
from timing import seconds
from torch import Tensor

import theodolite as td

OURS = "theodolite"
TOLERANCE = 1e-3
# seconds of timing after which no further round begins
_PATIENCE = 120.0
_BUDGET = 5000
# of training, between two checkpoints
_STEPS = (1, 5)


def by_ours(case: Case, k: int, which: str, tol: float, seed: int) -> Pairs:
    """``td.eigsh`` with its defaults."""
    found = td.eigsh(case.land.hessian(), k, which, tol=tol, seed=seed, budget=_BUDGET)
    off = float((found.residuals / found.values.abs()).max())
    word = "converged" if found.converged else found.outcome.name
    claim = f"{word}, {off:.0e}"
    return Pairs.of(found.values, found.vectors, found.products, claim)


def _methods() -> dict[str, Search]:
    theirs = {name: call for name, module, call in EIGENPAIRS if installed(module)}
    return {OURS: by_ours, **theirs}


def eigenpairs(setting: Setting) -> Table:
    """The ten largest eigenvalues."""
    rows: list[tuple[str, ...]] = []
    for name in setting.cases:
        rows += _ten_largest(CASES[name](), setting.rounds)
    text = (
        f"Ten largest eigenvalues to {TOLERANCE:g}, from a model to pairs with all "
        "set-up, float32. *Error* is the largest relative one of the ten, *residual* "
        "the largest ‖Hv − θv‖/|θ|, both in float64. *Says* is what a method itself "
        "reports, with its largest residual. hessian-eigenthings takes 20 steps by "
        "itself; *steps doubled* repeats it until it says converged."
    )
    columns = ("", "products", "time by ours", "error", "residual", "says")
    return Table("Ten largest eigenvalues", text, columns, rows)


@cache
def _imported() -> None:
    """Every method once: what it imports is not timed."""
    case = CASES[KNOWN[0]]()
    for call in _methods().values():
        call(case, 1, "LA", TOLERANCE, 0)


def _ten_largest(case: Case, rounds: int) -> list[tuple[str, ...]]:
    _imported()
    found: dict[str, Pairs] = {}

    def find(name: str, call: Search) -> None:
        found[name] = call(case, 10, "LA", TOLERANCE, 0)

    calls = {name: partial(find, name, call) for name, call in _methods().items()}
    times = times_by_ours(calls, OURS, rounds, _PATIENCE)
    heading = (f"**{case.name}**, {case.size:,} parameters", "", "", "", "", "")
    return [
        heading,
        *(
            (
                name,
                str(pairs.products),
                str(times[name]),
                short(_off(pairs.values, case.largest)),
                short(float(case.residuals(pairs.values, pairs.vectors).max())),
                pairs.claim,
            )
            for name, pairs in found.items()
        ),
    ]


def _off(values: Tensor, true: Tensor) -> float:
    """The largest relative error; one where some were not found."""
    if len(values) < len(true):
        return 1.0
    return float(((values - true) / true).abs().max())


def extremes(setting: Setting) -> Table:
    """The largest eigenvalue cold and warm, and the smallest."""
    rows: list[tuple[str, ...]] = []
    for name in filter(SMALL.__contains__, setting.cases):
        case = CASES[name]()
        rows += [(f"**{name}**", "", "", "", "")]
        rows += _cold(case, "largest", "LA", float(case.largest[0]), setting.seeds)
        for k in (1, 10):
            for steps in _STEPS:
                rows += _warm(case, k, steps, setting.seeds)
        rows += _cold(case, "smallest", "SA", case.smallest, setting.seeds)
    text = (
        f"The outermost eigenvalues to {TOLERANCE:g}, medians over {setting.seeds} "
        "seeds (one for what is not ours); *warm* starts from the vectors that were "
        "found one or five steps of Adam (rate 0.001) earlier."
    )
    columns = ("", "products", "products, warm", "error", "says")
    return Table("Largest and smallest eigenvalue", text, columns, rows)


def _cold(
    case: Case, what: str, which: str, true: float, seeds: int
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, call in _methods().items():
        if which == "SA" and name == "PyHessian":
            rows.append((f"{what}, {name}", "not offered", "", "", ""))
            continue
        count = seeds if name == OURS else 1
        found = [call(case, 1, which, TOLERANCE, seed) for seed in range(count)]
        errors = [_off(pairs.values, torch.tensor([true])) for pairs in found]
        products = middle([pairs.products for pairs in found])
        row = (f"{products:.0f}", "", short(max(errors)), found[0].claim)
        rows.append((f"{what}, {name}", *row))
    return rows


def _warm(case: Case, k: int, steps: int, seeds: int) -> list[tuple[str, ...]]:
    """Our own search after some steps of training, without and with old vectors."""
    later = case.nearby(steps)
    hessian = case.land.hessian()
    now = later.land.hessian()
    cold, warm, errors = [], [], []
    true = later.largest[:k]
    for seed in range(seeds):
        before = td.eigsh(hessian, k, tol=TOLERANCE, seed=seed, budget=_BUDGET)
        anew = td.eigsh(now, k, tol=TOLERANCE, seed=seed, budget=_BUDGET)
        again = td.eigsh(
            now, k, tol=TOLERANCE, seed=seed, v0=before.vectors, budget=_BUDGET
        )
        cold.append(anew.products)
        warm.append(again.products)
        errors.append(_off(again.values, true))
    many = f"{k} largest" if k > 1 else "largest"
    label = f"{many}, {OURS}, {steps} step{'s' * (steps > 1)} later"
    found = (f"{middle(cold):.0f}", f"{middle(warm):.0f}", short(max(errors)), "")
    return [(label, *found)]


def low_precision(setting: Setting) -> Table:
    """The largest eigenvalue of models in bfloat16."""
    rows = [_in_bfloat16(CASES[name](), name, setting.seeds) for name in setting.cases]
    text = (
        "Largest eigenvalue of the model, its data and its products in bfloat16 "
        f"(`td.eigsh`, tolerance 0.01), the worst of {setting.seeds} seeds, against "
        "float64 at the very same rounded weights, and against the model before it "
        "was rounded."
    )
    columns = (
        "",
        "products",
        "says",
        "residual",
        "error, same weights",
        "error, unrounded",
    )
    return Table("Models in bfloat16", text, columns, rows)


def _in_bfloat16(case: Case, name: str, seeds: int) -> tuple[str, ...]:
    kind = torch.bfloat16
    model = deepcopy(case.model).to(kind)
    inputs, targets = (
        part.to(kind) if part.is_floating_point() else part for part in case.batch
    )
    land = td.Landscape(model, case.loss, (inputs, targets))
    every = [
        td.eigsh(land.hessian(), 1, tol=1e-2, seed=seed, budget=200)
        for seed in range(seeds)
    ]
    same = td.eigsh(land.to(torch.float64).hessian(), 1, tol=1e-6).values
    found = max(every, key=lambda one: _off(one.values.double(), same))
    value = found.values.double()
    return (
        name,
        str(found.products),
        found.outcome.name,
        short(float(found.residuals[0] / value[0].abs())),
        short(_off(value, same)),
        short(_off(value, case.largest[:1])),
    )


def seconds_of_gradient(case: Case) -> float:
    """CPU time of one gradient, as torch computes it."""
    weights = list(case.model.parameters())

    def gradient() -> object:
        loss = case.loss(case.model(case.batch[0]), case.batch[1])
        return torch.autograd.grad(loss, weights)

    gradient()
    return middle([seconds(gradient, 3) for _ in range(5)])
