"""Checkpoints on disk: what was recorded comes back, also from a killed run."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

import theodolite as td
from networks import MLP, Tied
from theodolite.errors import ArgumentError, ParameterError, RunFolderError
from theodolite.maps.trajectories.checkpoint_file import INDEX, ROWS
from theodolite.maps.trajectories.trajectory import Trajectory
from watch import everything


class Normed(nn.Module):
    """Batch norm between a frozen layer and a trained one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)
        self.last = nn.Linear(3, 2)
        self.first.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.norm(self.first(x)))


def network() -> nn.Module:
    return MLP(4, 3, 2)


def moved(model: nn.Module, seed: int) -> Tensor:
    """Give a model other weights; return those that are trained, flat."""
    generator = torch.Generator().manual_seed(seed)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.no_grad():
        for weight in trained:
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return parameters_to_vector(trained).detach().clone()


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_what_was_recorded_comes_back_to_the_last_bit() -> None:
    model = network()
    trajectory = Trajectory(model)
    points = []
    for step in range(5):
        points.append(moved(model, step))
        assert trajectory.record(0.5 * step)
    assert len(trajectory) == 5
    assert trajectory.steps == (0, 1, 2, 3, 4)
    assert trajectory.losses.tolist() == [0, 0.5, 1, 1.5, 2]
    for found, point in zip(trajectory, points, strict=True):
        assert torch.equal(found, point)
    assert torch.equal(trajectory[-1], points[-1])
    assert torch.equal(trajectory.columns(slice(3, 9)), torch.stack(points)[:, 3:9])


def test_recording_leaves_the_model_as_it_was() -> None:
    model = Normed()
    before = everything(model)
    trajectory = Trajectory(model)
    trajectory.record()
    assert everything(model) == before


@pytest.mark.parametrize("make", [Tied, Normed, network])
def test_the_order_is_the_landscapes(make: Callable[[], nn.Module]) -> None:
    model = make()
    trajectory = Trajectory(model)
    trajectory.record()
    data = (torch.zeros(1, 4), torch.zeros(1, 2))
    land = td.Landscape(model, nn.MSELoss(), data)
    assert trajectory.names == land.parameters.names
    assert torch.equal(trajectory[0], land.point)
    some = Trajectory(model, parameters="*weight")
    some.record()
    chosen = td.Landscape(model, nn.MSELoss(), data, parameters="*weight")
    assert torch.equal(some[0], chosen.point)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_rounds_each_weight_once(dtype: torch.dtype) -> None:
    model = network().double()
    trajectory = Trajectory(model, dtype=dtype)
    point = moved(model, 1)
    trajectory.record()
    assert torch.equal(trajectory[0].to(dtype), point.to(dtype))
    off = (trajectory[0].double() - point).norm()
    assert float(off) <= trajectory.rounding * float(point.norm())
    rows = trajectory.folder / ROWS
    assert rows.stat().st_size < trajectory.size * dtype.itemsize + 16


