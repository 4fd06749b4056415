"""The error that the data leave, through a landscape; the model is left untouched."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import theodolite as td
from dense import F64
from populations import of_gradients
from problems import normal, ready
from theodolite.errors import ArgumentError, DataError
from theodolite.operators.by_batch import each_product
from theodolite.site.data_error import data_error
from theodolite.site.other_data.groups import grouped
from theodolite.site.other_data.jackknife import jackknife, left_out, mean_of
from theodolite.site.other_data.spread_rows import eigenvalue_row, gradient_row

NAMES = ("loss", "gradient_norm", "largest_eigenvalue", "trace")


def network(dtype: torch.dtype = F64, width: int = 4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 3)
        return nn.Sequential(*layers).to(dtype)


def regression(dtype: torch.dtype = F64) -> td.Landscape:
    """Few parameters, whose diagonal is summed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Linear(4, 3, dtype=dtype)
    return td.Landscape(model, nn.CrossEntropyLoss(), data(dtype=dtype))


def data(samples: int = 200, dtype: torch.dtype = F64) -> tuple[Tensor, Tensor]:
    x = normal(samples, 4, dtype=dtype)
    return x, x[:, :3].argmax(1)


def landscape(samples: int = 200, dtype: torch.dtype = F64) -> td.Landscape:
    return td.Landscape(network(dtype), nn.CrossEntropyLoss(), data(samples, dtype))


def test_all_numbers_are_those_of_dense_groups() -> None:
    land = landscape()
    groups = grouped(land, 8, 0)
    shares, parts = groups.shares, []
    groups.land.each_batch(
        lambda evaluate, leaves, batch: parts.append((batch.inputs, batch.target))
    )
    model, loss = network(), nn.CrossEntropyLoss()
    alone = [td.Landscape(model, loss, part) for part in parts]
    hessians = torch.stack([one.hessian().dense() for one in alone])
    gradients = torch.stack([one.gradient() for one in alone])
    kinds = ["gradient_norm", "largest_eigenvalue"]
    found = data_error(land, quantities=kinds, groups=8)
    assert found["largest_eigenvalue"].value == pytest.approx(
        float(torch.linalg.eigvalsh(land.hessian().dense())[-1]), rel=1e-5
    )
    wanted = gradient_row(of_gradients(gradients, shares))
    assert found["gradient_norm"].interval == pytest.approx(wanted.interval, rel=1e-8)
    assert found["gradient_norm"].corrected == pytest.approx(wanted.corrected, rel=1e-8)
    true_values = torch.linalg.eigvalsh(
        left_out(mean_of(hessians, shares), hessians, shares)
    )[:, -1]
    whole = float(torch.linalg.eigvalsh(mean_of(hessians, shares))[-1])
    spread = jackknife(whole, true_values, shares)
    top = eigenvalue_row(whole, spread)
    # beside six vectors to second order alone
    assert found["largest_eigenvalue"].bias == pytest.approx(top.bias, rel=0.1)
    assert found["largest_eigenvalue"].error == pytest.approx(top.error, rel=0.05)


@pytest.mark.parametrize("deflated", [False, True])
def test_the_trace_is_that_of_the_hessian_within_its_probes(deflated: bool) -> None:
    land = td.Landscape(network(width=24), nn.CrossEntropyLoss(), data())
    kinds = ["largest_eigenvalue", "trace"][not deflated :]
    row = data_error(land, quantities=kinds, groups=5, rtol=0.4)["trace"]
    exact = float(land.hessian().dense().trace())
    assert row.probe_error > 0
    # 99.99 % of Student's t with the 7 degrees of freedom of 8 probes
    assert abs(row.value - exact) < 8 * row.probe_error
    assert row.probe_error <= max(row.error, 0.4 * abs(row.value)) / 2


def test_few_parameters_have_their_diagonal_summed() -> None:
    land = regression()
    row = data_error(land, quantities=["trace"])["trace"]
    assert row.value == pytest.approx(float(land.hessian().dense().trace()), rel=1e-10)
    assert row.probe_error == 0


