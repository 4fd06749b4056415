"""Maps whose folder, disk or arguments are not what they should be."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from networks import MLP
from theodolite.errors import ArgumentError, RunFolderError
from theodolite.maps.map_folder import MapFolder

F64 = torch.float64


def bowl(w: Tensor) -> Tensor:
    return w.square().sum() + w[0]


def land(f: Any = bowl) -> td.Landscape:
    return td.Landscape.from_function(f, torch.tensor([0.3, -0.2, 0.1], dtype=F64))


def mapped(**more: Any) -> td.Plane:
    return td.plane(land(), **{"steps": 11, "span": 1.0, **more})


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writing more fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [2500, 3000, 3500])
def test_a_disk_that_is_full_in_the_middle_loses_no_point(
    size: int, tmp_path: Path
) -> None:
    with files_no_larger_than(size), pytest.raises(RunFolderError, match="free some"):
        mapped(out=tmp_path / "map")
    ended = mapped(out=tmp_path / "map", resume=True)
    assert 0 < ended.evaluations < 11 * 11
    assert torch.equal(ended.loss, mapped().loss)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    record = '{"target": {"name": "digits-mlp"}, "products": 12}'
    (tmp_path / "run.json").write_text(record)
    for resume in (False, True):
        with pytest.raises(RunFolderError, match="something else than a map"):
            mapped(out=tmp_path, resume=resume)
    assert (tmp_path / "run.json").read_text() == record
    assert len(list(tmp_path.iterdir())) == 1


def test_a_map_that_is_gone_on_with_is_unfinished_until_it_ends(tmp_path: Path) -> None:
    mapped(out=tmp_path)
    folder = MapFolder(tmp_path)
    run = folder.run()
    # as it stands from when a finished map is gone on with, to its end
    del run["fields"], run["outcome"]
    folder.write_run({**run, "state": "running"})
    with pytest.raises(RunFolderError, match="resume=True"):
        td.maps.read_map(tmp_path)


def test_a_record_without_its_arrays_cannot_be_read(tmp_path: Path) -> None:
    mapped(out=tmp_path, quantities="gradient_norm")
    mapped(steps=5, out=tmp_path / "other")
    (tmp_path / "other" / "arrays.safetensors").replace(tmp_path / "arrays.safetensors")
    with pytest.raises(RunFolderError, match=r"Cannot read(.|\n)*gradient_norm"):
        td.maps.read_map(tmp_path)


def test_no_point_of_an_earlier_map_is_left_beside_a_new_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = torch.eye(3, dtype=F64)
    mapped(directions=(rows[0], rows[1]), out=tmp_path)

    def killed(*_: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    # right after the new frame was written
    with monkeypatch.context() as patch:
        patch.setattr("theodolite.maps.mapping.PointStore", killed)
        with pytest.raises(KeyboardInterrupt):
            mapped(directions=(rows[1], rows[2]), out=tmp_path)
    ended = mapped(directions=(rows[1], rows[2]), out=tmp_path, resume=True)
    assert ended.evaluations == 11 * 11


def test_other_test_data_make_another_map(tmp_path: Path) -> None:
    def over(*test: Tensor) -> td.Landscape:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = MLP(4, 5, 3)
        loss, pair = nn.CrossEntropyLoss(), (torch.ones(5, 4), torch.zeros(5).long())
        return td.Landscape(model, loss, pair, test=test or None)

    first, second = (torch.full((3, 4), value) for value in (1.0, 2.0))
    labels = torch.zeros(3).long()
    td.line(over(first, labels), direction="filter", steps=3, out=tmp_path)
    td.line(over(), direction="filter", steps=3, out=tmp_path / "plain")
    for folder, other in ((tmp_path, second), (tmp_path / "plain", first)):
        again = over(other, labels)
        with pytest.raises(RunFolderError, match="must not be mixed"):
            td.line(again, direction="filter", steps=3, out=folder, resume=True)


def test_checkpoints_that_share_foot_and_distance_keep_their_losses() -> None:
    rows = torch.eye(3, dtype=F64)
    above, below = (land().point + sign * rows[2] for sign in (1.0, -1.0))
    found = mapped(directions=(rows[0], rows[1]), tracks={"both": [above, below]})
    (track,) = found.tracks
    assert float(track.distance[0]) == float(track.distance[1]) == 1.0
    assert track.loss.tolist() == [land().loss(above), land().loss(below)]
    assert float(track.loss[0]) != float(track.loss[1])


def test_directions_as_long_as_weights_that_are_zero_are_refused_with_advice() -> None:
    zero = td.Landscape.from_function(bowl, torch.zeros(3, dtype=F64))
    with pytest.raises(ArgumentError, match='directions="random"'):
        td.plane(zero, steps=3)
    assert td.plane(zero, directions="random", steps=3).outcome.good


def test_a_map_without_a_number_says_so() -> None:
    def pit(w: Tensor) -> Tensor:
        at_home = (w == torch.tensor([0.3, -0.2, 0.1], dtype=F64)).all()
        return torch.where(at_home, 1.0, float("nan")) + 0 * w[0]

    line = td.line(land(pit), direction=0, span=(0.5, 1.0), steps=3)
    assert "loss nowhere a number" in repr(line)
    assert "at 3 points the loss is NaN or infinite" in repr(line)
    assert line.barrier != line.barrier


QUANTITIES: dict[str, tuple[Any, str]] = {
    "taken in files": ({"x": bowl}, "Give it another name"),
    "taken for points": ({"at": bowl}, "Give it another name"),
    "taken for tracks": ({"track.a.x": bowl}, "Give it another name"),
    "without a name": ({"": bowl}, "Give it another name"),
    "of no rows": ({"a": td.maps.AtPoint(lambda *_: 1.0, every=0)}, "from 1 on"),
    "of words": ({"a": td.maps.AtPoint(lambda *_: "much")}, "A str as a quantity"),  # type: ignore[arg-type]
    "of several": ({"a": lambda output, target: output}, "quantity 'a'"),
    "of sums": ({"a": nn.MSELoss(reduction="sum")}, "quantity 'a'"),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_what_is_no_quantity_is_refused_with_advice(name: str) -> None:
    quantities, said = QUANTITIES[name]
    model, pair = nn.Linear(2, 2), (torch.ones(3, 2), torch.ones(3, 2))
    over = td.Landscape(model, nn.MSELoss(), pair)
    with pytest.raises(ArgumentError, match=said):
        td.plane(over, steps=3, span=0.1, quantities=quantities)


def test_plain_numbers_are_quantities_as_well() -> None:
    model, pair = nn.Linear(2, 2), (torch.ones(3, 2), torch.ones(3, 2))
    over = td.Landscape(model, nn.MSELoss(), pair, batch_size=2)
    quantities: Any = {
        "mean": lambda output, target: float(output.detach().mean()),
        "share": lambda output, target: (int((output > 0).sum()), output.numel()),
    }
    found = td.line(over, direction="layer", steps=3, span=0.1, quantities=quantities)
    with torch.no_grad():
        output = model(pair[0])
    middle = {name: float(found[name].values[1]) for name in quantities}
    assert middle["mean"] == pytest.approx(float(output.mean()), rel=1e-6)
    assert middle["share"] == float((output > 0).double().mean())


# run without the tests' own type checks, which would refuse them first
MISTYPED = """
import numpy as np, torch
import theodolite as td
from theodolite.errors import TheodoliteError

