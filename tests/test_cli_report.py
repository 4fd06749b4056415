"""``theodolite report``: folders of every kind, and what is wrong with some."""

import shutil
from pathlib import Path

import pytest
import torch

import theodolite as td
from runs import compare_run, connect_run
from surveys import survey_on_file
from theodolite.cli.app import main
from theodolite.maps.map_folder import RUN
from theodolite.storage.files import read_record, write_record
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.result import Survey

F64 = torch.float64


def run(*arguments: str) -> int:
    """The exit code of a command."""
    try:
        main(arguments)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of every kind, each in its folder."""
    root = tmp_path_factory.mktemp("runs")
    land = td.Landscape.from_function(
        lambda w: (w**2).sum(), torch.zeros(2, dtype=F64), name="bowl"
    )
    td.plane(land, directions=(0, 1), span=1.0, steps=5).save(root / "plane")
    td.line(land, b=torch.ones(2, dtype=F64), steps=5).save(root / "line")
    for name, found in {"connect": connect_run(), "compare": compare_run()}.items():
        (root / name).mkdir()
        write_record(root / name / RUN, found["run"])
    found = survey_on_file()
    rows = found["measurements"].items()
    measured = {n: Measurement.from_dict({"name": n, **row}) for n, row in rows}
    Survey(found["run"], measured, {}).save(root / "survey")
    return root


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of them, in which commands are run."""
    copied = tmp_path / "here"
    shutil.copytree(made, copied)
    monkeypatch.chdir(copied)
    return copied


KINDS = ("survey", "plane", "line", "connect", "compare")


def test_a_run_of_any_kind_becomes_a_page_in_its_folder(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in KINDS:
        assert run("report", kind) == 0
        assert f"Report: {Path(kind) / 'report.html'}" in capsys.readouterr().out
        assert "<h1" in (here / kind / "report.html").read_text("utf-8")


def test_several_runs_become_one_page_here_or_where_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", *KINDS) == 0
    assert "Report: report.html" in capsys.readouterr().out
    page = (here / "report.html").read_text("utf-8")
    assert page.count('<details class="run"') == len(KINDS)
    assert run("report", "plane", "line", "--out", "talk/two.html") == 0
    assert (here / "talk" / "two.html").exists()


@pytest.mark.parametrize(
    ("folders", "phrase"),
    [
        (["nothing"], "run.json"),
        (["empty"], "run.json"),
        (["strange"], "no kind that is known here"),
        (["torn"], "Cannot read"),
        (["unfinished"], "--resume"),
        (["plane", "copy/plane"], "2 run folders called plane"),
        (["plane", "plane/../plane"], "2 run folders called plane"),
        (["plane"] * 13, "at most 12"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], folders: list[str], phrase: str
) -> None:
    for name in ("empty", "strange", "torn", "unfinished", "copy/plane"):
        (here / name).mkdir(parents=True)
    write_record(here / "strange" / RUN, {"weather": "fine"})
    (here / "torn" / RUN).write_text('{"settings"', "utf-8")
    begun = read_record(here / "plane" / RUN)
    del begun["fields"]
    write_record(here / "unfinished" / RUN, begun)
    assert run("report", *folders) == 2
    told = capsys.readouterr().err
    assert phrase in told
    assert "→" in told
    assert not (here / "report.html").exists()