def test_products_by_batch_average_to_the_product() -> None:
    x, y = data()
    cuts = [80, 80, 40]
    batches = list(zip(x.split(cuts), y.split(cuts), strict=True))
    hessian = td.Landscape(network(), nn.CrossEntropyLoss(), batches).hessian()
    block = normal(hessian.shape[0], 3, dtype=F64)
    found: list[tuple[Tensor, float]] = []
    each_product(hessian, block, lambda rows, weight: found.append((rows, weight)))
    assert [weight for _, weight in found] == cuts
    assert hessian.products == 3
    total = sum((rows.T * weight for rows, weight in found), torch.zeros(()))
    torch.testing.assert_close(total / 200, hessian @ block)


def test_a_small_sample_of_digits_is_too_steep_and_its_bias_says_so() -> None:
    whole = td.builtin("digits-mlp")
    true = float(td.eigsh(whole.hessian(), 1).values[0])
    rows = [
        data_error(
            whole, samples=128, seed=seed, quantities=["largest_eigenvalue"], groups=10
        )["largest_eigenvalue"]
        for seed in range(2)
    ]
    assert all(row.bias > 0 for row in rows)
    assert all(row.low < true < row.high for row in rows)
    assert sum(row.value for row in rows) / 2 > true


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_narrow_types_say_the_same(dtype: torch.dtype) -> None:
    # both compute with the same numbers
    narrow = landscape(dtype=dtype)
    wide = narrow.to(F64)
    kinds = ["loss", "gradient_norm", "largest_eigenvalue"]
    found, wanted = (
        data_error(one, quantities=kinds, groups=8) for one in (narrow, wide)
    )
    # rounding beside errors of a tenth
    tolerance = 1e-3 if dtype == torch.float32 else 0.2
    for name in kinds:
        assert found[name].value == pytest.approx(wanted[name].value, rel=tolerance)
        assert found[name].error == pytest.approx(wanted[name].error, rel=2 * tolerance)


def test_the_same_seed_says_the_same_and_another_another() -> None:
    land = regression()
    first, again, other = (data_error(land, seed=seed, groups=8) for seed in (1, 1, 2))
    assert first.rows == again.rows
    assert first["loss"].error != other["loss"].error
    assert first["loss"].value == pytest.approx(other["loss"].value, rel=1e-12)


def test_the_model_is_left_as_it_was() -> None:
    land = regression()
    assert land.model is not None
    before = {key: value.clone() for key, value in land.model.state_dict().items()}
    state = torch.get_rng_state()
    data_error(land, groups=8)
    assert all(torch.equal(land.model.state_dict()[key], before[key]) for key in before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in land.model.parameters())


def test_it_tells_what_was_found() -> None:
    found = data_error(regression())
    assert list(found) == list(NAMES)
    assert "On 200 of 200 samples, in 40 groups" in repr(found)
    assert "of it bias" in repr(found)
    plain = found.to_dict()
    assert plain["outcome"] == "converged"
    assert plain["rows"]["loss"]["error"] == found["loss"].error
    assert found["loss"].interval == (found["loss"].low, found["loss"].high)
    assert found.bytes > 0


def test_sorted_samples_are_dealt_out_at_random() -> None:
    x, y = data(400)
    order = y.argsort()
    model, loss = network(), nn.CrossEntropyLoss()
    shuffled = data_error(td.Landscape(model, loss, (x, y)), quantities=["loss"])
    ordered = td.Landscape(model, loss, (x[order], y[order]), batch_size=100)
    found = data_error(ordered, quantities=["loss"])["loss"]
    # 4 standard errors of both errors' own spread, with 39 degrees of freedom
    allowed = 4 * sqrt(2 / (2 * 39))
    assert found.error == pytest.approx(shuffled["loss"].error, rel=allowed)


