"""Checkpoints side by side: each row is what the checkpoint alone would give."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from networks import CNN, MLP
from theodolite.errors import ArgumentError, ParameterError

F64 = torch.float64


def networks() -> tuple[td.Landscape, nn.Module, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = MLP(4, 5, 3), MLP(4, 5, 3)
        inputs, labels = torch.randn(60, 4), torch.randint(0, 3, (60,))
    land = td.Landscape(
        first,
        nn.CrossEntropyLoss(),
        (inputs[:40], labels[:40]),
        test=(inputs[40:], labels[40:]),
        name="first",
    )
    return land, first, second


def convolutions() -> tuple[td.Landscape, nn.Module, nn.Module]:
    """Two networks whose running statistics differ."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = CNN(), CNN()
        inputs, labels = torch.randn(30, 2, 4, 4), torch.randint(0, 3, (30,))
        first(inputs)
        second(2 * inputs + 1)
    land = td.Landscape(first.eval(), nn.CrossEntropyLoss(), (inputs, labels))
    return land, first, second.eval()


def test_a_landscape_elsewhere_is_that_of_the_other_model() -> None:
    land, first, second = convolutions()
    before = [t.clone() for t in (*first.parameters(), *first.buffers())]
    there = td.maps.at_place(land, second, name="second")
    inputs, labels = next(iter(land.batches)).raw
    expected = td.Landscape(second, nn.CrossEntropyLoss(), (inputs, labels))
    assert there.loss() == expected.loss()
    assert torch.equal(there.point, expected.point)
    assert there.name == "second"
    torch.testing.assert_close(there.gradient(), expected.gradient())
    vector = torch.ones(land.size)
    torch.testing.assert_close(there.hessian() @ vector, expected.hessian() @ vector)
    after = [*first.parameters(), *first.buffers()]
    assert all(map(torch.equal, before, after))


def test_everything_is_measured_elsewhere_as_on_the_other_model() -> None:
    land, _, second = convolutions()
    there = td.maps.at_place(land, second)
    data = next(iter(land.batches)).raw
    own = td.Landscape(second, nn.CrossEntropyLoss(), data)
    for measure in (
        lambda one: td.gauss_newton_diagonal(one).value,
        lambda one: td.eigsh(one.hessian(), 3).values,
        lambda one: one.gauss_newton() @ torch.ones(one.size),
        lambda one: one.to(F64).gradient(),
        lambda one: one.hessian(dtype=F64) @ torch.ones(one.size, dtype=F64),
        lambda one: td.plane(one, steps=3, span=0.1).loss,
        lambda one: td.maps.Place(one.point).point,
    ):
        torch.testing.assert_close(measure(there), measure(own), rtol=1e-5, atol=1e-6)


def test_a_penalty_that_holds_the_model_is_measured_elsewhere_too() -> None:
    land, first, second = networks()
    inputs, labels = next(iter(land.batches)).raw

    def penalised(output: Tensor, target: Tensor) -> Tensor:
        weights = sum(w.square().sum() for w in first.parameters())
        return nn.functional.cross_entropy(output, target) + 0.3 * weights

    land = td.Landscape(first, penalised, (inputs, labels))
    there = td.maps.at_place(land, second)
    point = there.point
    penalty = 0.3 * float(point.square().sum())
    plain = td.Landscape(second, nn.CrossEntropyLoss(), (inputs, labels))
    assert there.loss() == pytest.approx(plain.loss() + penalty, rel=1e-6)
    wide = land.to(F64)
    assert wide.loss(point.double()) == pytest.approx(there.loss(), rel=1e-6)
    torch.testing.assert_close(wide.gradient(point.double()).float(), there.gradient())
    vector = torch.ones(land.size, dtype=F64)
    exact = (plain.to(F64).hessian() @ vector) + 0.6 * vector
    there_wide = td.maps.at_place(land, second).hessian(dtype=F64)
    torch.testing.assert_close(there_wide @ vector, exact)


