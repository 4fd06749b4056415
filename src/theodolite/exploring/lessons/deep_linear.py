"""Deep linear networks: no bad minima, but saddles."""

from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.exploring.drawing import drawn, function_landscape, marked
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.tables import MEASURED, NOTHING
from theodolite.exploring.words import Told, number, same, told
from theodolite.landscape import Landscape
from theodolite.maps.descending.descent import descend
from theodolite.maps.elsewhere import at_place
from theodolite.seeding import generator
from theodolite.site.critical_point import classify

# what the wide network has to learn: W₂W₁ = diag(...), through two hidden units
SINGULAR, HIDDEN = (3.0, 2.0, 1.0, 0.5), 2
FLOW_TIME, RATES = 2.0, (0.04, 0.02, 0.01)
BALANCE_START = (0.4, 1.5)

CODE = """\
import torch, theodolite as td

deep = td.Landscape.from_function(
    lambda w: (w.prod() - 1) ** 2 / 2, torch.zeros(3)
)
print(deep.hessian().dense())  # nothing at all: three layers
print(td.classify(deep))
"""


def two_layers(w: Tensor) -> Tensor:
    """One unit a layer: y = uvx has to become y = x."""
    return (w[0] * w[1] - 1) ** 2 / 2


def three_layers(w: Tensor) -> Tensor:
    """The same with three layers, u, v and once more u."""
    return (w[0] ** 2 * w[1] - 1) ** 2 / 2


def any_depth(w: Tensor) -> Tensor:
    """The same with as many layers as there are weights."""
    return (w.prod() - 1) ** 2 / 2


def wide(w: Float[Tensor, " p"]) -> Tensor:
    """½‖W₂W₁ − diag(s)‖² of two layers with few hidden units, on white data."""
    size, cut = len(SINGULAR), len(SINGULAR) * HIDDEN
    first, second = w[:cut].reshape(HIDDEN, size), w[cut:].reshape(size, HIDDEN)
    wanted = torch.diag(w.new_tensor(SINGULAR))
    return (second @ first - wanted).square().sum() / 2


def critical_point(kept: tuple[int, ...]) -> Float[Tensor, " p"]:
    """Where the network has learned some of the singular directions, and no other."""
    size = len(SINGULAR)
    first = torch.zeros(HIDDEN, size, dtype=torch.float64)
    for unit, which in enumerate(kept):
        first[unit, which] = SINGULAR[which] ** 0.5
    return torch.cat([first.flatten(), first.T.flatten()])


def index_by_formula(kept: tuple[int, ...]) -> int:
    """How many directions bend down there, by Baldi and Hornik's analysis."""
    size, rank = len(SINGULAR), len(kept)
    swaps = sum(
        other < which and other not in kept for which in kept for other in range(size)
    )
    return (HIDDEN - rank) * (size - rank) + swaps


def all_kept() -> list[tuple[int, ...]]:
    """Every choice of singular directions that the hidden units can hold."""
    numbers = range(len(SINGULAR))
    return [k for rank in range(HIDDEN + 1) for k in combinations(numbers, rank)]