land = td.Landscape.from_function(lambda w: w.square().sum(), torch.ones(4).double())
other, row = torch.zeros(4).double(), torch.arange(4.0).double()
plane = lambda **more: td.plane(land, **{"steps": 3, "span": 0.5, **more})
line = lambda **more: td.line(land, **{"steps": 3, **more})
cases = {
    "directions=None": lambda: plane(directions=None),
    "directions=5": lambda: plane(directions=5),
    "directions={}": lambda: plane(directions={}),
    "a word among them": lambda: plane(directions=("filter", "eigen")),
    "steps=5.0": lambda: plane(steps=5.0),
    "steps='5'": lambda: plane(steps="5"),
    "steps=(3, 3, 3)": lambda: plane(steps=(3, 3, 3)),
    "span='wide'": lambda: plane(span="wide"),
    "span=(1, 2, 3)": lambda: plane(span=(1, 2, 3)),
    "rtol='0.1'": lambda: plane(rtol="0.1"),
    "budget=5.5": lambda: plane(budget=5.5),
    "seed='a'": lambda: plane(seed="a"),
    "seed=1.5": lambda: plane(seed=1.5),
    "batch_norm='forzen'": lambda: plane(batch_norm="forzen"),
    "quantities=None": lambda: plane(quantities=None),
    "quantities=f": lambda: plane(quantities=abs),
    "quantities=(f,)": lambda: plane(quantities=(abs,)),
    "quantities={1: f}": lambda: plane(quantities={1: abs}),
    "tracks=[...]": lambda: plane(tracks=[other]),
    "tracks of a model": lambda: plane(tracks={"a": torch.nn.Linear(1, 1)}),
    "tracks once": lambda: plane(tracks={"a": (p for p in [other])}),
    "center='here'": lambda: plane(center="here"),
    "center=array": lambda: plane(center=np.ones(4)),
    "a model as the landscape": lambda: td.plane(torch.nn.Linear(1, 1)),
    "b of lists": lambda: line(b={"point": [1.0, 2.0, 3.0, 4.0]}),
    "b=array": lambda: line(b=np.ones(4)),
    "direction=1.5": lambda: line(direction=1.5),
    "a Landscape as b": lambda: line(b=land),
}
for name, call in cases.items():
    try:
        call()
    except TheodoliteError as error:
        assert "\\u2192" in str(error)
    except BaseException as error:
        print(name, type(error).__name__, error)
    else:
        print(name, "was taken")
# what numpy and torch give instead of Python's own numbers is taken
plain = plane(span=0.5, steps=3, seed=3, rtol=0.1)
numbers = plane(
    span=np.float32(0.5), steps=np.int64(3), seed=np.int64(3), rtol=np.float32(0.1)
)
assert torch.equal(plain.loss, numbers.loss)
assert torch.equal(plane(directions=torch.stack([row, row.flip(0)])).directions[0], row)
plane(span=torch.tensor(0.5), seed=np.int64(3), out="written")
"""


def test_mistyped_arguments_are_refused_with_advice(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MISTYPED]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120
    )
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr
