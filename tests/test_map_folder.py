"""Maps on disk: killed at any moment and gone on with, no point is done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from theodolite.errors import RunFolderError

# forks, so that torch is imported once for twenty kills
KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import torch
import theodolite as td

torch.set_num_threads(1)
rtol, out = RTOL, Path(sys.argv[1])

def slow(w):
    time.sleep(0.001)
    return (w[0] * 3).sin() + w[1] ** 2 + torch.cosh(w).sum() / 7

def mapped(folder):
    point = torch.tensor([0.3, -0.2, 0.1, 0.5], dtype=torch.float64)
    land = td.Landscape.from_function(slow, point)
    return td.plane(
        land, steps=(31, 29), span=1.0, rtol=rtol, out=folder, resume=True
    )

def held():
    path = out / "killed" / "points.jsonl"
    return len(path.read_bytes()) if path.exists() else 0

mapped(out / "whole")
source = random.Random(0)
kills = 0
while kills < 20:
    before = held()
    child = os.fork()
    if child == 0:
        try:
            mapped(out / "killed")
        finally:
            os._exit(0)
    while held() == before and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.0005)
    time.sleep(source.random() * SPAN)
    try:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        break
    if not os.WIFSIGNALED(status):
        break
    kills += 1
ended = mapped(out / "killed")
print("kills", kills, ended.evaluations)
"""


