"""Planes show exactly what the loss is, where they say that it is."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from networks import CNN, MLP, Tied, TwoInputs
from theodolite.errors import ArgumentError, ParameterError
from watch import nothing_changes

F64 = torch.float64
KINDS = ("filter", "layer", "random", "eigen", "eigen-bottom", "eigen-ends")


def matrix() -> Tensor:
    source = torch.Generator().manual_seed(3)
    half = torch.randn(10, 10, generator=source, dtype=F64)
    return half @ half.T + torch.diag(torch.arange(10.0, dtype=F64))


def quadratic(w: Tensor) -> Tensor:
    return 0.5 * w @ matrix() @ w + w.sum() + 3.0


def bowl() -> td.Landscape:
    point = torch.linspace(-1, 1, 10, dtype=F64)
    return td.Landscape.from_function(quadratic, point)


def given() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(4)
    rows = torch.randn(2, 10, generator=source, dtype=F64)
    return rows[0], rows[1]


def checkpoints() -> tuple[Any, Any]:
    first, second = given()
    return td.maps.Place(first), td.maps.Place(second)


DIRECTIONS: dict[str, Callable[[], Any]] = {
    **{kind: lambda kind=kind: kind for kind in KINDS},
    "tensors": given,
    "checkpoints": checkpoints,
    "parameters": lambda: (2, 7),
    "eigenpairs": lambda: td.eigsh(bowl().hessian(), 3),
}


@pytest.mark.parametrize("steps", [5, 6, (4, 7), (2, 3)])
@pytest.mark.parametrize("kind", DIRECTIONS)
def test_every_point_of_a_quadratic_equals_the_formula(
    kind: str, steps: int | tuple[int, int]
) -> None:
    land = bowl()
    plane = td.plane(land, None, DIRECTIONS[kind](), steps)
    first, second = plane.directions
    for i, x in enumerate(plane.x.tolist()):
        for j, y in enumerate(plane.y.tolist()):
            there = land.point + x * first + y * second
            exact = float(quadratic(there))
            assert plane.loss[i, j] == pytest.approx(exact, rel=1e-12, abs=1e-12)
            torch.testing.assert_close(plane.point(x, y), there)


@pytest.mark.parametrize("kind", DIRECTIONS)
@pytest.mark.parametrize("steps", [5, 6, (4, 7)])
def test_the_centre_is_a_point_with_the_models_own_loss(
    kind: str, steps: int | tuple[int, int]
) -> None:
    land = bowl()
    plane = td.plane(land, None, DIRECTIONS[kind](), steps)
    (i,), (j,) = ((plane.x == 0).nonzero(), (plane.y == 0).nonzero())
    assert float(plane.loss[i, j]) == land.loss()


@pytest.mark.parametrize("rtol", [None, 0.01])
def test_what_varies_along_the_second_direction_varies_along_the_second_axis(
    rtol: float | None,
) -> None:
    land = td.Landscape.from_function(
        lambda w: torch.sin(w[1]), torch.zeros(3, dtype=F64)
    )
    plane = td.plane(land, None, (0, 1), (30, 40), 1.0, rtol=rtol)
    assert plane.loss.shape == (30, 40)
    along = torch.sin(plane.y).expand(30, 40)
    torch.testing.assert_close(plane.loss, along, atol=0.02, rtol=0)
    assert plane.axes[1].label == "point[1]"


def test_a_rerun_of_the_same_seed_is_the_same_and_another_seed_is_not() -> None:
    land = bowl()
    first, again = (td.plane(land, steps=5, seed=1) for _ in range(2))
    assert torch.equal(first.loss, again.loss)
    assert torch.equal(first.directions, again.directions)
    other = td.plane(land, steps=5, seed=2)
    assert not torch.allclose(first.directions, other.directions)


def network() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CNN(), (torch.randn(30, 2, 4, 4), torch.randint(0, 3, (30,)))


class Everything(nn.Module):
    """Batch norm, dropout, tied and frozen weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.norm, self.dropout = nn.BatchNorm1d(4), nn.Dropout(0.5)
        self.fc = nn.Linear(4, 4)
        self.fc.bias.requires_grad_(False)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.embed(tokens).mean(1))
        return self.out(torch.tanh(self.fc(self.dropout(x))))