def test_batch_norms_statistics_lie_beside_the_weights() -> None:
    model = Normed()
    trajectory = Trajectory(model, dtype=torch.float16)
    model(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    trajectory.record()
    buffers = trajectory.place(0).buffers
    assert set(buffers) == {"norm.running_mean", "norm.running_var"}
    # in their own type, whatever that of the weights
    assert torch.equal(buffers["norm.running_var"], model.norm.running_var)
    bare = Trajectory(model, buffers=False)
    bare.record()
    assert not bare.place(0).buffers


def test_every_third_call_is_kept_and_the_last_where_asked() -> None:
    trajectory = Trajectory(network(), every=3)
    kept = [trajectory.record(step=10 * call) for call in range(8)]
    assert kept == [True, False, False, True, False, False, True, False]
    assert trajectory.record(step=80, keep=True)
    assert trajectory.steps == (0, 30, 60, 80)
    assert not trajectory.record(step=90, keep=False)


def test_losses_are_read_from_tensors_and_unknown_ones_are_nan() -> None:
    model = network()
    trajectory = Trajectory(model)
    loss = model(torch.zeros(2, 4)).sum()
    trajectory.record(loss)
    trajectory.record()
    trajectory.record(float("inf"))
    again = Trajectory.open(trajectory.folder)
    assert again.losses[0] == float(loss.detach())
    assert again.losses[1].isnan()
    assert again.losses[2].isinf()


def test_a_temporary_folder_goes_with_the_object() -> None:
    trajectory = Trajectory(network())
    trajectory.record()
    folder = trajectory.folder
    assert folder.exists()
    del trajectory
    assert not folder.exists()


def test_a_closed_trajectory_is_read_and_not_written(tmp_path: Path) -> None:
    with Trajectory(network(), tmp_path / "run") as trajectory:
        trajectory.record()
    assert len(trajectory) == len(list(trajectory)) == 1
    with pytest.raises(ArgumentError, match="no model to record"):
        trajectory.record()
    with pytest.raises(ArgumentError, match="no model to record"):
        Trajectory.open(tmp_path / "run").record()


def test_a_restarted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    model = network()
    first = Trajectory(model, tmp_path / "run", every=2, dtype=torch.bfloat16)
    for _ in range(5):
        first.record()
    again = Trajectory.open(tmp_path / "run", model)
    assert (again.every, again.dtype, again.name) == (2, torch.bfloat16, "run")
    assert [again.record() for _ in range(3)] == [False, True, False]
    assert again.steps == (0, 2, 4, 6)
    assert Trajectory.open(tmp_path / "run").steps == again.steps


def test_a_run_that_starts_again_from_a_step_drops_what_it_repeats(
    tmp_path: Path,
) -> None:
    model = network()
    trajectory = Trajectory(model, tmp_path)
    points = []
    for step in range(0, 50, 10):
        points.append(moved(model, step))
        trajectory.record(step=step)
    with pytest.raises(ArgumentError, match=r"until=24"):
        trajectory.record(step=25)
    again = Trajectory.open(tmp_path, model, until=24)
    assert again.steps == (0, 10, 20)
    point = moved(model, 1000)
    again.record(step=25)
    found = Trajectory.open(tmp_path)
    assert found.steps == (0, 10, 20, 25)
    wanted = [*points[:3], point]
    for there, here in zip(found, wanted, strict=True):
        assert torch.equal(there, here)


@pytest.mark.parametrize("piece", [b"", b"\x00", b"x" * 100])
def test_pieces_of_a_row_and_of_a_line_are_written_over(
    tmp_path: Path, piece: bytes
) -> None:
    model = network()
    trajectory = Trajectory(model, tmp_path)
    first = moved(model, 1)
    trajectory.record()
    for name in (ROWS, INDEX):
        with (tmp_path / name).open("ab") as file:
            file.write(piece)
    again = Trajectory.open(tmp_path, model)
    assert len(again) == 1
    second = moved(model, 2)
    again.record()
    found = Trajectory.open(tmp_path)
    assert torch.equal(found[0], first)
    assert torch.equal(found[1], second)
    assert found.steps == (0, 1)


def test_a_row_without_its_line_does_not_count(tmp_path: Path) -> None:
    model = network()
    trajectory = Trajectory(model, tmp_path)
    trajectory.record()
    trajectory.record()
    lines = (tmp_path / INDEX).read_text().splitlines(keepends=True)
    (tmp_path / INDEX).write_text(lines[0] + lines[1][:-1])
    assert len(Trajectory.open(tmp_path)) == 1


def test_a_killed_run_keeps_all_complete_rows(tmp_path: Path) -> None:
    script = f"""
import torch
from theodolite.maps.trajectories.trajectory import Trajectory
model = torch.nn.Linear(300, 100, bias=False)
trajectory = Trajectory(model, {str(tmp_path)!r})
for step in range(10**6):
    torch.nn.init.constant_(model.weight, step)
    trajectory.record(step)
    print(step, flush=True)
"""
    run = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    with run.stdout as told:
        for _ in range(40):
            last = int(told.readline())
        run.kill()
    run.wait()
    found = Trajectory.open(tmp_path)
    assert len(found) > last
    for step in range(len(found)):
        assert found.losses[step] == step
        assert torch.equal(found[step], torch.full((30_000,), float(step)))


def test_a_full_disk_says_so_and_loses_no_row(tmp_path: Path) -> None:
    model = nn.Linear(64, 64)
    trajectory = Trajectory(model, tmp_path)
    trajectory.record()
    size = (tmp_path / ROWS).stat().st_size
    with disk_of(size + 4096), pytest.raises(RunFolderError, match="every=10"):
        trajectory.record()
    assert len(trajectory) == len(Trajectory.open(tmp_path)) == 1
    point = moved(model, 1)
    trajectory.record()
    assert torch.equal(Trajectory.open(tmp_path)[1], point)


def test_a_second_run_is_not_written_over_the_first(tmp_path: Path) -> None:
    Trajectory(network(), tmp_path)
    with pytest.raises(RunFolderError, match=r"Trajectory\.open"):
        Trajectory(network(), tmp_path)


def test_another_model_is_refused_by_the_name_that_differs(tmp_path: Path) -> None:
    Trajectory(network(), tmp_path)
    with pytest.raises(ParameterError, match=r"fc1\.weight"):
        Trajectory.open(tmp_path, Normed())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trajectory.json", "{"),
        ("trajectory.json", '{"format": 99, "layout": {}}'),
        (INDEX, "no line of ours\n"),
    ],
)
def test_what_is_no_trajectory_is_not_read(
    tmp_path: Path, name: str, text: str
) -> None:
    Trajectory(network(), tmp_path / "run").record()
    (tmp_path / "run" / name).write_text(text)
    for folder in (tmp_path / "run", tmp_path / "nothing"):
        with pytest.raises(RunFolderError, match="Cannot read the trajectory"):
            Trajectory.open(folder)


