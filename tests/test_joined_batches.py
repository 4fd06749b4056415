"""Small batches are joined where that gives the same averages, and nowhere else."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
from networks import MLP
from theodolite.batches import Batch
from theodolite.maps.joined_batches import alike, in_larger

F64 = torch.float64


def data(count: int = 50) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 4, generator=source, dtype=F64)
    return inputs, torch.randint(0, 3, (count,), generator=source)


def model() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLP(4, 5, 3).double()


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.sizes = model(), []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        return self.inner(x)


def test_rows_are_joined_in_order_up_to_a_size() -> None:
    inputs, labels = data()
    batches = [
        Batch(inputs[i : i + 7], labels[i : i + 7], i // 7) for i in range(0, 50, 7)
    ]
    (whole,) = in_larger(batches) or []
    assert torch.equal(whole.inputs, inputs)
    assert torch.equal(whole.target, labels)
    assert in_larger([Batch(inputs, labels)]) is None
    assert in_larger([Batch(inputs, 3.0), Batch(inputs, 4.0)]) is None


def test_large_batches_stay_apart() -> None:
    big = [Batch(torch.zeros(2**16), torch.zeros(2**16), n) for n in range(4)]
    assert in_larger(big) is None


def test_a_loader_of_small_batches_is_mapped_in_large_ones() -> None:
    counting = Counting()
    inputs, labels = data()
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=8, shuffle=True)
    land = td.Landscape(counting, nn.CrossEntropyLoss(), loader)
    plane = td.plane(land, steps=7, span=0.5)
    assert counting.sizes[-1] == 50
    corner = plane.point(0.5, -0.5)
    assert float(plane.loss[6, 0]) == pytest.approx(land.loss(corner), rel=1e-12)
    assert float(plane.loss[3, 3]) == land.loss()


def test_a_loss_that_couples_the_samples_of_a_batch_keeps_its_batches() -> None:
    def coupled(output: Tensor, target: Tensor) -> Tensor:
        return output.std(0).sum() + nn.functional.cross_entropy(output, target)

    counting = Counting()
    inputs, labels = data()
    land = td.Landscape(counting, coupled, (inputs, labels), batch_size=10)
    plane = td.plane(land, steps=3, span=0.5)
    assert set(counting.sizes[-5:]) == {10}
    corner = plane.point(0.5, 0.5)
    assert float(plane.loss[2, 2]) == pytest.approx(land.loss(corner), rel=1e-12)


def test_a_quantity_that_couples_them_keeps_them_as_well() -> None:
    counting = Counting()
    land = td.Landscape(counting, nn.CrossEntropyLoss(), data(), batch_size=10)
    spread = {"spread": lambda output, target: output.std(0).sum()}
    td.plane(land, steps=3, span=0.5, quantities=spread)
    assert set(counting.sizes[-5:]) == {10}


def test_weights_and_masks_count_as_before() -> None:
    inputs, labels = data()
    labels[::3] = -100
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.5], dtype=F64))
    land = td.Landscape(model(), loss, (inputs, labels), batch_size=9)
    plane = td.plane(land, steps=3, span=0.5)
    corner = plane.point(-0.5, 0.5)
    assert float(plane.loss[0, 2]) == pytest.approx(land.loss(corner), rel=1e-12)


def test_a_network_with_a_wide_first_layer_is_gone_on_with_to_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = MLP(64, 6, 3)
        pair = torch.randn(40, 64), torch.randint(0, 3, (40,))
    land = td.Landscape(wide, nn.CrossEntropyLoss(), pair, batch_size=7)
    whole = td.plane(land, steps=7, span=0.4)
    for budget in (1, 2, 3, 10):
        out = tmp_path_factory.mktemp("map")
        td.plane(land, steps=7, span=0.4, out=out, budget=budget)
        ended = td.plane(land, steps=7, span=0.4, out=out, resume=True)
        assert torch.equal(whole.loss, ended.loss)


def test_rounding_is_told_from_another_number() -> None:
    nan = float("nan")
    assert alike({"loss": 1.0}, {"loss": 1.0 + 1e-6}, torch.float32)
    assert not alike({"loss": 1.0}, {"loss": 1.0 + 1e-6}, F64)
    assert not alike({"loss": nan}, {"loss": nan}, F64)
    assert not alike({"loss": 1.0}, {"loss": 1.0}, torch.bfloat16)
