"""The command line: what it prints, writes and answers to mistakes."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from theodolite.cli.app import main
from theodolite.cli.survey import default_folder
from theodolite.progress import time_left
from theodolite.progress_bars import Live, Plain
from theodolite.surveying.result import read_survey
from theodolite.version import __version__

ROOT = Path(__file__).parents[1]
MODULE = """
import torch, theodolite as td
from torch import nn

def land():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.randn(20, 3)
    return td.Landscape(model, nn.MSELoss(), (x, x.sum(1, keepdim=True)))

def fails():
    raise ValueError("no data here")

def leaves():
    raise SystemExit(3)

def returns_a_model():
    return nn.Linear(1, 1)

def nan_weights():
    found = land()
    with torch.no_grad():
        next(found.model.parameters()).fill_(float("nan"))
    return found

def empty():
    return td.Landscape(nn.Linear(1, 1), nn.MSELoss(), [])

def no_gradient():
    loss = lambda output, target: (output - target).pow(2).mean().detach()
    return td.Landscape(nn.Linear(1, 1), loss, (torch.ones(2, 1), torch.ones(2, 1)))

def pattern():
    pair = torch.ones(2, 1), torch.ones(2, 1)
    return td.Landscape(nn.Linear(1, 1), nn.MSELoss(), pair, parameters="wieght")

