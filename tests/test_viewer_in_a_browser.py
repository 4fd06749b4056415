"""A measured plane in a browser: surface, map, ball, training curve, address."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import theodolite as td
from browsing import BACKGROUND, OVERFLOW, Opened, chromium
from surveys import NASTY
from theodolite.maps.page_record import plane_record
from theodolite.report.plate import plate

pytestmark = pytest.mark.browser
F64 = torch.float64
E1, E2 = torch.eye(2, dtype=F64)
# λ of the bowl: steepest, flattest
STEEP, FLAT = 4.0, 1.0
LIMIT = 2 / STEEP

Record = dict[str, Any]
# how many different colours the picture of a surface has at least
COLOURS = """canvas => {
  const { width, height } = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 7)
    if (data[i + 3] > 250) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size;
}"""
# counts the drawing contexts in 3-D
COUNTED = """
window.contexts = 0;
const first = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  if (kind.startsWith("webgl")) window.contexts += 1;
  return first.call(this, kind, ...rest);
};
"""
CANVAS, HANDS = ".surface-picture", ".surface-frame"


def measured(
    f: Callable[[Tensor], Tensor], span: float = 2.0, steps: int = 31, **also: Any
) -> td.Plane:
    land = td.Landscape.from_function(f, torch.zeros(2, dtype=F64))
    return td.plane(land, directions=(E1, E2), span=span, steps=steps, **also)


@cache
def bowl() -> Record:
    plane = measured(lambda w: (STEEP * w[0] ** 2 + FLAT * w[1] ** 2) / 2)
    limit = {"eigenvalue": STEEP, "value": LIMIT, "low": LIMIT, "high": LIMIT}
    return plane_record(plane, title="A bowl", limit=limit)


@cache
def training() -> Record:
    land = td.Landscape.from_function(
        lambda w: (w**2).sum() + 0.1 * w[0] ** 4, torch.zeros(4, dtype=F64)
    )
    path = torch.stack(
        [0.9**k * torch.tensor([1.0, -2.0, 0.5, 0.3], dtype=F64) for k in range(12)]
    )
    bent = path + 0.05 * torch.sin(torch.arange(12.0, dtype=F64))[:, None]
    return plane_record(td.maps.trajectory_plane(land, bent, steps=21).plane)


def page(*records: Record) -> str:
    figures = [{"plane": i, "id": f"v{i}"} for i in range(len(records))]
    return plate({"planes": list(records)}, figures, "A plane")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    opened: list[Opened] = []

    def shown(*records: Record, **settings: Any) -> Opened:
        file = tmp_path / f"plane{len(opened)}.html"
        opened.append(Opened(browser, file, page(*records), **settings))
        return opened[-1]

    yield shown
    for one in opened:
        one.page.close()


def wait_for_the_surface(opened: Opened, number: int = 0) -> None:
    canvas = f"document.querySelectorAll('{CANVAS}')[{number}]"
    opened.page.wait_for_function(
        f"() => {canvas} && ({COLOURS})({canvas}) > 100", polling=100
    )


def drop(opened: Opened, rate: float, start: str = "1,1") -> Any:
    """Let the ball roll to its end at a rate; its row of read-outs."""
    number = opened.page.locator("input.number")
    number.fill(str(rate))
    number.press("Enter")
    row = opened.page.locator("tr[data-method=descent]")
    row.wait_for()
    del start
    return row


def test_a_plane_opens_from_a_file_without_a_request_or_a_complaint(show: Any):
    opened = show(bowl())
    wait_for_the_surface(opened)
    assert opened.requests == [opened.url]
    assert opened.complaints == []


def test_the_surface_is_drawn_in_many_shades(show: Any):
    opened = show(bowl())
    wait_for_the_surface(opened)
    before = opened.page.locator(CANVAS).first.screenshot()
    opened.page.locator(HANDS).first.press("ArrowLeft")
    opened.page.wait_for_timeout(300)
    assert opened.page.locator(CANVAS).first.screenshot() != before


def test_the_map_draws_contours_and_marks(show: Any):
    opened = show(bowl())
    opened.page.locator(".map svg").first.wait_for()
    assert opened.page.locator(".map svg path").count() > 8


@pytest.mark.parametrize(("over", "other"), [(".map-plate", HANDS), (HANDS, ".map")])
def test_a_point_under_the_pointer_shows_in_both_views(
    show: Any, over: str, other: str
):
    opened = show(bowl())
    wait_for_the_surface(opened)
    seen = opened.page.locator(other).first
    before = seen.screenshot()
    box = opened.page.locator(over).first.bounding_box()
    opened.page.mouse.move(
        box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.55
    )
    opened.page.wait_for_timeout(300)
    assert seen.screenshot() != before


@pytest.mark.parametrize(
    ("share", "verdict", "words"),
    [
        (0.45, "converge", "converges"),
        (0.9, "oscillate", "converges"),
        (1.1, "diverge", "diverges"),
    ],
)
def test_the_ball_obeys_the_speed_limit(
    show: Any, share: float, verdict: str, words: str
):
    opened = show(bowl(), fragment="#&v0.start=0.02,0.1")
    row = drop(opened, share * LIMIT)
    assert row.get_attribute("data-verdict") == verdict
    assert words in row.inner_text()
    assert (
        row.locator("[data-column=predicted]").inner_text()
        in row.locator("[data-column=observed]").inner_text()
    )


def test_marks_stand_at_the_rates_that_curvature_predicts(show: Any):
    opened = show({**bowl(), "parameters": 10})
    marks = opened.page.locator("button[data-mark=plane]")
    rates = [float(mark.get_attribute("data-rate")) for mark in marks.all()]
    assert rates == pytest.approx([LIMIT / 2, LIMIT])
    model = opened.page.locator("button[data-mark=model]").last
    assert float(model.get_attribute("data-rate")) == pytest.approx(LIMIT)


def test_a_click_on_the_map_drops_the_ball_and_it_rolls(show: Any):
    opened = show(bowl())
    opened.page.locator(".map svg").first.wait_for()
    box = opened.page.locator(".map svg").first.bounding_box()
    opened.page.mouse.click(
        box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.3
    )
    row = opened.page.locator("tr[data-method=descent]")
    row.wait_for()
    step = "document.querySelector('td[data-column=step]').textContent"
    opened.page.wait_for_function(f"() => Number({step}) > 2")


def test_methods_race_from_the_same_point(show: Any):
    opened = show(bowl(), fragment="#&v0.start=1,1&v0.methods=descent,newton&v0.step=1")
    rows = opened.page.locator("table.readouts tbody tr")
    assert rows.count() == 2
    newton = opened.page.locator("tr[data-method=newton] td[data-column=loss]")
    assert re.search(r"^0$|10⁻[¹²³]", newton.inner_text())


def test_the_page_says_that_the_ball_moves_in_a_plane(show: Any):
    opened = show(training())
    assert "not in all 4 dimensions" in opened.page.locator(".bound").inner_text()


def test_the_time_slider_moves_the_checkpoint_through_all_views(show: Any):
    opened = show(training())
    wait_for_the_surface(opened)
    opened.page.locator(".curve-time input").focus()
    opened.page.keyboard.press("Home")
    opened.page.wait_for_timeout(300)
    before = [opened.page.locator(v).first.screenshot() for v in (CANVAS, ".map")]
    opened.page.keyboard.press("PageUp")
    opened.page.keyboard.press("PageUp")
    opened.page.wait_for_timeout(400)
    after = [opened.page.locator(v).first.screenshot() for v in (CANVAS, ".map")]
    assert before[0] != after[0]
    assert before[1] != after[1]
    assert re.search(r"v0\.checkpoint=\d+", opened.page.evaluate("location.hash"))


def test_everything_works_with_keys_alone(show: Any):
    opened = show(bowl())
    plate = opened.page.locator(".map-plate")
    plate.focus()
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        plate.press(key)
    opened.page.locator("tr[data-method=descent]").wait_for()
    assert opened.page.locator("table.readouts tbody tr").count() == 1


def test_controls_have_spoken_names(show: Any):
    opened = show(training())
    # views are named when they are drawn
    wait_for_the_surface(opened)
    opened.page.locator(".map svg path").first.wait_for(state="attached")
    nameless = opened.page.evaluate("""() =>
      [...document.querySelectorAll('button, input, select, summary, [tabindex]')]
        .filter(one => !one.closest('dialog') && !(
          one.getAttribute('aria-label') || one.title || one.textContent.trim() ||
          one.labels?.length || one.getAttribute('aria-labelledby')))
        .map(one => one.outerHTML.slice(0, 100))""")
    assert nameless == []


def test_light_and_dark_follow_the_system(show: Any):
    seen = [show(bowl(), color_scheme=scheme) for scheme in ("light", "dark")]
    paper = [opened.page.evaluate(BACKGROUND) for opened in seen]
    for opened in seen:
        wait_for_the_surface(opened)
    assert paper[0] != paper[1]
    pictures = [opened.page.locator(CANVAS).first.screenshot() for opened in seen]
    assert pictures[0] != pictures[1]


def test_the_state_is_restored_from_the_address(show: Any):
    chosen = (
        "#&v0.log=1&v0.clip=0.5&v0.colours=cividis&v0.camera=0.3,0.5,1.2"
        "&v0.start=0.5,0.5&v0.rate=0.2&v0.methods=descent,newton&v0.step=3"
    )
    opened = show(bowl(), fragment=chosen)
    assert opened.page.locator("input.number").input_value() == "0.2"
    assert opened.page.locator("table.readouts tbody tr").count() == 2
    assert opened.page.locator("td[data-column=step]").first.inner_text() == "3"
    assert opened.page.locator(".toolbar select").last.input_value() == "cividis"
    opened.page.locator("input.number").fill("0.1")
    opened.page.locator("input.number").press("Enter")
    opened.page.wait_for_function("() => location.hash.includes('v0.rate=0.1')")
    kept = opened.page.evaluate("location.hash")
    for part in chosen.replace("v0.rate=0.2", "v0.rate=0.1").split("&")[1:]:
        assert part in kept


def test_nonsense_in_the_address_is_passed_over(show: Any):
    opened = show(
        bowl(), fragment="#%E0%A4%A&v0.rate=-1&v0.start=9,9&v0.camera=x&v9.z=1"
    )
    wait_for_the_surface(opened)
    assert opened.complaints == []


def test_a_phone_never_scrolls_sideways(show: Any):
    size = {"width": 360, "height": 780}
    opened = show(training(), bowl(), viewport=size)
    wait_for_the_surface(opened)
    assert opened.page.evaluate(OVERFLOW) <= 0
    assert opened.complaints == []


def test_views_are_saved_as_pictures(show: Any, tmp_path: Path):
    opened = show(bowl())
    wait_for_the_surface(opened)
    for kind in ("surface-png", "surface-svg", "map-png", "map-svg"):
        opened.page.locator(".toolbar summary").click()
        with opened.page.expect_download() as download:
            opened.page.locator(f"[data-save={kind}]").click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        head = path.read_bytes()
        assert path.suffix == f".{kind[-3:]}"
        assert head.startswith(b"\x89PNG" if kind.endswith("png") else b"<svg")
        assert b"var(--" not in head
        assert len(head) > 5000


def broken(record: Record) -> Record:
    return {**record, "title": NASTY, "name": NASTY, "notes": [NASTY]}


def test_a_hostile_name_stays_text(show: Any):
    opened = show(broken(bowl()))
    wait_for_the_surface(opened)
    assert opened.page.locator(".instrument-title").inner_text() == NASTY
    assert opened.complaints == []


def cut(plane: td.Plane, rows: slice) -> td.Plane:
    """A plane with a part of its rows and columns."""
    loss = plane.fields["loss"]
    kept = dataclasses.replace(
        loss, values=loss.values[rows, rows], measured=loss.measured[rows, rows]
    )
    return dataclasses.replace(
        plane, x=plane.x[rows], y=plane.y[rows], fields={"loss": kept}
    )


def never_a_number(plane: td.Plane) -> td.Plane:
    loss = plane.fields["loss"]
    values = torch.full_like(loss.values, torch.nan)
    return dataclasses.replace(
        plane, fields={"loss": dataclasses.replace(loss, values=values)}
    )


def test_planes_of_nearly_nothing_do_not_break_the_page(show: Any):
    plane = measured(lambda w: (w**2).sum(), steps=3)
    cuts = [cut(plane, slice(0, rows)) for rows in range(3)]
    poor = [plane_record(one) for one in (*cuts, never_a_number(plane))]
    opened = show(*poor, bowl())
    # the one after them is still drawn
    opened.page.locator(CANVAS).last.scroll_into_view_if_needed()
    opened.page.wait_for_function(
        f"() => ({COLOURS})([...document.querySelectorAll('{CANVAS}')].at(-1)) > 100",
        polling=100,
    )
    for number in range(4):
        words = opened.page.locator(".instrument").nth(number).inner_text()
        assert "no " in words or "not" in words
    assert opened.complaints == []


def test_a_million_points_are_drawn(show: Any):
    axis = torch.linspace(-2, 2, 1001, dtype=F64)
    values = torch.sin(3 * axis)[:, None] * torch.cos(2 * axis)[None]
    values[400:420, 300:310] = torch.nan
    small = measured(lambda w: (w**2).sum(), steps=3)
    field = dataclasses.replace(
        small.fields["loss"], values=values, measured=torch.ones(1001, 1001) > 0
    )
    plane = dataclasses.replace(small, x=axis, y=axis, fields={"loss": field})
    opened = show(plane_record(plane, marks=[]))
    wait_for_the_surface(opened)
    assert opened.complaints == []


def test_one_drawing_context_serves_all_planes(show: Any):
    opened = show(*[bowl() for _ in range(5)], before=COUNTED)
    wait_for_the_surface(opened)
    for number in range(5):
        opened.page.locator(CANVAS).nth(number).scroll_into_view_if_needed()
        wait_for_the_surface(opened, number)
    assert opened.page.evaluate("() => window.contexts") == 1
    assert opened.complaints == []


def test_reduced_motion_leaps(show: Any):
    opened = show(bowl(), fragment="#&v0.start=1,1", reduced_motion="reduce")
    opened.page.locator("button.play").click()
    opened.page.wait_for_function(
        "() => document.querySelector('button.play').dataset.playing === 'false'"
    )
    assert opened.complaints == []
