"""The plane and the interactions of layers that a survey measures."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from dense import F64
from networks import MLP
from problems import labels, normal, ready
from spectra import quadratic
from test_survey import FEW, Interrupting, network
from theodolite.maps.page_record import unpacked
from theodolite.surveying.evidence import Evidence
from theodolite.surveying.parts import plane as plane_part
from theodolite.surveying.result import read_survey
from theodolite.surveying.run_folder import RunFolder
from theodolite.surveying.stages import STAGES


def small(dtype: torch.dtype = F64) -> td.Landscape:
    """So few parameters that all eigenvalues are computed."""
    x, y = normal(40, 4, dtype=dtype), labels(3, 40)
    model = ready(lambda: MLP(4, 5, 3), dtype)
    return td.Landscape(model, nn.CrossEntropyLoss(), (x, y))


@pytest.fixture(scope="module")
def surveyed() -> td.Survey:
    return td.survey(network(F64), sigmas=FEW)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[td.Survey, Path]:
    """A survey in float32, and its folder, to be copied."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return td.survey(network(), sigmas=FEW, out=folder), folder


@pytest.fixture(scope="module")
def small_one() -> td.Survey:
    return td.survey(small(), sigmas=FEW)


def gap(survey: td.Survey, name: str) -> str:
    """Why something is missing."""
    (reason,) = [g["reason"] for g in survey.run["missing"] if g["name"] == name]
    return reason


@pytest.mark.parametrize(
    ("name", "make"), [("surveyed", network), ("small_one", small)]
)
def test_the_plane_lies_along_the_outermost_eigenvectors(
    name: str, make: Any, request: pytest.FixtureRequest
) -> None:
    survey, land = request.getfixturevalue(name), make(F64)
    values, vectors = torch.linalg.eigh(land.hessian().dense())
    directions = survey.tensors["plane.directions"]
    for row, end in zip(directions, (-1, 0), strict=True):
        assert abs(float(row @ vectors[:, end])) == pytest.approx(1, abs=1e-3)
    bend = torch.tensor(survey["plane"]["hessian"], dtype=F64)
    assert bend.diagonal().tolist() == pytest.approx(values[[-1, 0]].tolist(), rel=3e-3)
    assert bend[0, 1] == bend[1, 0] == 0
    metric = torch.tensor(survey["plane"]["metric"], dtype=F64)
    assert torch.allclose(metric, torch.eye(2, dtype=F64), atol=1e-6)


def test_its_losses_are_the_networks_own(surveyed: td.Survey) -> None:
    land, tensors = network(F64), surveyed.tensors
    x, y, loss = (tensors[f"plane.{name}"] for name in ("x", "y", "loss"))
    record = surveyed["plane"]
    assert torch.equal(unpacked(record["fields"]["loss"]["values"]), loss)
    assert torch.equal(unpacked(record["x"]), x)
    i, j = int(x.abs().argmin()), int(y.abs().argmin())
    assert float(loss[i, j]) == land.loss() == surveyed["loss"]["train"]["loss"]
    allowed = 3 * 0.01 * float(loss.max() - loss.min())
    for i, j in ((0, 0), (10, 40), (50, 25), (37, 3)):
        move = torch.stack([x[i], y[j]]) @ tensors["plane.directions"]
        assert float(loss[i, j]) == pytest.approx(
            land.loss(land.point + move), abs=allowed
        )
    assert set(record["fields"]) == {"loss", "test loss"}


def test_the_record_holds_the_speed_limit_of_all_dimensions(
    surveyed: td.Survey, small_one: td.Survey
) -> None:
    for survey in (surveyed, small_one):
        limit, shown = survey["speed_limit"], survey["plane"]["limit"]
        assert shown == {name: limit[name] for name in shown}
        assert set(shown) == {"eigenvalue", "value", "low", "high"}


def test_the_picture_comes_after_the_numbers_of_the_whole() -> None:
    names = [stage.name for stage in STAGES]
    assert names.index("plane") == names.index("stiffness") + 1
    assert names[-1] == "interactions"


def test_the_plane_costs_less_than_a_tenth_of_all(surveyed: td.Survey) -> None:
    stage = next(stage for stage in STAGES if stage.name == "plane")
    evidence = Evidence(network(F64), 0, None, lambda products: None)
    assert stage.products(evidence) < 0.1 * 350
    assert surveyed["plane"]["points"] <= plane_part.MOST
    assert surveyed.measurements["plane"].products == 0


def test_one_parameter_spans_no_plane() -> None:
    survey = td.survey(quadratic(torch.tensor([2.0], dtype=F64)), sigmas=FEW)
    assert survey.complete
    assert not {"plane", "interactions"} & set(survey.measurements)


def test_both_are_printed(surveyed: td.Survey) -> None:
    text = repr(surveyed)
    assert "plane" in text
    assert f"{surveyed['plane']['points']} losses" in text
    assert "of ‖H‖²" in text


