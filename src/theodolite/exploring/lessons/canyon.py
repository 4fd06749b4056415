"""The stiff canyon: gradient descent against momentum and Newton's method."""

from math import cos, log, pi, sin

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.exploring.drawing import drawn, function_landscape, marked
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.newton import newton
from theodolite.exploring.tables import NOTHING
from theodolite.exploring.words import Told, number, told
from theodolite.landscape import Landscape
from theodolite.maps.descending.descent import descend
from theodolite.maps.elsewhere import at_place
from theodolite.site.stiffness import Stiffness, stiffness
from theodolite.spectrum.vectors import norm

STEEP, GENTLE, ANGLE = 10.0, 0.1, pi / 6
START = (-2.0, 0.8)
BANANA_START = (-0.6, 1.2)
# what is left of the distance to the bottom
REDUCTION = 1e-3

CODE = """\
import torch, theodolite as td

canyon = td.Landscape.from_function(
    lambda w: 5 * w[0] ** 2 + 0.05 * w[1] ** 2, torch.tensor([1.0, 1.0])
)
print(td.stiffness(canyon))
step = td.solve(canyon.hessian(), canyon.gradient()).x  # Newton's, by products
print(canyon.loss(canyon.point - step))
"""


def canyon(w: Tensor) -> Tensor:
    """A quadratic that bends a hundred times more across than along."""
    across = w[0] * sin(ANGLE) + w[1] * cos(ANGLE)
    along = w[0] * cos(ANGLE) - w[1] * sin(ANGLE)
    return (STEEP * across**2 + GENTLE * along**2) / 2


def banana(w: Tensor) -> Tensor:
    """Rosenbrock's curved valley, with its minimum at (1, 1)."""
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def canyon_lesson(detail: Detail) -> Lesson:
    """Descent takes κ ln(1/ε) steps, Newton one."""
    land = function_landscape(canyon, START, "canyon")
    stiff = stiffness(land, reduction=REDUCTION)
    curved = function_landscape(banana, BANANA_START, "banana")
    walk = newton(curved)
    bend = stiffness(at_place(curved, walk[-1]), reduction=REDUCTION)
    numbers = {
        "condition": stiff.condition,
        "large": stiff.largest,
        "small": stiff.smallest,
        "steps": float(steps_needed(1 / stiff.largest)),
        "steps_formula": stiff.steps,
        "best": float(steps_needed(stiff.best_rate)),
        "best_formula": stiff.steps_at_best_rate,
        "momentum": float(steps_needed(*momentum_for(stiff))),
        "newton": float(len(newton(land)) - 1),
        "newton_left": norm(newton(land)[-1]),
        "banana_condition": bend.condition,
        "banana_newton": float(len(walk) - 1),
        "banana_off": norm(walk[-1] - 1),
        "banana_rises": float(rises_along(curved, walk)),
    }
    axes = (told("w₁", "w₁"), told("w₂", "w₂"))
    straight = drawn(
        land=function_landscape(canyon, (0.0, 0.0), "canyon"),
        title=told("A straight canyon", "笔直的峡谷"),
        labels=axes,
        limit=True,
        marks=[marked("minimum", (0, 0), 0.0, told("the bottom", "谷底"))],
        steps=detail.steps,
        span=(2.5, 1.8),
    )
    origin = function_landscape(banana, (0.0, 0.0), "banana")
    winding = drawn(
        land=origin,
        title=told(
            "A curved one: Rosenbrock’s banana", "弯曲的峡谷：Rosenbrock 香蕉谷"
        ),
        labels=axes,
        marks=[marked("minimum", (1, 1), 0.0, told("the bottom", "谷底"))],
        steps=detail.steps + 20,
        span=((-1.4, 1.6), (-2.2, 2.2)),
    )
    rate = 1.8 / stiff.largest
    three = ["descent", "momentum", "newton"]
    return Lesson(
        anchor="canyon",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(numbers),
        instruments=(
            Instrument(
                "canyon-straight",
                (straight,),
                STRAIGHT,
                {
                    "start": START,
                    "rate": rate,
                    "methods": three,
                    "log": False,
                    "clip": 0.4,
                },
            ),
            Instrument(
                "canyon-curved",
                (winding,),
                CURVED,
                {
                    "start": BANANA_START,
                    "rate": 1.2e-3,
                    "methods": ["descent", "newton"],
                    "log": True,
                },
            ),
        ),
        question=_question(numbers),
        code=CODE,
        numbers=numbers,
    )


def rises_along(land: Landscape, walk: Float[Tensor, "k p"]) -> int:
    """At how many of its steps the loss rises."""
    losses = torch.tensor([land.loss(point) for point in walk])
    return int((losses.diff() > 0).sum())


def steps_needed(rate: float, momentum: float = 0.0) -> int:
    """Steps of descent on the canyon until a thousandth of the distance is left."""
    # beside the valley floor, so that the flattest direction decides
    along = (cos(ANGLE), -sin(ANGLE))
    land = function_landscape(canyon, along, "canyon")
    enough = int(2 * STEEP / GENTLE * log(1 / REDUCTION)) + 1
    run = descend(land, rate, steps=enough, momentum=momentum)
    return int((torch.linalg.vector_norm(run.path, dim=1) <= REDUCTION).nonzero()[0])


def momentum_for(stiff: Stiffness) -> tuple[float, float]:
    """Polyak's best rate and momentum for these curvatures."""
    ends = stiff.largest**0.5, stiff.smallest**0.5
    share = (ends[0] - ends[1]) / (ends[0] + ends[1])
    return 4 / (ends[0] + ends[1]) ** 2, share**2