class Penalised(nn.Module):
    """A loss that holds the model as a module of its own."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        weights = sum(w.square().sum() for w in self.model.parameters())
        return nn.functional.cross_entropy(output, target) + 0.3 * weights


def test_a_loss_module_that_holds_the_model_sees_it_in_other_types() -> None:
    land, first, _ = networks()
    data = next(iter(land.batches)).raw
    held = td.Landscape(first, Penalised(first), data)
    plain = td.Landscape(first, nn.CrossEntropyLoss(), data)
    vector = torch.ones(land.size, dtype=F64)
    exact = plain.hessian(dtype=F64) @ vector + 0.6 * vector
    torch.testing.assert_close(held.hessian(dtype=F64) @ vector, exact)


def test_a_function_is_moved_too() -> None:
    land = td.Landscape.from_function(lambda w: w.square().sum(), torch.ones(3))
    there = td.maps.at_place(land, torch.tensor([2.0, 0.0, 0.0]))
    assert there.loss() == 4.0
    assert land.loss() == 3.0
    with pytest.raises(ParameterError, match="3 parameters"):
        td.maps.at_place(land, torch.ones(2))


def test_every_row_is_what_the_checkpoint_alone_gives() -> None:
    land, first, second = networks()
    found = td.maps.compare(land, {"a": None, "b": second}, eigenvalues=3)
    for name, model in (("a", first), ("b", second)):
        row = found[name]
        alone = td.maps.at_place(land, model)
        assert row.loss == alone.loss()
        assert alone.test is not None
        assert row.test_loss == alone.test.loss()
        dense = torch.linalg.eigvalsh(alone.hessian().dense().double())
        top = dense.flip(0)[:3]
        scale = float(dense.abs().max())
        torch.testing.assert_close(
            row.eigenvalues.values.double(), top, atol=2e-3 * scale, rtol=0
        )
        lowest = float(row.lowest.values[0])
        assert lowest == pytest.approx(float(dense[0]), abs=0.02 * scale)
        trace = row.sharpness.trace
        assert trace.low - 0.02 * scale <= float(dense.sum())
        assert float(dense.sum()) <= trace.high + 0.02 * scale
        with torch.no_grad():
            inputs, labels = next(iter(land.batches)).raw
            wrong = (model(inputs).argmax(1) != labels).double().mean()
        assert row.error == pytest.approx(float(wrong))
    path = found.paths["a", "b"]
    assert path.barrier.value >= 0
    assert found.distances["a", "b"] == pytest.approx(
        float((land.point - td.maps.at_place(land, second).point).norm()), rel=1e-6
    )
    text = repr(found)
    assert "test error" in text
    assert "a – b" in text


def test_functions_are_compared_without_errors_of_classes() -> None:
    def wells(w: Tensor) -> Tensor:
        return (w[0] ** 2 - 1) ** 2 + 3 * w[1] ** 2

    land = td.Landscape.from_function(wells, torch.tensor([1.0, 0.0], dtype=F64))
    other = torch.tensor([-1.0, 0.0], dtype=F64)
    found = td.maps.compare(land, {"right": None, "left": other})
    assert found.paths["right", "left"].barrier.value == pytest.approx(1.0, abs=1e-3)
    assert "error" not in repr(found).replace("test", "")
    assert found.to_dict()["rows"][0]["name"] == "right"


def test_a_budget_of_time_is_shared_out_and_what_is_missing_is_said() -> None:
    land = td.builtin("digits-mlp")
    found = td.maps.compare(
        land, {"a": None, "b": td.builtin("digits-mlp", seed=1).model}, budget="0.5s"
    )
    assert "not resolved" in repr(found) or "…" in repr(found)
    assert found["a"].loss == land.loss()


def test_what_cannot_be_compared_is_refused_with_advice() -> None:
    land, _, second = networks()
    with pytest.raises(ArgumentError, match="nothing to compare"):
        td.maps.compare(land, {})
    with pytest.raises(ParameterError, match="same architecture"):
        td.maps.compare(land, {"other": CNN()})
    found = td.maps.compare(land, {"b": second}, eigenvalues=1)
    with pytest.raises(ArgumentError, match="'c'"):
        found["c"]
    assert found.paths == {}


def test_ways_between_two_checkpoints_stand_in_one_table(tmp_path: Path) -> None:
    land = td.builtin("digits-mlp")
    other = td.builtin("digits-mlp", seed=1).model
    found = td.maps.ways(land, None, other, ("straight", "aligned", "bezier"))
    straight = found["straight"].barrier.value
    assert found["aligned"].barrier.value < 0.5 * straight
    assert found["bezier"].barrier.value < 0.05 * straight
    assert found.alignment is not None
    assert found.alignment.deviation < 1e-5
    text = repr(found)
    assert "aligned" in text
    assert "on test data" in text
    picture = found.figure(tmp_path / "ways.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError, match="neb"):
        found["neb"]
    with pytest.raises(ArgumentError, match="straight"):
        td.maps.ways(land, None, other, ("bezir",))