def everything() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Everything()
        data = torch.randint(0, 5, (40, 3)), torch.randint(0, 5, (40,))
        model(data[0])
    return model.eval(), data


@pytest.mark.parametrize("batch_norm", ["frozen", "re-estimated"])
def test_a_network_with_everything_is_mapped_and_comes_back_untouched(
    batch_norm: Any,
) -> None:
    model, data = everything()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    land = td.Landscape(model, nn.CrossEntropyLoss(), data, batch_size=16)
    with nothing_changes(model):
        plane = td.plane(
            land, steps=7, batch_norm=batch_norm, quantities=("error", "gradient_norm")
        )
    assert bool(plane.loss.isfinite().all())
    assert plane["gradient_norm"].values.shape == (1, 1) or plane["gradient_norm"].every
    if batch_norm == "frozen":
        assert float(plane.loss[3, 3]) == land.loss()


def test_the_model_comes_back_untouched_when_a_point_fails() -> None:
    model, data = everything()

    def broken(output: Tensor, target: Tensor) -> Tensor:
        message = "broken on purpose"
        raise RuntimeError(message)

    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    with nothing_changes(model), pytest.raises(RuntimeError, match="on purpose"):
        td.plane(land, steps=3, quantities={"mine": broken})


def test_test_data_and_quantities_are_measured_along() -> None:
    model, (inputs, labels) = network()
    model.eval()
    land = td.Landscape(
        model,
        nn.CrossEntropyLoss(),
        (inputs[:20], labels[:20]),
        test=(inputs[20:], labels[20:]),
    )
    plane = td.plane(
        land,
        steps=11,
        span=0.5,
        quantities={
            "error": "error",
            "confidence": lambda output, target: output.softmax(1).amax(1).mean(),
            "norm": td.maps.AtPoint(lambda land, point: float(point.norm()), every=5),
        },
    )
    assert set(plane.fields) == {
        *("loss", "error", "confidence", "norm"),
        *("test loss", "test error", "test confidence", "test norm"),
    }
    assert land.test is not None
    assert float(plane["test loss"].values[5, 5]) == land.test.loss()
    with torch.no_grad():
        output = model(inputs[:20])
    wrong = (output.argmax(1) != labels[:20]).double().mean()
    assert float(plane["error"].values[5, 5]) == pytest.approx(float(wrong))
    coarse = plane["norm"]
    assert coarse.values.shape == (3, 3)
    corner = plane.point(float(plane.x[10]), float(plane.y[0]))
    assert float(coarse.values[2, 0]) == pytest.approx(float(corner.norm()), rel=1e-6)


def test_uneven_batches_and_streams_give_the_same_map() -> None:
    model, (inputs, labels) = network()
    model.eval()
    loss = nn.CrossEntropyLoss()
    whole = td.Landscape(model, loss, (inputs, labels))
    cut = td.Landscape(model, loss, (inputs, labels), batch_size=13)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(inputs, labels), batch_size=7, shuffle=True
    )
    streamed = td.Landscape(model, loss, loader, memory=0)
    planes = [td.plane(land, steps=9, span=0.3) for land in (whole, cut, streamed)]
    for other in planes[1:]:
        torch.testing.assert_close(other.loss, planes[0].loss, rtol=1e-5, atol=1e-6)


