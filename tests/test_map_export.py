"""Maps for other programs and as pictures: axes true, nothing invented."""

import builtins
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import Tensor

import theodolite as td
from theodolite.errors import ArgumentError, MissingPackageError, RunFolderError

F64 = torch.float64
SUFFIXES = (".png", ".pdf", ".svg")


def upwards(w: Tensor) -> Tensor:
    """Varies along the second parameter alone."""
    return torch.sin(w[1])


def cliff(w: Tensor) -> Tensor:
    """No number where the first parameter is −0.5 or less."""
    return torch.log(w[0] + 0.5) + w[1] ** 2


def land(f: Callable[[Tensor], Tensor], size: int = 3) -> td.Landscape:
    return td.Landscape.from_function(f, torch.zeros(size, dtype=F64))


def plane(f: Callable[[Tensor], Tensor] = upwards, **settings: Any) -> td.Plane:
    return td.plane(land(f), None, (0, 1), **{"steps": (5, 7), "span": 1.0, **settings})


def tracked() -> td.Plane:
    """Two runs, one on the plane and one off it."""
    on = [torch.tensor([0.1 * n, 0.2, 0.0], dtype=F64) for n in range(7)]
    off = [torch.tensor([0.5, -0.1 * n, 0.3 * n], dtype=F64) for n in range(3)]
    return plane(lambda w: w.square().sum(), tracks={"on": on, "off": off})


class TestNumpy:
    def test_a_plane_comes_back_without_pickle(self, tmp_path: Path) -> None:
        found = tracked()
        with np.load(found.to_npz(tmp_path / "map"), allow_pickle=False) as held:
            assert (tmp_path / "map.npz").exists()
            assert np.array_equal(held["x"], found.x.numpy())
            assert np.array_equal(held["y"], found.y.numpy())
            assert np.array_equal(held["loss"], found.loss.numpy())
            assert held["loss"].shape == (5, 7)
            assert held["loss.measured"].all()
            assert np.array_equal(held["directions"], found.directions.numpy())
            assert np.array_equal(held["center"], found.center.numpy())
            off = found.tracks[1]
            assert np.array_equal(held["track.off.distance"], off.distance.numpy())
            assert np.array_equal(held["track.off.plane_loss"], off.plane_loss.numpy())

    def test_a_line_comes_back_without_pickle(self, tmp_path: Path) -> None:
        line = td.line(land(cliff), direction=0, steps=9, span=1.0)
        with np.load(line.to_npz(tmp_path / "line.npz"), allow_pickle=False) as held:
            assert np.array_equal(held["loss"], line.loss.numpy(), equal_nan=True)
            assert np.array_equal(held["t"], line.t.numpy())
            assert np.array_equal(held["direction"], line.axis.vector.numpy())

    def test_what_varies_along_y_varies_along_the_second_axis(
        self, tmp_path: Path
    ) -> None:
        with np.load(plane().to_npz(tmp_path / "map.npz")) as held:
            assert np.array_equal(held["loss"], np.tile(np.sin(held["y"]), (5, 1)))


class Polygons:
    """What a program reads of a VTK file: by the XML alone."""

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.parse(path).getroot()
        assert self.root.get("type") == "PolyData"
        assert self.root.get("byte_order") == "LittleEndian"
        assert self.root.get("header_type") == "UInt64"
        piece = self.root.find("PolyData/Piece")
        assert piece is not None
        self.piece = piece
        self.points = self.array("Points", "Points")
        assert len(self.points) == int(piece.get("NumberOfPoints", -1))
        self.numbers = {
            str(node.get("Name")): self.read(node) for node in piece.iter("DataArray")
        }
        self.cells = self.parts("Polys")
        assert len(self.cells) == int(piece.get("NumberOfPolys", -1))
        self.lines = self.parts("Lines")
        assert len(self.lines) == int(piece.get("NumberOfLines", -1))

    def array(self, part: str, name: str) -> np.ndarray:
        node = self.piece.find(f"{part}/DataArray[@Name='{name}']")
        assert node is not None
        return self.read(node)

    @staticmethod
    def read(node: ElementTree.Element) -> np.ndarray:
        kind = {"Float64": "<f8", "Int64": "<i8"}[str(node.get("type"))]
        raw = b64decode(node.text or "")
        size = int(np.frombuffer(raw[:8], "<u8")[0])
        assert size == len(raw) - 8
        values = np.frombuffer(raw[8:], kind)
        width = int(node.get("NumberOfComponents", 1))
        return values.reshape(-1, width) if width > 1 else values

    def parts(self, name: str) -> list[np.ndarray]:
        ends = self.array(name, "offsets")
        return (
            np.split(self.array(name, "connectivity"), ends[:-1]) if len(ends) else []
        )


