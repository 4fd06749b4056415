"""The average is the same however the batches are cut, and in every pass."""

import random
from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

import theodolite as td
from problems import PROBLEMS, Case, cut, labels, normal, ready
from theodolite.errors import DataError, LossError

F64 = torch.float64
Pair = namedtuple("Pair", ["a", "b"])


def merged(batches: Any) -> Any:
    return [tree_map(lambda *parts: torch.cat(parts), *batches)]


def assert_same(one: td.Landscape, other: td.Landscape) -> None:
    assert one.loss() == pytest.approx(other.loss(), rel=1e-10)
    for a, b in (
        (one.gradient(), other.gradient()),
        (one.hessian().dense(), other.hessian().dense()),
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(b.abs().max()))


UNCUT = [name for name in PROBLEMS if name not in {"batch statistics", "checkpointed"}]


@pytest.mark.parametrize("problem", UNCUT)
def test_cutting_the_batches_changes_nothing(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    whole = td.Landscape(
        case.model, case.loss, merged(case.batches), parameters=case.parameters
    )
    assert_same(case.landscape(), whole)


def mlp_case(loss: Any, target: Tensor) -> Case:
    model = PROBLEMS["mlp"](F64).model
    inputs = normal(100, 4, dtype=F64)

    def whole(call: Callable[..., Tensor]) -> Tensor:
        return loss(call(inputs), target)

    return Case(model, loss, cut(inputs, target), whole)


def soft_targets() -> Tensor:
    return normal(100, 3, dtype=F64).softmax(1)


WEIGHTS = torch.tensor([1.0, 4.0, 0.25], dtype=F64)
LOSSES = {
    "mean": (nn.CrossEntropyLoss(), labels(3)),
    "weights": (nn.CrossEntropyLoss(WEIGHTS), labels(3)),
    "ignored class": (nn.CrossEntropyLoss(ignore_index=1), labels(3)),
    "smoothed labels": (nn.CrossEntropyLoss(WEIGHTS, label_smoothing=0.1), labels(3)),
    "probabilities": (nn.CrossEntropyLoss(), soft_targets()),
    "function": (F.cross_entropy, labels(3)),
    "partial": (partial(F.cross_entropy, weight=WEIGHTS, ignore_index=2), labels(3)),
    "mean squared error": (nn.MSELoss(), normal(100, 3, dtype=F64)),
    "lambda": (lambda out, y: (out - y).abs().mean(), normal(100, 3, dtype=F64)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_uneven_batches_average_to_the_loss_of_one_batch(name: str) -> None:
    case = mlp_case(*LOSSES[name])
    wanted = case.average(case.point()).detach()
    assert case.landscape().loss() == pytest.approx(float(wanted), rel=1e-12)
    dense = case.landscape().hessian().dense()
    torch.testing.assert_close(dense, case.hessian(), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(reduction="sum"), partial(F.mse_loss, reduction="sum")]
)
def test_a_sum_is_refused_where_an_average_is_measured(loss: Any) -> None:
    case = mlp_case(loss, normal(100, 3, dtype=F64))
    with pytest.raises(LossError, match=r"\(sum, count\)"):
        case.landscape().loss()


def test_rows_that_do_not_match_are_refused_when_cut() -> None:
    pair = (torch.randn(9, 3), torch.randn(6, 1))
    with pytest.raises(DataError, match=r"\[6, 9\] rows"):
        td.Landscape(nn.Linear(3, 1), nn.MSELoss(), pair, batch_size=3)


def test_a_batch_with_every_target_ignored_has_no_say() -> None:
    case = PROBLEMS["class weights"](F64)
    inputs = normal(8, 4, dtype=F64, seed=8)
    empty = (inputs, torch.full((8,), -1))
    for position in (0, 2, 4):
        batches = [*case.batches[:position], empty, *case.batches[position:]]
        land = td.Landscape(case.model, case.loss, batches)
        assert_same(land, case.landscape())


def test_batch_size_cuts_a_pair_of_tensors() -> None:
    case = PROBLEMS["mlp"](F64)
    [pair] = merged(case.batches)
    land = td.Landscape(case.model, case.loss, pair, batch_size=32)
    assert [batch.samples for batch in land._batches] == [32, 32, 32, 4]
    assert_same(land, case.landscape())


def test_named_tuples_are_inputs_like_tuples() -> None:
    case = PROBLEMS["tuple inputs"](F64)
    batches = [(Pair(*inputs), target) for inputs, target in case.batches]
    assert_same(td.Landscape(case.model, case.loss, batches), case.landscape())


class Augmented(Dataset[tuple[Tensor, Tensor]]):
    """Every sample comes with noise from torch's, numpy's and Python's generators."""

    def __init__(self, noise: float = 0.3) -> None:
        self.inputs, self.target = normal(20, 4, dtype=F64), labels(3, 20)
        self.noise, self.reads = noise, 0

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.reads += 1
        shift = torch.rand(4, dtype=F64) + np.random.rand() + random.random()
        return self.inputs[index] + self.noise * shift, self.target[index]


def shuffled(**settings: Any) -> DataLoader[Any]:
    return DataLoader(Augmented(), batch_size=6, shuffle=True, **settings)


def own_generator() -> DataLoader[Any]:
    return shuffled(generator=torch.Generator().manual_seed(5))


def own_batch_sampler() -> DataLoader[Any]:
    sampler = RandomSampler(range(20), generator=torch.Generator().manual_seed(6))
    return DataLoader(Augmented(), batch_sampler=BatchSampler(sampler, 6, False))


LOADERS = {
    "global state": shuffled,
    "own generator": own_generator,
    "own batch sampler": own_batch_sampler,
}


@pytest.mark.parametrize("memory", [None, 1, 20_000], ids=["kept", "streamed", "part"])
@pytest.mark.parametrize("loader", LOADERS)
def test_a_shuffling_augmenting_loader_gives_one_fixed_operator(
    loader: str, memory: int | None
) -> None:
    data = LOADERS[loader]()
    model = PROBLEMS["mlp"](F64).model
    land = td.Landscape(model, nn.CrossEntropyLoss(), data, memory=memory)
    hessian, vector = land.hessian(), normal(land.size, dtype=F64)
    value, gradient, product = land.loss(), land.gradient(), hessian @ vector
    # what a user does in between must not matter: an epoch, a draw, a seed
    list(data)
    torch.manual_seed(99)
    random.seed(99)
    assert land.loss() == value
    assert torch.equal(land.gradient(), gradient)
    assert torch.equal(hessian @ vector, product)
    assert torch.equal(land.hessian() @ vector, product)


def test_kept_and_streamed_loaders_give_the_same_operator() -> None:
    model = PROBLEMS["mlp"](F64).model
    vector = normal(43, dtype=F64)
    products = [
        td.Landscape(model, nn.CrossEntropyLoss(), shuffled(), memory=memory).hessian()
        @ vector
        for memory in (None, 1)
    ]
    torch.testing.assert_close(*products, rtol=1e-12, atol=1e-12)


def test_data_that_fits_is_read_once() -> None:
    data = shuffled()
    land = td.Landscape(PROBLEMS["mlp"](F64).model, nn.CrossEntropyLoss(), data)
    land.loss()
    reads = data.dataset.reads
    land.gradient()
    land.hessian().dense()
    assert data.dataset.reads == reads


def test_a_loader_weighs_its_short_batch_by_its_samples() -> None:
    data = DataLoader(Augmented(noise=0.0), batch_size=6)
    model = ready(partial(nn.Linear, 4, 3), F64)
    dataset = data.dataset
    wanted = F.cross_entropy(model(dataset.inputs), dataset.target).detach()
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    assert land.loss() == pytest.approx(float(wanted), rel=1e-12)


def test_targets_that_are_written_to_are_counted_anew() -> None:
    source = torch.Generator().manual_seed(0)
    inputs = torch.randn(12, 4, generator=source, dtype=torch.float64)
    labels = torch.randint(0, 3, (12,), generator=source)
    weight = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    loss = nn.CrossEntropyLoss(weight=weight)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(4, 3).double()
    land = td.Landscape(model, loss, (inputs, labels), batch_size=5)

    def fresh() -> float:
        return td.Landscape(model, loss, (inputs, labels), batch_size=5).loss()

    assert land.loss() == fresh()
    labels[:7] = -100
    assert land.loss() == fresh()
    weight[1] = 10.0
    assert land.loss() == fresh()
    loss.ignore_index = 1
    labels[:7] = 1
    assert land.loss() == fresh()
