"""One survey: complete, bounded, interruptible, resumable, and true."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import theodolite as td
from theodolite.errors import ArgumentError, NonFiniteError, RunFolderError
from theodolite.models.mlp import MLP
from theodolite.storage.plain import spelled, unspelled
from theodolite.surveying.measurement import Measurement
from theodolite.surveying.result import read_survey
from theodolite.surveying.run_folder import RunFolder
from theodolite.surveying.stages import STAGES

# fewer noise levels than by default: they take most of the time here
FEW = (1e-3,)
NAMES = [stage.name for stage in STAGES]


def network(dtype: torch.dtype = torch.float32) -> td.Landscape:
    """A small trained-looking network with test data, above the dense limit."""
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(90, 12, generator=generator).to(dtype)
    labels = torch.randint(0, 4, (90,), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MLP((12, 20, 8, 4)).to(dtype)
    train, test = (inputs[:60], labels[:60]), (inputs[60:], labels[60:])
    return td.Landscape(model, nn.CrossEntropyLoss(), train, test=test, batch_size=32)


class Interrupting:
    """A watcher that presses Ctrl-C when a stage has come far enough."""

    def __init__(self, stage: str, after: int) -> None:
        self.stage, self.after = stage, after

    def update(self, stage: str, done: float, left: float) -> None:
        if stage == self.stage:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def surveyed() -> td.Survey:
    return td.survey(network(torch.float64))


def test_every_part_is_measured(surveyed: td.Survey) -> None:
    assert list(surveyed.measurements) == NAMES
    assert surveyed.complete
    assert surveyed.run["missing"] == []


def test_the_numbers_are_those_of_the_dense_hessian(surveyed: td.Survey) -> None:
    land = network(torch.float64)
    values = torch.linalg.eigvalsh(land.hessian().dense())
    top = [row["value"] for row in surveyed["eigenvalues"]["top"]]
    assert top == pytest.approx(values.flip(0)[:10].tolist(), rel=1e-3)
    bottom = [row["value"] for row in surveyed["eigenvalues"]["bottom"]]
    assert bottom == pytest.approx(values[:3].tolist(), rel=2e-3)
    limit = surveyed["speed_limit"]
    assert limit["low"] <= 2 / float(values[-1]) <= limit["high"]
    trace = surveyed["trace"]
    assert abs(trace["value"] - float(values.sum())) <= 4 * trace["error"]
    assert surveyed["place"]["index"] <= int((values < 0).sum())
    assert not surveyed["place"]["index_is_exact"]
    assert surveyed["loss"]["train"]["loss"] == pytest.approx(land.loss(), rel=1e-12)
    assert surveyed["loss"]["train"]["gradient_norm"] == pytest.approx(
        float(land.gradient().norm()), rel=1e-12
    )
    assert land.test is not None
    assert surveyed["loss"]["test"]["loss"] == pytest.approx(land.test.loss())


def test_the_condition_is_a_lower_bound(surveyed: td.Survey) -> None:
    values = torch.linalg.eigvalsh(network(torch.float64).hessian().dense())
    positive = values[values > surveyed["stiffness"]["floor"]]
    true_condition = float(values[-1] / positive[0])
    assert 1 < surveyed["stiffness"]["condition"] <= true_condition * (1 + 1e-6)


def test_the_layers_rates_are_safe_together(surveyed: td.Survey) -> None:
    """Descent with them on the local quadratic model does not grow."""
    land = network(torch.float64)
    rates = torch.empty(land.size, dtype=torch.float64)
    for row in surveyed["layers"]["rows"]:
        rates[land.layers[row["name"]]] = row["learning_rate"]
    scaled = rates.sqrt()[:, None] * land.hessian().dense() * rates.sqrt()
    # half of the joint limit: η H ≤ 1 in every direction
    assert float(torch.linalg.eigvalsh(scaled)[-1]) <= 1 + 1e-6


def test_the_density_holds_all_eigenvalues(surveyed: td.Survey) -> None:
    density = surveyed["density"]
    grid, curve = torch.tensor(density["grid"]), torch.tensor(density["density"])
    share = float(torch.trapezoid(curve, grid))
    outliers = len(density["outliers"]) / network().size
    assert share + outliers == pytest.approx(1, abs=0.02)


def test_all_parts_share_their_products(surveyed: td.Survey) -> None:
    """The Lanczos run serves limit, eigenvalues, place, stiffness and density."""
    spent = {name: m.products for name, m in surveyed.measurements.items()}
    assert spent["place"] == spent["stiffness"] == 0
    assert spent["density"] == 120
    assert surveyed.run["products"] == sum(spent.values())


def test_two_surveys_from_one_seed_agree_to_the_last_bit() -> None:
    first, second = td.survey(network(), sigmas=FEW), td.survey(network(), sigmas=FEW)
    for name in NAMES:
        assert first[name] == second[name], name


def test_the_model_comes_back_untouched() -> None:
    land = network()
    assert land.model is not None
    land.model.train()
    before = [weight.clone() for weight in land.model.parameters()]
    state = torch.get_rng_state()
    td.survey(land, sigmas=FEW)
    assert all(map(torch.equal, land.model.parameters(), before))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in land.model.parameters())
    assert land.model.training


def test_small_landscapes_are_measured_exactly() -> None:
    found = td.survey(td.builtin("saddle"))
    assert [row["value"] for row in found["eigenvalues"]["top"]] == pytest.approx(
        [6, -2]
    )
    assert found["place"]["kind"] == "slope"
    assert found["place"]["index"] == 1
    assert found["place"]["index_is_exact"]
    assert found["trace"]["value"] == pytest.approx(4)
    assert found["trace"]["error"] == 0
    assert found["speed_limit"]["value"] == pytest.approx(1 / 3)


def test_what_a_budget_does_not_reach_is_listed() -> None:
    found = td.survey(network(), sigmas=FEW, budget=1e-6)
    assert found.run["state"] == "budget"
    assert {"loss"} <= set(found.measurements)
    listed = {gap["name"] for gap in found.run["missing"]}
    assert listed | set(found.measurements) == set(NAMES)
    assert "budget" in found.run["missing"][0]["reason"]
    assert "not measured" in repr(found)


@pytest.mark.parametrize(
    ("stage", "after"), [("largest eigenvalue", 20), ("trace", 3), ("layers", 2)]
)
def test_an_interruption_loses_nothing(stage: str, after: int, tmp_path: Path) -> None:
    found = td.survey(
        network(), out=tmp_path / "run", progress=Interrupting(stage, after)
    )
    assert found.run["state"] == "interrupted"
    # what the shared basis knows is read off, whenever the interruption came
    for name in ("loss", "speed_limit", "eigenvalues", "place", "stiffness"):
        assert name in found.measurements, name
    values = torch.linalg.eigvalsh(network().hessian().dense().double())
    top = found["eigenvalues"]["top"][0]
    assert abs(top["value"] - float(values[-1])) <= top["residual"]
    assert read_survey(tmp_path / "run").run["state"] == "interrupted"
    assert (tmp_path / "run" / "report.html").exists()


def test_a_resumed_survey_measures_only_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    td.survey(network(), sigmas=FEW, out=folder, progress=Interrupting("trace", 3))
    held = RunFolder(folder).measurements()
    found = td.survey(network(), sigmas=FEW, out=folder, resume=True)
    assert found.complete
    assert set(found.measurements) == set(NAMES)
    for name, measurement in held.items():
        if measurement.outcome.good:
            assert found.measurements[name] == measurement, name
    assert set(read_survey(folder).measurements) == set(NAMES)


def test_another_points_survey_is_not_continued(tmp_path: Path) -> None:
    td.survey(td.builtin("saddle"), out=tmp_path)
    with pytest.raises(RunFolderError, match="another point"):
        td.survey(network(), sigmas=FEW, out=tmp_path, resume=True)


def test_a_killed_survey_leaves_whole_measurements(tmp_path: Path) -> None:
    """SIGKILL in the middle: the folder can be read and continued."""
    script = tmp_path / "run_survey.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "import theodolite as td\n"
        "from test_survey import FEW, network\n"
        "td.survey(network(), sigmas=FEW, out=sys.argv[1])\n"
    )
    folder = tmp_path / "run"
    tests = str(Path(__file__).parent)
    process = subprocess.Popen([sys.executable, str(script), str(folder), tests])
    lines = folder / "measurements.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if lines.exists() and lines.read_text().count("\n") >= 2:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "loss" in RunFolder(folder).measurements()
    assert td.survey(network(), sigmas=FEW, out=folder, resume=True).complete


def test_half_a_line_is_not_a_measurement(tmp_path: Path) -> None:
    td.survey(td.builtin("saddle"), out=tmp_path)
    path = tmp_path / "measurements.jsonl"
    path.write_text(path.read_text()[:-20])
    # a function has no other data, and one layer
    measured = [name for name in NAMES if name not in {"data", "interactions"}]
    assert list(read_survey(tmp_path).measurements) == measured[:-1]


def test_the_run_folder_holds_the_survey(surveyed: td.Survey, tmp_path: Path) -> None:
    page = surveyed.save(tmp_path / "deep" / "run")
    again = read_survey(tmp_path / "deep" / "run")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert list(again.measurements) == NAMES
    for name in NAMES:
        assert spelled(again[name]) == spelled(surveyed[name]), name
    assert torch.equal(again.tensors["top.vectors"], surveyed.tensors["top.vectors"])
    run = json.loads((tmp_path / "deep" / "run" / "run.json").read_text())
    assert run["torch"] == torch.__version__
    assert run["settings"]["seed"] == 0
    assert run["landscape"]["products"]["engine"] == "retained graph"
    assert run["landscape"]["products"]["symmetry"] < 1e-12


def test_the_report_alone_can_be_written(surveyed: td.Survey, tmp_path: Path) -> None:
    path = surveyed.report(tmp_path / "page.html")
    # most of it is the script that draws
    assert path.stat().st_size < 1_500_000


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(RunFolderError, match="--out"):
        td.survey(network(), sigmas=FEW, out=tmp_path / "locked" / "run")


def test_a_file_in_the_way_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="--out"):
        td.survey(network(), sigmas=FEW, out=tmp_path / "file")


@pytest.mark.parametrize("budget", ["soon", "0s", 0.0, -1.0])
def test_a_budget_that_is_no_time_is_refused(budget: str | float) -> None:
    with pytest.raises(ArgumentError, match="60s"):
        td.survey(network(), sigmas=FEW, budget=budget)


def test_noise_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ArgumentError, match="sigmas"):
        td.survey(network(), sigmas=[0.1, -1.0])


def test_nan_weights_are_refused_and_named() -> None:
    land = network()
    assert land.model is not None
    with torch.no_grad():
        next(land.model.parameters())[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"fc1\.weight"):
        td.survey(land, sigmas=FEW)


def test_a_survey_prints_itself(surveyed: td.Survey) -> None:
    text = repr(surveyed)
    for word in ("speed limit", "largest eigenvalues", "trace", "fc1", "condition"):
        assert word in text


def test_numbers_that_are_not_finite_survive_strict_json() -> None:
    value = {"a": [math.inf, -math.inf, math.nan, 1.0], "b": {"c": math.inf}}
    text = json.dumps(spelled(value), allow_nan=False)
    back = unspelled(json.loads(text))
    assert back["a"][:2] == [math.inf, -math.inf]
    assert math.isnan(back["a"][2])
    assert back["b"]["c"] == math.inf


def test_measurements_survive_their_own_form(surveyed: td.Survey) -> None:
    for measurement in surveyed.measurements.values():
        again = Measurement.from_dict(json.loads(json.dumps(measurement.to_dict())))
        assert again.to_dict() == measurement.to_dict()


def test_shaken_kinks_are_told_apart_from_a_wrong_trace() -> None:
    """A ReLU network rises more than its Hessian says, once noise crosses kinks."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 1)).double()
        inputs = torch.randn(400, 3).double()
    kinked = td.Landscape(wide, nn.MSELoss(), (inputs, inputs.sum(1, keepdim=True)))
    trace = td.trace(kinked.hessian(), rtol=1e-3, budget=5000)
    tiny = td.expected_rise(kinked, 1e-8, trace=trace, budget=400)
    large = td.expected_rise(kinked, 1e-3, trace=trace, rtol=1e-9, budget=2000)
    assert tiny.agrees
    excess = large.measured.value - large.predicted.value
    assert excess > 4 * large.measured.error