class TestVtk:
    def test_every_point_lies_where_it_was_measured(self, tmp_path: Path) -> None:
        found = plane(lambda w: w[0] + 10 * w[1])
        read = Polygons(found.to_vtp(tmp_path / "map.vtp"))
        x, y, height = read.points.T
        loss = read.array("PointData", "loss")
        assert np.array_equal(loss, x + 10 * y)
        # half as high as the longer side is wide
        assert height.min() == 0
        assert height.max() == pytest.approx(0.5 * 2.0)
        assert height == pytest.approx((loss - loss.min()) * 1.0 / np.ptp(loss))
        assert {(a, b) for a, b in zip(x, y, strict=True)} == {
            (a, b) for a in found.x.tolist() for b in found.y.tolist()
        }

    def test_what_varies_along_y_varies_along_the_second_axis(
        self, tmp_path: Path
    ) -> None:
        read = Polygons(plane().to_vtp(tmp_path / "map.vtp"))
        assert np.array_equal(
            read.array("PointData", "loss"), np.sin(read.points[:, 1])
        )

    def test_cells_cover_the_plane_once_and_face_one_way(self, tmp_path: Path) -> None:
        read = Polygons(plane().to_vtp(tmp_path / "map.vtp"))
        assert len(read.cells) == 4 * 6
        areas = []
        for cell in read.cells:
            x, y = read.points[cell, :2].T
            # the shoelace formula, signed
            areas.append((x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
        assert min(areas) > 0
        assert sum(areas) == pytest.approx(2.0 * 2.0)

    def test_cells_without_a_number_are_left_out(self, tmp_path: Path) -> None:
        found = plane(cliff, steps=(9, 5))
        read = Polygons(found.to_vtp(tmp_path / "map.vtp"))
        assert int(found["loss"].broken.sum()) == 3 * 5
        assert len(read.cells) == 5 * 4
        used = np.unique(np.concatenate(read.cells))
        assert np.isfinite(read.array("PointData", "loss")[used]).all()
        assert np.isfinite(read.points).all()

    def test_runs_are_lines_at_their_true_losses(self, tmp_path: Path) -> None:
        found = tracked()
        read = Polygons(found.to_vtp(tmp_path / "map.vtp"))
        assert [len(line) for line in read.lines] == [7, 3]
        off = read.points[read.lines[1]]
        track = found.tracks[1]
        assert np.array_equal(off[:, 0], track.x.numpy())
        assert np.array_equal(off[:, 1], track.y.numpy())
        losses = read.array("PointData", "loss")[read.lines[1]]
        assert np.array_equal(losses, track.loss.numpy())
        surface = read.points[: 5 * 7]
        scale = surface[:, 2].max() / float(found["loss"].high - found["loss"].low)
        assert off[:, 2] == pytest.approx((losses - found["loss"].low) * scale)
        away = read.array("PointData", "distance off the plane")
        assert np.array_equal(away[read.lines[1]], track.distance.numpy())

    def test_heights_are_those_of_the_quantity(self, tmp_path: Path) -> None:
        quantities: Any = {
            "slope": td.maps.AtPoint(lambda land, point: float(point[0]), every=1),
            "coarse & <odd>": td.maps.AtPoint(lambda land, point: 1.0, every=2),
        }
        found = plane(quantities=quantities)
        read = Polygons(found.to_vtp(tmp_path / "map.vtp", quantity="slope"))
        assert read.points[:, 2] == pytest.approx((read.points[:, 0] + 1) / 2)
        with pytest.raises(ArgumentError, match=r"coarser grid(.|\n)*slope"):
            found.to_vtp(tmp_path / "map.vtp", quantity="coarse & <odd>")
        with pytest.raises(ArgumentError, match="slope"):
            found.to_vtp(tmp_path / "map.vtp", quantity="slop")

    @pytest.mark.parametrize("value", [2.0, float("nan")])
    def test_a_constant_is_flat_and_nothing_is_empty(
        self, value: float, tmp_path: Path
    ) -> None:
        read = Polygons(constant(value).to_vtp(tmp_path / "map.vtp"))
        assert np.array_equal(read.points[:, 2], np.zeros(35))
        assert len(read.cells) == (24 if value == 2.0 else 0)


def constant(value: float) -> td.Plane:
    """A plane of one value, but that there is no NaN where the model is."""
    return plane(lambda w: torch.where((w == 0).all(), 2.0, value) + 0 * w[0])


class TestPictures:
    @pytest.fixture(autouse=True)
    def _matplotlib(self) -> None:
        pytest.importorskip("matplotlib")

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_each_format_is_written_and_the_same_again(
        self, suffix: str, tmp_path: Path
    ) -> None:
        heads = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
        for number, found in enumerate((tracked(), line(), line())):
            path = found.figure(tmp_path / f"{number}{suffix}")
            assert path.read_bytes().startswith(heads[suffix])
        first, second = (tmp_path / f"{number}{suffix}" for number in (1, 2))
        assert first.read_bytes() == second.read_bytes()

    def test_what_varies_along_y_varies_along_the_pictures_height(self) -> None:
        colours = inside(plane(steps=21))
        row = np.median(colours, 1)
        # all of each row but the cross, a fortieth of it
        off = np.abs(colours - row[:, None]).max(-1)
        assert (off > 0.02).mean() < 0.025
        assert np.abs(row[0] - row[-1]).max() > 0.5
        # viridis: dark below, where the sine is negative
        assert row[0].sum() > row[-1].sum()

    def test_the_axes_say_what_they_are(self) -> None:
        axes = drawn(plane(steps=5))
        assert axes.get_xlabel().startswith("point[0]")
        assert axes.get_ylabel().startswith("point[1]")
        assert "one unit moves 1" in axes.get_ylabel()
        assert axes.get_xlim() == axes.get_ylim() == (-1.0, 1.0)

    def test_what_is_no_number_is_hatched_and_not_coloured(self) -> None:
        hatches = [
            h for c in drawn(plane(cliff, steps=9)).collections for h in hatch(c)
        ]
        assert "////" in hatches
        whole = drawn(plane(steps=5))
        assert not [h for c in whole.collections for h in hatch(c)]
        colours = inside(plane(cliff, steps=9))
        left, right = np.split(colours, [colours.shape[1] // 4], 1)
        assert np.ptp(left[..., :3], axis=-1).max() < 0.02
        assert np.ptp(right[:, -20:], axis=-1).mean() > 0.2

    def test_an_unfinished_map_shows_its_points(self) -> None:
        found = plane(steps=9, budget=30)
        assert found["loss"].missing
        axes = drawn(found)
        (mesh,) = [c for c in axes.collections if type(c).__name__ == "QuadMesh"]
        array: Any = mesh.get_array()
        assert int(array.count()) == int(found["loss"].measured.sum())
        shown = np.ma.filled(array, np.nan).reshape(9, 9).T
        assert np.array_equal(shown, found.loss.numpy(), equal_nan=True)

    @pytest.mark.parametrize(
        "found",
        [
            lambda: constant(2.0),
            lambda: constant(float("nan")),
            lambda: plane(steps=2),
            lambda: plane(lambda w: 1 / (w[0] - 0.5) + w[1]),
            lambda: td.line(land(upwards), direction=1, steps=2, span=1.0),
            lambda: td.line(land(cliff), direction=0, steps=9, span=1.0),
            lambda: td.line(land(upwards), direction=0, steps=3, span=1.0),
            lambda: plane(rtol=0.01, steps=21, budget=3),
        ],
    )
    def test_odd_maps_are_drawn_as_well(
        self, found: Callable[[], td.Plane | td.Line], tmp_path: Path
    ) -> None:
        assert found().figure(tmp_path / "odd.png").stat().st_size > 1000

    def test_a_quantity_on_a_coarser_grid_is_drawn_where_it_was_measured(
        self, tmp_path: Path
    ) -> None:
        found = plane(steps=11, quantities="gradient_norm")
        assert found.figure(tmp_path / "g.png", quantity="gradient_norm").exists()
        with pytest.raises(ArgumentError, match="'gradient_norm'"):
            found.figure(tmp_path / "g.png", quantity="gradient")

    def test_a_logarithm_is_drawn_where_there_is_one(self) -> None:
        def steep(w: Tensor) -> Tensor:
            return torch.exp(4 * w[1])

        from matplotlib.colors import LogNorm

        for log, wanted in ((None, True), (True, True), (False, False)):
            norms = [c.norm for c in drawn(plane(steep), log=log).collections]
            assert any(isinstance(norm, LogNorm) for norm in norms) == wanted
        with pytest.raises(ArgumentError, match="Only positive numbers"):
            drawn(plane(), log=True)

    def test_what_is_below_the_error_is_not_told_apart(self) -> None:
        from dataclasses import replace

        found = plane(lambda w: torch.exp(10 * w[1]))
        field = replace(found["loss"], error=1.0)
        axes = drawn(replace(found, fields={"loss": field}))
        lowest = min(c.norm.vmin for c in axes.collections if c.norm.vmin is not None)
        assert lowest == pytest.approx(1.0)

    def test_another_ending_is_refused(self, tmp_path: Path) -> None:
        for name in ("map.jpg", "map", "map.png.gz"):
            with pytest.raises(ArgumentError, match=r"\.png, \.pdf, \.svg"):
                plane(steps=2).figure(tmp_path / name)
            assert not (tmp_path / name).exists()


def line() -> td.Line:
    return td.line(land(cliff), direction=1, steps=5, span=1.0)


def drawn(found: td.Plane, *, log: bool | None = None) -> Any:
    """The axes that a plane's loss is drawn on."""
    from matplotlib.figure import Figure

    from theodolite.maps.figures import contours

    axes = Figure().add_subplot()
    contours(axes, found, found["loss"], log=log)
    return axes


def hatch(collection: Any) -> list[str]:
    return [h for h in getattr(collection, "hatches", None) or [] if h]


def inside(found: td.Plane) -> np.ndarray:
    """The pixels inside the frame, from above."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    axes = drawn(found)
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255.0
    left, low, right, high = (int(v) for v in axes.get_window_extent().extents)
    return pixels[low + 4 : high - 4, left + 4 : right - 4][::-1]


def test_without_matplotlib_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return plain(name, *rest, **more)

    found = plane(steps=2)
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r"theodolite\[figures\]"):
        found.figure(tmp_path / "map.png")


WRITERS: dict[str, Callable[[Path], Any]] = {
    "npz": lambda folder: plane(steps=2).to_npz(folder / "map.npz"),
    "vtp": lambda folder: plane(steps=2).to_vtp(folder / "map.vtp"),
    "png": lambda folder: plane(steps=2).figure(folder / "map.png"),
    "line": lambda folder: line().figure(folder / "map.svg"),
    "folder": lambda folder: plane(steps=2).save(folder / "map"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_path_that_cannot_be_written_is_said_with_what_to_do(
    name: str, tmp_path: Path
) -> None:
    if name in ("png", "line"):
        pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="Cannot write"):
        WRITERS[name](tmp_path / "file")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_with_what_to_do(name: str, tmp_path: Path) -> None:
    if name in ("png", "line"):
        pytest.importorskip("matplotlib")
    (tmp_path / "map").mkdir()
    for path in ("map.npz", "map.vtp", "map.png", "map.svg", "map/run.json"):
        for full in (path, f"{path}.part"):
            (tmp_path / full).symlink_to("/dev/full")
    with pytest.raises(RunFolderError, match=r"No space left(.|\n)*free some space"):
        WRITERS[name](tmp_path)
