"""Four minima, their basins, and the passes between them."""

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.exploring.drawing import function_landscape, marked, record_of
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.newton import newton
from theodolite.exploring.words import Told, number, same, told
from theodolite.landscape import Landscape
from theodolite.maps.elsewhere import at_place
from theodolite.maps.plane import plane
from theodolite.maps.topology.merge_tree import MergeTree, merge_tree
from theodolite.site.critical_point import CriticalPoint, classify

SPAN = 5.0
# basins shallower than this share of the range are none
DEPTH = 0.001

CODE = """\
import torch, theodolite as td

land = td.Landscape.from_function(
    lambda w: (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2,
    torch.zeros(2),
)
print(td.merge_tree(td.plane(land, directions=(0, 1), span=5.0)))
"""


def himmelblau(w: Tensor) -> Tensor:
    """Zero at four points, of which one is (3, 2)."""
    return (w[0] ** 2 + w[1] - 11) ** 2 + (w[0] + w[1] ** 2 - 7) ** 2


def himmelblau_lesson(detail: Detail) -> Lesson:
    """Minima and passes of the map, each taken to its place by Newton's method."""
    land = function_landscape(himmelblau, (0.0, 0.0), "Himmelblau")
    around = plane(land, directions=(0, 1), steps=detail.steps, span=SPAN)
    depth = DEPTH * float(around.loss.max() - around.loss.min())
    tree = merge_tree(around).simplified(depth)
    shares = basin_shares(tree)
    minima = [refined(land, found.coordinates) for found in tree.minima]
    passes = [refined(land, found.coordinates) for found in tree.saddles]
    numbers = {
        "minima": float(len(minima)),
        "passes": float(len(passes)),
        "lowest_pass": min(land.loss(point) for point, _ in passes),
        "highest_pass": max(land.loss(point) for point, _ in passes),
        "summit": land.loss(summit(land)),
    }
    for number_, ((point, _), share) in enumerate(zip(minima, shares, strict=True), 1):
        numbers[f"x{number_}"], numbers[f"y{number_}"] = point.tolist()
        numbers[f"loss {number_}"] = height(land, point)
        numbers[f"share {number_}"] = share
    marks = [
        marked(kind, point.tolist(), height(land, point), text)
        for kind, text, found in (
            ("minimum", told("minimum", "极小值点"), minima),
            ("pass", told("pass between two basins", "两个盆地之间的隘口"), passes),
        )
        for point, _ in found
    ]
    record = record_of(
        around,
        told("Himmelblau’s function", "Himmelblau 函数"),
        labels=(told("w₁", "w₁"), told("w₂", "w₂")),
        marks=marks,
    )
    start = {
        "start": (-0.3, -0.95),
        "rate": 0.01,
        "methods": ["descent", "momentum"],
        "log": False,
        "clip": 0.25,
    }
    return Lesson(
        anchor="himmelblau",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(land, minima, passes, shares),
        instruments=(Instrument("himmelblau-map", (record,), CAPTION, start),),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


Found = tuple[Float[Tensor, "2"], CriticalPoint]


def refined(land: Landscape, near: tuple[float, float] | None) -> Found:
    """The critical point next to a node of the map, and what kind it is."""
    start = torch.tensor(near or (0.0, 0.0), dtype=torch.float64)
    point = newton(at_place(land, start))[-1]
    return point, classify(at_place(land, point))


def height(land: Landscape, point: Float[Tensor, "2"]) -> float:
    """The loss at a point, without what rounding leaves of a zero."""
    return round(land.loss(point), 12)


def summit(land: Landscape) -> Float[Tensor, "2"]:
    """The one maximum, between the four."""
    return newton(at_place(land, torch.tensor([-0.3, -0.9], dtype=torch.float64)))[-1]


def basin_shares(tree: MergeTree) -> list[float]:
    """What share of the map drains into each minimum."""
    nodes = tree.basins.numel()
    return [
        float((tree.basins == which).sum()) / nodes for which in range(len(tree.minima))
    ]


def _table(
    land: Landscape, minima: list[Found], passes: list[Found], shares: list[float]
) -> Table:
    heads = (
        told("place", "位置"),
        told("kind", "种类"),
        told("loss", "损失"),
        told("eigenvalues", "特征值"),
        told("share of the map", "占地图"),
    )
    rows = [
        _row(land, point, kind, told("minimum", "极小值点"), same(f"{share:.0%}"))
        for (point, kind), share in zip(minima, shares, strict=True)
    ]
    rows += [
        _row(land, point, kind, told("pass", "隘口"), same(""))
        for point, kind in passes
    ]
    return Table(heads, tuple(rows))


def _row(
    land: Landscape, point: Tensor, kind: CriticalPoint, name: Told, share: Told
) -> tuple[Told, ...]:
    x, y = point.tolist()
    ends = f"{kind.lowest:.1f}, {kind.highest:.1f}"
    return (
        same(f"({x:.3f}, {y:.3f})".replace("-", "−")),
        name,
        number(float(f"{height(land, point):.4g}")),
        same(ends.replace("-", "−")),
        share,
    )


TITLE = told("Four valleys and the passes between", "四个山谷，以及它们之间的隘口")
MISSION = told(
    "Drop the ball a hair’s breadth apart and let it end in four different valleys.",
    "放球的位置只差毫厘，让它落进四个不同的山谷。",
)
CAPTION = told(
    "Minima and passes are marked where Newton’s method put them; outlines are the "
    "basins of the map.",
    "极小值点与隘口标在牛顿法找到的位置；轮廓线是地图的盆地。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "This landscape has {minima} minima, all of loss zero. Which one a descent "
            "reaches is decided by the <em>basin</em> in which it begins. Flood the "
            "land: lakes rise around each minimum, and where two lakes meet lies a "
            "<em>pass</em>, the lowest way over. It is a saddle with one direction "
            "down; {passes} passes join the four basins into one.",
            "这片景观有 {minima} 个极小值点，损失都是零。下降会到达哪一个，取决于它从哪"
            "个<em>盆地</em>出发。想象放水淹没大地：每个极小值点周围涨起一片湖，两湖相"
            "接处就是<em>隘口</em>，翻越的最低之处。它是只有一个下坡方向的鞍点；"
            "{passes} 个隘口把四个盆地连成一片。",
            minima=round(n["minima"]),
            passes=round(n["passes"]),
        ),
        told(
            "The lowest pass is {low} high, the highest {high}. Between two solutions "
            "the height of the pass is the <em>barrier</em>. On a straight line from "
            "one to the other one climbs higher than needed, as a hiker would who "
            "walks by compass instead of by map.",
            "最低的隘口高 {low}，最高的 {high}。两个解之间隘口的高度就是<em>势垒</em>。"
            "沿直线从一个走到另一个，会爬得比必要的更高，正如只看指南针、不看地图的徒步"
            "者。",
            low=n["lowest_pass"],
            high=n["highest_pass"],
        ),
        told(
            "Beware of the picture, though. A drawing shows two of a million "
            "dimensions, and basins that look separate here may be joined by a path "
            "through the others. In wide networks that is the rule: good solutions are "
            "connected by curves of low loss. Theodolite looks for them with "
            "<code>td.connect</code>.",
            "不过要提防图画的误导。图上只有百万维中的两维，这里看似分开的盆地，也许在其"
            "他维度里有路相通。在宽网络中这是常态：好的解由低损失的曲线相连。"
            "theodolite 用 <code>td.connect</code> 寻找这样的路。",
        ),
    )


QUESTION = Question(
    told(
        "Find a place from which the smallest shift changes the valley in which the "
        "ball ends. What lies there? And why does momentum sometimes end elsewhere?",
        "找一个地方，使得微小的移动就会改变小球最后落入的山谷。那里是什么？动量为什么有"
        "时会落到别处？",
    ),
    told(
        "Look for the summit in the middle, and for the lines on the map where two "
        "basins touch.",
        "找中间的山顶，以及地图上两个盆地相接的线。",
    ),
    told(
        "On the ridges, the boundaries of the basins: there the gradient points along "
        "the ridge, and the sideways part that decides is almost zero. Momentum "
        "remembers where it came from and can roll over a low pass that plain descent "
        "would not cross.",
        "在山脊上，即盆地的边界：那里梯度沿着山脊，起决定作用的横向分量几乎为零。动量记"
        "得自己从哪里来，能翻过普通下降越不过的低矮隘口。",
    ),
)
