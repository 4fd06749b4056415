"""Balls roll in the browser as Python descends, and are judged alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor

from theodolite.maps.descending.bicubic import Bicubic
from theodolite.maps.descending.descent_on_plane import bends_on, descend_on
from theodolite.maps.descending.descent_verdict import LEFT, Doubt, judged
from theodolite.maps.descending.gradient_descent import Steps
from theodolite.maps.descending.rates import ORDER, Rates
from theodolite.maps.page_record import packed
from theodolite.maps.track import metric_of
from viewer_numerics import (
    F64,
    OBLIQUE,
    SHEETS,
    Ask,
    Sheet,
    asking,
    numbers,
    settings,
    sheet,
    spelled,
)

# where even plain descent meets more than one basin, or none
WILD = ("saddle", "Himmelblau", "rugged", "rugged with holes", "half a map")
TAME = ("bowl", "oblique bowl", "long directions", "valley", "gully")
STEPS = 40
SHARES = (1e-3, 0.5, 0.98, 1.02, 1.98, 2.02, 5.0)
FAR, HEAVY = (0.3, 1.9, 2.5), (0.01, 0.5, 3.9)
NUMBER = re.compile(r"[−-]?\d[\d,.]*(?:e[+-]\d+|\s×\s10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    return asking(tmp_path_factory.mktemp("numerics"))


def wordless(told: str) -> str:
    """A sentence without its numbers, which both write in their own way."""
    return NUMBER.sub("#", told.rstrip("."))


@dataclass(frozen=True)
class Run:
    """A race that both are asked for."""

    start: tuple[float, float]
    rate: float
    share: float
    momentum: float


def runs_on(on: Sheet) -> list[Run]:
    surface = Bicubic(on.x, on.y, on.loss)
    x, y = surface.lowest()
    wide, high = float(on.x[-1] - on.x[0]) / 2, float(on.y[-1] - on.y[0]) / 2
    near, far = (x + 0.02 * wide, y - 0.03 * high), (0.4 * wide, 0.55 * high)
    largest = bends_on(surface, torch.linalg.cholesky(metric_of(on.directions))).largest
    scale = 1 / largest if largest > 0 else 0.1
    kinds = [(near, SHARES, 0.0), (far, FAR, 0.0), (far, HEAVY, 0.9)]
    return [
        Run(start, share * scale, share, momentum)
        for start, shares, momentum in kinds
        if surface.at(*start) is not None
        for share in shares
    ]


@pytest.fixture(scope="module")
def races(ask: Ask) -> dict[str, list[tuple[Run, Any]]]:
    wanted = {name: runs_on(SHEETS[name]) for name in (*TAME, *WILD)}
    cases = [
        {
            "ask": "race",
            "plane": SHEETS[name].record,
            "start": run.start,
            "settings": settings(
                run.rate, "momentum" if run.momentum else "descent", momentum=0.9
            ),
        }
        for name, runs in wanted.items()
        for run in runs
    ]
    found = iter(ask(cases))
    return {name: [(run, next(found)) for run in runs] for name, runs in wanted.items()}


@pytest.mark.parametrize("name", [*TAME, *WILD])
def test_descent_is_pythons(name: str, races: dict[str, list[tuple[Run, Any]]]) -> None:
    on = SHEETS[name]
    size = float(on.x[-1] - on.x[0])
    for run, there in races[name]:
        momentum = run.momentum
        here = descend_on(on, run.rate, run.start, steps=STEPS, momentum=momentum)
        assert there["predicted"] == here.predicted
        path = torch.stack([numbers(there["x"]), numbers(there["y"])], 1)
        count = min(len(path), len(here.path))
        off = float((path[:count] - here.path[:count]).abs().max()) / size
        if off > 1e-9:
            # beyond the boundary a wild descent makes of a rounding what it likes
            assert name in WILD
            assert run.share > 2
            continue
        assert there["verdict"] == here.verdict, run
        assert wordless(there["why"]["en"]) == wordless(here.why)
        # one may come upon a gradient of exactly zero, and end there
        rest = [*there["gradientNorm"][count:], *here.gradient_norms[count:].tolist()]
        assert max(rest, default=0.0) <= 1e-12 * max(there["gradientNorm"])
        close = {"rtol": 1e-7, "atol": 1e-9 * float(here.gradient_norms.max())}
        torch.testing.assert_close(
            numbers(there["gradientNorm"])[:count], here.gradient_norms[:count], **close
        )


@pytest.mark.parametrize(("name", "rates"), [("slope", (1e-3, 0.3)), ("flat", (0.1,))])
def test_where_nothing_bends_verdicts_are_pythons(
    name: str, rates: Sequence[float], ask: Ask
) -> None:
    on, start = SHEETS[name], (0.1, 0.2)
    case = {"ask": "race", "plane": on.record, "start": start}
    cases = [{**case, "settings": settings(rate)} for rate in rates]
    for rate, there in zip(rates, ask(cases), strict=True):
        here = descend_on(on, rate, start, steps=STEPS)
        assert there["verdict"] == here.verdict
        torch.testing.assert_close(numbers(there["x"]), here.path[:, 0].contiguous())


def made(generator: torch.Generator, number: int) -> Steps:
    """A run that no descent would make, and all kinds that one would."""

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    def pick(*choices: Any) -> Any:
        return choices[int(torch.randint(len(choices), (1,), generator=generator))]

    count = pick(1, 2, 3, 4, 6, 7, 8, 12, 33)
    time = torch.arange(count, dtype=F64)
    factors = [pick(-1.1, -1.0, -0.9, -0.3, 0.0, 0.5, 0.95, 0.999, 1.0, 1.02)]
    factors += [pick(0.5, 0.9, 0.99, 1.0, 1.01, -0.5)] * pick(0, 1)
    along = torch.stack([factor**time * draw(1) for factor in factors], 1)
    along += pick(0.0, 0.0, 1e-12, 1e-3, 1.0) * draw(count, len(factors))
    along[0, -1] *= pick(0.0, 1.0, 1.0, 1.0)
    norms = along.norm(dim=1) + pick(0.0, 0.0, 0.1) + 1e-300
    losses = pick(-1.0, 0.0, 1.0) + along.square().sum(1)
    cosines = torch.tanh(draw(count - 1) + pick(-1.0, 0.0, 1.0))
    if number % 10 == 0:
        losses[-1] = pick(nan, inf, -inf)
        along[-1] = pick(nan, inf, 0.0)
    path, kept = torch.zeros(1, 2, dtype=F64), torch.zeros(1, dtype=torch.int64)
    left, unbounded = pick(False, False, True), number % 10 == 0
    return Steps(path, kept, losses, norms, along, cosines, left, unbounded)


def test_verdicts_on_any_sequence_are_pythons(ask: Ask) -> None:
    generator = torch.Generator().manual_seed(2)
    doubts = [
        Doubt(2.2e-16),
        Doubt(2.2e-16, gradient=1e-3, loss=1e-3),
        Doubt(1e-7, gradient=1e-9, loss=1e-12, leak=0.2),
        Doubt(2.2e-16, gradient=nan, loss=nan),
    ]
    cases, wanted = [], []
    for number in range(600):
        run, doubt = made(generator, number), doubts[number % len(doubts)]
        steps, momentum = (20, 200)[number % 2], (0.0, 0.9)[number // 4 % 2]
        sequence = {
            "losses": spelled(run.losses.tolist()),
            "gradientNorms": spelled(run.gradient_norms.tolist()),
            "along": spelled(run.along.T.tolist()),
            "cosines": run.cosines.tolist(),
            "left": run.left,
            "unbounded": run.unbounded,
        }
        rules = {key: spelled(value) for key, value in vars(doubt).items()}
        case = {"made": sequence, "steps": steps, "momentum": momentum, "doubt": rules}
        cases.append({"ask": "judged", **case})
        wanted.append(judged(run, steps=steps, momentum=momentum, doubt=doubt))
    kinds = set()
    for there, (verdict, why) in zip(ask(cases), wanted, strict=True):
        kinds.add((verdict, wordless(why).replace("#", "")[:24]))
        assert there["verdict"] == verdict
        if "nan" not in why and "inf" not in why:
            assert wordless(there["why"]["en"]) == wordless(why)
        assert re.search("[\u4e00-\u9fff]", there["why"]["zh"])
    assert {kind for kind, _ in kinds} == {*ORDER, LEFT}
    assert len(kinds) >= 9


def test_predictions_are_pythons(ask: Ask) -> None:
    curvatures = [(4.0, 1.0), (4.0, nan), (-1.0, nan), (nan, nan), (3.0, 1e-6)]
    rates = torch.logspace(-4, 1, 41, dtype=F64).tolist()
    of = [
        (*both, steps, momentum)
        for both in curvatures
        for steps in (20, 200)
        for momentum in (0.0, 0.5, 0.99)
    ]
    cases = [{"ask": "predicted", "of": spelled([*one]), "rates": rates} for one in of]
    for one, there in zip(of, ask(cases), strict=True):
        assert there == [Rates(*one).verdict(rate) for rate in rates]


def test_the_planes_own_rates_are_pythons(ask: Ask) -> None:
    names = [name for name in TAME if name not in ("slope", "flat")]
    asked = {"ask": "rates", "steps": 100, "momentum": 0.5}
    cases = [{**asked, "plane": SHEETS[name].record} for name in names]
    for name, there in zip(names, ask(cases), strict=True):
        on = SHEETS[name]
        run = descend_on(on, 0.1, (0, 0), steps=100, momentum=0.5)
        for key, value in run.rates.to_dict().items():
            words = key.split("_")
            camel = words[0] + "".join(word.title() for word in words[1:])
            if camel in there:
                assert float(there[camel]) == pytest.approx(
                    value, rel=1e-7, nan_ok=True
                )


# other balls


def test_newton_is_at_the_bottom_of_a_bowl_in_one_step(ask: Ask) -> None:
    on = SHEETS["oblique bowl"]
    asked = {"start": [1.1, -0.7], "settings": settings(9.0, "newton")}
    (there,) = ask([{"ask": "race", "plane": on.record, **asked}])
    assert [there["x"][1], there["y"][1]] == pytest.approx([0, 0], abs=1e-12)
    assert (there["verdict"], there["predicted"]) == ("converge", "")
    assert "a minimum" in there["why"]["en"]


def test_newton_goes_to_saddles_and_says_so(ask: Ask) -> None:
    on = sheet(lambda x, y: x**2 - 2 * y**2 + x**3 / 9, 2.0)
    asked = {"start": [0.8, 1.2], "settings": settings(1.0, "newton")}
    (there,) = ask([{"ask": "race", "plane": on.record, **asked}])
    surface, point = Bicubic(on.x, on.y, on.loss), torch.tensor([0.8, 1.2], dtype=F64)
    for x, y in zip(there["x"], there["y"], strict=True):
        assert [x, y] == pytest.approx(point.tolist(), abs=1e-9)
        patch = surface.at(*point.tolist())
        assert patch is not None
        point = point - torch.linalg.solve(patch.hessian, patch.gradient)
    assert [there["x"][-1], there["y"][-1]] == pytest.approx([0, 0], abs=1e-9)
    assert there["loss"][-1] > there["loss"][0]
    assert there["verdict"] == "converge"
    assert "a saddle" in there["why"]["en"]


def test_newton_stops_where_nothing_bends(ask: Ask) -> None:
    on = sheet(lambda x, y: x + 0 * y, 1.0)
    asked = {"start": [0.5, 0.2], "settings": settings(1.0, "newton")}
    plane = with_hessian(on, ((2.0, 0.0), (0.0, 0.0)))
    (there,) = ask([{"ask": "race", "plane": plane, **asked}])
    assert (there["verdict"], len(there["x"])) == ("stopped", 1)
    assert "singular" in there["why"]["en"]


def with_hessian(on: Sheet, bend: Sequence[Sequence[float]]) -> dict[str, Any]:
    """As if so much curvature was measured, on a coarser grid."""
    record = on.record
    entries = {"xx": bend[0][0], "xy": bend[0][1], "yy": bend[1][1]}
    x, y = on.x[::5], on.y[::5]
    for entry, value in entries.items():
        values = torch.full((len(x), len(y)), value, dtype=F64)
        coarse = {"x": packed(x), "y": packed(y), "values": packed(values)}
        plain = {"measured": None, "error": 0.0}
        record["fields"][f"hessian {entry}"] = {**coarse, **plain}
    return record


def test_newton_takes_the_measured_curvature_where_there_is_one(ask: Ask) -> None:
    on = SHEETS["bowl"]
    # twice what the surface bends
    plane = with_hessian(on, ((8.0, 0.0), (0.0, 2.0)))
    asked = {"start": [1.0, 0.6], "settings": settings(1.0, "newton", steps=3)}
    (there,) = ask([{"ask": "race", "plane": plane, **asked}])
    assert there["x"] == pytest.approx([1.0, 0.5, 0.25, 0.125], abs=1e-9)
    assert there["y"] == pytest.approx([0.6, 0.3, 0.15, 0.075], abs=1e-9)


def test_noise_is_the_same_for_one_seed_and_none_is_plain_descent(ask: Ask) -> None:
    on, start = SHEETS["rugged"], [0.4, 0.5]
    wanted = [
        settings(0.01, "noisy", seed=1),
        settings(0.01, "noisy", seed=1),
        settings(0.01, "noisy", seed=2),
        settings(0.01, "noisy", noise=0.0),
        settings(0.01),
    ]
    asked = {"ask": "race", "plane": on.record, "start": start}
    first, same, other, silent, plain = ask([{**asked, "settings": s} for s in wanted])
    assert first == same
    assert first["x"] != other["x"]
    assert silent == {**plain, "method": "noisy"}


def test_noise_has_the_same_spread_along_all_directions_of_the_parameters(
    ask: Ask,
) -> None:
    on = sheet(lambda x, y: x + 2 * y, 1.0, directions=OBLIQUE)
    root = torch.linalg.cholesky(metric_of(on.directions))
    slope = torch.linalg.solve(root, torch.tensor([1.0, 2.0], dtype=F64))
    rate, steps = 1e-5, 4000
    wanted = settings(rate, "noisy", noise=0.5, steps=steps)
    asked = {"ask": "race", "plane": on.record, "start": [0, 0], "settings": wanted}
    (there,) = ask([asked])
    path = torch.stack([numbers(there["x"]), numbers(there["y"])], 1) @ root
    assert len(path) == steps + 1
    noise = -path.diff(dim=0) / rate - slope
    spread = noise.T @ noise / steps / (0.5 * float(slope.norm())) ** 2
    off = spread - torch.eye(2, dtype=F64)
    assert float(off.abs().max()) < 5 * (2 / steps) ** 0.5
    assert float(noise.mean(0).abs().max()) < 5 * float(slope.norm()) / steps**0.5


@pytest.mark.parametrize(
    ("share", "noise", "steps", "verdict"),
    [
        (0.1, 0.3, 200, "converge"),
        (1e-3, 0.3, 200, "crawl"),
        (1.7, 0.1, 200, "oscillate"),
        (2.3, 0.1, 20, "diverge"),
    ],
)
def test_noisy_descent_is_judged_by_averages(
    share: float, noise: float, steps: int, verdict: str, ask: Ask
) -> None:
    on = sheet(lambda x, y: 2 * x**2 + 1.8 * y**2, 50.0)
    start = [0.3, 0.25] if share > 2 else [5.0, 4.0]
    wanted = settings(share / 4, "noisy", noise=noise, steps=steps)
    asked = {"ask": "race", "plane": on.record, "start": start, "settings": wanted}
    (there,) = ask([asked])
    assert there["verdict"] == verdict


def test_normal_numbers_are_normal(ask: Ask) -> None:
    count = 5000
    cases = [{"ask": "random", "seed": seed, "count": count} for seed in (0, 1, 1)]
    first, second, same = ask(cases)
    assert second == same
    assert first != second
    values = numbers(second)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        bound = 5 * (105 / count) ** 0.5
        assert float((values**power).mean(0).sub(moment).abs().max()) < bound
    assert abs(float(torch.corrcoef(values.T)[0, 1])) < 5 / count**0.5
