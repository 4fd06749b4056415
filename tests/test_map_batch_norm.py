"""Batch norm away from the model: whose statistics are used is what was asked for."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

import theodolite as td
from networks import MLP
from theodolite.errors import (
    ArgumentError,
    DataError,
    MemoryLimitError,
    ModelError,
    RandomLossError,
)
from theodolite.maps.sweep import swept
from watch import nothing_changes

CE = nn.CrossEntropyLoss()
# float32 sums of a few dozen terms in another order
ROUNDING = 1e-5


class Normed(nn.Module):
    """A layer, batch norm of some kind, a layer."""

    def __init__(self, norm: nn.Module, *shape: int) -> None:
        super().__init__()
        self.shape, self.norm = shape, norm
        self.first, self.last = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        hidden = self.norm(hidden.reshape(len(x), *self.shape)).reshape(hidden.shape)
        return self.last(torch.relu(hidden))


NORMS: dict[str, Callable[[], nn.Module]] = {
    "1d": lambda: Normed(nn.BatchNorm1d(4), 4),
    "1d along sequences": lambda: Normed(nn.BatchNorm1d(2), 2, 2),
    "2d": lambda: Normed(nn.BatchNorm2d(2), 2, 2, 1),
    "3d": lambda: Normed(nn.BatchNorm3d(4), 4, 1, 1, 1),
    "without weights": lambda: Normed(nn.BatchNorm1d(4, affine=False), 4),
    "cumulative": lambda: Normed(nn.BatchNorm1d(4, momentum=None), 4),
}


def made(kind: str, seed: int = 0) -> nn.Module:
    """A network in eval mode whose statistics are those of data of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = NORMS[kind]()
        model(torch.randn(50, 5) * (1 + seed) + seed)
    return model.eval()


def data(seed: int = 7, count: int = 30) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=source)
    return inputs, torch.randint(0, 3, (count,), generator=source)


def landscape(kind: str = "1d", **settings: Any) -> td.Landscape:
    return td.Landscape(made(kind), CE, data(), **{"batch_size": 10, **settings})


def buffers_of(model: nn.Module) -> dict[str, Tensor]:
    return {n: b.clone() for n, b in model.named_buffers() if b.is_floating_point()}


def loss_at(
    land: td.Landscape, point: Tensor, buffers: dict[str, Tensor] | None = None
) -> float:
    """The mean over all samples at once, by functional_call."""
    weights = dict(
        zip(land.parameters.names, land.parameters.split(point), strict=True)
    )
    model: Any = land.model
    with torch.no_grad():
        output = functional_call(model, {**weights, **(buffers or {})}, (data()[0],))
        return float(F.cross_entropy(output, data()[1]))


def updated(land: td.Landscape, point: Tensor, cuts: Sequence[int]) -> nn.Module:
    """A copy of the model at a point, its statistics estimated by torch itself."""
    model: Any = deepcopy(land.model)
    weights = dict(
        zip(land.parameters.names, land.parameters.split(point), strict=True)
    )
    model.load_state_dict({**model.state_dict(), **weights})
    update_bn(data()[0].split(list(cuts)), model)
    return model.eval()


@pytest.mark.parametrize("kind", NORMS)
def test_frozen_statistics_are_the_models_own_everywhere(kind: str) -> None:
    land = landscape(kind)
    line = td.line(land, None, made(kind, 1), steps=4)
    for t, loss in zip(line.t.tolist(), line.loss.tolist(), strict=True):
        wanted = loss_at(land, line.point(t))
        assert loss == pytest.approx(wanted, rel=ROUNDING)
    assert float(line.loss[0]) == land.loss()


@pytest.mark.parametrize("kind", NORMS)
def test_interpolated_statistics_are_mixed_as_the_weights_are(kind: str) -> None:
    land, b = landscape(kind), made(kind, 1)
    line = td.line(land, None, b, steps=5, batch_norm="interpolated")
    assert land.model is not None
    first, last = buffers_of(land.model), buffers_of(b)
    for t, loss in zip(line.t.tolist(), line.loss.tolist(), strict=True):
        mixed = {name: (1 - t) * first[name] + t * last[name] for name in first}
        wanted = loss_at(land, line.point(t), mixed)
        assert loss == pytest.approx(wanted, rel=ROUNDING)
    # both ends are what both networks are
    assert float(line.loss[0]) == land.loss()
    assert float(line.loss[-1]) == td.Landscape(b, CE, data(), batch_size=10).loss()


@pytest.mark.parametrize("cuts", [(30,), (10, 10, 10), (16, 12, 2)])
@pytest.mark.parametrize("kind", NORMS)
def test_re_estimated_statistics_are_those_of_update_bn(
    kind: str, cuts: tuple[int, ...]
) -> None:
    batches = list(zip(*(part.split(list(cuts)) for part in data()), strict=True))
    land = td.Landscape(made(kind), CE, batches)
    line = td.line(land, None, made(kind, 1), steps=4, batch_norm="re-estimated")
    for t, loss in zip(line.t.tolist(), line.loss.tolist(), strict=True):
        model = updated(land, line.point(t), cuts)
        wanted = td.Landscape(model, CE, batches).loss()
        assert loss == pytest.approx(wanted, rel=ROUNDING)


