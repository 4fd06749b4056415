"""What a page weighs, and how soon it is there: in headless Chromium, without a GPU.

    python benchmarks/viewer.py [--write]

Each page is opened from its file in five browsers that were just started; times are
medians from the beginning of the navigation, by the page's own clock. The ball answers
when a key pressed on the map has dropped it and its first read-out stands in the table;
the surface is drawn when its middle has a colour.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import theodolite as td
from theodolite.maps.page_record import plane_record
from theodolite.report.plate import plate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from browsing import chromium

F64 = torch.float64
REPEATS = 5
TURNS = 40

# looks once a frame what is there, and presses keys as soon as they are heard
WATCH = """
const seen = {};
window.seen = seen;
const press = (key) => document.querySelector(".map-plate").dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const middle = (canvas) => canvas.getContext("2d").getImageData(
  canvas.width / 2, canvas.height / 2, 1, 1).data[3];
const look = () => {
  const now = performance.now();
  const canvas = document.querySelector(".surface-picture");
  if (!seen.ready && document.querySelector(".map svg path")) {
    seen.ready = now;
    document.querySelector(".map-plate").focus();
    press("ArrowRight");
    press("Enter");
  }
  const read = document.querySelector("td[data-column=loss]");
  if (seen.ready && !seen.answers && read?.textContent) seen.answers = now;
  // reading a pixel waits until it is there
  if (!seen.drawn && canvas?.width > 300 && middle(canvas) > 250) {
    seen.drawn = performance.now();
  }
  if (!seen.answers || !seen.drawn) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
FRAMES = """turns => new Promise(done => {
  const hands = document.querySelector(".surface-frame");
  const times = [];
  let before = performance.now();
  const turn = now => {
    times.push(now - before);
    before = now;
    if (times.length > turns) return done(times.slice(1));
    const key = { key: "ArrowLeft", bubbles: true };
    hands.dispatchEvent(new KeyboardEvent("keydown", key));
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
})"""


def surface(steps: int, checkpoints: int) -> dict[str, Any]:
    """A plane of a function of ten parameters, with a run on it."""
    bends = torch.logspace(0, 1.5, 10, dtype=F64)
    land = td.Landscape.from_function(
        lambda w: (bends * w**2).sum() + torch.sin(2 * w).sum(),
        torch.zeros(10, dtype=F64),
    )
    point = torch.linspace(1, 2, 10, dtype=F64)
    run = []
    for _ in range(max(checkpoints, 3)):
        run.append(point)
        point = point - 0.01 * land.gradient(point)
    found = td.maps.trajectory_plane(land, torch.stack(run), steps=steps).plane
    if not checkpoints:
        return {**plane_record(found), "tracks": []}
    return plane_record(found)


def pages() -> Iterator[tuple[str, str]]:
    """Pages to be opened, by what is on them."""
    sizes = ((51, 0), (101, 200), (201, 200), (401, 0))
    for steps, checkpoints in sizes:
        record = surface(steps, checkpoints)
        name = f"{steps} × {steps}, {checkpoints} checkpoints"
        yield name, plate({"planes": [record]}, [{"plane": 0, "id": "plane"}], name)


def opened(browser: Any, url: str) -> dict[str, float]:
    """When the ball answers, when the surface is drawn, how long a turned frame is."""
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.add_init_script(WATCH)
    page.goto(url)
    page.wait_for_function("() => seen.answers && seen.drawn", polling=200)
    seen = page.evaluate("() => seen")
    page.keyboard.press("p")
    page.wait_for_timeout(500)
    frames = page.evaluate(FRAMES, TURNS)
    page.close()
    return {
        "drawn": seen["drawn"] / 1000,
        "answers": seen["answers"] / 1000,
        "frame": statistics.median(frames),
    }


def measured(name: str, html: str, folder: Path) -> str:
    """One row of the table."""
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    found = []
    for _ in range(REPEATS):
        with chromium() as browser:
            found.append(opened(browser, file.as_uri()))
    middle = {k: statistics.median(row[k] for row in found) for k in found[0]}
    return (
        f"| {name} | {len(html.encode()) / 1e6:.2f} | {middle['answers']:.2f} | "
        f"{middle['drawn']:.2f} | {middle['frame']:.0f} |"
    )


def main() -> None:
    """Print the table, or write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write viewer.md")
    wanted = parser.parse_args()
    lines = [
        "# The viewer",
        "",
        "`python benchmarks/viewer.py --write`, headless Chromium without a GPU",
        "(SwiftShader), two cores, window of 1300 × 900; medians of five new browsers.",
        "",
        "| page | MB | ball answers, s | surface drawn, s | frame while turning, ms |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for name, html in pages():
            lines.append(measured(name, html, Path(folder)))
            print(lines[-1], flush=True)
    if wanted.write:
        path = Path(__file__).with_suffix(".md")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