def deep_linear_lesson(detail: Detail) -> Lesson:
    """All critical points but the global minimum bend down somewhere."""
    ends = {n: origin_of(n) for n in (2, 3)}
    land = Landscape.from_function(wide, critical_point(()), name="deep linear")
    measured = {k: classify(at_place(land, critical_point(k))) for k in all_kept()}
    right = sum(p.index == index_by_formula(k) for k, p in measured.items())
    best = sum(s**2 for s in SINGULAR[HIDDEN:]) / 2
    reached = losses_reached(land, max(4, detail.repeats // 40))
    numbers = {
        "two_low": ends[2][0],
        "two_high": ends[2][1],
        "three_low": ends[3][0],
        "three_high": ends[3][1],
        "critical": float(len(measured)),
        "right": float(right),
        "without_way_down": float(sum(p.index == 0 for p in measured.values())),
        "starts": float(len(reached)),
        "best": best,
        "worst_excess": max(reached) - best,
        **{f"drift at {rate:g}": drift(rate) for rate in RATES},
    }
    return Lesson(
        anchor="deep-linear",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(numbers),
        instruments=(
            Instrument(
                "deep-linear-map",
                _maps(detail),
                CAPTION,
                {"start": (0.15, 0.05), "rate": 0.1, "log": False},
            ),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def origin_of(layers: int) -> tuple[float, float]:
    """The least and the largest eigenvalue at the origin, of one unit a layer."""
    place = classify(function_landscape(any_depth, (0.0,) * layers, "chain"))
    return place.lowest, place.highest


def losses_reached(land: Landscape, starts: int, seed: int = 0) -> list[float]:
    """Where descent ends from small random weights."""
    source = generator(seed)
    found = []
    for _ in range(starts):
        start = 0.3 * torch.randn(land.size, generator=source, dtype=torch.float64)
        run = descend(land, 0.1, start=start, steps=400)
        found.append(float(run.losses[-1]))
    return found


def drift(rate: float) -> float:
    """By how much u² − v² has changed after a fixed time of descent."""
    land = function_landscape(two_layers, BALANCE_START, "chain")
    path = descend(land, rate, steps=round(FLOW_TIME / rate)).path
    balance = path[:, 0].square() - path[:, 1].square()
    return float((balance[-1] - balance[0]).abs())


def _maps(detail: Detail) -> tuple[dict, ...]:
    saddle = told("saddle at the origin", "原点处的鞍点")
    settings = {"steps": detail.steps, "span": 2.0}
    made = (
        (two_layers, told("Two layers", "两层"), told("layer 2", "第 2 层")),
        (three_layers, told("Three layers", "三层"), told("layer 2", "第 2 层")),
    )
    names = (told("layer 1", "第 1 层"), told("layers 1 and 3", "第 1、3 层"))
    return tuple(
        drawn(
            function_landscape(function, (0.0, 0.0), "chain"),
            title,
            labels=(first, second),
            marks=[marked("saddle", (0, 0), 0.5, saddle)],
            **settings,
        )
        for (function, title, second), first in zip(made, names, strict=True)
    )


def _table(n: dict[str, float]) -> Table:
    heads = (NOTHING, MEASURED, told("by theory", "理论"))

    def pair(low: float, high: float) -> Told:
        return same(f"{low:.3g}, {high:.3g}".replace("-", "−"))

    rows = [
        (
            told("eigenvalues at the origin, 2 layers", "原点的特征值，2 层"),
            pair(n["two_low"], n["two_high"]),
            same("−1, 1"),
        ),
        (
            told("… 3 layers", "…… 3 层"),
            pair(n["three_low"], n["three_high"]),
            same("0, 0"),
        ),
        (
            told("kinds of critical points whose index is right", "指标相符的临界点类"),
            told(
                "{a} of {b}",
                "{b} 类中的 {a} 类",
                a=round(n["right"]),
                b=round(n["critical"]),
            ),
            told("all", "全部"),
        ),
        (
            told("… with no way down", "……其中没有下坡路的"),
            number(n["without_way_down"]),
            number(1.0),
        ),
        (
            told(
                "worst loss of {k} descents, above the best",
                "{k} 次下降中最差的损失，高出最优值",
                k=round(n["starts"]),
            ),
            number(float(f"{n['worst_excess']:.1g}")),
            number(0.0),
        ),
    ]
    rows += [
        (
            told("drift of u² − v² at η = {r}", "η = {r} 时 u² − v² 的漂移", r=rate),
            number(n[f"drift at {rate:g}"]),
            told("∝ η", "∝ η"),
        )
        for rate in RATES
    ]
    return Table(heads, tuple(rows))


TITLE = told(
    "Deep linear networks: saddles, no bad minima",
    "深度线性网络：有鞍点，没有坏的极小值",
)
MISSION = told(
    "Start close to zero and find out what depth costs before it pays.",
    "从接近零的地方出发，看看深度在回报之前要付出什么代价。",
)
CAPTION = told(
    "Networks y = vu·x and y = uvu·x that have to learn y = x, with two and with three "
    "layers. Both balls start at the same place, near the origin.",
    "要学会 y = x 的网络 y = vu·x 与 y = uvu·x，两层与三层。两只小球都从原点附近的同一"
    "处出发。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "A <em>linear</em> network of two layers, <var>y</var> = "
            "<var>vu</var>·<var>x</var>, computes nothing that one layer could not. "
            "Yet its landscape is no bowl: the solutions <var>uv</var> = 1 form two "
            "curved valleys, and between them, at the origin, lies a saddle with "
            "eigenvalues {low} and {high}. What bends it down is the block of the "
            "Hessian <em>between</em> the layers; each layer alone sees a bowl.",
            "两层的<em>线性</em>网络 <var>y</var> = <var>vu</var>·<var>x</var> 算不出一"
            "层算不出的东西。它的景观却不是一只碗：解 <var>uv</var> = 1 构成两条弯曲的"
            "山谷，两谷之间的原点是鞍点，特征值为 {low} 和 {high}。让它向下弯的是海森矩"
            "阵中<em>层与层之间</em>的块；单看任何一层，都是一只碗。",
            low=n["two_low"],
            high=n["two_high"],
        ),
        told(
            "In deep linear networks every local minimum is global. For one with "
            "{hidden} hidden units all {critical} kinds of critical points can be "
            "written down; measured, {right} have exactly the number of downward "
            "directions that theory gives, and {one} has none: the global minimum. "
            "{starts} descents from random starts all ended there. What there is "
            "besides are not traps but saddles.",
            "深度线性网络的所有局部最小值都是全局最小值。对有 {hidden} 个隐藏单元的网"
            "络，全部 {critical} 类临界点都能写出来；测量表明，其中 {right} 类向下弯曲"
            "的方向数与理论完全一致，没有下坡方向的只有 {one} 类：全局最小值。从随机起"
            "点出发的 {starts} 次下降都到达了那里。其余的不是陷阱，而是鞍点。",
            hidden=HIDDEN,
            critical=round(n["critical"]),
            right=round(n["right"]),
            one=round(n["without_way_down"]),
            starts=round(n["starts"]),
        ),
        told(
            "With three layers even the curvature vanishes at the origin: the saddle "
            "becomes a plateau, and small initial weights pay for depth with time. And "
            "a symmetry is at work again: stretch one layer, shrink the next, and the "
            "network is the same. What gradient flow conserves is <var>u</var>² − "
            "<var>v</var>²; real steps let it drift in proportion to <var>η</var>.",
            "到了三层，连曲率也在原点消失：鞍点变成高原，初始权重越小，深度就要用越多的"
            "时间来偿还。这里又有一个对称性：放大一层、缩小下一层，网络不变。梯度流守恒"
            "的是 <var>u</var>² − <var>v</var>²；真实的步子让它以正比于 <var>η</var> 的"
            "速度漂移。",
        ),
    )


QUESTION = Question(
    told(
        "Count the steps until each ball has left the neighbourhood of the origin. "
        "Then start both ten times closer. Which of them suffers more?",
        "数一数每只小球离开原点附近要多少步。再让两只都从近十倍的地方出发：谁受的影响更"
        "大？",
    ),
    told(
        "At the saddle the distance grows by a factor each step, as in the lesson on "
        "saddles. On the plateau even the factor shrinks with the distance.",
        "在鞍点处，偏离每步乘以一个因子，如鞍点那一课所见。在高原上，连这个因子也随距离"
        "变小。",
    ),
    told(
        "The three-layer network. With two layers the time grows like "
        "ln(1/<var>ε</var>): ten times closer costs a fixed number of steps more. With "
        "three it grows like 1/<var>ε</var>: ten times closer costs ten times the "
        "steps. Sensible initial scales, normalisation and skip connections all keep "
        "training off that plateau.",
        "是三层网络。两层时，时间按 ln(1/<var>ε</var>) 增长：近十倍只多花固定的步数；三"
        "层时按 1/<var>ε</var> 增长：近十倍就要十倍的步数。合适的初始尺度、归一化和跳跃"
        "连接，都让训练避开这片高原。",
    ),
)
