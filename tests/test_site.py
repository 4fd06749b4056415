"""What kind of place a point is, and how fast one may walk there."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from problems import PROBLEMS, normal
from spectra import bulk, filled, quadratic
from theodolite.errors import ArgumentError, ParameterError
from theodolite.site.layer_rates import layer_rates

F64 = torch.float64


def descent(land: td.Landscape, rate: float, steps: int) -> Tensor:
    point = land.point
    for _ in range(steps):
        point = point - rate * land.gradient(point)
    return point


def test_a_slope_is_told_by_its_gradient() -> None:
    land = td.Landscape.from_function(
        lambda w: w[0] ** 3 - w[1] ** 2, torch.tensor([1.0, 0.0])
    )
    place = td.classify(land)
    assert place.kind == "slope"
    assert place.gradient_norm == pytest.approx(3)
    assert (place.highest, place.lowest) == (pytest.approx(6), pytest.approx(-2))


def test_the_saddle_at_the_origin_has_index_one() -> None:
    land = td.Landscape.from_function(lambda w: w[0] ** 2 - w[1] ** 2, torch.zeros(2))
    place = td.classify(land)
    assert (place.kind, place.index, place.index_is_exact) == ("saddle", 1, True)


def kind_of(signs: tuple[int, ...]) -> str:
    if min(signs) > 0:
        return "minimum"
    if max(signs) < 0:
        return "maximum"
    return "saddle" if min(signs) < 0 < max(signs) else "degenerate"


SIGNS = [(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1)]


@pytest.mark.parametrize("signs", SIGNS, ids=str)
@pytest.mark.parametrize("size", [3, 400], ids=["small", "large"])
def test_every_pattern_of_signs_has_its_kind(signs: tuple, size: int) -> None:
    scales = torch.tensor([1.0, 0.5, 2.0], dtype=F64)
    values = (torch.tensor(signs, dtype=F64) * scales).repeat(size)[:size]
    land = td.Landscape.from_function(
        lambda w: (values * w * w).sum() / 2, torch.zeros(size, dtype=F64)
    )
    place = td.classify(land)
    assert place.kind == kind_of(signs)
    below = int((values < 0).sum())
    assert place.index == below if place.index_is_exact else place.index <= below
    assert (place.index > 0) == (below > 0)
    assert place.outcome.good


def test_a_flat_function_is_degenerate() -> None:
    place = td.classify(td.Landscape.from_function(lambda w: w @ w * 0, torch.ones(3)))
    assert (place.kind, place.index, place.lowest, place.highest) == (
        "degenerate",
        0,
        0,
        0,
    )


def test_rounding_is_no_negative_curvature() -> None:
    # two layers of one linear map: the loss is flat along their rescaling
    torch.manual_seed(0)
    x = torch.randn(50, 3)
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        target = model(x)
    place = td.classify(td.Landscape(model, nn.MSELoss(), (x, target)))
    assert place.kind == "degenerate"
    assert place.index == 0


def test_classify_prints_and_saves_itself() -> None:
    place = td.classify(quadratic(filled(2.0, -1.0)))
    assert "saddle" in repr(place)
    assert "at least" in repr(place)
    assert place.to_dict()["outcome"] == place.outcome.name
    with pytest.raises(ArgumentError, match="gtol=-1"):
        td.classify(quadratic(bulk(3)), gtol=-1.0)


@pytest.fixture
def regression() -> td.Landscape:
    return PROBLEMS["linear regression"](F64).landscape()


def test_descent_converges_below_the_speed_limit_and_diverges_above(
    regression: td.Landscape,
) -> None:
    limit = td.speed_limit(regression).value
    start = regression.loss()
    best = regression.loss(descent(regression, limit / 2, 300))
    below = regression.loss(descent(regression, 0.98 * limit, 300))
    above = regression.loss(descent(regression, 1.02 * limit, 300))
    assert below == pytest.approx(best, rel=1e-9)
    assert above > 1e3 * start


def test_the_speed_limits_interval_holds_the_truth() -> None:
    for seed in range(20):
        land = quadratic(filled(3.0, 2.9, 1.0, -2.0))
        limit = td.speed_limit(land, tol=0.05, seed=seed)
        assert limit.low <= 2 / 3 <= limit.high
        assert float(limit) == limit.value
        assert (limit.high - limit.low) / limit.value <= 0.11


def test_where_nothing_bends_upward_there_is_no_limit() -> None:
    land = td.Landscape.from_function(lambda w: -(w @ w), torch.zeros(3))
    assert td.speed_limit(land).value == float("inf")


BLOCKED = ["mlp", "scaled dot product", "cnn with batch norm", "lstm", "tied weights"]


@pytest.mark.parametrize("problem", BLOCKED)
@pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
def test_layer_eigenvalues_equal_the_dense_blocks(
    problem: str, memory: int | None
) -> None:
    land = PROBLEMS[problem](F64).landscape(memory=memory)
    dense = land.hessian().dense()
    found = td.layer_eigenvalues(land)
    assert list(found) == list(land.layers)
    assert found.outcome.good
    for layer, place in land.layers.items():
        values = torch.linalg.eigvalsh(dense[place, place])
        allowed = 1e-3 * max(float(values[-1].abs()), 1e-3 * float(values.abs().max()))
        assert abs(found[layer].value - float(values[-1])) <= allowed
        assert found[layer].size == place.stop - place.start
        assert found[layer].converged


def test_no_layer_bends_more_than_the_whole() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    top = float(td.eigsh(land.hessian(), 1).values)
    rows = td.layer_eigenvalues(land)
    assert max(row.value for row in rows.values()) <= top * (1 + 1e-3)


def test_layers_out_of_budget_say_so() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    rows = td.layer_eigenvalues(land, budget=8)
    assert rows.outcome.name == "budget"
    assert rows.products <= 8
    assert "?" in repr(rows)


def deep_linear() -> tuple[nn.Module, td.Landscape]:
    """A two-layer linear network at its minimum: the Hessian has no negative part."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layers = [nn.Linear(3, 4, bias=False), nn.Linear(4, 2, bias=False)]
    model = nn.Sequential(*layers).double()
    inputs = normal(60, 3, dtype=F64)
    with torch.no_grad():
        target = model(inputs)
    return model, td.Landscape(model, nn.MSELoss(), (inputs, target))


