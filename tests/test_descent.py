"""Gradient descent: what a learning rate does, observed beside predicted."""

from math import inf, log, nan

import pytest
import torch

import theodolite as td
from problems import PROBLEMS
from spectra import with_spectrum
from theodolite.errors import ArgumentError
from theodolite.maps.descending import slope
from theodolite.maps.descending.boundaries import bisected, boundaries
from theodolite.maps.descending.descent import descend
from theodolite.maps.descending.descent_verdict import Doubt, judged
from theodolite.maps.descending.gradient_descent import Steps
from theodolite.maps.descending.rates import Rates
from theodolite.maps.descending.slope import slope_of
from watch import everything

F64, F32 = torch.float64, torch.float32
# spectra by name; the largest eigenvalue comes first
BOWLS = {
    "two": [1.0, 0.3],
    "four": [8.0, 4.0, 2.0, 1.6],
    "alike": [2.0, 2.0, 2.0],
    "one": [3.0],
    "three hundred": [3.0, *torch.linspace(1, 0.5, 299, dtype=F64).tolist()],
}
# rates over 1/λ_max, and the kind of descent that each makes on a bowl
KINDS = {
    1e-3: "crawl",
    0.5: "converge",
    0.98: "converge",
    1.02: "oscillate",
    1.98: "oscillate",
    2.02: "diverge",
    5.0: "diverge",
}


def bowl(
    values: list[float], dtype: torch.dtype = F64, at: float = 1.0
) -> td.Landscape:
    """½ (w − c)ᵀ H (w − c), started beside its minimum."""
    matrix = with_spectrum(torch.tensor(values, dtype=F64)).to(dtype)
    generator = torch.Generator().manual_seed(1)
    center = torch.randn(len(values), generator=generator, dtype=F64).to(dtype)
    start = torch.randn(len(values), generator=generator, dtype=F64).to(dtype)
    return td.Landscape.from_function(
        lambda w: (w - center) @ matrix @ (w - center) / 2, center + at * start
    )


@pytest.mark.parametrize("share", list(KINDS))
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, F64) for name in BOWLS), ("four", F32)],
)
def test_the_verdict_on_a_bowl_is_the_predicted_one(
    name: str, dtype: torch.dtype, share: float
) -> None:
    values = BOWLS[name]
    run = descend(bowl(values, dtype), share / max(values), steps=40)
    assert run.verdict == KINDS[share]
    assert run.as_predicted
    assert run.rates.largest == pytest.approx(max(values), rel=1e-5)


def test_the_path_is_that_of_the_formula() -> None:
    land = bowl(BOWLS["four"])
    run = descend(land, 0.1, steps=30)
    matrix = with_spectrum(torch.tensor(BOWLS["four"], dtype=F64))
    step = torch.eye(4, dtype=F64) - 0.1 * matrix
    center = land.point - torch.linalg.solve(matrix, land.gradient())
    for number, point in enumerate(run.path):
        away = torch.linalg.matrix_power(step, number) @ (land.point - center)
        torch.testing.assert_close(point, center + away, rtol=1e-10, atol=1e-12)
        loss, slope = away @ matrix @ away / 2, (matrix @ away).norm()
        assert float(run.losses[number]) == pytest.approx(float(loss), abs=1e-13)
        assert float(run.gradient_norms[number]) == pytest.approx(float(slope))
    assert run.kept.tolist() == list(range(31))
    assert run.steps == 30


def test_the_heavy_ball_is_torchs_own() -> None:
    land = bowl(BOWLS["four"])
    run = descend(land, 0.05, steps=20, momentum=0.8)
    matrix = with_spectrum(torch.tensor(BOWLS["four"], dtype=F64))
    center = land.point - torch.linalg.solve(matrix, land.gradient())
    weights = land.point.clone().requires_grad_()
    ball = torch.optim.SGD([weights], lr=0.05, momentum=0.8)
    for _ in range(20):
        ball.zero_grad()
        ((weights - center) @ matrix @ (weights - center) / 2).backward()
        ball.step()
    torch.testing.assert_close(run.path[-1], weights.detach())


@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_bowl_a_million_times_as_long_as_wide_is_crawled_through(
    share: float,
) -> None:
    run = descend(bowl([1.0, 1e-6, 1e-6, 1e-6]), share)
    assert run.verdict == run.predicted == "crawl"
    # (1 − ηλ)ⁿ = 1/10
    wanted = log(10) / (share * 1e-6)
    assert f"{wanted:.3g} steps" in run.why


def test_swings_come_before_crawling() -> None:
    run = descend(bowl([1.0, 1e-6]), 1.02)
    assert run.verdict == run.predicted == "oscillate"


@pytest.mark.parametrize("momentum", [0.5, 0.9])
@pytest.mark.parametrize("share", [0.5, 0.98, 1.02])
def test_momentum_raises_the_limit(share: float, momentum: float) -> None:
    rate = share * 2 * (1 + momentum) / 8
    run = descend(bowl(BOWLS["four"]), rate, momentum=momentum, steps=80)
    assert run.verdict == run.predicted
    assert run.verdict == ("diverge" if share > 1 else "oscillate")