def test_batches_of_tokens_weigh_what_they_count() -> None:
    x, y = data(90)
    ignored = torch.arange(90) < 45
    targets = torch.where(ignored & (torch.arange(90) % 3 > 0), -100, y)
    batches = list(zip(x.split([60, 30]), targets.split([60, 30]), strict=True))
    land = td.Landscape(network(), nn.CrossEntropyLoss(), batches)
    found = data_error(land, quantities=["loss", "gradient_norm"])
    assert found["loss"].value == pytest.approx(land.loss(), rel=1e-12)
    assert found["gradient_norm"].value == pytest.approx(float(land.gradient().norm()))


def coupled(output: Tensor, target: Tensor) -> Tensor:
    """No mean over samples."""
    return cross_entropy(output, target).square()


def test_a_loss_that_is_no_mean_keeps_its_batches() -> None:
    x, y = data()
    batches = list(zip(x.split(20), y.split(20), strict=True))
    land = td.Landscape(network(), coupled, batches)
    found = data_error(land, quantities=["loss"])
    assert found.groups == 10
    assert found["loss"].freedom == 9
    assert "whole batches, too few for more than a rough error" in str(found.outcome)


def test_batch_statistics_keep_their_batches() -> None:
    x, y = data()
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    batches = list(zip(x.split(20), y.split(20), strict=True))
    land = td.Landscape(model, nn.CrossEntropyLoss(), batches, batch_statistics=True)
    assert data_error(land, quantities=["loss"]).groups == 10


@pytest.mark.parametrize("kind", ["no mean", "batch statistics"])
def test_a_single_batch_that_cannot_be_cut_is_refused(kind: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).double()
    land = (
        td.Landscape(network(), coupled, data())
        if kind == "no mean"
        else td.Landscape(model, nn.CrossEntropyLoss(), data())
    )
    with pytest.raises(DataError, match="cannot be cut into groups"):
        data_error(land)


def test_the_budget_is_kept_and_what_it_leaves_is_said() -> None:
    found = data_error(landscape(), budget=30, groups=12)
    assert found.products <= 30
    assert found.outcome.name == "budget"
    assert "Raise budget" in str(found.outcome)


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.done: list[float] = []
        self.closed = 0

    def update(self, stage: str, done: float, left: float) -> None:
        assert stage == "data error"
        self.done.append(done)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("samples", [None, "auto"])
def test_it_says_how_far_it_is(samples: str | None) -> None:
    watcher = Listener()
    data_error(
        regression(), quantities=["trace"], samples=samples, groups=4, progress=watcher
    )
    assert watcher.done[0] == 0
    assert watcher.done[-1] == 1
    assert watcher.closed == 1


def test_frozen_weights_are_left_out_as_in_the_landscape() -> None:
    model = network()
    model.get_submodule("0").requires_grad_(False)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data())
    found = data_error(land, quantities=["largest_eigenvalue"])
    exact = torch.linalg.eigvalsh(land.hessian().dense())[-1]
    assert found["largest_eigenvalue"].value == pytest.approx(float(exact), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantities": ["median"]}, "'median' among quantities"),
        ({"quantities": []}, "No quantities"),
        ({"groups": 1}, "A single group has no spread"),
        ({"rtol": 0}, "rtol=0"),
        ({"samples": "all"}, "samples='all'"),
        ({"samples": 0}, "A sample of 0"),
    ],
)
def test_what_cannot_be_used_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        data_error(landscape(), **settings)


def test_a_function_has_no_data() -> None:
    land = td.Landscape.from_function(lambda w: w @ w, torch.ones(3))
    with pytest.raises(ArgumentError, match="has no data"):
        data_error(land)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
def test_a_fitted_models_data_are_cut_although_its_loss_rounds(
    dtype: torch.dtype,
) -> None:
    inputs = normal(200, 5, dtype=dtype)
    line = ready(lambda: nn.Linear(5, 1, bias=False), dtype)
    noise = 1e-4 * normal(200, 1, dtype=dtype, seed=1)
    targets = line(inputs).detach() + noise
    found = td.data_error(td.Landscape(line, nn.MSELoss(), (inputs, targets)))
    assert found["loss"].value == pytest.approx(float(noise.square().mean()), rel=1e-2)
    assert found.groups == 40