LAYERED: dict[str, Callable[[], tuple[nn.Module, td.Landscape]]] = {
    "deep linear": deep_linear,
    "mlp": lambda: (lambda case: (case.model, case.landscape()))(PROBLEMS["mlp"](F64)),
}


@pytest.mark.parametrize("network", LAYERED)
def test_layer_rates_are_safe_together_on_the_local_quadratic(network: str) -> None:
    model, land = LAYERED[network]()
    hessian = land.hessian().dense()
    groups = td.layer_learning_rates(land, fraction=0.98)
    rates = torch.empty(land.size, dtype=F64)
    for group, place in zip(groups, land.layers.values(), strict=True):
        rates[place] = group["lr"]
    # descent by these rates multiplies the error with I − D H; D H is similar to
    # the symmetric D^½ H D^½
    scaled = rates.sqrt()[:, None] * hessian * rates.sqrt()
    assert float(torch.linalg.eigvalsh(scaled)[-1]) <= 2 * 0.98 * (1 + 1e-9)
    torch.optim.SGD(groups).step()
    owned = [parameter for group in groups for parameter in group["params"]]
    assert [id(p) for p in owned] == [id(p) for p in model.parameters()]


def test_the_coupling_of_positive_layers_is_at_most_their_number() -> None:
    for land in (deep_linear()[1], PROBLEMS["linear regression"](F64).landscape()):
        rows = td.layer_eigenvalues(land)
        rates = layer_rates(land.hessian(), rows, land.layers)
        assert len(rows) == 2
        assert 1 - 1e-3 <= rates.coupling <= len(rows) * 1.02


def test_the_rate_of_a_single_layer_is_the_speed_limits() -> None:
    case = PROBLEMS["mlp"](F64)
    land = case.landscape(parameters="fc2.*")
    [group] = td.layer_learning_rates(land, fraction=0.5)
    assert group["name"] == "fc2"
    assert group["lr"] == pytest.approx(0.5 * td.speed_limit(land).value, rel=2e-2)


def test_layer_rates_are_refused_where_they_mean_nothing() -> None:
    with pytest.raises(ParameterError, match="from a function"):
        td.layer_learning_rates(quadratic(bulk(4)))
    land = PROBLEMS["mlp"](F64).landscape()
    for fraction in (0.0, 1.5):
        with pytest.raises(ArgumentError, match="fraction"):
            td.layer_learning_rates(land, fraction=fraction)
    case = PROBLEMS["linear regression"](F64)
    downward = td.Landscape(
        case.model, lambda out, y: -(out - y).square().mean(), case.batches
    )
    with pytest.raises(ArgumentError, match="No layer bends upward"):
        td.layer_learning_rates(downward)
