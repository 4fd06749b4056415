"""Dropout and batch norm in training mode: one fixed operator, or advice."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import theodolite as td
from dense import by_name, dense, relative, uneven
from networks import CNN, MLP
from problems import normal, ready
from theodolite.errors import ProductError, RandomLossError
from watch import nothing_changes, random_state

F64 = torch.float64
CE = nn.CrossEntropyLoss()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]


class Dropping(MLP):
    """Dropout between two layers, computed again in the backward pass if wanted."""

    def __init__(self, again: bool = False) -> None:
        super().__init__(4, 5, 3)
        self.drop, self.again = nn.Dropout(0.4), again

    def hidden(self, x: Tensor) -> Tensor:
        return self.drop(torch.tanh(self.fc1(x)))

    def forward(self, x: Tensor) -> Tensor:
        if self.again:
            return self.fc2(checkpoint(self.hidden, x, use_reentrant=False))
        return self.fc2(self.hidden(x))


def masked_loss(flat: Tensor, model: nn.Module, data: Any, seed: int) -> Tensor:
    """The average over all samples, with the masks of every batch drawn by hand."""
    weights, total = by_name(model, flat), torch.zeros((), dtype=F64)
    for number, (x, y) in enumerate(data):
        torch.manual_seed(seed + number)
        mask = torch.empty(len(x), 5, dtype=F64).bernoulli_(0.6) / 0.6
        hidden = torch.tanh(F.linear(x, weights["fc1.weight"], weights["fc1.bias"]))
        output = F.linear(mask * hidden, weights["fc2.weight"], weights["fc2.bias"])
        total = total + F.cross_entropy(output, y, reduction="sum")
    return total / 20


@pytest.mark.parametrize("again", [False, True], ids=["plain", "checkpointed"])
class TestDropout:
    @pytest.fixture
    def model(self, again: bool) -> nn.Module:
        return ready(partial(Dropping, again), F64).train()

    @pytest.fixture
    def wanted(self, model: nn.Module) -> Tensor:
        data = uneven(4)
        with torch.random.fork_rng(devices=[]):
            point = torch.cat([w.detach().flatten() for w in model.parameters()])
            return dense(partial(masked_loss, model=model, data=data, seed=7), point)

    @pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
    @pytest.mark.parametrize(
        "products", ["auto", "double-backward", "primitive-operations", "traced"]
    )
    def test_a_seed_makes_one_operator(
        self, model: nn.Module, wanted: Tensor, products: str, memory: Any, again: bool
    ) -> None:
        land = td.Landscape(model, CE, uneven(4), seed=7, memory=memory)
        hessian, v = land.hessian(products=products), normal(land.size, dtype=F64)
        if again and products == "traced":
            # a program draws the mask of the second pass anew, and the check sees it
            with pytest.raises(ProductError, match="not symmetric"):
                hessian @ v
            return
        with nothing_changes(model):
            found = hessian.dense()
            assert torch.equal(hessian @ v, hessian @ v)
        assert relative(found, wanted) <= 1e-12
        assert relative(found, found.T) <= 1e-12

    def test_all_measurements_see_the_same_masks(
        self, model: nn.Module, wanted: Tensor
    ) -> None:
        data = uneven(4)
        land = td.Landscape(model, CE, data, seed=7)
        v = normal(land.size, dtype=F64)
        differences = land.hessian(products="gradient-difference") @ v
        assert relative(differences, wanted @ v) <= 1e-6
        with torch.random.fork_rng(devices=[]):
            value = float(masked_loss(land.point, model, data, 7))
        assert land.loss() == pytest.approx(value, rel=1e-12)
        step = 1e-5 * normal(land.size, dtype=F64)
        slope = land.loss(land.point + step) - land.loss(land.point - step)
        assert slope / 2 == pytest.approx(float(land.gradient() @ step), rel=1e-6)
        gauss_newton = land.gauss_newton().dense()
        assert float(torch.linalg.eigvalsh(gauss_newton)[0]) >= -1e-12
        if not getattr(model, "again", False):
            diagonal = td.gauss_newton_diagonal(land).value
            assert relative(diagonal, gauss_newton.diagonal()) <= 1e-9
        assert td.eigsh(land.hessian(), 1, tol=1e-8).values[0] == pytest.approx(
            float(torch.linalg.eigvalsh(wanted)[-1])
        )

    def test_another_seed_is_another_operator(self, model: nn.Module) -> None:
        one, other = (
            td.Landscape(model, CE, uneven(4), seed=seed).hessian().dense()
            for seed in (7, 8)
        )
        assert relative(other, one) > 1e-2

    def test_the_global_random_state_has_no_say(self, model: nn.Module) -> None:
        land = td.Landscape(model, CE, uneven(4), seed=7, memory=0)
        hessian, v = land.hessian(), torch.ones(land.size)
        before, first = random_state(), hessian @ v
        assert random_state() == before
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            assert torch.equal(hessian @ v, first)

    def test_without_a_seed_it_is_refused_with_the_advice(
        self, model: nn.Module
    ) -> None:
        with pytest.raises(RandomLossError, match=r"drop \(Dropout\)[\s\S]*seed=0"):
            td.Landscape(model, CE, uneven(4)).hessian()


class TestBatchStatistics:
    @pytest.fixture
    def model(self) -> nn.Module:
        return ready(CNN, F64).train()

    @pytest.fixture
    def wanted(self, model: nn.Module) -> Tensor:
        data = uneven(2, 4, 4)

        def average(flat: Tensor) -> Tensor:
            buffers = {name: b.clone() for name, b in model.named_buffers()}
            state = by_name(model, flat) | buffers
            means = [
                F.cross_entropy(functional_call(model, state, (x,)), y) for x, y in data
            ]
            return (8 * means[0] + 8 * means[1] + 4 * means[2]) / 20

        point = torch.cat([w.detach().flatten() for w in model.parameters()])
        return dense(average, point)

    @pytest.mark.parametrize(
        ("products", "memory"),
        [("auto", None), ("auto", 0), ("primitive-operations", None), ("traced", None)],
    )
    def test_on_request_every_batch_has_its_own(
        self, model: nn.Module, wanted: Tensor, products: str, memory: Any
    ) -> None:
        land = td.Landscape(
            model, CE, uneven(2, 4, 4), batch_statistics=True, memory=memory
        )
        with nothing_changes(model):
            found = land.hessian(products=products).dense()
        assert relative(found, wanted) <= 1e-9

    def test_eigenvalues_and_surveys_work(
        self, model: nn.Module, wanted: Tensor
    ) -> None:
        land = td.Landscape(model, CE, uneven(2, 4, 4), batch_statistics=True)
        values = torch.linalg.eigvalsh(wanted).flip(0)
        measure = td.survey  # imported here, and rich draws a number when it is
        with nothing_changes(model):
            pairs = td.eigsh(land.hessian(), 2, tol=1e-6)
            survey = measure(land, 0.5)
        torch.testing.assert_close(pairs.values, values[:2])
        assert "speed limit" in str(survey)

    def test_without_the_request_it_is_refused_with_the_advice(
        self, model: nn.Module
    ) -> None:
        land = td.Landscape(model, CE, uneven(2, 4, 4))
        with (
            nothing_changes(model),
            pytest.raises(
                RandomLossError,
                match=r"norm \(BatchNorm2d\)[\s\S]*batch_statistics=True",
            ),
        ):
            land.hessian()
