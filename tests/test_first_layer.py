"""Kept products of the first layer change no map, and are kept where they may be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from entrances import MODELS, WIDE, Branches, Net, Normalised, example
from theodolite.maps import first_layer, tour
from theodolite.maps.first_layer import FirstLayers
from watch import nothing_changes

F64 = torch.float64


def landscape(
    make: Callable[[], nn.Module], dtype: torch.dtype = F64, **settings: Any
) -> td.Landscape:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = make().to(dtype)
        inputs = example(getattr(model, "first", model)).to(dtype)
        chosen = [weight for weight in model.parameters() if weight.requires_grad]
        model.requires_grad_(False)
        target = torch.randn(model(inputs).shape, dtype=dtype)
        for weight in chosen:
            weight.requires_grad_()
    if any(isinstance(module, nn.Dropout) for module in model.modules()):
        settings["seed"] = 0
    return td.Landscape(
        model, nn.MSELoss(), (inputs, target), **{"batch_size": 8, **settings}
    )


@contextmanager
def watched(room: int | None = None) -> Iterator[list[FirstLayers]]:
    """What stands in for layers while maps are measured."""
    found: list[FirstLayers] = []
    plain = tour.first_layers

    @contextmanager
    def noted(*given: Any) -> Iterator[FirstLayers]:
        *others, own = given
        with plain(*others, own if room is None else room) as layers:
            found.append(layers)
            yield layers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tour, "first_layers", noted)
        yield found


def plane(land: td.Landscape, **settings: Any) -> td.Plane:
    return td.plane(land, directions="random", steps=5, span=0.7, **settings)


def one_by_one(land: td.Landscape, found: td.Plane) -> Tensor:
    """The loss at every point, by the landscape itself."""
    rows = [
        [land.loss(found.point(x, y)) for y in found.y.tolist()]
        for x in found.x.tolist()
    ]
    return torch.tensor(rows, dtype=F64)


# torch's own, when it differentiates forwards for the first time
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", MODELS)
def test_a_map_with_kept_products_is_the_map(name: str) -> None:
    make, kept = MODELS[name]
    land = landscape(make)
    with watched() as layers, nothing_changes(land.model):
        found = plane(land)
    assert bool(sum(one.hits for one in layers)) == kept
    # float64: what remains is the rounding of sums of a hundred terms
    torch.testing.assert_close(found.loss, one_by_one(land, found), rtol=1e-12, atol=0)
    assert float(found.loss[2, 2]) == land.loss()


def test_every_point_but_the_centre_uses_what_was_kept() -> None:
    land = landscape(Net)
    with watched() as layers:
        found = plane(land)
    (one,) = layers
    # its three batches are small, and joined
    assert one.hits == found.evaluations - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_types_whose_sums_would_round_otherwise_are_left_alone(
    dtype: torch.dtype,
) -> None:
    land = landscape(Net, dtype)
    with watched() as layers:
        found = plane(land)
    assert bool(sum(one.hits for one in layers)) == (dtype == torch.float32)
    wanted = one_by_one(land, found)
    # float32: 64 roundings of 6e-8 in a sum, a few layers
    torch.testing.assert_close(found.loss, wanted, rtol=2e-5, atol=0)


def test_products_in_a_narrower_type_are_left_alone() -> None:
    class Autocast(Net):
        def enter(self, x: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.first(x).float()

    land = landscape(Autocast, torch.float32)
    with watched() as layers:
        found = plane(land)
    assert not sum(one.hits for one in layers)
    # batches are joined: the same terms in another order
    torch.testing.assert_close(found.loss, one_by_one(land, found), rtol=1e-5, atol=0)


def test_both_ends_of_a_line_stay_exact_in_float32() -> None:
    land, other = landscape(Net, torch.float32), landscape(Net, torch.float32)
    end = other.point + torch.linspace(-1, 1, other.size).sin()
    with watched() as layers:
        line = td.line(land, None, end, steps=9)
    assert sum(one.hits for one in layers)
    assert float(line.loss[0]) == land.loss()
    assert float(line.loss[-1]) == land.loss(end)


def test_data_made_in_inference_mode_are_mapped() -> None:
    land = landscape(Net)
    with torch.inference_mode():
        inputs = example(nn.Linear(1, 1)).double() * 1.0
        target = torch.ones(20, 3, dtype=F64)
    made = td.Landscape(land.model, nn.MSELoss(), (inputs, target))
    with watched() as layers:
        found = plane(made)
    assert sum(one.hits for one in layers)
    torch.testing.assert_close(found.loss, one_by_one(made, found), rtol=1e-12, atol=0)


def test_test_data_and_quantities_are_measured_alike() -> None:
    land = landscape(Net, test=(torch.ones(6, WIDE, dtype=F64), torch.ones(6, 3)))
    sizes: Any = {"size": lambda output, target: output.square().mean()}
    with watched() as layers:
        found = plane(land, quantities=sizes)
    assert sum(one.hits for one in layers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_layer, "_is_wide", lambda *_: False)
        plain = plane(land, quantities=sizes)
    assert found.fields.keys() == plain.fields.keys() >= {"test size"}
    for name, field in plain.fields.items():
        torch.testing.assert_close(found[name].values, field.values, rtol=1e-12, atol=0)


@pytest.mark.parametrize("make", [Net, Normalised, Branches])
def test_no_more_is_kept_than_there_is_room_for(make: Callable[[], nn.Module]) -> None:
    land = landscape(make)
    wanted = one_by_one(land, plane(land))
    # the input of 8 × 64 numbers, three products of 8 × 6 or 8 × 4 for each batch
    for room in (0, 1000, 5000, 20_000, 10**6):
        with watched(room) as layers:
            found = plane(land)
        (one,) = layers
        rooms = {id(layer._room): layer._room.left for layer in one.layers}
        assert len(rooms) <= 1
        assert all(0 <= left <= room for left in rooms.values())
        held = {
            tensor.data_ptr(): tensor.nbytes
            for layer in one.layers
            for kept in layer._kept.values()
            for tensor in kept.products
        }
        assert sum(held.values()) <= room
        assert bool(one.hits) == (room >= 20_000)
        torch.testing.assert_close(found.loss, wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("calls", [1, 2, 5, 12, 13, 14, 20, 40])
def test_no_layer_keeps_what_stood_in_for_it(
    calls: int, error: type[BaseException]
) -> None:
    class Stops(Net):
        left = 10**9

        def enter(self, x: Tensor) -> Tensor:
            Stops.left -= 1
            if not Stops.left:
                raise error
            return self.first(x)

    land = landscape(Stops)
    Stops.left = calls
    with nothing_changes(land.model):
        try:
            ended = plane(land).outcome.name
        except (td.TheodoliteError, KeyboardInterrupt):
            ended = "error"
    assert ended in ("error", "interrupted")
    assert "forward" not in vars(land.model.first)