value = 3
"""


def run(*arguments: str) -> int:
    """The exit code of the command line, in this process."""
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with a module of targets in it."""
    (tmp_path / "targets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_survey_shows_its_numbers_and_writes_its_report(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("survey", "linear-regression") == 0
    printed = capsys.readouterr().out
    assert "speed limit" in printed
    assert "Report: survey-linear-regression/report.html" in printed
    assert (here / "survey-linear-regression" / "report.html").exists()
    found = read_survey(here / "survey-linear-regression")
    assert found.run["target"] == {
        "name": "linear-regression",
        "kind": "built-in",
        "git": None,
    }


def test_quiet_prints_only_where_the_report_lies(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("survey", "saddle", "--quiet", "--out", "run") == 0
    captured = capsys.readouterr()
    assert captured.out == "Report: run/report.html\n"
    assert captured.err == ""


def test_a_file_and_a_module_are_targets(here: Path) -> None:
    assert run("survey", "targets.py:land", "-q", "--out", "from-file") == 0
    assert run("survey", "targets:land", "-q", "--out", "from-module") == 0
    file, module = (read_survey(here / name) for name in ("from-file", "from-module"))
    assert file.run["target"]["kind"] == "file"
    assert module.run["target"]["kind"] == "module"
    assert file["eigenvalues"] == module["eigenvalues"]


def test_the_example_is_a_target_with_its_git_state(here: Path) -> None:
    example = ROOT / "examples" / "two_moons.py"
    assert run("survey", f"{example}:make_landscape", "-q", "--out", "run") == 0
    found = read_survey(here / "run")
    assert found["loss"]["test"]["samples"] == 400
    assert found["loss"]["train"]["loss"] < 0.1
    git = found.run["target"]["git"]
    assert git is None or len(git["commit"]) == 40


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("digits-cn", ["digits-cn", "Did you mean 'digits-cnn'"]),
        ("targets.py", ["targets.py:make_landscape"]),
        ("targets.py:lnad", ["lnad", "'land'"]),
        ("targets.py:value", ["value"]),
        ("target.py:land", ["no file target.py", "targets.py"]),
        ("nowhere.at.all:land", ["nowhere", "ModuleNotFoundError"]),
        ("targets.py:fails", ["ValueError: no data here", "--debug"]),
        ("targets.py:leaves", ["SystemExit"]),
        ("targets.py:returns_a_model", ["returned a Linear", "Landscape"]),
        ("targets.py:nan_weights", ["'0.weight'", "NaN", "checkpoint"]),
        ("targets.py:empty", ["empty list", "at least one"]),
        ("targets.py:no_gradient", ["no gradient", "detach"]),
        ("targets.py:pattern", ["'wieght'", "'weight'"]),
    ],
)
def test_a_mistake_gets_a_clear_answer(
    target: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("survey", target) == 2
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert "→" in printed
    for word in words:
        assert word in printed, word


@pytest.mark.parametrize("budget", ["soon", "5", "-3s", "0s"])
def test_a_mistyped_budget_is_said_before_anything_is_loaded(
    budget: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("survey", "digits-vit", f"--budget={budget}") == 2
    assert '"60s"' in capsys.readouterr().err


def test_debug_shows_the_traceback(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("survey", "targets.py:fails", "--debug") == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "no data here" in printed


def test_a_folder_that_is_a_file_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "taken").write_text("")
    assert run("survey", "saddle", "--out", "taken") == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_after_the_numbers(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "run"
    folder.mkdir()
    (folder / "spectrum.safetensors.part").symlink_to("/dev/full")
    (folder / "report.html.part").symlink_to("/dev/full")
    assert run("survey", "saddle", "--out", "run") == 2
    captured = capsys.readouterr()
    assert "speed limit" in captured.out
    assert "Report:" not in captured.out
    assert "run" in captured.err
    assert "--out" in captured.err
    assert "Traceback" not in captured.err


def test_folders_are_never_overwritten(here: Path) -> None:
    assert default_folder("digits-cnn", resume=False) == Path("survey-digits-cnn")
    (here / "survey-digits-cnn").mkdir()
    assert default_folder("digits-cnn", resume=False) == Path("survey-digits-cnn-2")
    assert default_folder("digits-cnn", resume=True) == Path("survey-digits-cnn")
    assert default_folder("a/b.py:f", resume=False) == Path("survey-b")
    assert default_folder("pkg.mod:f", resume=False) == Path("survey-pkg-mod")


def test_a_report_can_be_made_anew(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("survey", "saddle", "-q", "--out", "run")
    first = (here / "run" / "report.html").read_bytes()
    (here / "run" / "report.html").unlink()
    assert run("report", "run") == 0
    assert (here / "run" / "report.html").read_bytes() == first
    assert run("report", "run", "--out", "page.html") == 0
    assert (here / "page.html").read_bytes() == first


def test_a_folder_without_a_survey_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", "nothing") == 2
    assert "run.json" in capsys.readouterr().err


def test_the_doctor_finds_the_products_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("doctor") == 0
    printed = capsys.readouterr().out
    assert printed.count("right") == 2
    assert "WRONG" not in printed
    assert __version__ in printed


def test_the_doctor_notices_a_wrong_product(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from theodolite.operators.curvature import Curvature

    right = Curvature._multiply
    monkeypatch.setattr(Curvature, "_multiply", lambda self, v: 1.1 * right(self, v))
    assert run("doctor") == 1
    assert "WRONG" in capsys.readouterr().out


def test_help_and_version_do_not_wait_for_torch() -> None:
    """Neither torch nor numpy is imported to print a page of help."""
    code = (
        "import sys; from theodolite.cli.app import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numpy', 'jinja2'} & set(sys.modules), 'slow import'"
    )
    for word in ("--help", "--version"):
        command = [sys.executable, "-c", code, word]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "survey" in done.stdout or __version__ in done.stdout


def test_ctrl_c_loses_nothing(here: Path) -> None:
    """Interrupted in the middle: exit code 130, the report is written."""
    target = f"{ROOT / 'examples' / 'two_moons.py'}:make_landscape"
    command = [sys.executable, "-m", "theodolite", "survey", target]
    process = subprocess.Popen(
        [*command, "--out", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # tests that run in the background inherit that Ctrl-C is ignored
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    lines = here / "run" / "measurements.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if lines.exists() and '"speed_limit"' in lines.read_text():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 130
    assert "Interrupted" in printed
    found = read_survey(here / "run")
    assert found.run["state"] == "interrupted"
    assert {"loss", "speed_limit", "place"} <= set(found.measurements)
    assert (here / "run" / "report.html").exists()


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    text = StringIO()
    live = Live(Console(file=text, width=80, force_terminal=True))
    live.update("trace", 0.5, 75.0)
    live.close()
    assert "trace" in text.getvalue()
    assert "1 min 15 s left" in text.getvalue()


def test_a_log_gets_one_line_now_and_then() -> None:
    text = StringIO()
    plain = Plain(Console(file=text, width=80), every=0.05)
    began = time.monotonic()
    for step in range(50):
        plain.update("trace", step / 50, 12.0)
        time.sleep(0.004)
    lines = text.getvalue().splitlines()
    # however slow the machine is meanwhile
    assert 1 <= len(lines) <= (time.monotonic() - began) / 0.05
    assert "about 12 s left" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 0 s left"),
        (75.0, "about 1 min 15 s left"),
        (float("inf"), "unknown"),
    ],
)
def test_time_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert text in time_left(seconds)


def test_run_json_is_strict_json(here: Path) -> None:
    run("survey", "saddle", "-q", "--out", "run")

    def refuse(word: str) -> float:
        raise AssertionError(word)

    for name in ("run.json", "measurements.jsonl"):
        for line in (
            (here / "run" / name).read_text().split("\n" if "l" in name[-1] else "\0")
        ):
            if line.strip():
                json.loads(line, parse_constant=refuse)