def test_slow_momentum_does_not_swing() -> None:
    # (1 − √β)²/λ_max = 0.0107 for β = 0.5
    rates = Rates(8.0, 1.6, 100, 0.5)
    assert rates.oscillates_above == pytest.approx(0.0107, rel=1e-2)
    run = descend(bowl(BOWLS["four"]), 0.01, momentum=0.5, steps=100)
    assert run.verdict == run.predicted == "converge"
    assert descend(bowl(BOWLS["four"]), 0.015, momentum=0.5).verdict == "oscillate"


def test_the_rate_at_which_crawling_ends_is_that_of_a_tenth() -> None:
    for momentum in (0.0, 0.3):
        rates = Rates(8.0, 0.4, 100, momentum)
        # the slower root of z² − (1 + β − ηλ) z + β, a hundred times
        turn = 1 + momentum - rates.crawls_below * 0.4
        root = (turn + (turn**2 - 4 * momentum) ** 0.5) / 2
        assert root**100 == pytest.approx(0.1)
    assert Rates(8.0, 0.4, 10, 0.9).crawls_below == inf
    assert Rates(8.0).crawls_below != Rates(8.0).crawls_below
    assert Rates(8.0).verdict(0.01) == "crawl or converge"
    assert Rates(-1.0).diverges_above == inf


def test_linear_regression_keeps_its_boundaries() -> None:
    land = td.builtin("linear-regression")
    largest = float(torch.linalg.eigvalsh(land.hessian().dense())[-1])
    for share, kind in KINDS.items():
        run = descend(land, share / largest, steps=40)
        assert (run.verdict, run.predicted) == (kind, kind)


@pytest.mark.parametrize("name", ["two", "four"])
def test_observed_boundaries_are_the_predicted_ones(name: str) -> None:
    values = BOWLS[name]
    found = boundaries(bowl(values), steps=25)
    predicted = found.rates
    assert predicted.oscillates_above == pytest.approx(1 / max(values))
    assert predicted.diverges_above == pytest.approx(2 / max(values))
    for low, high in (found.converges, found.oscillates, found.diverges):
        assert low < high <= 1.01 * low
    # to within the intervals, one part in a hundred wide
    assert max(map(abs, found.off.values())) <= 0.01
    assert found.oscillates[0] <= 1 / max(values) <= found.oscillates[1]
    assert found.diverges[0] <= 2 / max(values) <= found.diverges[1]
    assert "diverges from" in repr(found)


def test_a_regressions_boundaries_are_the_predicted_ones() -> None:
    found = boundaries(td.builtin("linear-regression"), steps=25)
    assert max(map(abs, found.off.values())) <= 0.01


def test_a_networks_boundaries_are_the_predicted_ones() -> None:
    found = boundaries(td.builtin("digits-mlp").sample(100), steps=30)
    assert abs(found.off["oscillates"]) <= 0.01
    assert abs(found.off["diverges"]) <= 0.01
    assert found.off["converges"] != found.off["converges"]


def test_single_precision_finds_them_too_where_it_is_wanted() -> None:
    found = boundaries(td.builtin("linear-regression"), steps=25, dtype=None)
    assert max(map(abs, found.off.values())) <= 0.01


def test_where_swings_begin_before_crawling_ends_no_rate_converges() -> None:
    found = boundaries(bowl([1.0, 1e-4]), steps=20)
    assert found.converges[0] != found.converges[0]
    assert "converges" not in repr(found)


def test_where_nothing_bends_upward_there_are_no_boundaries() -> None:
    land = td.Landscape.from_function(lambda w: -(w @ w), torch.ones(3, dtype=F64))
    with pytest.raises(ArgumentError, match="largest curvature is -2"):
        boundaries(land)


def test_bisection_finds_where_a_condition_begins() -> None:
    for guess in (1e-6, 0.5, 1e6):
        low, high = bisected(lambda rate: rate > 0.7, guess, 1e-3)
        assert low <= 0.7 <= high <= low * (1 + 1e-3)
    with pytest.raises(ArgumentError, match="No change"):
        bisected(lambda _: False, 1.0, 1e-3)


def test_without_a_bottom_descent_diverges() -> None:
    land = td.builtin("saddle")
    run = descend(land, 0.3, start=torch.tensor([-0.5, 0.1]))
    assert run.verdict == "diverge"
    assert run.rates.diverges_above == inf
    assert run.steps < 200


def test_at_the_minimum_nothing_happens() -> None:
    run = descend(bowl(BOWLS["four"], at=0.0), 0.1)
    assert run.verdict == "converge"
    assert not run.gradient_norms.any()


def test_the_model_is_not_touched() -> None:
    land = td.builtin("digits-mlp").sample(50)
    before = everything(land.model)
    run = descend(land, 0.1, steps=3)
    assert everything(land.model) == before
    assert torch.equal(run.path[0], land.point)
    assert float(run.losses[0]) == land.loss()


def test_a_network_descends_from_anywhere() -> None:
    land = td.builtin("digits-mlp").sample(50)
    other = land.point / 2
    run = descend(land, 0.1, start=other, steps=3)
    assert torch.equal(run.path[0], other)
    # beyond 256 parameters nothing is said of the flattest direction
    assert run.predicted == "crawl or converge"
    assert run.products > 0