def test_filters_are_as_long_as_the_models_and_biases_are_held() -> None:
    land = td.builtin("digits-cnn")
    plane = td.plane(land, steps=2, span=0.1)
    ours = land.parameters.split(plane.directions[0])
    theirs = land.parameters.split(land.point)
    for name, direction, weight in zip(
        land.parameters.names, ours, theirs, strict=True
    ):
        if weight.ndim == 1:
            assert not bool(direction.any()), name
        else:
            torch.testing.assert_close(
                direction.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1)
            )
    assert "biases and norm weights held" in plane.axes[0].label


def test_three_checkpoints_lie_where_they_are_said_to_lie() -> None:
    land = td.builtin("digits-mlp")
    others = [td.builtin("digits-mlp", seed=seed) for seed in (1, 2)]
    plane = td.plane(land, directions=tuple(other.model for other in others), steps=7)
    (track,) = plane.tracks
    assert track.labels == ("center", "1", "2")
    points = [land.point, *(other.point for other in others)]
    for number, point in enumerate(points):
        foot = plane.point(float(track.x[number]), float(track.y[number]))
        torch.testing.assert_close(foot, point, atol=1e-5, rtol=1e-5)
        assert float(track.loss[number]) == pytest.approx(land.loss(point), rel=1e-6)
    # the checkpoint that the first axis leads to is one of the points
    (i,), (j,) = ((plane.x == 1).nonzero(), (plane.y == 0).nonzero())
    assert float(plane.loss[i, j]) == land.loss(points[1])
    assert torch.equal(plane.point(1.0, 0.0), points[1])
    # equal lengths across, so that the picture shows true distances
    assert plane.axes[0].length == pytest.approx(plane.axes[1].length)
    assert float(plane.directions[0] @ plane.directions[1]) == pytest.approx(
        0.0, abs=1e-3 * plane.axes[0].length ** 2
    )
    assert float(plane.x.min()) < 0
    assert float(plane.x.max()) > 1


def test_the_automatic_span_ends_where_the_loss_has_about_doubled() -> None:
    for name in ("digits-mlp", "digits-cnn"):
        land = td.builtin(name)
        for kind in ("filter", "eigen"):
            plane = td.plane(land, None, kind, 3)
            rises = [plane.loss[0, 1], plane.loss[2, 1], plane.loss[1, 0]]
            rise = max(float(value) for value in rises) - land.loss()
            assert 0.3 * land.loss() < rise < 4 * land.loss(), (name, kind)


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn"])
def test_an_adaptive_plane_is_within_its_error_of_the_measured_one(name: str) -> None:
    land = td.builtin(name)
    land.test = None
    plane = td.plane(land, steps=13, rtol=0.01, span=0.4)
    exact = td.plane(land, steps=13, span=0.4)
    assert plane.outcome.good
    assert plane.evaluations < 169
    reach = float(exact.loss.max() - exact.loss.min())
    off = float((plane.loss - exact.loss).abs().max())
    assert off <= 1.5 * plane.error
    assert plane.error <= 0.01 * reach * 1.01


def test_a_budget_of_points_is_kept_and_said() -> None:
    land = bowl()
    adaptive = td.plane(land, steps=31, rtol=1e-9, span=1.0, budget=40)
    assert adaptive.evaluations <= 40
    grid = td.plane(land, steps=31, span=1.0, budget=100)
    assert grid.evaluations == 100
    assert grid.outcome.name == "budget"
    assert grid["loss"].missing == 31 * 31 - 100
    assert bool(grid.loss[7::8, 7::8].isfinite().all())


def test_what_is_no_number_is_kept_as_it_is() -> None:
    def cliff(w: Tensor) -> Tensor:
        return torch.log(w[0] + 0.5) + w[1] ** 2

    land = td.Landscape.from_function(cliff, torch.zeros(2, dtype=F64))
    for rtol in (None, 0.01):
        plane = td.plane(land, span=1.0, steps=9, rtol=rtol)
        assert bool(plane.loss[:2].isnan().all())
        assert bool((plane.loss[2] == -torch.inf).all())
        assert bool(plane.loss[3:].isfinite().all())
        assert int(plane["loss"].broken.sum()) == 27
        assert "NaN or infinite" in repr(plane)


