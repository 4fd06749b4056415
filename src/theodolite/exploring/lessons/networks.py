"""Measured landscapes of trained networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theodolite.exploring.drawing import hessian_on, record_of
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.words import Told, number, same, told
from theodolite.landscape import Landscape
from theodolite.maps.descending.descent_on_plane import descend_on
from theodolite.maps.measured_plane import Plane
from theodolite.maps.plane import plane
from theodolite.models.catalogue import builtin
from theodolite.site.expected_rise import Rise, expected_rise
from theodolite.site.speed_limit import SpeedLimit, speed_limit
from theodolite.spectrum.trace import trace

SIGMA = 0.005
PAIRS = 40

CODE = """\
import theodolite as td

land = td.builtin("digits-mlp")
print(td.speed_limit(land))
print(td.plane(land, directions="eigen", steps=31, rtol=0.01))
"""


@dataclass(frozen=True)
class Measured:
    """A network's numbers, as far as they were asked for.

    Attributes
    ----------
    land : Landscape
        The network, trained.
    limit : SpeedLimit
        2/λ_max of all parameters.
    rise : Rise or None
        Under noise on every weight; ``None`` where the trace is dear.
    """

    land: Landscape
    limit: SpeedLimit
    rise: Rise | None


def networks_lesson(detail: Detail) -> Lesson:
    """Eigenvectors show the curvature, random directions next to none of it."""
    names = ("digits-mlp", "digits-cnn", "digits-vit")
    found = {name: measured(name, dear=name == "digits-vit") for name in names}
    maps = {
        (name, kind): plane(
            found[name].land, directions=kind, steps=min(detail.steps, 51), rtol=rtol
        )
        for name, kind, rtol in (
            ("digits-mlp", "eigen", 0.003),
            ("digits-cnn", "eigen", 0.01),
            ("digits-cnn", "filter", 0.01),
            ("digits-vit", "filter", 0.02),
        )
    }
    numbers = _numbers(found, maps)
    records = {
        key: record_of(
            drawn,
            TITLES[key],
            labels=_labels(drawn, key[1]),
            limit=found[key[0]].limit,
            hessian=hessian_on(found[key[0]].land, drawn.directions),
            marks=[],
        )
        for key, drawn in maps.items()
    }
    cnn = tuple(records["digits-cnn", kind] for kind in ("eigen", "filter"))
    start = {
        "start": _beside(maps["digits-mlp", "eigen"]),
        "rate": 0.6 * numbers["digits-mlp limit"],
        "methods": ["descent"],
    }
    return Lesson(
        anchor="networks",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(found),
        instruments=(
            Instrument("networks-mlp", (records["digits-mlp", "eigen"],), MLP, start),
            Instrument("networks-cnn", cnn, CNN),
            Instrument("networks-vit", (records["digits-vit", "filter"],), VIT),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def measured(name: str, *, dear: bool) -> Measured:
    """A built-in network, and its curvature by Hessian products."""
    land = builtin(name)
    rise = None
    if not dear:
        known = trace(land.hessian())
        rise = expected_rise(land, SIGMA, trace=known, budget=PAIRS)
    return Measured(land, speed_limit(land), rise)


def plane_curvature(drawn: Plane) -> float:
    """The largest curvature of a plane at its own lowest point."""
    x, y, _ = drawn.lowest
    return descend_on(drawn, 1e-6, (x, y), steps=1).rates.largest


def _numbers(
    found: Mapping[str, Measured], maps: Mapping[tuple[str, str], Plane]
) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, one in found.items():
        numbers[f"{name} parameters"] = float(one.land.size)
        numbers[f"{name} top"] = one.limit.eigenvalue
        numbers[f"{name} limit"] = one.limit.value
    for (name, kind), drawn in maps.items():
        numbers[f"{name} {kind} curvature"] = plane_curvature(drawn)
        numbers[f"{name} {kind} points"] = float(len(drawn.points))
        numbers[f"{name} {kind} error"] = drawn.error
    return numbers


def _beside(drawn: Plane) -> tuple[float, float]:
    """Some way up the plane's wall."""
    return 0.5 * float(drawn.x[-1]), 0.35 * float(drawn.y[-1])


def _labels(drawn: Plane, kind: str) -> tuple[Told, Told]:
    if kind == "eigen":
        first, second = (
            told(
                "eigenvector of λ = {v}", "λ = {v} 的特征向量", v=axis.curvature or 0.0
            )
            for axis in drawn.axes
        )
        return first, second
    return (
        told("random direction, by filters", "随机方向（按滤波器归一化）"),
        told("another one", "另一个随机方向"),
    )


def _table(found: Mapping[str, Measured]) -> Table:
    heads = (
        told("network", "网络"),
        told("weights", "权重数"),
        told("<var>λ</var><sub>max</sub>", "<var>λ</var><sub>max</sub>"),
        told("speed limit", "速度限制"),
        told(
            "rise under σ = {s}: ½σ² tr <var>H</var>, measured",
            "σ = {s} 噪声下的升高：½σ² tr <var>H</var>，测得",
            s=SIGMA,
        ),
    )
    return Table(heads, tuple(_row(name, one) for name, one in found.items()))


def _row(name: str, one: Measured) -> tuple[Told, ...]:
    half = (one.limit.high - one.limit.low) / 2
    return (
        same(name),
        told("{n}", "{n}", n=one.land.size),
        number(one.limit.eigenvalue, one.limit.residual),
        number(one.limit.value, half),
        _rise(one.rise),
    )


def _rise(rise: Rise | None) -> Told:
    if rise is None:
        return told("not measured", "未测")
    numbers: dict[str, Any] = {
        "a": (rise.predicted.value, rise.predicted.error),
        "b": (rise.measured.value, rise.measured.error),
    }
    return told("{a}; {b}", "{a}；{b}", **numbers)


