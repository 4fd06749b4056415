"""``theodolite map``: what it draws, keeps, and answers to mistakes."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import theodolite as td
from test_cli import run
from theodolite.cli.announcing import Announcing
from theodolite.maps import figures

MODULE = """
import time
import torch
import theodolite as td
from torch import nn

def model(seed, hidden=4):
    torch.manual_seed(seed)
    layers = nn.Linear(3, hidden), nn.BatchNorm1d(hidden), nn.Tanh()
    return nn.Sequential(*layers, nn.Linear(hidden, 2)).eval()

def landscape(seed, **more):
    network = model(seed)
    torch.manual_seed(9)
    inputs, labels = torch.randn(20, 3), torch.randint(0, 2, (20,))
    return td.Landscape(network, nn.CrossEntropyLoss(), (inputs, labels), **more)

def land():
    return landscape(0)

def other():
    return landscape(1)

def third():
    return landscape(2)

def tested():
    pair = torch.ones(4, 3), torch.zeros(4).long()
    return landscape(0, test=pair)

def wide():
    pair = torch.ones(4, 3), torch.zeros(4).long()
    return td.Landscape(model(0, 5), nn.CrossEntropyLoss(), pair)

def never():
    raise SystemExit("loaded although something was mistyped")

def slow():
    def bowl(w):
        time.sleep(0.004)
        return w.square().sum() + w[0].sin()
    return td.Landscape.from_function(bowl, torch.tensor([0.3, 0.1, 0.2]).double())
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with a module of targets and files of weights in it."""
    (tmp_path / "targets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    state = checkpoint()
    save_file(state, tmp_path / "b.safetensors")
    torch.save(state, tmp_path / "b.pt")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "b.ckpt")
    torch.save({"model": {**state, "extra": None}}, tmp_path / "b.pth.tar")
    return tmp_path


@pytest.fixture
def quick(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, without the time that pictures take."""

    def touched(found: Any, path: Path, *_: Any, **more: Any) -> Path:
        path.touch()
        return path

    for name in ("draw_plane", "draw_line"):
        monkeypatch.setattr(figures, name, touched)
    return here


def checkpoint() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(MODULE, "targets", "exec"), names)
    with torch.random.fork_rng():
        return names["model"](1).state_dict()


def read(folder: str) -> Any:
    return td.maps.read_map(folder)


