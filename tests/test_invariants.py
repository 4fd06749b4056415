"""What holds for every network, every vector and every order of the data."""

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import theodolite as td
from networks import MLP
from problems import PROBLEMS, Case, labels, normal
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


ACTIVATIONS = {
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
}


@st.composite
def networks(draw: Any, losses: Any = ("cross-entropy", "mse")) -> td.Landscape:
    """A small random network on random data, cut into random batches."""
    activation = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
    inputs, outputs = draw(st.integers(1, 4)), draw(st.integers(2, 3))
    hidden = draw(st.lists(st.integers(1, 4), min_size=1, max_size=2))
    seed, loss = draw(seeds), draw(st.sampled_from(losses))
    layers: list[nn.Module] = []
    for one, next_one in zip([inputs, *hidden], hidden, strict=False):
        layers += [nn.Linear(one, next_one), activation()]
    model = nn.Sequential(*layers, nn.Linear(hidden[-1], outputs)).double()
    with torch.no_grad():
        for number, weight in enumerate(model.parameters()):
            weight.copy_(normal(*weight.shape, dtype=F64, seed=seed + number))
    cuts = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    x = normal(sum(cuts), inputs, dtype=F64, seed=seed + 20)
    y = (
        labels(outputs, sum(cuts), seed=seed)
        if loss == "cross-entropy"
        else normal(sum(cuts), outputs, dtype=F64, seed=seed + 21)
    )
    data = list(zip(x.split(cuts), y.split(cuts), strict=True))
    kinds = {"cross-entropy": nn.CrossEntropyLoss(), "mse": nn.MSELoss()}
    memory = draw(st.sampled_from([None, 0]))
    return td.Landscape(model, kinds[loss], data, memory=memory)


def spread(matrix: Tensor) -> float:
    return 1 + float(matrix.abs().max())


@few
@given(land=networks())
def test_every_networks_hessian_is_symmetric_and_has_its_trace(
    land: td.Landscape,
) -> None:
    hessian = land.hessian()
    dense = hessian.dense()
    close(dense, dense.T, spread(dense))
    trace = td.trace(hessian, rtol=1e-9)  # p products at most, and then exact
    values = td.eigsh(hessian, land.size).values
    close(trace.value, float(values.sum()), 100 * spread(dense))
    assert trace.error == 0


@few
@given(land=networks())
def test_the_gauss_newton_matrix_has_no_negative_eigenvalue(land: td.Landscape) -> None:
    gauss_newton = land.gauss_newton().dense()
    values = torch.linalg.eigvalsh(gauss_newton)
    assert float(values[0]) >= -1e-12 * spread(gauss_newton)
    assert float(values[-1]) > 0
    lowest = td.eigsh(land.gauss_newton(), 1, "SA").values
    assert float(lowest[0]) >= -1e-9 * spread(gauss_newton)


@few
@given(land=networks(), seed=seeds)
def test_the_hessian_is_gauss_newton_and_the_models_own_bend(
    land: td.Landscape, seed: int
) -> None:
    hessian, gauss_newton = land.hessian(), land.gauss_newton()
    rest = hessian - gauss_newton
    v = normal(land.size, dtype=F64, seed=seed)
    scale = 10 * spread(hessian.dense())
    close((gauss_newton + rest) @ v, hessian @ v, scale)
    # the last layer is linear: within it only the loss bends
    last = list(land.layers)[-1]
    within = rest.dense()[land.layers[last], land.layers[last]]
    close(within, torch.zeros_like(within), 10 * scale)


@few
@given(land=networks(), seed=seeds)
def test_every_block_is_its_submatrix(land: td.Landscape, seed: int) -> None:
    hessian = land.hessian()
    dense, names = hessian.dense(), list(land.layers)
    row, column = names[seed % len(names)], names[seed // 7 % len(names)]
    found = hessian.block(row, column).dense()
    close(found, dense[land.layers[row], land.layers[column]], spread(dense))


@few
@given(size=st.integers(1, 4), outputs=st.integers(1, 3), seed=seeds)
def test_a_linear_model_with_squared_error_is_all_gauss_newton(
    size: int, outputs: int, seed: int
) -> None:
    x = normal(9, size, dtype=F64, seed=seed)
    y = normal(9, outputs, dtype=F64, seed=seed + 1)
    model = nn.Linear(size, outputs).double()
    land = td.Landscape(model, nn.MSELoss(), (x, y), batch_size=4)
    close(land.gauss_newton().dense(), land.hessian().dense(), 10)


@few
@given(
    land=networks(),
    factor=scales,
    a=st.floats(-10, 10),
    seed=seeds,
)
def test_curvatures_are_linear_in_loss_and_vector(
    land: td.Landscape, factor: float, a: float, seed: int
) -> None:
    u, v = vectors(land.size, seed)
    batches = list(land._batches)
    data = [(batch.inputs, batch.target) for batch in batches]
    model, loss = land.model, land._evaluate.loss
    assert model is not None
    scaled = td.Landscape(model, lambda out, y: factor * loss(out, y), data)
    for one, other in (
        (land.hessian(), scaled.hessian()),
        (land.gauss_newton(), scaled.gauss_newton()),
    ):
        size = 100 * spread(one.dense())
        close(other @ v, factor * (one @ v), factor * size)
        close(one @ (a * u + v), a * (one @ u) + one @ v, (1 + abs(a)) * size)


@few
@given(land=networks(), seed=seeds, size=st.integers(1, 20))
def test_no_curvature_depends_on_order_or_cutting(
    land: td.Landscape, seed: int, size: int
) -> None:
    batches = list(land._batches)
    x, y = (
        torch.cat([getattr(batch, part) for batch in batches])
        for part in ("inputs", "target")
    )
    v = normal(land.size, dtype=F64, seed=seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    assert land.model is not None
    other = td.Landscape(
        land.model, land._evaluate.loss, (x[order], y[order]), batch_size=size
    )
    for one, recut_one in (
        (land.hessian(), other.hessian()),
        (land.gauss_newton(), other.gauss_newton()),
        (land.fisher(empirical=True), other.fisher(empirical=True)),
    ):
        wanted = one @ v
        close(recut_one @ v, wanted, 10 * spread(wanted))