def test_bfloat16_models_are_mapped_in_their_own_type() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP(4, 5, 3).bfloat16()
        data = torch.randn(20, 4).bfloat16(), torch.randint(0, 3, (20,))
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    plane = td.plane(land, steps=5, span=0.5)
    assert float(plane.loss[2, 2]) == land.loss()
    assert bool(plane.loss.isfinite().all())


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "kind": ({"directions": "filtre"}, ArgumentError, "'filter'"),
    "pca": ({"directions": "pca"}, ArgumentError, "trajectory"),
    "short": ({"directions": (torch.ones(3), torch.ones(3))}, ArgumentError, "shape"),
    "zero": ({"directions": (torch.zeros(10), torch.ones(10))}, ArgumentError, "zero"),
    "one": ({"directions": (torch.ones(10),)}, ArgumentError, "1 directions"),
    "parallel": (
        {"directions": (torch.ones(10), 2 * torch.ones(10))},
        ArgumentError,
        "parallel",
    ),
    "nan": (
        {"directions": (torch.full((10,), float("nan")), torch.ones(10))},
        ArgumentError,
        "finite",
    ),
    "steps": ({"steps": 1}, ArgumentError, "steps"),
    "span": ({"span": -1.0}, ArgumentError, "span"),
    "empty span": ({"span": ((1.0, 1.0), (0.0, 1.0))}, ArgumentError, "span"),
    "rtol": ({"rtol": 2.0}, ArgumentError, "rtol"),
    "quantity": ({"quantities": ("eror",)}, ArgumentError, "'error'"),
    "taken": ({"quantities": {"loss": len}}, ArgumentError, "another name"),
    "number": ({"quantities": {"mine": 3}}, ArgumentError, "function"),
    "parameter": ({"directions": (0, 10)}, ArgumentError, "10"),
    "centre": ({"center": torch.zeros(3)}, ParameterError, "10 parameters"),
    "nan centre": ({"center": torch.full((10,), torch.nan)}, ArgumentError, "NaN"),
    "model": ({"center": nn.Linear(2, 2)}, ParameterError, "point"),
    "budget": ({"budget": "soon"}, ArgumentError, "60s"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_refused_with_advice(name: str) -> None:
    settings, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said.replace("(", r"\(")):
        td.plane(bowl(), **{"steps": 3, **settings})


def test_a_checkpoint_of_another_architecture_is_refused() -> None:
    land = td.builtin("digits-mlp")
    with pytest.raises(ParameterError, match="same architecture"):
        td.plane(land, CNN())
    with pytest.raises(ParameterError, match="shape"):
        td.plane(land, td.builtin("digits-mlp").model.__class__((64, 20, 24, 10)))


def test_a_checkpoint_whose_frozen_weights_differ_is_refused() -> None:
    model, data = everything()
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    state = {name: t.clone() for name, t in model.state_dict().items()}
    state["fc.bias"] += 1
    with pytest.raises(ParameterError, match=r"fc\.bias"):
        td.plane(land, state, steps=3)


def test_several_inputs_are_mapped() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TwoInputs()
        data = ((torch.randn(9, 3), torch.randn(9, 2)), torch.randint(0, 3, (9,)))
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    assert float(td.plane(land, steps=3, span=0.1).loss[1, 1]) == land.loss()


def test_tied_weights_move_together() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Tied()
        data = torch.randint(0, 3, (20, 4)), torch.randint(0, 3, (20,))
    land = td.Landscape(model, nn.CrossEntropyLoss(), data)
    plane = td.plane(land, steps=3, span=0.5)
    corner = plane.point(0.5, -0.5)
    assert float(plane.loss[2, 0]) == pytest.approx(land.loss(corner), rel=1e-6)