def test_a_plane_of_a_built_in_is_printed_drawn_and_kept(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("map", "digits-mlp", "--steps", "9") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Plane: 9 × 9 points, loss")
    assert "Picture: map-digits-mlp/map.png\n" in captured.out
    assert captured.out.endswith("Numbers: map-digits-mlp\n")
    assert "Mapping digits-mlp" in captured.err
    found = read("map-digits-mlp")
    assert found.loss.shape == (9, 9)
    assert found.axes[0].kind == "filter"
    assert (here / "map-digits-mlp" / "map.png").stat().st_size > 1000


def test_quiet_prints_only_where_the_map_lies(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("map", "saddle", "--quiet", "--out", "out/deep", "--steps=5") == 0
    captured = capsys.readouterr()
    assert captured.out == (
        "Picture: out/deep/map.png\nReport: out/deep/report.html\nNumbers: out/deep\n"
    )
    assert captured.err == ""


@pytest.mark.parametrize(
    "to", ["b.safetensors", "b.pt", "b.ckpt", "b.pth.tar", "targets.py:other"]
)
def test_a_line_leads_to_each_kind_of_checkpoint(quick: Path, to: str) -> None:
    assert run("map", "targets.py:land", "--to", to, "--steps=4", "-q", "--out=m") == 0
    found = read("m")
    assert isinstance(found, td.Line)
    wanted = torch.cat([checkpoint()[f"{n}"].flatten() for n in WEIGHTS])
    assert torch.equal(found.point(1.0), wanted)


WEIGHTS = ("0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias")


def test_a_built_in_leads_to_itself_from_another_seed(quick: Path) -> None:
    assert run("map", "digits-mlp", "--to=digits-mlp@1", "--steps=3", "-q") == 0
    found = read("map-digits-mlp")
    assert torch.equal(found.point(1.0), td.builtin("digits-mlp", seed=1).point)
    assert run("map", "digits-mlp@1", "--to=digits-mlp@x") == 2


def test_two_checkpoints_span_a_plane(
    quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = "--to=b.pt", "--to=targets.py:third"
    assert run("map", "targets.py:land", *others, "--steps=5", "--out=m") == 0
    found = read("m")
    assert isinstance(found, td.Plane)
    assert found.tracks[0].labels == ("center", "1", "2")
    # where the wrong thing would be believed, it is said
    assert "note: Batch norm's running statistics" in capsys.readouterr().out


def test_a_line_runs_along_a_direction(quick: Path) -> None:
    assert run("map", "saddle", "--along=eigen-bottom", "--steps=5", "-q") == 0
    found = read("map-saddle")
    assert found.axis.kind == "eigenvector"
    assert found.axis.curvature < 0


def test_every_point_is_measured_where_no_error_is_allowed(quick: Path) -> None:
    common = "map", "targets.py:slow", "--steps=15", "--span=0.5", "-q"
    assert run(*common, "--out=few") == 0
    assert run(*common, "--out=all", "--rtol=0") == 0
    few, whole = read("few"), read("all")
    assert int(few["loss"].measured.sum()) < 15 * 15
    assert bool(whole["loss"].measured.all())
    assert whole.outcome.name == "exact"


def test_options_reach_the_map(quick: Path) -> None:
    options = "--quantity=error", "--quantity=gradient_norm", "--seed=3"
    policy = "--batch-norm=re-estimated", "--directions=layer", "--rtol=0"
    assert run("map", "targets.py:tested", *options, *policy, "--steps=6", "-q") == 0
    found = read("map-targets")
    assert {"error", "test error", "gradient_norm", "test loss"} <= {*found.fields}
    assert found.batch_norm == "re-estimated"
    assert found.seed == 3
    assert found.axes[0].kind == "layer"


def test_a_map_is_gone_on_with(quick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = "map", "targets.py:slow", "--steps=15", "--span=0.5", "--rtol=0"
    assert run(*common, "--budget=200ms") == 0
    assert "Not converged" in capsys.readouterr().out
    cut = read("map-targets")
    assert 0 < cut.evaluations < 15 * 15
    assert run(*common, "--resume") == 0
    ended = read("map-targets")
    assert ended.evaluations == 15 * 15 - cut.evaluations
    assert ended.outcome.name == "exact"


def test_folders_are_numbered_and_never_written_over(quick: Path) -> None:
    for _ in range(3):
        assert run("map", "saddle", "--steps=3", "-q") == 0
    names = sorted(path.name for path in quick.glob("map-*"))
    assert names == ["map-saddle", "map-saddle-2", "map-saddle-3"]
    # what was refused leaves none behind
    assert run("map", "targets.py:land", "--to=targets.py:wide") == 2
    assert run("map", "targets.py:land", "--to=targets.py:land") == 2
    assert not (quick / "map-targets").exists()
    # nor does the run of another command get lost
    (quick / "taken").mkdir()
    (quick / "taken" / "run.json").write_text('{"target": {"name": "saddle"}}')
    assert run("map", "saddle", "--out=taken") == 2
    assert "target" in (quick / "taken" / "run.json").read_text()


class Code:
    """What a file of weights must never get to run."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "missing file": (["--to=missing.pt"], ["no file missing.pt", "Check the path"]),
    "missing target": (["--to=digit-mlp"], ["Did you mean 'digits-mlp'"]),
    "another architecture": (["--to=targets.py:wide"], ["shape (5, 3)", "(4, 3)"]),
    "no weights": (["--to=none.pt"], ["no state dict", "model.state_dict()"]),
    "no torch file": (["--to=text.pt"], ["text.pt cannot be read", "safetensors"]),
    "no safetensors": (["--to=text.safetensors"], ["text.safetensors cannot be read"]),
    "empty": (["--to=empty.pt"], ["empty.pt cannot be read"]),
    "a whole model": (["--to=whole.pt"], ["holds objects like", "model.state_dict()"]),
    "code": (["--to=code.pt"], ["holds objects like", "mkdir", "hold tensors alone"]),
    "old code": (["--to=old.pt"], ["old.pt cannot be read"]),
    "nan": (["--to=nan.pt"], ["NaN or infinity in '0.weight'"]),
    "three": (["--to=b.pt"] * 3, ["3 checkpoints", "theodolite compare"]),
    "two ways": (["--to=b.pt", "--along=filter"], ["Both --to and --along"]),
    "directions": (["--directions=fliter"], ["Did you mean 'filter'"]),
    "along": (["--along=eign"], ["Did you mean 'eigen'"]),
    "quantity": (["--quantity=eror"], ["Did you mean 'error'"]),
    "batch norm": (["--batch-norm=forzen"], ['"frozen"', '"re-estimated"']),
    "rtol": (["--rtol=2"], ["rtol=2.0", "rtol=0.01"]),
    "steps": (["--steps=1"], ["steps=1", "two at least"]),
    "span": (["--span=-1"], ["span=-1.0"]),
    "budget": (["--budget=soon"], ['"60s"']),
}
LOADED = {name for name in MISTAKES if MISTAKES[name][0][0].startswith("--to=")}
LOADED -= {"missing file", "three", "two ways"}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_a_clear_answer(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = checkpoint()
    torch.save({"epoch": 3}, "none.pt")
    Path("text.pt").write_text("hello")
    Path("text.safetensors").write_text("hello, this is no header")
    Path("empty.pt").touch()
    torch.save({"layer": torch.nn.Linear(1, 1)}, "whole.pt")
    torch.save({"weights": Code()}, "code.pt")
    Path("old.pt").write_bytes(pickle.dumps({"weights": Code()}))
    torch.save({**state, "0.weight": state["0.weight"] * float("nan")}, "nan.pt")
    options, words = MISTAKES[name]
    # what is mistyped is said before anything is loaded
    target = "land" if name in LOADED else "never"
    assert run("map", f"targets.py:{target}", *options) == 2
    printed = capsys.readouterr().err
    for word in words:
        assert word in printed, word
    assert "→" in printed
    assert "Traceback" not in printed
    assert "weights_only" not in printed
    assert not (here / "ran").exists()
    assert not list(here.glob("map-*"))


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("digits-mpl", ["Did you mean 'digits-mlp'"]),
        ("digits-mlp@one", ["'one' is no seed", "digits-mlp@1"]),
        ("targets.py:lnad", ["'land'"]),
        ("nowhere.py:land", ["no file nowhere.py"]),
    ],
)
def test_a_mistyped_target_gets_a_clear_answer(
    target: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("map", target, "--steps=3") == 2
    printed = capsys.readouterr().err
    assert all(word in printed for word in words)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("name", ["run.json.part", "map.png"])
def test_a_full_disk_is_said(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "out").mkdir()
    (here / "out" / name).symlink_to("/dev/full")
    assert run("map", "saddle", "--steps=3", "--out=out") == 2
    printed = capsys.readouterr().err
    assert "Cannot write out" in printed
    assert "free some space" in printed


def test_ctrl_c_keeps_what_was_measured(here: Path) -> None:
    """In the middle of a real process: exit code 130, and nothing is lost."""
    command = [sys.executable, "-m", "theodolite", "map", "targets.py:slow"]
    process = subprocess.Popen(
        [*command, "--steps=41", "--span=1", "--rtol=0", "--out=run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # tests that run in the background inherit that Ctrl-C is ignored
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    points, deadline = here / "run" / "points.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if points.exists() and points.read_text().count("\n") > 40:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130
    assert "Interrupted" in printed
    found = read("run")
    assert found.outcome.name == "interrupted"
    measured = int(found["loss"].measured.sum())
    assert 40 < measured < 41 * 41
    assert points.read_text().count("\n") == measured
    assert (here / "run" / "map.png").exists()


def test_the_first_estimate_stays_on_a_line_of_its_own() -> None:
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    bar = Announcing(Console(file=text, width=80))
    for left in (1.0, 75.0, 50.0):
        bar.update("points", 0.5, left)
    bar.close()
    assert text.getvalue().startswith("points: about 1 min 15 s left\n")
    assert text.getvalue().count("1 min 15 s") == 1