def test_a_weight_beyond_the_types_largest_number_is_refused() -> None:
    model = nn.Linear(2, 1)
    trajectory = Trajectory(model, dtype=torch.float16)
    with torch.no_grad():
        model.weight.fill_(1e5)
    with pytest.raises(ArgumentError, match="bfloat16"):
        trajectory.record()
    assert len(trajectory) == 0
    # what the run itself has lost is recorded as it is
    with torch.no_grad():
        model.weight.fill_(float("inf"))
    trajectory.record()
    assert trajectory[0][:2].isinf().all()


@pytest.mark.parametrize(
    "settings", [{"every": 0}, {"dtype": torch.int32}], ids=["every", "dtype"]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ArgumentError):
        Trajectory(network(), **settings)


def test_numbers_beyond_the_last_checkpoint_are_index_errors() -> None:
    trajectory = Trajectory(network())
    with pytest.raises(IndexError):
        trajectory[0]
    assert list(trajectory) == []


def test_nothing_is_pickled(tmp_path: Path) -> None:
    trajectory = Trajectory(network(), tmp_path)
    trajectory.record(1.0)
    header = json.loads((tmp_path / "trajectory.json").read_text())
    assert header["layout"]["dtype"] == "float32"
    raw = torch.frombuffer(
        bytearray((tmp_path / ROWS).read_bytes()), dtype=torch.float32
    )
    assert torch.equal(raw[: trajectory.size], trajectory[0])
    assert {*os.listdir(tmp_path)} == {"trajectory.json", ROWS, INDEX}


def test_a_trajectory_says_what_it_is() -> None:
    trajectory = Trajectory(network(), every=2, dtype=torch.float16, name="adam")
    assert "'adam': 0 checkpoints" in repr(trajectory)
    for _ in range(3):
        trajectory.record()
    said = repr(trajectory)
    assert "2 checkpoints (one call in 2)" in said
    assert "float16, steps 0 to 2" in said
