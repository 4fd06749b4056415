"""The Hessian along a map's axes: D H Dᵀ at every fifth node, by two products."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from dense import F64
from networks import MLP
from problems import labels, normal, ready
from theodolite.errors import ArgumentError
from theodolite.maps.page_record import plane_record
from theodolite.maps.sweep import swept
from theodolite.operators.curvature import Curvature

MATRIX = torch.tensor(
    [
        [3.0, 1.0, 0.0, 0.5],
        [1.0, 2.0, 0.3, 0.0],
        [0.0, 0.3, -1.0, 0.2],
        [0.5, 0.0, 0.2, 0.7],
    ],
    dtype=F64,
)
POINT = torch.tensor([0.1, -0.2, 0.3, 0.4], dtype=F64)
# neither orthogonal nor of one length
SKEW = torch.tensor([[1.0, 2.0, 0.0, 1.0], [0.5, -1.0, 1.0, 1.0]], dtype=F64)
NAMES = ("hessian xx", "hessian xy", "hessian yy")


def quartic(w: Tensor) -> Tensor:
    return w @ MATRIX @ w / 2 + (w**4).sum() / 12


def bend(w: Tensor) -> Tensor:
    """The Hessian of the quartic along the skew directions."""
    return SKEW @ (MATRIX + torch.diag(w**2)) @ SKEW.T


def land(function: Any = quartic) -> td.Landscape:
    return td.Landscape.from_function(function, POINT)


def mapped(**settings: Any) -> td.Plane:
    usual: dict[str, Any] = {"steps": (11, 12), "span": 0.7, "quantities": "hessian"}
    return td.plane(land(), directions=(SKEW[0], SKEW[1]), **{**usual, **settings})


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many vectors each product multiplied at once."""
    found: list[int] = []
    multiply = Curvature._multiply

    def counted(self: Curvature, block: Tensor) -> Tensor:
        found.append(block.shape[1])
        return multiply(self, block)

    monkeypatch.setattr(Curvature, "_multiply", counted)
    return found


@pytest.mark.parametrize("rtol", [None, 0.01])
def test_entries_are_those_of_the_analytic_hessian(rtol: float | None) -> None:
    plane = mapped(rtol=rtol)
    assert set(plane.fields) == {"loss", *NAMES}
    field = plane["hessian xx"]
    x, y = (field.coordinates(axis).tolist() for axis in (plane.x, plane.y))
    assert field.values.shape == (len(x), len(y)) == (3, 3)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            wanted = bend(plane.point(a, b))
            found = [float(plane[name].values[i, j]) for name in NAMES]
            entries = [wanted[0, 0], wanted[0, 1], wanted[1, 1]]
            assert found == pytest.approx([float(e) for e in entries], rel=1e-12)


def test_a_line_has_one_entry() -> None:
    line = td.line(
        land(), direction=SKEW[0], steps=11, span=0.5, quantities=["hessian"]
    )
    field = line["hessian tt"]
    assert set(line.fields) == {"loss", "hessian tt"}
    for t, found in zip(line.t[::5].tolist(), field.values.tolist(), strict=True):
        assert found == pytest.approx(float(bend(line.point(t))[0, 0]), rel=1e-12)


def test_a_point_costs_two_products(products: list[int]) -> None:
    mapped()
    assert products == [2] * 9


def test_networks_agree_with_their_dense_hessian_on_both_kinds_of_data() -> None:
    x, y = normal(30, 4, dtype=F64), labels(3, 30)
    model = ready(lambda: MLP(4, 5, 3), F64)
    pair, test = (x[:20], y[:20]), (x[20:], y[20:])
    over = td.Landscape(model, nn.CrossEntropyLoss(), pair, test=test)
    plane = td.plane(over, steps=11, span=0.5, quantities=["hessian", "error"])
    assert over.test is not None
    for front, here in (("", over), ("test ", over.test)):
        corner = plane.point(float(plane.x[10]), float(plane.y[0]))
        wanted = plane.directions @ here.hessian(point=corner).dense()
        wanted = wanted @ plane.directions.T
        found = [float(plane[front + name].values[2, 0]) for name in NAMES]
        entries = [wanted[0, 0], wanted[0, 1], wanted[1, 1]]
        assert found == pytest.approx([float(e) for e in entries], rel=1e-8, abs=1e-12)


