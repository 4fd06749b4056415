"""Connecting points whatever happens: Ctrl-C, poles, data that do not stay."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isinf, isnan
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
import valleys
from connections import EVERY, METHODS
from dense import F64
from networks import CNN, MLP
from problems import labels, normal, ready
from theodolite.errors import NonFiniteError
from theodolite.maps.connect import connect
from valleys import at


def everything(model: nn.Module) -> list[Any]:
    """All that a measurement could change."""
    state = [tensor.clone() for tensor in model.state_dict().values()]
    grads = [w.grad if w.grad is None else w.grad.clone() for w in model.parameters()]
    modes = [(m.training, getattr(m, "momentum", None)) for m in model.modules()]
    return [state, grads, modes, torch.get_rng_state(), *map(id, model.parameters())]


def same(left: list[Any], right: list[Any]) -> bool:
    return all(
        torch.equal(a, b) if isinstance(a, Tensor) else a == b
        for a, b in zip(_flat(left), _flat(right), strict=True)
    )


def _flat(nest: Any) -> Iterator[Any]:
    if isinstance(nest, list):
        for part in nest:
            yield from _flat(part)
    else:
        yield nest


@contextmanager
def stopped_after(model: nn.Module, calls: int) -> Iterator[None]:
    left = calls

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    handle = model.register_forward_pre_hook(count)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("calls", [6, 60, 150])
@pytest.mark.parametrize("method", METHODS)
def test_control_c_propagates_and_leaves_the_model_untouched(
    method: str, calls: int
) -> None:
    model = ready(CNN, torch.float32).eval()
    data = normal(300, 2, 4, 4, dtype=torch.float32), labels(3, 300)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    before = everything(model)
    with pytest.raises(KeyboardInterrupt), stopped_after(model, calls):
        connect(land, None, -land.point, method)
    assert same(everything(model), before)


@pytest.mark.parametrize("method", EVERY)
def test_the_model_comes_back_as_it_was(method: str) -> None:
    model = ready(CNN, torch.float32).eval()
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    data = normal(300, 2, 4, 4, dtype=torch.float32), labels(3, 300)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    before = everything(model)
    path = connect(land, None, -land.point, method, budget=5)
    assert path.batch_norm == "re-estimated"
    assert same(everything(model), before)


@pytest.mark.parametrize("method", METHODS)
def test_a_pole_on_the_line_is_gone_around(method: str) -> None:
    land = valleys.of(lambda w: 1 / w.square().sum(), at(1, 0))
    line = connect(land, at(-1, 0), at(1, 0), "straight")
    assert isinf(line.barrier.value)
    assert isnan(line.barrier.error) or line.barrier.error == 0
    path = connect(land, at(-1, 0), at(1, 0), method, budget=600)
    assert isinf(path.straight_barrier)
    assert path.barrier.value < 1


def test_a_hole_on_the_line_is_not_taken_for_low() -> None:
    land = valleys.of(lambda w: (w.square().sum() - 0.1).sqrt(), at(1, 0))
    line = connect(land, at(-1, 0), at(1, 0), "straight")
    assert isnan(line.barrier.value)
    assert bool(line.loss.isnan().any())
    path = connect(land, at(-1, 0), at(1, 0), "polychain", budget=300)
    assert path.barrier.value >= 0 or isnan(path.barrier.value)


def test_an_end_without_a_loss_is_refused() -> None:
    land = valleys.of(lambda w: w.log().sum(), at(1, 2))
    for method in ("straight", "bezier"):
        with pytest.raises(NonFiniteError, match="second end is nan"):
            connect(land, None, at(-1, 2), method)


def test_data_that_are_read_anew_in_every_pass() -> None:
    x, y = normal(300, 4, dtype=F64), labels(3, 300)
    loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
    model = ready(lambda: MLP(4, 5, 3), F64)
    land = td.Landscape(model, nn.CrossEntropyLoss(), loader, memory=64)
    whole = td.Landscape(model, nn.CrossEntropyLoss(), (x, y))
    other = land.point + normal(land.size, dtype=F64, seed=8)
    path = connect(land, None, other, budget=20)
    assert land.batches.kept is None
    assert path.barrier.value <= path.straight_barrier
    straight_one = connect(whole, None, other, "straight")
    assert path.straight_barrier == pytest.approx(straight_one.barrier.value)


def test_dropout_that_is_frozen_stays_frozen() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 3)).double()
    data = normal(200, 4, dtype=F64), labels(3, 200)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data, seed=1)
    path = connect(land, None, -land.point, budget=10)
    direct = [land.loss(point) for point in path.points]
    torch.testing.assert_close(path.loss, torch.tensor(direct, dtype=F64))
