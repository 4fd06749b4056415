"""The pictures of docs/gallery.md, each measured and shot anew.

    python docs/make_gallery.py [--only NAME …] [--pages FOLDER]

Each landscape is measured, its page is opened in headless Chromium, and what is seen is
saved as docs/gallery/NAME.jpg; `survey` is docs/survey.png, of the README. With
`--pages` the pages are kept in a folder, and those that are there are not made again:
then cameras are cheap to change. The Chinese page wants a font (fonts-noto-cjk).
All of it takes about ten minutes.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

import theodolite as td
from theodolite.cli.report import read_run
from theodolite.exploring.course import COURSE
from theodolite.exploring.drawing import drawn, function_landscape, marked, record_of
from theodolite.exploring.frontispiece import frontispiece
from theodolite.exploring.lesson import Detail, Lesson
from theodolite.exploring.lessons.canyon import canyon_lesson
from theodolite.exploring.lessons.himmelblau import himmelblau_lesson
from theodolite.exploring.lessons.losses import losses_lesson
from theodolite.exploring.lessons.minima import minima_lesson
from theodolite.exploring.lessons.saddles import pure
from theodolite.exploring.page import render
from theodolite.exploring.words import same, told
from theodolite.maps.page_record import plane_record
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP
from theodolite.report.page import render_runs
from theodolite.report.plate import plate
from theodolite.stillness import held_still, seed_everything

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from browsing import Opened, chromium  # noqa: E402

GALLERY = ROOT / "docs" / "gallery"
FINE = Detail(steps=101, repeats=60, training=300, networks=False)
COARSE = Detail(steps=41, repeats=60, training=200, networks=False)
# until fonts, shadows and the first frames are there
PATIENCE = 2500
QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """One picture of the gallery.

    Attributes
    ----------
    name : str
        Of its file.
    page : callable
        Measures, and returns the page.
    state : str
        What stands behind the page's #.
    part : str or None
        The selector of what is shown; the window itself by default.
    size : pair of int
        Of the window.
    scale : float
        Device pixels to a pixel.
    style : str
        Of what is left out for the picture's sake.
    settings : sequence
        More of what a browser's page is opened with.
    file : Path or None
        Where it is saved, where not in the gallery.
    """

    name: str
    page: Callable[[], str]
    state: str = ""
    part: str | None = ".instrument"
    size: tuple[int, int] = (1120, 900)
    scale: float = 1.5
    style: str = ""
    settings: Sequence[tuple[str, Any]] = ()
    file: Path | None = None

    @property
    def source(self) -> str:
        """The page's name: pictures of one landscape share it."""
        made = self.page
        if isinstance(made, partial):
            return f"{made.args[0].__name__}-{made.args[1] if made.args[1:] else 0}"
        return made.__name__


def bare(record: dict[str, Any]) -> str:
    """A page with one plane alone."""
    return plate({"planes": [record]}, [{"plane": 0, "id": "p"}], "theodolite")


def trained() -> str:
    """A convolutional network, along its steepest and its lowest direction."""
    land = td.builtin("digits-cnn")
    found = td.plane(land, directions="eigen-ends", steps=81, rtol=0.005)
    named = zip(("steepest", "lowest"), found.axes, strict=True)
    return bare(
        record_of(
            found,
            same("digits-cnn, along its steepest and its lowest direction"),
            labels=tuple(
                same(f"{n}, λ = {a.curvature:.3g}".replace("-", "−")) for n, a in named
            ),
            limit=td.speed_limit(land),
            marks=[],
        )
    )


def three_minima() -> str:
    """Three networks in one plane."""
    lands = [td.builtin("digits-cnn", seed=seed) for seed in range(3)]
    found = td.plane(
        lands[0],
        directions=(lands[1].model, lands[2].model),
        steps=61,
        rtol=0.01,
        batch_norm="re-estimated",
    )
    record = plane_record(found, title="digits-cnn, trained from three seeds")
    # three ends of three runs are no run
    for axis, label in zip(record["axes"], ("towards", "across, towards"), strict=True):
        axis["label"] = f"{label} digits-cnn@{record['axes'].index(axis) + 1}"
    return bare(record | {"tracks": []})


