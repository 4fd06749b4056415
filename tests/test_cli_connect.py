"""``theodolite connect`` and ``compare``: what they print, write and refuse."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import theodolite as td
from theodolite.cli.app import main


def run(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def weights(path: Path, seed: int) -> Path:
    """A checkpoint of digits-mlp in a file."""
    model = td.builtin("digits-mlp", seed=seed).model
    assert model is not None
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state, "epoch": torch.tensor(3)}, path)
    return path


def test_ways_are_printed_drawn_and_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = weights(here / "other.safetensors", 1)
    methods = ["--method", "straight", "--method", "aligned"]
    assert run("connect", "digits-mlp", str(checkpoint), *methods) == 0
    printed = capsys.readouterr()
    assert "straight" in printed.out
    assert "aligned" in printed.out
    folder = here / "connect-digits-mlp"
    record = json.loads((folder / "run.json").read_text("utf-8"))
    assert record["between"] == ["digits-mlp", str(checkpoint)]
    straight, aligned = (record["paths"][n]["barrier"] for n in ("straight", "aligned"))
    assert aligned["value"] < straight["value"]
    assert (folder / "connect.png").read_bytes().startswith(b"\x89PNG")
    control = load_file(folder / "tensors.safetensors")["straight.control"]
    land = td.builtin("digits-mlp")
    torch.testing.assert_close(control[0], land.point)
    # the next one has a folder of its own
    assert run("connect", "digits-mlp", "digits-mlp@1", *methods[:2], "-q") == 0
    assert (here / "connect-digits-mlp-2" / "run.json").exists()


def test_checkpoints_stand_side_by_side(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = weights(here / "other.pt", 1)
    out = here / "out"
    settings = ["--budget", "3s", "--out", str(out)]
    assert run("compare", "digits-mlp", str(checkpoint), *settings) == 0
    printed = capsys.readouterr().out
    assert "test error" in printed
    assert "Between them" in printed
    record = json.loads((out / "run.json").read_text("utf-8"))
    names = [row["name"] for row in record["rows"]]
    assert names == ["digits-mlp", str(checkpoint)]
    loss = td.builtin("digits-mlp", seed=1).loss()
    assert record["rows"][1]["loss"] == pytest.approx(loss, rel=1e-6)


REFUSED = {
    "another architecture": (["compare", "digits-mlp", "saddle"], "2410 parameters"),
    "twice": (["compare", "digits-mlp", "digits-mlp"], "twice"),
    "no such file": (["connect", "digits-mlp", "gone.safetensors"], "no file"),
    "no such seed": (["connect", "digits-mlp", "digits-mlp@one"], "no seed"),
    "budget": (["connect", "digits-mlp", "digits-mlp@1", "--budget", "soon"], "60s"),
    "method": (["connect", "digits-mlp", "digits-mlp@1", "--method", "x"], "bezier"),
    "policy": (
        ["connect", "digits-cnn", "digits-cnn@1", "--batch-norm", "thawed"],
        "re-estimated",
    ),
    "function": (["connect", "saddle", "digits-mlp"], "point"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_with_advice(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, said = REFUSED[name]
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err
    assert not list(here.glob("co*"))


def test_a_file_with_code_in_it_is_never_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = (
        "import os, pickle\n"
        "class Bad:\n"
        "    def __reduce__(self):\n"
        "        return os.mkdir, ('ran',)\n"
        "pickle.dump(Bad(), open('bad.pt', 'wb'))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=here, check=True)
    assert run("connect", "digits-mlp", "bad.pt") == 2
    assert "tensors alone" in capsys.readouterr().err
    assert not (here / "ran").exists()
    (here / "list.pt").write_bytes(b"not a checkpoint")
    assert run("compare", "digits-mlp", "list.pt") == 2
    torch.save([torch.ones(2)], here / "list.pt")
    assert run("compare", "digits-mlp", "list.pt") == 2
    assert "state_dict" in capsys.readouterr().err
