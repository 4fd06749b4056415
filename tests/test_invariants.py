"""What holds for every network, every vector and every order of the data."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import theodolite as td
from networks import MLP
from problems import PROBLEMS, Case, normal
from spectra import with_spectrum

F64 = torch.float64

few = settings(max_examples=8, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**16)
scales = st.floats(1e-3, 1e3)
problems = st.sampled_from(
    ["mlp", "scaled dot product", "tied weights", "class weights", "unused parameter"]
)
spectra = st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=30)


def vectors(size: int, seed: int) -> tuple[Tensor, Tensor]:
    return normal(size, dtype=F64, seed=seed), normal(size, dtype=F64, seed=seed + 1)


def close(found: Any, wanted: Any, scale: float = 1.0) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11 * scale)


@few
@given(problem=problems, seed=seeds)
def test_products_are_symmetric(problem: str, seed: int) -> None:
    hessian = PROBLEMS[problem](F64).landscape().hessian()
    u, v = vectors(hessian.shape[0], seed)
    scale = float(u.norm() * v.norm())
    close(u @ (hessian @ v), v @ (hessian @ u), scale)


@few
@given(problem=problems, seed=seeds, a=scales, b=scales)
def test_products_are_linear(problem: str, seed: int, a: float, b: float) -> None:
    hessian = PROBLEMS[problem](F64).landscape().hessian()
    u, v = vectors(hessian.shape[0], seed)
    mixed = hessian @ (a * u - b * v)
    close(mixed, a * (hessian @ u) - b * (hessian @ v), scale=(a + b) * 10)


@few
@given(factor=scales)
def test_scaling_the_loss_scales_the_spectrum(factor: float) -> None:
    case = PROBLEMS["mlp"](F64)
    scaled = td.Landscape(
        case.model, lambda out, y: factor * case.loss(out, y), case.batches
    )
    land = case.landscape()
    close(scaled.gradient(), factor * land.gradient(), factor)
    ours, theirs = (td.eigsh(f.hessian(), 3) for f in (scaled, land))
    torch.testing.assert_close(
        ours.values, factor * theirs.values, rtol=1e-6, atol=1e-9 * factor
    )


@few
@given(factor=st.floats(0.1, 10))
def test_scaling_the_parameters_divides_the_spectrum_twice(factor: float) -> None:
    matrix = with_spectrum(torch.tensor([3.0, 1.0, -2.0], dtype=F64))
    land = td.Landscape.from_function(
        lambda w: (factor * w) @ matrix @ (factor * w) / 2, torch.ones(3, dtype=F64)
    )
    close(land.hessian().dense(), factor**2 * matrix, factor**2)


def recut(case: Case, order: Tensor, size: int) -> td.Landscape:
    x, y = (torch.cat(parts)[order] for parts in zip(*case.batches, strict=True))
    batches = list(zip(x.split(size), y.split(size), strict=True))
    return td.Landscape(case.model, case.loss, batches, parameters=case.parameters)


@few
@given(problem=problems, seed=seeds, size=st.integers(1, 100))
def test_order_and_cutting_of_the_data_do_not_matter(
    problem: str, seed: int, size: int
) -> None:
    case = PROBLEMS[problem](F64)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(seed))
    one, other = case.landscape(), recut(case, order, max(size, 10))
    v = normal(one.size, dtype=F64, seed=seed)
    close(other.loss(), one.loss())
    close(other.gradient(), one.gradient())
    close(other.hessian() @ v, one.hessian() @ v)


@few
@given(seed=seeds)
def test_permuting_hidden_units_leaves_the_spectrum_alone(seed: int) -> None:
    case = PROBLEMS["mlp"](F64)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    permuted = MLP(4, 5, 3).double()
    weights = case.model.state_dict()
    for name in ("fc1.weight", "fc1.bias"):
        weights[name] = weights[name][order]
    weights["fc2.weight"] = weights["fc2.weight"][:, order]
    permuted.load_state_dict(weights)
    values = [
        torch.linalg.eigvalsh(
            td.Landscape(m, case.loss, case.batches).hessian().dense()
        )
        for m in (case.model, permuted)
    ]
    close(values[0], values[1])


@few
@given(values=spectra)
def test_the_trace_is_the_sum_of_all_eigenvalues(values: list[float]) -> None:
    matrix = with_spectrum(torch.tensor(values, dtype=F64))
    pairs = td.eigsh(matrix, len(values))
    trace = td.trace(matrix, rtol=1e-9, atol=1e-9)
    close(float(pairs.values.sum()), float(matrix.trace()), 1e3)
    assert abs(trace.value - float(matrix.trace())) <= 4 * trace.error + 1e-9


@few
@given(values=spectra, shift=st.floats(-5, 5))
def test_a_shift_moves_every_eigenvalue(values: list[float], shift: float) -> None:
    matrix = with_spectrum(torch.tensor(values, dtype=F64))
    moved = matrix + shift * torch.eye(len(values), dtype=F64)
    ours, theirs = td.eigsh(moved, len(values)), td.eigsh(matrix, len(values))
    close(ours.values, theirs.values + shift, 1e3)


@few
@given(values=spectra, seed=seeds)
def test_a_ritz_value_never_leaves_the_spectrum(values: list[float], seed: int) -> None:
    spectrum = torch.tensor(values, dtype=F64)
    run = td.lanczos(with_spectrum(spectrum), 3, seed=seed)
    ritz = torch.linalg.eigvalsh(run.matrix)
    slack = 1e-12 * (1 + float(spectrum.abs().max()))
    assert float(spectrum.min()) - slack <= float(ritz.min())
    assert float(ritz.max()) <= float(spectrum.max()) + slack


@few
@given(problem=problems, seed=seeds)
def test_a_block_is_the_principal_submatrix(problem: str, seed: int) -> None:
    land = PROBLEMS[problem](F64).landscape()
    hessian = land.hessian()
    layer = list(land.layers)[seed % len(land.layers)]
    place = land.layers[layer]
    vector = torch.zeros(land.size, dtype=F64)
    vector[place] = normal(place.stop - place.start, dtype=F64, seed=seed)
    close(hessian.block(layer) @ vector[place], (hessian @ vector)[place])


@few
@given(values=st.lists(st.floats(0.1, 10), min_size=2, max_size=30), seed=seeds)
def test_the_solution_solves_the_system(values: list[float], seed: int) -> None:
    matrix = with_spectrum(torch.tensor(values, dtype=F64))
    b = normal(len(values), dtype=F64, seed=seed)
    solution = td.solve(matrix, b, tol=1e-8)
    assert solution.converged
    torch.testing.assert_close(matrix @ solution.x, b, rtol=0, atol=1e-6)


@few
@given(seed=seeds)
def test_gradient_and_product_are_the_first_and_second_difference(seed: int) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    v = normal(land.size, dtype=F64, seed=seed)
    step = 1e-4
    ahead, here, behind = (land.loss(land.point + s * v) for s in (step, 0, -step))
    slope, bend = float(land.gradient() @ v), float(v @ (land.hessian() @ v))
    assert abs((ahead - behind) / (2 * step) - slope) <= 1e-4 * (1 + abs(slope))
    assert abs((ahead - 2 * here + behind) / step**2 - bend) <= 1e-3 * (1 + abs(bend))


def test_a_linear_models_hessian_does_not_depend_on_its_weights() -> None:
    x, y = normal(50, 3, dtype=F64), normal(50, 2, dtype=F64, seed=4)
    land = td.Landscape(nn.Linear(3, 2).double(), nn.MSELoss(), (x, y))
    away = land.hessian(point=normal(8, dtype=F64, seed=9)).dense()
    close(land.hessian().dense(), away)