def test_test_data_are_measured_with_the_training_datas_statistics() -> None:
    inputs, labels = data(8, 12)
    land = landscape(test=(2 * inputs + 1, labels))
    line = td.line(land, None, made("1d", 1), steps=3, batch_norm="re-estimated")
    assert line.test_loss is not None
    for t, loss in zip(line.t.tolist(), line.test_loss.tolist(), strict=True):
        with torch.no_grad():
            output = updated(land, line.point(t), (10, 10, 10))(2 * inputs + 1)
        assert loss == pytest.approx(float(CE(output, labels)), rel=ROUNDING)


@pytest.mark.parametrize("policy", ["re-estimated", "interpolated"])
def test_quantities_around_a_point_have_the_points_statistics(policy: Any) -> None:
    inputs, labels = data(8, 12)
    land, b = landscape(test=(inputs, labels)), made("1d", 1)
    line = td.line(
        land, None, b, steps=6, batch_norm=policy, quantities="gradient_norm"
    )
    if policy == "re-estimated":
        model = updated(land, line.point(1.0), (10, 10, 10))
    else:
        model = b
    for name, pair in (
        ("gradient_norm", data()),
        ("test gradient_norm", (inputs, labels)),
    ):
        norm = td.Landscape(model, CE, pair).gradient().norm()
        found = float(line[name].values[-1])
        assert found == pytest.approx(float(norm), rel=1e-4), name


def test_a_variance_beyond_the_ends_does_not_fall_below_zero() -> None:
    land, b = landscape(), made("1d", 3)
    line = td.line(land, None, b, span=(-2.0, 1.0), steps=4, batch_norm="interpolated")
    assert line.t.tolist() == [-2.0, -1.0, 0.0, 1.0]
    assert land.model is not None
    first, last = buffers_of(land.model), buffers_of(b)
    mixed = {name: 3 * first[name] - 2 * last[name] for name in first}
    assert float(mixed["norm.running_var"].min()) < 0
    mixed["norm.running_var"].clamp_(min=0)
    wanted = loss_at(land, line.point(-2.0), mixed)
    assert float(line.loss[0]) == pytest.approx(wanted, rel=ROUNDING)


@pytest.mark.parametrize("policy", ["frozen", "interpolated", "re-estimated"])
def test_a_network_without_batch_norm_is_measured_alike(policy: Any) -> None:
    land = td.Landscape(MLP(5, 4, 3), CE, data())
    plain = td.plane(land, steps=5, span=0.5)
    assert torch.equal(
        td.plane(land, steps=5, span=0.5, batch_norm=policy).loss, plain.loss
    )


@pytest.mark.parametrize("memory", [None, 0])
@pytest.mark.parametrize("policy", ["frozen", "interpolated", "re-estimated"])
def test_data_that_are_read_anew_give_the_same_line(
    policy: Any, memory: int | None
) -> None:
    land = landscape(memory=memory)
    line = td.line(land, None, made("1d", 1), steps=5, batch_norm=policy)
    kept = td.line(landscape(), None, made("1d", 1), steps=5, batch_norm=policy)
    torch.testing.assert_close(line.loss, kept.loss, rtol=ROUNDING, atol=0)


class Stops(Normed):
    """Raises at the n-th call from when it is told to."""

    left, error = 10**9, KeyboardInterrupt

    def forward(self, x: Tensor) -> Tensor:
        Stops.left -= 1
        if Stops.left == 0:
            raise Stops.error
        return super().forward(x)