def training() -> str:
    """Two optimisers from one start, on the plane of both."""
    (images, labels), _ = split_digits()
    makers = {
        "SGD": partial(torch.optim.SGD, lr=0.1),
        "Adam": partial(torch.optim.Adam, lr=0.01),
    }
    runs, land = {}, None
    for name, optimizer in makers.items():
        with held_still(None):
            seed_everything(0)
            model = MLP((64, 16, 10))
        land = land or td.Landscape(model, nn.CrossEntropyLoss(), (images, labels))
        runs[name] = recorded(model, optimizer(model.parameters()), name)
    assert land is not None
    found = td.maps.trajectory_plane(land, runs, steps=61, rtol=0.01)
    shares = [f"principal component, {float(s):.0%}" for s in found.explained]
    return bare(
        record_of(
            found.plane,
            same("SGD and Adam, from one start"),
            labels=(same(f"first {shares[0]}"), same(f"second {shares[1]}")),
            marks=[],
        )
    )


def recorded(model: nn.Module, optimizer: Any, name: str) -> td.Trajectory:
    """A run of small batches, a checkpoint every eight steps."""
    (images, labels), _ = split_digits()
    source = torch.Generator().manual_seed(0)
    trajectory = td.Trajectory(model, every=8, name=name)
    for _ in range(320):
        rows = torch.randint(len(labels), (32,), generator=source)
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        trajectory.record(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trajectory.close()
    return trajectory


def of_lesson(make: Callable[[Detail], Lesson], number: int = 0) -> str:
    """A landscape of the explorer."""
    record, *_ = make(FINE).instruments[number].planes
    return bare(dict(record))


def saddle() -> str:
    """The plainest saddle."""
    land = function_landscape(pure, (0.0, 0.0), "saddle")
    return bare(
        drawn(
            land,
            same("A saddle, w₁² − w₂²"),
            labels=(same("w₁"), same("w₂")),
            marks=[marked("saddle", (0, 0), 0.0, told("saddle", "鞍点"))],
            steps=101,
            span=1.5,
        )
    )


def two_losses() -> str:
    """Cross-entropy beside Dice, in the explorer's lesson."""
    return render([losses_lesson(FINE)], frontispiece(COARSE))


def transformer() -> str:
    """A random plane, each filter as long as the network's own."""
    land = td.builtin("digits-vit")
    found = td.plane(land, directions="filter", steps=81, span=1.2, rtol=0.01)
    return bare(
        record_of(
            found,
            same("digits-vit, over a random plane"),
            labels=(same("direction 1"), same("direction 2")),
            marks=[],
        )
    )


@cache
def surveyed() -> dict[str, Any]:
    """A survey's run folder, as it is read."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "survey-digits-cnn"
        td.survey(td.builtin("digits-cnn"), budget="10min", out=out)
        return read_run(out)


def survey_page() -> str:
    """A survey's report."""
    return render_runs([surveyed()])


def charts() -> str:
    """Two charts of a survey, alone."""
    figures = [{"chart": name, "of": 0} for name in ("interactions", "density")]
    return plate({"surveys": [surveyed()]}, figures, "digits-cnn")


def explorer() -> str:
    """All lessons but those of the built-in networks, in Chinese."""
    made = [make(COARSE) for name, make, _ in COURSE if name != "trained networks"]
    return render(made, frontispiece(FINE), language="zh")


# what a picture leaves out, and room around what it shows
VIEWS = """
.toolbar, .facts, .instrument-caption, .bench, .curve-time {display: none !important}
.instrument, .columns {padding: 1rem 1.4rem}
.bar {position: static !important}
"""
CHARTS = """
.bare main {grid-template-columns: 1fr 1.15fr; align-items: end; padding: 1rem}
"""
ALL_METHODS = "descent,momentum,newton,noisy"

PICTURES = (
    Picture(
        "trained",
        trained,
        "p.log=1&p.clip=1&p.camera=-0.9,0.7,1.1",
        part=".surface",
        size=(760, 700),
        scale=2,
    ),
    Picture(
        "three-minima", three_minima, "p.log=1&p.camera=-0.9,0.8,1.05", style=VIEWS
    ),
    Picture(
        "training",
        training,
        "p.log=1&p.checkpoint=none&p.camera=-2.4,0.6,1.1",
        style=VIEWS,
    ),
    Picture(
        "himmelblau",
        partial(of_lesson, himmelblau_lesson),
        "p.log=0&p.clip=0.21&p.start=0.3,-0.4&p.rate=0.003&p.noise=1&p.step=24"
        f"&p.camera=-2.2,0.85,1.05&p.methods={ALL_METHODS}",
        style=VIEWS,
    ),
    Picture(
        "saddle",
        saddle,
        "p.start=1.3,0.01&p.rate=0.05&p.step=46&p.camera=-0.5,0.5,1.05",
        size=(1040, 900),
        scale=1.25,
    ),
    Picture(
        "canyon",
        partial(of_lesson, canyon_lesson),
        "theme=dark&p.start=-2,0.8&p.rate=0.18&p.methods=descent,newton"
        "&p.log=0&p.clip=0.4&p.step=60&p.camera=-2.3,0.8,1.05",
        style=VIEWS,
    ),
    Picture(
        "two-losses",
        two_losses,
        "losses-half1.step=90",
        part="#losses-half .columns",
        style=VIEWS,
        size=(1000, 1400),
    ),
    Picture(
        "transformer",
        transformer,
        "theme=dark&p.log=0&p.colours=cividis&p.camera=-2.4,0.7,1.1",
        part=".surface",
        size=(760, 700),
        scale=2,
    ),
    Picture(
        "flat-and-sharp",
        partial(of_lesson, minima_lesson),
        "p.start=1.2,0.2&p.rate=0.03&p.log=0&p.methods=descent,noisy&p.noise=2.4"
        "&p.step=42&p.clip=0.25&p.camera=-1.1,0.95,1.05",
        style=VIEWS,
    ),
    Picture(
        "survey",
        survey_page,
        "picture.camera=-0.9,0.7,1.05",
        part=None,
        size=(1240, 1240),
        scale=1,
        file=ROOT / "docs" / "survey.png",
    ),
    Picture("charts", charts, part="main", size=(1120, 700), style=CHARTS),
    Picture("explorer", explorer, part=None, size=(1100, 760), scale=1.25),
    Picture(
        "phone",
        partial(of_lesson, himmelblau_lesson),
        "theme=dark&p.start=-0.3,-0.95&p.rate=0.01&p.step=30&p.clip=0.3",
        part=None,
        size=(390, 844),
        scale=2,
        settings=(("is_mobile", True), ("has_touch", True)),
    ),
)


def shoot(browser: Any, picture: Picture, pages: Path) -> Path:
    """Save what is seen of a page, which is made if it is not there."""
    file = pages / f"{picture.source}.html"
    html = file.read_text(encoding="utf-8") if file.exists() else picture.page()
    width, height = picture.size
    settings = {
        "viewport": {"width": width, "height": height},
        "device_scale_factor": picture.scale,
        "color_scheme": "light",
        **dict(picture.settings),
    }
    saved = picture.file or GALLERY / f"{picture.name}.jpg"
    kind = {"type": "jpeg", "quality": QUALITY} if saved.suffix == ".jpg" else {}
    with Opened(browser, file, html, f"#{picture.state}", **settings) as opened:
        if picture.style:
            opened.page.add_style_tag(content=picture.style)
        shown = opened.page
        if picture.part:
            shown = opened.page.locator(picture.part).first
            # what is far below is not drawn
            shown.scroll_into_view_if_needed()
        opened.page.wait_for_timeout(PATIENCE)
        shown.screenshot(path=saved, **kind)
        for complaint in opened.complaints:
            print(f"{picture.name}: {complaint}", file=sys.stderr)
    return saved


def main() -> None:
    """Make all pictures, or those that are named."""
    names = [picture.name for picture in PICTURES]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--pages", type=Path, help="a folder to keep the pages in")
    chosen = parser.parse_args()
    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        pages = chosen.pages or Path(folder)
        pages.mkdir(parents=True, exist_ok=True)
        for picture in PICTURES:
            if picture.name in chosen.only:
                saved = shoot(browser, picture, pages)
                print(f"{saved.relative_to(ROOT)}: {saved.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