@pytest.mark.parametrize("alone", [False, True], ids=["together", "one by one"])
def test_loss_and_gradient_are_the_landscapes_own(
    alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    if alone:
        monkeypatch.setattr(slope, "_same", lambda *_: False)
    point = 2 * land.point
    with slope_of(land, point) as both:
        for at in (point, land.point, point):
            met = both(at)
            assert met is not None
            assert met[0] == land.loss(at)
            assert torch.equal(met[1], land.gradient(at))


class Interrupting:
    """A watcher that presses Ctrl-C half way."""

    def update(self, stage: str, done: float, left: float) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    def close(self) -> None:
        pass


def test_the_model_comes_back_untouched_after_ctrl_c() -> None:
    land = td.builtin("digits-mlp").sample(50)
    before = everything(land.model)
    with pytest.raises(KeyboardInterrupt):
        descend(land, 0.1, steps=10, progress=Interrupting())
    assert everything(land.model) == before


def test_long_paths_keep_every_so_manieth_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("theodolite.maps.descending.descent._PATH", 4 * 8 * 10)
    run = descend(bowl(BOWLS["four"]), 0.1, steps=47)
    assert run.kept.tolist() == [*range(0, 47, 5), 47]
    whole = descend(bowl(BOWLS["four"]), 0.1, steps=47, bends=None)
    assert torch.equal(run.path[-1], whole.path[-1])
    assert len(run.losses) == 48


def test_a_descent_says_what_it_was() -> None:
    run = descend(bowl(BOWLS["two"]), 1.02)
    said = repr(run)
    assert said.startswith("Descent: oscillate (as predicted) at learning rate 1.02")
    assert "diverge above 2" in said
    plain = run.to_dict()
    assert plain["rates"]["diverges_above"] == run.rates.diverges_above
    assert plain["losses"] == run.losses.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"learning_rate": nan},
        {"learning_rate": 0.1, "steps": 0},
        {"learning_rate": 0.1, "momentum": 1.0},
    ],
)
def test_what_is_no_descent_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ArgumentError):
        descend(bowl(BOWLS["two"]), **wrong)


# verdicts, of sequences alone


def walked(
    along: list[float], losses: list[float] | None = None, left: bool = False
) -> Steps:
    values = torch.tensor(along, dtype=F64)
    told = values.square() if losses is None else torch.tensor(losses, dtype=F64)
    turns = torch.sign(values[:-1] * values[1:])
    last = torch.stack([told[-1], values[-1]])
    return Steps(
        path=values[:, None],
        kept=torch.arange(len(along)),
        losses=told,
        gradient_norms=values.abs(),
        along=values[:, None],
        cosines=turns,
        left=left,
        unbounded=not bool(last.isfinite().all()),
    )


def kind(made: Steps, steps: int = 100, doubt: Doubt | None = None) -> str:
    return judged(made, steps=steps, momentum=0.0, doubt=doubt or Doubt(1e-16))[0]


@pytest.mark.parametrize(
    ("factor", "wanted"),
    [
        (0.999, "crawl"),
        (0.9, "converge"),
        (-0.1, "oscillate"),
        (-0.999, "oscillate"),
        (-1.001, "diverge"),
    ],
)
def test_verdicts_on_geometric_sequences(factor: float, wanted: str) -> None:
    assert kind(walked([factor**step for step in range(100)])) == wanted


def test_swings_that_grow_diverge_before_the_loss_is_back_where_it_began() -> None:
    swings = [1e-3 * (-1.05) ** step for step in range(60)]
    losses = [10 * 0.8**step + swing**2 for step, swing in enumerate(swings)]
    assert losses[-1] < losses[0]
    assert losses[-1] > min(losses)
    assert kind(walked(swings, losses)) == "diverge"


def test_what_rounding_may_have_made_is_no_swing() -> None:
    noise = [1.0, *[1e-9 * (-1) ** step for step in range(50)]]
    assert kind(walked(noise)) == "converge"
    assert kind(walked(noise[1:])) == "oscillate"
    doubt = Doubt(1e-16, gradient=1e-8)
    assert kind(walked(noise[1:]), doubt=doubt) == "converge"


def test_what_leaks_from_other_directions_is_no_swing() -> None:
    made = walked([1.0, -1e-3, 1e-6])
    assert kind(made) == "oscillate"
    assert kind(made, doubt=Doubt(1e-16, leak=1e-2)) == "converge"


def test_numbers_that_are_none_diverge() -> None:
    assert kind(walked([1.0, 2.0], [1.0, nan])) == "diverge"
    assert kind(walked([1.0, 2.0], [1.0, inf])) == "diverge"
    assert kind(walked([1.0, inf], [1.0, 0.5])) == "diverge"


def test_leaving_the_map_is_a_verdict_where_nothing_swings_up() -> None:
    assert kind(walked([1.0, 0.9], left=True)) == "left the map"
    assert kind(walked([1.0, -1.2, 1.44], left=True)) == "diverge"