def test_walls_are_holes_in_the_plane() -> None:
    def walled(w: Tensor) -> Tensor:
        inside = (w[0] > 0.3) & (w[0] < 0.45)
        return torch.where(inside, torch.nan, 1 + 2 * w[0] ** 2 + w[1] ** 2 - w[2] ** 2)

    land = td.Landscape.from_function(walled, torch.zeros(3, dtype=F64))
    survey = td.survey(land, sigmas=FEW)
    field = survey["plane"]["fields"]["loss"]
    losses = unpacked(field["values"])
    # no polynomial passes the wall: as fine a grid as was measured in whole
    assert losses.shape == (13, 13)
    assert field["measured"] is None
    assert losses.isfinite().any()
    assert not losses.isfinite().all()
    assert losses[6, 6] == 1
    assert "plane" in repr(survey)
    assert survey.html()


def test_an_interruption_on_the_plane_is_listed_and_made_good(
    tmp_path: Path, whole: tuple[td.Survey, Path]
) -> None:
    title = next(stage.title for stage in STAGES if stage.name == "plane")
    cut = td.survey(
        network(), sigmas=FEW, out=tmp_path, progress=Interrupting(title, 20)
    )
    assert cut.run["state"] == "interrupted"
    assert gap(cut, "plane") == "the survey was interrupted"
    assert "layers" not in cut.measurements
    again = td.survey(network(), sigmas=FEW, out=tmp_path, resume=True)
    assert again.complete
    assert again.measurements["stiffness"] == cut.measurements["stiffness"]
    # along the vectors on file, with no product
    kept = cut.tensors["top.vectors"][:, 0]
    assert torch.equal(again.tensors["plane.directions"][0].abs(), kept.abs())
    assert again["plane"] == whole[0]["plane"]


def test_a_resumed_survey_keeps_what_was_drawn(
    tmp_path: Path, whole: tuple[td.Survey, Path]
) -> None:
    first, folder = whole
    copied = shutil.copytree(folder, tmp_path / "run")
    again = td.survey(network(), sigmas=FEW, out=copied, resume=True)
    for name in ("plane", "interactions", "density"):
        assert again.measurements[name] == first.measurements[name]
    held = read_survey(copied).tensors
    assert {"plane.directions", "density.nodes"} <= set(first.tensors)
    assert set(held) == set(again.tensors) == set(first.tensors)
    for name, tensor in first.tensors.items():
        assert torch.equal(held[name], tensor), name


def test_without_its_vectors_a_survey_finds_them_again(
    tmp_path: Path, whole: tuple[td.Survey, Path]
) -> None:
    copied = shutil.copytree(whole[1], tmp_path / "run")
    (copied / "spectrum.safetensors").unlink()
    lines = copied / "measurements.jsonl"
    rows = lines.read_text("utf-8").splitlines(True)
    kept = [row for row in rows if '"name": "plane"' not in row]
    lines.write_text("".join(kept), "utf-8")
    again = td.survey(network(), sigmas=FEW, out=copied, resume=True)
    assert again.complete
    assert 0 < again.measurements["plane"].products <= 200
    _, vectors = torch.linalg.eigh(network(F64).hessian().dense())
    for row, end in zip(again.tensors["plane.directions"], (-1, 0), strict=True):
        assert abs(float(row.double() @ vectors[:, end])) == pytest.approx(1, abs=1e-3)


def test_what_the_time_left_does_not_reach_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Evidence, "seconds_per_product", 1e4)
    monkeypatch.setattr(Evidence, "pair_cost", 0.5)
    found = td.survey(small(), sigmas=FEW, budget="600s")
    for name in ("plane", "interactions"):
        assert "s of the budget were left" in gap(found, name)


def test_too_few_points_make_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_part, "MOST", 3)
    found = td.survey(small(), sigmas=FEW)
    assert gap(found, "plane").endswith("They make no picture")
    assert "interactions" in found.measurements


def test_interactions_are_the_dense_blocks_norms(surveyed: td.Survey) -> None:
    land, found = network(F64), surveyed["interactions"]
    dense = land.hessian().dense()
    places = list(land.layers.values())
    norms = [[float(dense[a, b].norm()) for b in places] for a in places]
    off = torch.tensor(norms) - torch.tensor(found["norms"])
    allowed = 4 * torch.tensor(found["errors"]) + 1e-6
    assert found["names"] == list(land.layers)
    assert bool((off.abs() <= allowed).all())
    assert float(torch.tensor(found["errors"]).max()) <= 0.1 * found["norm"]
    assert surveyed.measurements["interactions"].products <= 60


@pytest.mark.parametrize(("layers", "shown"), [(1, False), (12, True), (41, False)])
def test_interactions_suit_a_few_layers(layers: int, shown: bool) -> None:
    deep = nn.Sequential(*(nn.Linear(3, 3) for _ in range(layers))).double()
    pair = normal(10, 3, dtype=F64), normal(10, 3, dtype=F64, seed=4)
    land = td.Landscape(deep, nn.MSELoss(), pair)
    stage = next(stage for stage in STAGES if stage.name == "interactions")
    evidence = Evidence(land, 0, None, lambda products: None)
    assert stage.suits(evidence) is shown
    assert stage.products(evidence) <= max(60, 5 * layers)


def test_the_folder_holds_both_in_strict_json(
    surveyed: td.Survey, tmp_path: Path
) -> None:
    surveyed.save(tmp_path)
    held = RunFolder(tmp_path).measurements()
    for name in ("plane", "interactions"):
        assert held[name].to_dict() == surveyed.measurements[name].to_dict()
