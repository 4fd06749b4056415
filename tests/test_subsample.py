"""A random part of the data, and samples that grow until the error is small enough."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import theodolite as td
from dense import F64, relative
from problems import labels, normal
from theodolite.errors import ArgumentError
from theodolite.site.data_error import data_error

CUTS = [40, 40, 16]


def linear(dtype: torch.dtype = F64) -> nn.Module:
    model = nn.Linear(4, 3, dtype=dtype)
    with torch.no_grad():
        model.weight.copy_(normal(3, 4, dtype=F64))
        model.bias.copy_(normal(3, dtype=F64))
    return model


def data(dtype: torch.dtype = F64) -> tuple[Tensor, Tensor]:
    # the first input is the sample's number
    x = normal(96, 4, dtype=dtype)
    x[:, 0] = torch.arange(96)
    return x, labels(3, 96)


def numbers(land: td.Landscape) -> list[int]:
    found: list[int] = []
    land.each_batch(
        lambda evaluate, leaves, batch: found.extend(
            int(i) for i in batch.inputs[:, 0].tolist()
        )
    )
    return found


class Numbered(Dataset[Any]):
    def __init__(self) -> None:
        self.x, self.y = data()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return self.x[place], self.y[place]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield from zip(*data(), strict=True)


def sources() -> dict[str, Any]:
    x, y = data()
    return {
        "tensors": (x, y),
        "batches": list(zip(x.split(CUTS), y.split(CUTS), strict=True)),
        "loader": DataLoader(TensorDataset(x, y), batch_size=40),
    }


@pytest.mark.parametrize("kind", sources())
def test_a_sample_holds_so_many_distinct_samples(kind: str) -> None:
    land = td.Landscape(linear(), nn.CrossEntropyLoss(), sources()[kind])
    part = land.sample(30)
    found = numbers(part)
    assert part.samples == len(found) == len(set(found)) == 30
    assert type(part) is td.Landscape
    assert numbers(land) == list(range(96))


def test_a_sample_is_the_landscape_over_those_samples() -> None:
    x, y = data()
    model, loss = linear(), nn.CrossEntropyLoss()
    land = td.Landscape(model, loss, sources()["batches"])
    part = land.sample(30, seed=4)
    chosen = numbers(part)
    alone = td.Landscape(model, loss, (x[chosen], y[chosen]))
    assert part.loss() == pytest.approx(alone.loss(), rel=1e-12)
    vector = normal(land.size, dtype=F64)
    assert relative(part.hessian() @ vector, alone.hessian() @ vector) < 1e-12


def test_larger_samples_of_one_seed_hold_smaller_ones() -> None:
    land = td.Landscape(linear(), nn.CrossEntropyLoss(), data())
    assert set(numbers(land.sample(20, seed=1))) < set(numbers(land.sample(60, seed=1)))
    assert numbers(land.sample(20, seed=1)) != numbers(land.sample(20, seed=2))
    assert numbers(land.sample(20, seed=1)) == numbers(land.sample(20, seed=1))


def test_a_loader_too_large_to_keep_gives_samples_of_its_dataset() -> None:
    loader = DataLoader(Numbered(), batch_size=40, shuffle=True)
    land = td.Landscape(linear(), nn.CrossEntropyLoss(), loader, memory=0)
    part = land.sample(30)
    assert part.samples == len(set(numbers(part))) == 30


def test_a_stream_too_large_to_keep_gives_whole_batches() -> None:
    loader = DataLoader(Stream(), batch_size=8)
    land = td.Landscape(linear(), nn.CrossEntropyLoss(), loader, memory=0)
    found = numbers(land.sample(30))
    starts = found[::8]
    assert len(found) == 32
    assert all(start % 8 == 0 for start in starts)
    assert found == [start + i for start in starts for i in range(8)]


def test_a_dict_batch_stays_its_own_target() -> None:
    x, y = data()
    batches = [{"pixels": x[:50], "label": y[:50]}, {"pixels": x[50:], "label": y[50:]}]

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = linear()

        def forward(self, pixels: Tensor, label: Tensor) -> Tensor:
            return nn.functional.cross_entropy(self.inner(pixels), label)

    land = td.Landscape(Named(), lambda loss, batch: loss, batches)
    assert land.sample(20).samples == 20
    assert data_error(land, quantities=["loss"])["loss"].error > 0


@pytest.mark.parametrize("count", [0, -3, 97])
def test_samples_that_are_not_there_are_refused(count: int) -> None:
    land = td.Landscape(linear(), nn.CrossEntropyLoss(), data())
    with pytest.raises(ArgumentError, match="This landscape has 96 samples"):
        land.sample(count)


def test_a_function_has_no_samples() -> None:
    land = td.Landscape.from_function(lambda w: w @ w, torch.ones(3))
    with pytest.raises(ArgumentError, match="A function has no samples"):
        land.sample(1)


def regression(samples: int, *, ordered: bool = False) -> td.Landscape:
    """Rows of two kinds, whose losses differ; one kind after the other if ordered."""
    x = normal(samples, 5, dtype=F64, seed=3)
    kind = torch.arange(samples) < samples // 2
    if not ordered:
        kind = kind[torch.randperm(samples, generator=torch.Generator().manual_seed(0))]
    x = torch.where(kind[:, None], 2 * x, x)
    y = x.sum(1, keepdim=True) + normal(samples, 1, dtype=F64, seed=4)
    model = nn.Linear(5, 1, dtype=F64)
    with torch.no_grad():
        model.weight.copy_(torch.full((1, 5), 0.4))
        model.bias.zero_()
    return td.Landscape(model, nn.MSELoss(), (x, y), batch_size=512)


WANTED = ("loss", "largest_eigenvalue", "trace")


def test_samples_grow_until_the_error_is_small_enough() -> None:
    land = regression(12_000)
    found = data_error(land, quantities=WANTED, groups=20, samples="auto", rtol=0.08)
    assert found.outcome.name == "converged"
    assert found.samples < found.available == 12_000
    assert all(row.relative_error <= 0.08 for row in found.values())
    assert found.work < found.work_on_all
    assert found.saving == found.work_on_all / found.work
    exact = float(td.eigsh(land.hessian(), 1).values[0])
    # no error is above 0.08, and its true value is rarely four of them away
    assert found["largest_eigenvalue"].corrected == pytest.approx(exact, rel=0.32)


@pytest.mark.parametrize("kind", ["tensors", "loader"])
def test_sorted_data_do_not_mislead_a_growing_sample(kind: str) -> None:
    land = regression(6_000, ordered=True)
    if kind == "loader":
        kept = land.batches.kept or list(land.batches)
        pairs = TensorDataset(
            torch.cat([batch.inputs for batch in kept]),
            torch.cat([batch.target for batch in kept]),
        )
        assert land.model is not None
        loader = DataLoader(pairs, batch_size=512)
        land = td.Landscape(land.model, nn.MSELoss(), loader, memory=0)
    found = data_error(land, quantities=["loss"], samples="auto", rtol=0.08)
    assert found.samples < 6_000
    assert found["loss"].value == pytest.approx(land.loss(), rel=0.32)


def test_the_next_size_starts_from_the_eigenvectors_of_the_last() -> None:
    land = regression(1_500)
    found = data_error(land, quantities=WANTED, groups=12, samples="auto", rtol=0.1)
    assert found.samples > 256
    whole = data_error(land, quantities=WANTED, groups=12, samples=found.samples)
    assert found.rows.keys() == whole.rows.keys()
    assert found["loss"] == whole["loss"]
    assert found["largest_eigenvalue"].value == pytest.approx(
        whole["largest_eigenvalue"].value, rel=1e-3
    )


def test_a_tolerance_out_of_reach_uses_all_data_and_says_so() -> None:
    land = regression(600)
    found = data_error(land, quantities=["loss"], samples="auto", rtol=1e-4)
    assert found.samples == found.available == 600
    assert found.outcome.name == "budget"
    assert "Gather more data" in str(found.outcome)


def test_the_budget_ends_the_growth() -> None:
    land = regression(6_000)
    found = data_error(
        land, quantities=["largest_eigenvalue"], samples="auto", rtol=1e-3, budget=30
    )
    assert found.samples < 6_000
    assert found.products <= 30
    assert "Raise budget" in str(found.outcome)