@pytest.mark.parametrize("calls", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_the_model_comes_back_untouched_from_the_middle_of_an_estimate(
    error: type[BaseException], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made("1d")
    model.__class__ = Stops
    land = td.Landscape(model, CE, data(), batch_size=10)
    land.loss()
    model.norm.momentum = 0.25
    monkeypatch.setattr(Stops, "error", error)
    monkeypatch.setattr(Stops, "left", calls)
    places = [td.maps.Place(land.point), td.maps.Place(land.point + 1)]
    expected = pytest.raises((error, ModelError, MemoryLimitError))
    with nothing_changes(model), expected:
        swept(land, places, batch_norm="re-estimated")
    assert Stops.left == 0


def test_ctrl_c_in_the_middle_keeps_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = made("1d")
    model.__class__ = Stops
    land = td.Landscape(model, CE, data(), batch_size=10)
    # three calls to estimate and one to measure each point, joined; some to begin with
    monkeypatch.setattr(Stops, "left", 60)
    with nothing_changes(model):
        plane = td.plane(land, steps=9, span=0.5, batch_norm="re-estimated")
    assert plane.outcome.name == "interrupted"
    assert 5 < int(plane["loss"].measured.sum()) < 15


def test_statistics_of_the_batch_itself_are_no_running_ones() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Normed(nn.BatchNorm1d(4, track_running_stats=False), 4).eval()
    whole = td.Landscape(model, CE, data())
    lines = [
        td.line(whole, direction="layer", steps=3, span=0.5, batch_norm=policy)
        for policy in ("frozen", "interpolated", "re-estimated")
    ]
    assert float(lines[0].loss[1]) == whole.loss()
    assert all(torch.equal(line.loss, lines[0].loss) for line in lines)
    assert not lines[0].run["notes"]
    with pytest.raises(RandomLossError, match="batch_statistics=True"):
        td.line(td.Landscape(model, CE, data(), batch_size=10), direction="layer")


@pytest.mark.parametrize("policy", ["frozen", "re-estimated"])
def test_a_model_in_training_mode_is_measured_as_it_is(policy: Any) -> None:
    model = made("1d").train()
    with pytest.raises(RandomLossError, match=r"model\.eval\(\)"):
        td.line(td.Landscape(model, CE, data(), batch_size=10), direction="layer")
    land = td.Landscape(model, CE, data())
    with nothing_changes(model):
        line = td.line(land, direction="layer", steps=3, span=0.5, batch_norm=policy)
    assert float(line.loss[1]) == land.loss()
    assert "training mode" in repr(line)


def test_what_the_model_draws_is_the_same_at_every_estimate() -> None:
    model = nn.Sequential(
        nn.Linear(5, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 3)
    ).eval()
    model[1].train()
    land = td.Landscape(model, CE, data(), batch_size=10, seed=3)

    def drawn() -> Tensor:
        return td.line(
            land, direction="layer", steps=3, span=0.5, batch_norm="re-estimated"
        ).loss

    first = drawn()
    torch.rand(5)
    assert torch.equal(drawn(), first)


@pytest.mark.parametrize("policy", ["frozen", "re-estimated"])
def test_a_model_that_differentiates_by_its_inputs_is_measured(policy: Any) -> None:
    class Slope(nn.Module):
        """The derivative of a network by its input, as equations need it."""

        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)
            )

        def forward(self, x: Tensor) -> Tensor:
            x = x.clone().requires_grad_()
            value = self.net(x).sum()
            return torch.autograd.grad(value, x, create_graph=True)[0]

    model = Slope().eval()
    target = torch.zeros(30, 5)
    land = td.Landscape(model, nn.MSELoss(), (data()[0], target), batch_size=10)
    line = td.line(land, direction="layer", steps=3, span=0.5, batch_norm=policy)
    assert bool(line.loss.isfinite().all())
    if policy == "frozen":
        assert float(line.loss[1]) == land.loss()


def test_a_batch_of_one_sample_has_no_statistics_to_estimate() -> None:
    land = landscape(batch_size=29)
    with pytest.raises(DataError, match=r"Batch 1 .* single sample"):
        td.line(land, direction="layer", steps=3, batch_norm="re-estimated")
    assert td.line(land, direction="layer", steps=3).outcome.good


def test_statistics_that_nobody_knows_are_not_interpolated() -> None:
    land, b = landscape(), made("1d", 1)
    weights = dict(b.named_parameters())
    wanted = r"'norm\.running_mean'.*hold no running statistics"
    for refused in (
        lambda: td.line(land, None, land.point + 1, batch_norm="interpolated"),
        lambda: td.line(land, None, weights, batch_norm="interpolated"),
        lambda: td.plane(land, steps=3, span=0.1, batch_norm="interpolated"),
        lambda: td.plane(
            land,
            directions=(b, torch.ones(land.size)),
            steps=3,
            batch_norm="interpolated",
        ),
    ):
        with pytest.raises(ArgumentError, match=wanted.replace(".*", "(.|\n)*")):
            refused()


def test_buffers_that_files_do_not_keep_are_no_hindrance() -> None:
    """Inputs normalised by constants that are not in the state dict."""

    class Scaled(Normed):
        def __init__(self) -> None:
            super().__init__(nn.BatchNorm1d(4), 4)
            self.register_buffer("scale", torch.full((5,), 2.0), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x * self.scale)

    a, b = Scaled().eval(), Scaled()
    b(torch.randn(20, 5))
    land = td.Landscape(a, CE, data())
    line = td.line(land, None, b.state_dict(), steps=3, batch_norm="interpolated")
    assert float(line.loss[-1]) == td.Landscape(b.eval(), CE, data()).loss()


def test_checkpoints_on_a_plane_keep_statistics_of_their_own() -> None:
    """Also where they share their weights, as before and after update_bn."""
    land = landscape()
    others = [made("1d", 1), made("1d", 1), made("1d", 2)]
    with torch.no_grad():
        others[1](data()[0])
        others[1].train()(data()[0])
        others[1].eval()
    plane = td.plane(land, steps=3, span=1.0, tracks={"run": others})
    own = [td.Landscape(model, CE, data(), batch_size=10).loss() for model in others]
    assert len(set(own)) == 3
    (track,) = plane.tracks
    assert track.loss.tolist() == own
    foot = plane.point(float(track.x[2]), float(track.y[2]))
    assert float(track.plane_loss[2]) == pytest.approx(land.loss(foot), rel=ROUNDING)