# the adaptive map needs few points: kills come quickly, one or two points apart
@pytest.mark.parametrize(("rtol", "span"), [("None", "0.04"), ("1e-9", "0.004")])
def test_a_map_killed_twenty_times_ends_as_the_uninterrupted_one(
    tmp_path: Path, rtol: str, span: str
) -> None:
    path = tmp_path / "killing.py"
    path.write_text(KILLING.replace("RTOL", rtol).replace("SPAN", span))
    done = subprocess.run(
        [sys.executable, str(path), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "kills 20" in done.stdout
    first, second = (td.maps.read_map(tmp_path / n) for n in ("whole", "killed"))
    assert isinstance(first, td.Plane)
    assert isinstance(second, td.Plane)
    assert torch.equal(first.loss, second.loss)
    assert first.error == second.error
    text = (tmp_path / "killed" / "points.jsonl").read_text("utf-8")
    places = [tuple(json.loads(line)["at"]) for line in text.splitlines()]
    assert len(set(places)) == len(places)


def land(calls: list[int] | None = None) -> td.Landscape:
    def counted(w: Tensor) -> Tensor:
        if calls is not None:
            calls.append(1)
        return w.square().sum() + w[0]

    point = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    return td.Landscape.from_function(counted, point)


def test_a_line_without_its_end_is_cut_off(tmp_path: Path) -> None:
    td.plane(land(), steps=5, span=1.0, out=tmp_path, budget=10)
    path = tmp_path / "points.jsonl"
    text = path.read_bytes()
    path.write_bytes(text + b'{"at": [0.5, 0.5], "lo')
    plane = td.plane(land(), steps=5, span=1.0, out=tmp_path, resume=True)
    assert plane.evaluations == 15
    assert plane.outcome.name == "exact"
    assert torch.equal(plane.loss, td.plane(land(), steps=5, span=1.0).loss)


def test_no_finished_point_is_computed_again(tmp_path: Path) -> None:
    td.plane(land(), steps=5, out=tmp_path, quantities=("gradient_norm",))
    calls: list[int] = []
    again = td.plane(
        land(calls), steps=5, out=tmp_path, resume=True, quantities=("gradient_norm",)
    )
    assert again.evaluations == 0
    # the check of the place, and of its fingerprint
    assert len(calls) <= 4
    finer = td.plane(
        land(),
        steps=9,
        span=((-1, 1), (-1, 1)),
        out=tmp_path,
        resume=True,
        quantities=("gradient_norm",),
    )
    assert finer.outcome.good


def test_another_map_is_not_mixed_in(tmp_path: Path) -> None:
    td.plane(land(), steps=3, span=1.0, out=tmp_path, seed=0)
    for other in ({"seed": 1}, {"directions": "eigen"}, {"quantities": {"a": len}}):
        with pytest.raises(RunFolderError, match="must not be mixed"):
            td.plane(land(), steps=3, span=1.0, out=tmp_path, resume=True, **other)
    moved = td.Landscape.from_function(
        lambda w: w.square().sum(), torch.ones(3).double()
    )
    with pytest.raises(RunFolderError, match="must not be mixed"):
        td.plane(moved, steps=3, span=1.0, out=tmp_path, resume=True)
    # without resume it is a new map
    assert td.plane(moved, steps=3, span=1.0, out=tmp_path).evaluations == 9


def test_other_tensors_are_another_map(tmp_path: Path) -> None:
    rows = torch.eye(3).double()
    td.plane(land(), None, (rows[0], rows[1]), 3, 1.0, out=tmp_path)
    with pytest.raises(RunFolderError, match="other directions"):
        td.plane(land(), None, (rows[0], rows[2]), 3, 1.0, out=tmp_path, resume=True)


def test_a_folder_that_cannot_be_written_is_said_with_what_to_do(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("here already")
    with pytest.raises(RunFolderError, match="--out"):
        td.plane(land(), steps=3, out=tmp_path / "file")


def test_a_folder_without_a_finished_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run\.json"):
        td.maps.read_map(tmp_path)
    td.plane(land(), steps=3, out=tmp_path)
    (tmp_path / "arrays.safetensors").unlink()
    with pytest.raises(RunFolderError, match="resume"):
        td.maps.read_map(tmp_path)


def test_a_line_that_is_no_point_is_named(tmp_path: Path) -> None:
    td.plane(land(), steps=3, out=tmp_path)
    with (tmp_path / "points.jsonl").open("a") as file:
        file.write("not a point\n")
    with pytest.raises(RunFolderError, match=r"Line \d+ of .*not a point"):
        td.plane(land(), steps=3, out=tmp_path, resume=True)


def test_a_plane_comes_back_from_its_folder_as_it_was(tmp_path: Path) -> None:
    here = td.builtin("digits-mlp")
    other = td.builtin("digits-mlp", seed=1)
    plane = td.plane(
        here,
        directions=(other.model, torch.ones(here.size)),
        tracks={"run": [other.model]},
        out=tmp_path / "out",
        quantities=("error", "gradient_norm"),
        steps=7,
        rtol=0.02,
    )
    plane.save(tmp_path / "saved")
    for name in ("out", "saved"):
        back = td.maps.read_map(tmp_path / name)
        assert isinstance(back, td.Plane)
        assert back.to_dict() == plane.to_dict()
        assert torch.equal(back.directions, plane.directions)
        assert repr(back) == repr(plane)


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    calls: list[int] = []

    def impatient(w: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return w.square().sum()

    where = torch.tensor([0.3, 0.1, 0.2], dtype=torch.float64)
    stopped = td.Landscape.from_function(impatient, where)
    plane = td.plane(stopped, steps=9, span=1.0, out=tmp_path)
    assert plane.outcome.name == "interrupted"
    measured = int(plane["loss"].measured.sum())
    assert 10 < measured < 81
    whole = td.plane(stopped, steps=9, span=1.0, out=tmp_path, resume=True)
    assert whole.evaluations == 81 - measured
    assert whole.outcome.name == "exact"


SHARED = """
import sys
import torch
import torch.distributed as dist
import theodolite as td

dist.init_process_group("gloo")
torch.set_num_threads(1)
calls = 0

def counted(w):
    global calls
    calls += 1
    return w.square().sum() + (w[0] * 3).sin()

land = td.Landscape.from_function(
    counted, torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
)
plane = td.plane(land, steps=9, span=1.0, rtol=RTOL, out=sys.argv[1])
with open(f"{sys.argv[2]}/{dist.get_rank()}.txt", "w") as file:
    print(calls, float(plane.loss.sum()).hex(), file=file)
dist.destroy_process_group()
"""


@pytest.mark.parametrize("rtol", ["None", "0.01"])
def test_processes_share_the_points_of_one_map(tmp_path: Path, rtol: str) -> None:
    path = tmp_path / "shared.py"
    path.write_text(SHARED.replace("RTOL", rtol), encoding="utf-8")
    arguments = ["--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", *arguments),
            *("--rdzv_endpoint=localhost:0", str(path), str(tmp_path / "out")),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [(tmp_path / f"{rank}.txt").read_text().split() for rank in (0, 1)]
    assert rows[0][1] == rows[1][1]
    read = td.maps.read_map(tmp_path / "out")
    assert isinstance(read, td.Plane)
    evaluations = len(read.points)
    # checks and fingerprint beside its share
    assert all(int(row[0]) <= 0.7 * evaluations + 4 for row in rows)

    def alone(w: Tensor) -> Tensor:
        return w.square().sum() + (w[0] * 3).sin()

    where = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    single = td.plane(
        td.Landscape.from_function(alone, where),
        steps=9,
        span=1.0,
        rtol=None if rtol == "None" else float(rtol),
    )
    assert float(single.loss.sum()).hex() == rows[0][1]


def test_a_network_is_gone_on_with_to_the_same_bits(tmp_path: Path) -> None:
    here = td.builtin("digits-cnn")
    whole = td.plane(here, None, "eigen", rtol=0.01, steps=21)
    td.plane(here, None, "eigen", rtol=0.01, steps=21, out=tmp_path, budget=20)
    ended = td.plane(
        here, None, "eigen", rtol=0.01, steps=21, out=tmp_path, resume=True
    )
    assert torch.equal(whole.loss, ended.loss)
    assert torch.equal(whole.directions, ended.directions)


def test_a_model_of_the_users_own_is_never_written_to() -> None:
    model = nn.Linear(3, 2)
    before = [weight.data_ptr() for weight in model.parameters()]
    land = td.Landscape(model, nn.MSELoss(), (torch.ones(4, 3), torch.ones(4, 2)))
    td.plane(land, steps=3, span=0.1)
    assert [weight.data_ptr() for weight in model.parameters()] == before
