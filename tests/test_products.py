"""Products, values and gradients against dense references of other making."""

import weakref
from typing import Any

import pytest
import torch

from dense import relative
from problems import PROBLEMS, dense_reference, normal
from theodolite.products.double_backward import GradientGraph

RELATIVE = {torch.float64: 1e-9, torch.float32: 1e-5}
KEPT_AND_STREAMED = [None, 0]

every_problem = pytest.mark.parametrize("problem", PROBLEMS)


@every_problem
@pytest.mark.parametrize("dtype", RELATIVE, ids=str)
def test_hessian_equals_the_dense_reference(problem: str, dtype: torch.dtype) -> None:
    wanted = dense_reference(problem)
    case = PROBLEMS[problem](dtype)
    dense = case.landscape().hessian().dense()
    assert dense.dtype == dtype
    assert relative(dense, wanted) <= RELATIVE[dtype]


@every_problem
@pytest.mark.parametrize("dtype", RELATIVE, ids=str)
def test_streamed_products_equal_the_dense_reference(
    problem: str, dtype: torch.dtype
) -> None:
    wanted = dense_reference(problem)
    hessian = PROBLEMS[problem](dtype).landscape(memory=0).hessian()
    vectors = normal(len(wanted), 3, dtype=torch.float64)
    columns = torch.stack([hessian @ column for column in vectors.T], 1)
    assert relative(columns, wanted @ vectors) <= RELATIVE[dtype]
    assert relative(hessian @ vectors, wanted @ vectors) <= RELATIVE[dtype]
    assert hessian.store.kept == 0


@every_problem
def test_value_and_gradient_equal_the_reference(problem: str) -> None:
    case = PROBLEMS[problem](torch.float64)
    land, average = case.landscape(), case.average(case.point()).detach()
    assert land.loss() == pytest.approx(float(average), rel=1e-12)
    assert relative(land.gradient(), case.gradient()) <= 1e-10


@every_problem
def test_everything_is_right_away_from_the_model(problem: str) -> None:
    case = PROBLEMS[problem](torch.float64)
    point = case.point() + 0.3 * normal(len(case.point()), dtype=torch.float64)
    value, gradient = float(case.average(point).detach()), case.gradient(point.clone())
    vector = normal(len(point), dtype=torch.float64, seed=4)
    product = torch.autograd.functional.vhp(case.average, point, vector)[1]
    for memory in KEPT_AND_STREAMED:
        land = case.landscape(memory=memory)
        assert land.loss(point) == pytest.approx(value, rel=1e-12)
        assert relative(land.gradient(point), gradient) <= 1e-10
        hessian = land.hessian(point=point)
        assert relative(hessian @ vector, product) <= 1e-9
        assert relative(hessian @ vector, product) <= 1e-9


@pytest.mark.parametrize("problem", ["mlp", "scaled dot product", "tied weights"])
def test_products_equal_central_differences_of_gradients(problem: str) -> None:
    case = PROBLEMS[problem](torch.float64)
    land, point, step = case.landscape(), case.point(), 1e-6
    vector = torch.ones(land.size, dtype=torch.float64)
    ahead, behind = (land.gradient(point + s * vector) for s in (step, -step))
    # rounding, eps / step, and truncation, step² times a third derivative: both 1e-9
    assert relative(land.hessian() @ vector, (ahead - behind) / (2 * step)) <= 1e-7


@pytest.mark.parametrize(("memory", "engine"), [(None, "retained"), (0, "double")])
def test_graphs_are_kept_where_they_fit(memory: int | None, engine: str) -> None:
    hessian = PROBLEMS["mlp"](torch.float64).landscape(memory=memory).hessian()
    hessian @ torch.ones(hessian.shape[0])
    assert hessian.store.engine.startswith(engine)
    assert hessian.store.kept == (4 if memory is None else 0)
    assert (hessian.store.kept_bytes > 0) == (memory is None)


def test_graphs_are_kept_in_part_where_not_all_fit() -> None:
    case = PROBLEMS["mlp"](torch.float64)
    whole = case.landscape().hessian()
    dense = whole.dense()
    # the memory for graphs: all kept ones hold no more than this
    memory = int(whole.store.kept_bytes * 0.8)
    part = case.landscape(memory=memory).hessian()
    assert relative(part.dense(), dense) <= 1e-14
    assert 0 < part.store.kept < 4
    assert part.store.kept_bytes <= memory


def test_products_are_counted_one_by_one() -> None:
    hessian = PROBLEMS["mlp"](torch.float64).landscape().hessian()
    hessian @ torch.ones(43)
    hessian @ torch.ones(43, 5)
    assert hessian.products == 6


def test_products_do_not_depend_on_the_callers_autocast() -> None:
    hessian = PROBLEMS["mlp"](torch.float32).landscape().hessian()
    vector = torch.ones(hessian.shape[0])
    plain = hessian @ vector
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.equal(hessian @ vector, plain)


def test_the_operator_stays_at_its_point_when_the_model_moves_on() -> None:
    case = PROBLEMS["mlp"](torch.float64)
    for memory in KEPT_AND_STREAMED:
        hessian = case.landscape(memory=memory).hessian()
        before = hessian @ torch.ones(43)
        with torch.no_grad():
            for parameter in case.model.parameters():
                parameter.mul_(1.5)
        assert torch.equal(hessian @ torch.ones(43), before)


def test_a_block_holds_the_parts_of_one_product_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They may be views of far larger tensors: all of them would fill any memory."""
    hessian = PROBLEMS["cnn with batch norm"](torch.float64).landscape().hessian()
    hessian @ normal(hessian.shape[0], dtype=torch.float64)
    alive: list[weakref.ref[torch.Tensor]] = []
    most, multiply = 0, GradientGraph.product

    def watched(*arguments: Any) -> list[torch.Tensor | None]:
        nonlocal most
        found = multiply(*arguments)
        most = max(most, sum(part() is not None for part in alive))
        alive.extend(weakref.ref(part) for part in found if part is not None)
        return found

    monkeypatch.setattr(GradientGraph, "product", watched)
    hessian @ normal(hessian.shape[0], 12, dtype=torch.float64)
    assert len(alive) >= 12
    assert most <= len(alive) // 12