TITLE = told("Real networks, measured", "真实的网络，测出来的景观")
MISSION = told(
    "Read three real landscapes, and learn to distrust a pretty one.",
    "读懂三片真实的景观，并学会不轻信漂亮的那一片。",
)
TITLES = {
    ("digits-mlp", "eigen"): told(
        "A perceptron, along its two steepest directions", "感知机，沿最陡的两个方向"
    ),
    ("digits-cnn", "eigen"): told(
        "A convolutional network, steepest directions", "卷积网络，最陡的两个方向"
    ),
    ("digits-cnn", "filter"): told(
        "The same network, random directions", "同一个网络，随机方向"
    ),
    ("digits-vit", "filter"): told(
        "A vision transformer, random directions", "视觉 Transformer，随机方向"
    ),
}
MLP = told(
    "The axes are eigenvectors of the Hessian, so that the plane’s speed limit and the "
    "network’s are nearly the same.",
    "坐标轴是海森矩阵的特征向量，所以这个平面的速度限制与整个网络的几乎相同。",
)
CNN = told(
    "One network, two planes. Compare the learning rates at which their balls diverge.",
    "同一个网络，两个平面。比较小球在两处开始发散的学习率。",
)
VIT = told(
    "A small transformer on the same digits.",
    "在同样的手写数字上训练的小型 Transformer。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "These networks were trained on handwritten digits, and what is drawn is "
            "their loss over all training images, measured when this page was made. "
            "They have {mlp}, {cnn} and {vit} weights; a picture shows two directions "
            "out of so many. Everything depends on <em>which</em> two.",
            "这些网络在手写数字上训练过，画出的是它们在全部训练图像上的损失，在生成本页"
            "时实地测得。它们分别有 {mlp}、{cnn} 和 {vit} 个权重；一幅画只展示其中的两"
            "个方向。一切取决于是<em>哪</em>两个。",
            **{
                short: round(n[f"digits-{short} parameters"])
                for short in ("mlp", "cnn", "vit")
            },
        ),
        told(
            "Along eigenvectors one sees the curvature that matters for the learning "
            "rate: the perceptron’s plane bends by {eigen}, and "
            "<var>λ</var><sub>max</sub> is {top} in all dimensions. Along random "
            "directions, scaled like the filters, the convolutional network bends by "
            "{filter}, where its <var>λ</var><sub>max</sub> is {cnn}: random "
            "directions are nearly orthogonal to the few that bend, and the pretty "
            "round bowl says nothing of the walls.",
            "沿特征向量，看到的是对学习率要紧的曲率：感知机的平面弯曲 {eigen}，而在所有"
            "维度中 <var>λ</var><sub>max</sub> 是 {top}。沿按滤波器缩放的随机方向，卷积"
            "网络只弯曲 {filter}，它的 <var>λ</var><sub>max</sub> 却是 {cnn}：随机方向"
            "与少数弯曲的方向几乎正交，那只漂亮的圆碗对峭壁只字不提。",
            eigen=n["digits-mlp eigen curvature"],
            top=n["digits-mlp top"],
            filter=n["digits-cnn filter curvature"],
            cnn=n["digits-cnn top"],
        ),
        told(
            "<var>λ</var><sub>max</sub> was found by Lanczos’ method from a dozen or "
            "two Hessian–vector products, without the Hessian ever being formed; the "
            "maps took {a} to {b} measured points each, and say how far the surface "
            "between them may be off. Where a network has kinks (ReLU, as the "
            "convolutional one), the second derivative does not see them: the rise "
            "under noise exceeds ½<var>σ</var>² tr <var>H</var>, and the plane of its "
            "steepest directions, measured over a distance, bends by {kinks}.",
            "<var>λ</var><sub>max</sub> 由兰索斯算法求得，只用一二十个海森向量积，从未"
            "构建过海森矩阵；每张地图只测量了 {a} 到 {b} 个点，并说明点与点之间的曲面可"
            "能偏差多少。网络若有折点（如这个卷积网络的 ReLU），二阶导数看不见它们：噪"
            "声下的升高会超过 ½<var>σ</var>² tr <var>H</var>，而隔着一段距离测得的最陡"
            "平面弯曲达 {kinks}。",
            kinks=n["digits-cnn eigen curvature"],
            a=_least(n),
            b=_most(n),
        ),
    )


def _least(n: dict[str, float]) -> int:
    return round(min(v for key, v in n.items() if key.endswith("points")))


def _most(n: dict[str, float]) -> int:
    return round(max(v for key, v in n.items() if key.endswith("points")))


QUESTION = Question(
    told(
        "On both planes of the convolutional network, find the largest learning rate "
        "at which the ball still converges. With which would you train?",
        "在卷积网络的两个平面上，各找出小球仍然收敛的最大学习率。你会用哪一个来训练？",
    ),
    told(
        "The slider also marks the limit of the whole model. Which plane comes close "
        "to it?",
        "滑块上还标出了整个模型的限制。哪个平面与它接近？",
    ),
    told(
        "With neither: with the model’s own limit. A smooth network bends along two "
        "directions at most as much as along the steepest of all, so rates that are "
        "safe on a picture can diverge in the network. The eigenvector plane comes "
        "close to the truth, the random one is far too generous.",
        "都不用，要用模型自己的限制。光滑的网络沿某两个方向的弯曲，至多等于沿最陡方向的"
        "弯曲，所以图上安全的学习率在网络中可能发散。特征向量平面接近真相，随机平面则宽"
        "松得离谱。",
    ),
)