def test_batch_norm_moves_with_the_points() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model = model.double().eval()
    pair = normal(20, 3, dtype=F64), normal(20, 1, dtype=F64, seed=4)
    over = td.Landscape(model, nn.MSELoss(), pair)
    both = [
        td.plane(over, steps=3, span=0.3, quantities="hessian", batch_norm=policy)
        for policy in ("frozen", "re-estimated")
    ]
    frozen, moved = (plane["hessian xx"].values for plane in both)
    assert bool(moved.isfinite().all())
    assert not torch.allclose(frozen, moved)


def test_beyond_a_wall_it_is_no_number_either() -> None:
    class Logarithm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(3, dtype=F64))

        def forward(self, x: Tensor) -> Tensor:
            return (self.w.log() * x).sum(1)

    pair = normal(5, 3, dtype=F64), normal(5, dtype=F64, seed=3)
    over = td.Landscape(Logarithm(), nn.MSELoss(), pair)
    plane = td.plane(over, directions=(0, 1), steps=11, span=1.5, quantities="hessian")
    field = plane["hessian xx"]
    assert field.values[1, 1].isfinite()
    assert field.values[0].isnan().all()
    assert field.broken[0].all()
    record = plane_record(plane)
    assert record["hessian"][0][0] == pytest.approx(float(field.values[1, 1]))


def test_the_record_says_how_the_centre_bends() -> None:
    record = plane_record(mapped())
    found = torch.tensor(record["hessian"], dtype=F64)
    assert torch.allclose(found, bend(POINT), rtol=1e-12)
    given = plane_record(mapped(), hessian=((1.0, 0.0), (0.0, 2.0)))
    assert given["hessian"] == [[1.0, 0.0], [0.0, 2.0]]
    assert plane_record(mapped(quantities=()))["hessian"] is None


def test_no_node_is_measured_twice(tmp_path: Path, products: list[int]) -> None:
    class Impatient:
        """Presses Ctrl-C after four nodes."""

        def update(self, stage: str, done: float, left: float) -> None:
            if stage == "hessian" and done > 0.4:
                raise KeyboardInterrupt

        def close(self) -> None:
            pass

    cut = mapped(out=tmp_path, progress=Impatient())
    assert cut.outcome.name == "interrupted"
    before = len(products)
    assert 0 < before < 9
    resumed = mapped(out=tmp_path, resume=True)
    assert len(products) == 9
    whole, read = mapped(), td.maps.read_map(tmp_path)
    for name in NAMES:
        assert torch.equal(resumed[name].values, whole[name].values)
        assert torch.equal(read[name].values, whole[name].values)
        assert read[name].every == 5


SHARED = """
import sys
import torch.distributed as dist

sys.path.insert(0, sys.argv[2])
dist.init_process_group("gloo")
from test_axis_hessian import NAMES, mapped
plane = mapped(out=sys.argv[1])
with open(f"{sys.argv[1]}/{dist.get_rank()}.txt", "w") as file:
    print([plane[name].values.tolist() for name in NAMES], file=file)
dist.destroy_process_group()
"""


def test_processes_share_the_nodes(tmp_path: Path) -> None:
    path, out = tmp_path / "shared.py", tmp_path / "out"
    path.write_text(SHARED, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    command += ["--master_port=0", "--rdzv_backend=c10d"]
    command += ["--rdzv_endpoint=localhost:0", str(path), str(out)]
    done = subprocess.run(
        [*command, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [(out / f"{rank}.txt").read_text() for rank in (0, 1)]
    alone = mapped()
    assert told[0] == told[1]
    assert told[0].strip() == str([alone[name].values.tolist() for name in NAMES])


@pytest.mark.parametrize("name", [*NAMES, "hessian tt", "mine xy"])
def test_its_names_are_reserved(name: str) -> None:
    with pytest.raises(ArgumentError, match="Give it another name"):
        mapped(quantities={name: lambda output, target: output.mean()})


def test_single_points_have_no_axes() -> None:
    place = td.maps.Place(POINT)
    with pytest.raises(ArgumentError, match="at single points"):
        swept(land(), [place], quantities="hessian")