def _table(n: dict[str, float]) -> Table:
    heads = (
        told("to a thousandth of the distance", "距离缩短到千分之一"),
        told("steps measured", "测得的步数"),
        told("predicted by the eigenvalues", "由特征值预测"),
    )
    rows = (
        (
            told(
                "descent at 1/<var>λ</var><sub>max</sub>",
                "梯度下降，1/<var>λ</var><sub>max</sub>",
            ),
            number(n["steps"]),
            told("{n}", "{n}", n=round(n["steps_formula"])),
        ),
        (
            told("descent at the best rate", "梯度下降，最佳学习率"),
            number(n["best"]),
            told("{n}", "{n}", n=round(n["best_formula"])),
        ),
        (
            told("with the best momentum", "加上最佳动量"),
            number(n["momentum"]),
            NOTHING,
        ),
        (told("Newton’s method", "牛顿法"), number(n["newton"]), number(1.0)),
        (
            told("Newton in the curved valley", "牛顿法，弯曲的山谷"),
            number(n["banana_newton"]),
            NOTHING,
        ),
    )
    return Table(heads, rows)


TITLE = told("The stiff canyon", "刚性的峡谷")
MISSION = told(
    "Get along the valley floor without hitting the walls, and find the all-terrain "
    "vehicle.",
    "沿谷底前进而不撞上峭壁，并找到那辆“全地形座驾”。",
)
STRAIGHT = told(
    "Three balls from the same point: descent, momentum, Newton. One rate for all; "
    "Newton needs none.",
    "三只小球从同一点出发：梯度下降、动量、牛顿法。学习率相同；牛顿法不需要学习率。",
)
CURVED = told(
    "Heights are logarithmic, or the floor of the valley would look level.",
    "高度取对数，否则谷底看上去就是平的。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "Across, this canyon bends by {large}; along its floor, by {small}. The "
            "ratio, the <em>condition number</em> <var>κ</var> = {condition}, is what "
            "makes a landscape <em>stiff</em>. In deep networks the eigenvalues lie "
            "many more orders of magnitude apart.",
            "横着看，这条峡谷的曲率是 {large}；沿着谷底，只有 {small}。两者之比，即<em>"
            "条件数</em> <var>κ</var> = {condition}，就是景观的<em>刚性</em>。在深度网"
            "络里，特征值还要再相差好几个数量级。",
            **{key: n[key] for key in ("large", "small", "condition")},
        ),
        told(
            "Gradient descent is in a dilemma. The steep walls cap its learning rate "
            "at 2/<var>λ</var><sub>max</sub>, and at that rate the floor is so nearly "
            "level that each step goes an inch. To a thousandth of the distance it "
            "takes some <var>κ</var> ln 1000 steps: {predicted} predicted, {steps} "
            "counted. Momentum needs √<var>κ</var> instead of <var>κ</var>: "
            "{momentum}.",
            "梯度下降左右为难。陡壁把学习率限制在 2/<var>λ</var><sub>max</sub> 以下，而"
            "在这样的学习率下谷底近乎水平，每一步只能挪一寸。把距离缩短到千分之一约需 "
            "<var>κ</var> ln 1000 步：预测 {predicted} 步，实际数出 {steps} 步。有了动"
            "量，<var>κ</var> 换成 √<var>κ</var>：{momentum} 步。",
            predicted=round(n["steps_formula"]),
            steps=round(n["steps"]),
            momentum=round(n["momentum"]),
        ),
        told(
            "<em>Newton’s method</em> multiplies the gradient by "
            "<var>H</var><sup>−1</sup>, which reshapes the canyon into a round bowl: "
            "bold steps along the floor, careful ones across. On any quadratic it "
            "arrives in {one} step. Where the valley curves (<var>κ</var> = {banana} "
            "at its bottom) it takes {walk}. Nobody can store the Hessian of a large "
            "network, but <var>H</var><sup>−1</sup><var>g</var> needs only products "
            "<var>Hv</var>, each as dear as a few gradients.",
            "<em>牛顿法</em>给梯度乘上 <var>H</var><sup>−1</sup>，把峡谷重塑成一只圆"
            "碗：沿谷底大步走，横向则小心翼翼。在任何二次曲面上它 {one} 步就到。在弯曲"
            "的山谷里（谷底 <var>κ</var> = {banana}）要 {walk} 步。大网络的海森矩阵谁也"
            "存不下，但 <var>H</var><sup>−1</sup><var>g</var> 只需要海森向量积 "
            "<var>Hv</var>，每个的成本只是梯度的几倍。",
            one=round(n["newton"]),
            walk=round(n["banana_newton"]),
            banana=n["banana_condition"],
        ),
    )


def _question(n: dict[str, float]) -> Question:
    return Question(
        told(
            "In the curved valley, let Newton and descent start on the left. Does "
            "Newton’s loss fall at every step? And where does descent lose its time?",
            "在弯曲的山谷里，让牛顿法和梯度下降都从左侧出发。牛顿法每一步都让损失下降"
            "吗？梯度下降的时间又耗在哪里？",
        ),
        told(
            "Watch the read-out of the loss step by step, with the step button.",
            "用“单步”按钮，逐步留意损失的读数。",
        ),
        told(
            "No: at {rises} of its {walk} steps the loss rises. It leaps up the wall, "
            "to where the quadratic that it trusts has its bottom and the valley has "
            "not; damping or a trust region forbids that. Descent reaches the floor at "
            "once and then creeps along it, at a rate that the walls dictate.",
            "不是：{walk} 步之中有 {rises} 步让损失升高。它跳上谷壁，那里是它所信赖的二"
            "次近似的底，却不是山谷的底；阻尼或信赖域可以避免。梯度下降很快到达谷底，然"
            "后以谷壁规定的学习率沿谷底慢慢爬行。",
            walk=round(n["banana_newton"]),
            rises=round(n["banana_rises"]),
        ),
    )
