"""Runs on their own plane: what it shows of them, and what it leaves out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import theodolite as td
from theodolite.errors import ArgumentError, ParameterError
from theodolite.maps.descending.descent import descend
from theodolite.maps.place import Place
from theodolite.maps.track import track_of
from theodolite.maps.trajectories.trajectory import Trajectory
from theodolite.maps.trajectories.trajectory_plane import (
    TrajectoryPlane,
    trajectory_plane,
)
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP

F64 = torch.float64
EPOCHS, BATCH = 3, 64


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(64, 8), nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc2(torch.tanh(self.norm(self.fc1(images.flatten(1)))))


def network() -> nn.Module:
    return MLP((64, 24, 24, 10))


def trained(
    make: Callable[[], nn.Module] = network,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    rate: float = 4e-3,
    seed: int = 0,
    **settings: object,
) -> tuple[td.Landscape, Trajectory]:
    """Digits, in a few epochs, one checkpoint in six steps and the last."""
    (images, labels), test = split_digits()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make()
    generator = torch.Generator().manual_seed(seed)
    steps = optimizer(model.parameters(), lr=rate)
    with Trajectory(model, every=6, **settings) as trajectory:
        for _ in range(EPOCHS):
            order = torch.randperm(len(labels), generator=generator)
            for rows in order.split(BATCH):
                loss = F.cross_entropy(model(images[rows]), labels[rows])
                trajectory.record(loss)
                steps.zero_grad()
                loss.backward()
                steps.step()
        trajectory.record(keep=True)
    model.zero_grad()
    land = td.Landscape(
        model.eval(), nn.CrossEntropyLoss(), (images, labels), test=test
    )
    return land, trajectory


@pytest.fixture(scope="module")
def run() -> tuple[td.Landscape, Trajectory]:
    return trained()


@pytest.fixture(scope="module")
def drawn(run: tuple[td.Landscape, Trajectory]) -> TrajectoryPlane:
    land, trajectory = run
    return trajectory.plane(land, steps=7)


def test_true_losses_and_distances_are_those_of_the_checkpoints_themselves(
    run: tuple[td.Landscape, Trajectory], drawn: TrajectoryPlane
) -> None:
    land, trajectory = run
    (track,) = drawn.tracks
    rows = drawn.plane.directions.double()
    center = drawn.plane.center.double()
    assert track.labels == tuple(map(str, trajectory.steps))
    for number, point in enumerate(trajectory):
        # the loss is one pass of the model, by torch alone
        assert float(track.loss[number]) == pytest.approx(land.loss(point), rel=1e-6)
        step = point.double() - center
        foot = torch.linalg.lstsq(rows.T, step[:, None]).solution[:, 0]
        x, y = float(track.x[number]), float(track.y[number])
        assert (x, y) == pytest.approx(tuple(foot.tolist()), abs=1e-9)
        off = float((step - foot @ rows).norm())
        assert float(track.distance[number]) == pytest.approx(off, abs=1e-9)
        below = land.loss(center + foot @ rows)
        assert float(track.plane_loss[number]) == pytest.approx(below, rel=1e-5)
    torch.testing.assert_close(track.excess, track.plane_loss - track.loss)
    # the plane is not the run: that is what the numbers are for
    assert float(track.distance.max()) > 0.1
    assert float(track.excess.abs().max()) > 1e-3


def test_explained_and_left_out_add_up(drawn: TrajectoryPlane) -> None:
    (track,) = drawn.tracks
    shown = (track.x.square() + track.y.square()).sum()
    hidden = track.distance.square().sum()
    share = float(shown / (shown + hidden))
    assert share == pytest.approx(drawn.components.share, abs=1e-6)
    assert float(shown + hidden) == pytest.approx(drawn.components.total, rel=1e-6)


def test_the_last_checkpoint_is_the_centre_and_a_point_of_the_grid(
    run: tuple[td.Landscape, Trajectory], drawn: TrajectoryPlane
) -> None:
    land, trajectory = run
    assert torch.equal(drawn.plane.center, trajectory[-1])
    (track,) = drawn.tracks
    assert (float(track.x[-1]), float(track.y[-1])) == (0, 0)
    assert float(track.distance[-1]) == 0
    i, j = (int((axis == 0).nonzero()) for axis in (drawn.plane.x, drawn.plane.y))
    assert float(drawn.plane.loss[i, j]) == land.loss()


def test_all_feet_lie_on_the_map(drawn: TrajectoryPlane) -> None:
    (track,) = drawn.tracks
    for feet, axis in ((track.x, drawn.plane.x), (track.y, drawn.plane.y)):
        assert float(axis[0]) < float(feet.min())
        assert float(feet.max()) < float(axis[-1])


def test_the_run_begins_at_positive_coordinates(drawn: TrajectoryPlane) -> None:
    (track,) = drawn.tracks
    assert float(track.x[0]) > 0
    assert float(track.y[0]) > 0


def test_a_rerun_gives_the_same_picture_bit_for_bit(drawn: TrajectoryPlane) -> None:
    land, trajectory = trained()
    again = trajectory.plane(land, steps=7)
    assert torch.equal(again.plane.loss, drawn.plane.loss)
    assert torch.equal(again.plane.x, drawn.plane.x)
    for name in ("x", "y", "distance", "loss", "plane_loss"):
        there, here = (vars(one.tracks[0])[name] for one in (again, drawn))
        assert torch.equal(there, here)


def test_axes_say_what_they_hold(drawn: TrajectoryPlane) -> None:
    first, second = drawn.plane.axes
    share = 100 * float(drawn.explained[0])
    assert first.label == (
        f"principal component 1, {share:.3g} % of squared distances from the last"
    )
    assert first.length == pytest.approx(1, abs=1e-6)
    assert abs(float(first.vector.double() @ second.vector.double())) <= 1e-6
    said = repr(drawn)
    assert f"{share:.3g} %" in said
    assert "off it" in said
    assert drawn.to_dict()["components"]["share"] == drawn.components.share


def test_several_optimizers_share_a_plane_fixed_by_all(
    run: tuple[td.Landscape, Trajectory],
) -> None:
    land, adam = run
    _, sgd = trained(optimizer=torch.optim.SGD, rate=0.2, name="sgd")
    both = trajectory_plane(land, {"adam": adam, "sgd": sgd}, steps=5)
    points = torch.stack([*adam, *sgd]).double()
    middle = points.mean(0)
    _, sizes, rows = torch.linalg.svd(points - middle, full_matrices=False)
    for vector, row in zip(both.plane.directions.double(), rows, strict=False):
        assert abs(float(vector @ row)) == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(
        both.explained, (sizes.square() / sizes.square().sum())[:2]
    )
    torch.testing.assert_close(both.plane.center.double(), middle, rtol=0, atol=1e-6)
    assert [track.name for track in both.tracks] == ["adam", "sgd"]
    # both runs begin at the same weights
    first, second = both.tracks
    assert float(first.x[0]) == pytest.approx(float(second.x[0]), abs=1e-12)
    listed = trajectory_plane(land, [adam, sgd], steps=5)
    assert torch.equal(listed.plane.loss, both.plane.loss)
    assert [track.name for track in listed.tracks] == ["run", "sgd"]


def test_low_precision_moves_checkpoints_by_no_more_than_it_says(
    run: tuple[td.Landscape, Trajectory], drawn: TrajectoryPlane
) -> None:
    land, rough = trained(dtype=torch.bfloat16)
    found = rough.plane(land, steps=3)
    assert "low precision" in repr(found)
    assert drawn.rounding == 0
    last = float(rough[-1].double().norm())
    assert found.rounding == pytest.approx(last * rough.rounding, rel=1e-5)
    # the same run, so that nothing but rounding lies between the two
    for kept, true in zip(rough, run[1], strict=True):
        off = float((kept.double() - true.double()).norm())
        assert 0 < off <= rough.rounding * float(true.double().norm())


def test_batch_norms_own_statistics_belong_to_each_checkpoint() -> None:
    land, trajectory = trained(Normed, rate=1e-2)
    found = trajectory.plane(land, steps=3)
    model, (images, labels) = Normed().eval(), split_digits()[0]
    for number in (0, len(trajectory) // 2, -1):
        place = trajectory.place(number)
        model.load_state_dict(
            {**dict(place.buffers), **by_name(land, place.point)}, strict=False
        )
        loss = F.cross_entropy(model(images), labels)
        true = float(found.tracks[0].loss[number])
        assert true == pytest.approx(float(loss.detach()), rel=1e-5)
    # mixed as the weights are, the plane's own at its centre
    mixed = trajectory.plane(land, steps=3, batch_norm="interpolated")
    first = mixed.plane.axes[0].buffers["norm.running_mean"]
    rows = torch.stack(
        [place.buffers["norm.running_mean"].double() for place in trajectory.places()]
    )
    wanted = torch.linalg.lstsq(mixed.components.coordinates, rows - rows[-1]).solution
    torch.testing.assert_close(first.double(), wanted[0], rtol=1e-4, atol=1e-6)


def by_name(land: td.Landscape, point: Tensor) -> dict[str, Tensor]:
    pieces = land.parameters.split(point)
    return dict(zip(land.parameters.names, pieces, strict=True))


def test_paths_of_descents_are_runs_too() -> None:
    land = td.Landscape.from_function(
        lambda w: w @ (w * torch.arange(1, 7)) / 2, torch.ones(6, dtype=F64)
    )
    paths = [descend(land, rate, steps=20).path for rate in (0.02, 0.1)]
    one = trajectory_plane(land, paths[0], steps=5)
    assert len(one.tracks[0]) == 21
    both = trajectory_plane(land, paths, steps=5)
    assert [len(track) for track in both.tracks] == [21, 21]
    assert both.components.origin == "mean"
    places = trajectory_plane(land, [Place(point) for point in paths[0]], steps=5)
    assert torch.equal(places.plane.loss, one.plane.loss)


def test_other_parameters_than_the_landscapes_are_refused(
    run: tuple[td.Landscape, Trajectory],
) -> None:
    land, _ = run
    other = Trajectory(network(), parameters="fc1.*")
    for _ in range(3):
        other.record()
    with pytest.raises(ParameterError, match="fc2"):
        other.plane(land)


def test_no_runs_make_no_plane(run: tuple[td.Landscape, Trajectory]) -> None:
    with pytest.raises(ArgumentError, match="No runs"):
        trajectory_plane(run[0], [])


def test_a_planes_folder_goes_on_where_it_was(
    run: tuple[td.Landscape, Trajectory], tmp_path: Path
) -> None:
    land, trajectory = run
    first = trajectory.plane(land, steps=3, out=tmp_path / "map")
    again = trajectory.plane(land, steps=3, out=tmp_path / "map", resume=True)
    assert torch.equal(first.plane.loss, again.plane.loss)
    assert again.plane.evaluations == 0


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_feet_are_least_squares_on_oblique_planes_of_any_scale(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(7, 30, generator=generator, dtype=F64)
    center = torch.randn(30, generator=generator, dtype=F64)
    first = torch.randn(30, generator=generator, dtype=F64)
    # an angle of six degrees between them
    second = scale * (first + 0.1 * torch.randn(30, generator=generator, dtype=F64))
    rows = torch.stack([first, second])
    track = track_of("oblique", [Place(point) for point in points], center, rows)
    steps = (points - center).T
    wanted = torch.linalg.lstsq(rows.T, steps).solution
    found = torch.stack([track.x, track.y])
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 / scale)
    off = (steps - rows.T @ wanted).norm(dim=0)
    torch.testing.assert_close(track.distance, off)
    assert track.labels == tuple("0123456")
    assert track.loss.isnan().all()


def test_a_checkpoint_on_the_plane_is_at_no_distance_from_it() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2, 40, generator=generator, dtype=F64)
    center = 1e3 * torch.randn(40, generator=generator, dtype=F64)
    at = torch.tensor([[1e-3, 2.0]], dtype=F64)
    track = track_of("on", [Place(center + (at @ rows)[0])], center, rows)
    # the sum of centre and step rounds as the centre does
    assert float(track.distance) <= 40 * torch.finfo(F64).eps * 1e3


def test_parallel_directions_are_refused_and_labels_counted() -> None:
    row = torch.ones(4, dtype=F64)
    with pytest.raises(ArgumentError, match="parallel"):
        track_of("none", [], row, [row, 2 * row])
    with pytest.raises(ArgumentError, match="1 labels for 2"):
        track_of("two", [Place(row)] * 2, row, torch.eye(4, dtype=F64)[:2], ["a"])
    empty = track_of("empty", [], row, torch.eye(4, dtype=F64)[:2])
    assert repr(empty) == "Track 'empty': no checkpoints"
    assert len(empty) == 0
