"""One weight, one bias: the convex bowl."""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.exploring.drawing import drawn, marked
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.newton import newton
from theodolite.exploring.tables import compared
from theodolite.exploring.words import Told, told
from theodolite.landscape import Landscape
from theodolite.maps.elsewhere import at_place
from theodolite.seeding import generator

SAMPLES = 64
# of weight and bias, around the bottom
SPAN = ((-1.0, 4.0), (-2.0, 3.0))
WALL = (-0.7, 2.6)

CODE = """\
import torch, theodolite as td

x = 2 * torch.rand(64, 1, generator=torch.Generator().manual_seed(0)) - 0.5
model = torch.nn.Linear(1, 1)
land = td.Landscape(model, torch.nn.MSELoss(), (x, 1.5 * x + 0.5))
print(land.hessian().dense())
print(td.plane(land, directions=(0, 1), span=2.0))
"""

AXES = (told("weight w", "权重 w"), told("bias b", "偏置 b"))


def bowl_data(seed: int = 0) -> tuple[Float[Tensor, "n 1"], Float[Tensor, "n 1"]]:
    """Noisy points of a straight line, ``x`` and ``y``."""
    draw = partial(torch.randn, SAMPLES, 1, dtype=torch.float64)
    source = generator(seed)
    x = 2 * torch.rand(SAMPLES, 1, generator=source, dtype=torch.float64) - 0.5
    return x, 1.5 * x + 0.5 + 0.1 * draw(generator=source)


def bowl(seed: int = 0) -> Landscape:
    """The mean squared error of one weight and one bias, at w = b = 0."""
    model = nn.Linear(1, 1).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return Landscape(model, nn.MSELoss(), bowl_data(seed), name="bowl")


def bowl_lesson(detail: Detail) -> Lesson:
    """Its bottom is the least-squares solution, its curvature is 2 XᵀX / n."""
    land = bowl()
    path = newton(land)
    bottom = at_place(land, path[-1])
    hessian = bottom.hessian().dense()
    small, large = torch.linalg.eigvalsh(hessian).tolist()

    x, y = bowl_data()
    table = torch.cat([x, torch.ones_like(x)], dim=1)
    fitted = torch.linalg.lstsq(table, y).solution[:, 0]
    formula = 2 / SAMPLES * table.T @ table
    numbers = {
        "weight": float(path[-1][0]),
        "bias": float(path[-1][1]),
        "off": float((path[-1] - fitted).norm()),
        "loss": bottom.loss(),
        "residual": float((table @ fitted - y[:, 0]).square().mean()),
        "small": small,
        "large": large,
        "hessian_off": float((hessian - formula).abs().max()),
        "newton_steps": float(len(path) - 1),
    }
    title = told("The loss over weight and bias", "损失随权重与偏置的变化")
    record = bowl_record(land, path[-1], title, detail)
    return Lesson(
        anchor="bowl",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(numbers, fitted, formula),
        instruments=(
            Instrument(
                "bowl-map",
                (record,),
                CAPTION,
                {"start": WALL, "rate": 0.25 / large, "log": False},
            ),
        ),
        question=_question(numbers),
        code=CODE,
        numbers=numbers,
    )


def bowl_record(
    land: Landscape, bottom: Float[Tensor, "2"], title: Told, detail: Detail
) -> dict[str, Any]:
    """The bowl over its two parameters, with its lowest point marked."""
    loss = at_place(land, bottom).loss()
    return drawn(
        land,
        title,
        labels=AXES,
        limit=True,
        marks=[marked("minimum", bottom.tolist(), loss, LOWEST)],
        steps=detail.steps,
        span=SPAN,
    )


TITLE = told("One weight, one bias: a bowl", "一个权重、一个偏置：一只碗")
MISSION = told(
    "Find the lowest point, and convince yourself that there is no other.",
    "找到最低点，并说服自己：再没有第二个。",
)
LOWEST = told("the one minimum: least squares", "唯一的极小值点：最小二乘解")
CAPTION = told(
    "Mean squared error over weight and bias. Click anywhere to drop the ball "
    "somewhere else.",
    "均方误差随权重与偏置的变化。点击任意位置，即可换个地方放下小球。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "The smallest network there is has one weight <var>w</var> and one bias "
            "<var>b</var>, and predicts <var>ŷ</var> = <var>wx</var> + <var>b</var>. "
            "How wrong it is, averaged over {count} data points, is one number for "
            "each (<var>w</var>, <var>b</var>): a height above every point of a plane. "
            "That is a <em>loss landscape</em>. This one is a smooth convex bowl, a "
            "paraboloid.",
            "最小的神经网络只有一个权重 <var>w</var> 和一个偏置 <var>b</var>，它的预测"
            "是 <var>ŷ</var> = <var>wx</var> + <var>b</var>。在 {count} 个数据点上平均"
            "下来，它错得有多离谱，对每一组 (<var>w</var>, <var>b</var>) 都是一个数：平"
            "面上每一点都有了海拔高度。这就是<em>损失景观</em>。眼前这一个是光滑的凸抛"
            "物面，像一只碗。",
            count=SAMPLES,
        ),
        told(
            "How a surface bends is told by its <em>Hessian</em>, the matrix of second "
            "derivatives. Here it is (2/<var>n</var>) "
            "<var>X</var><sup>⊤</sup><var>X</var> at every point, with the eigenvalues "
            "{small} and {large}. Both are positive: whichever way you walk from the "
            "bottom, you walk uphill. So there is one minimum, and it is global; it is "
            "the least-squares solution that statistics would have given you.",
            "曲面怎样弯曲，由<em>海森矩阵</em>（二阶偏导数构成的矩阵）说明。这里它处处"
            "等于 (2/<var>n</var>) <var>X</var><sup>⊤</sup><var>X</var>，特征值是 "
            "{small} 和 {large}。两个都是正数：从碗底朝任何方向走都是上坡。因此极小值点"
            "只有一个，而且是全局最小值，正是统计学里的最小二乘解。",
            small=n["small"],
            large=n["large"],
        ),
        told(
            "Training is a walk to the bottom. <em>Gradient descent</em> lets a ball "
            "roll: each step goes against the gradient, the direction of steepest "
            "ascent, by a share of its length, the <em>learning rate</em>. Linear "
            "regression needs no more. Everything further down this page is what "
            "happens when the landscape is no bowl.",
            "训练就是走向最低点的旅程。<em>梯度下降</em>让小球滚下去：每一步都逆着梯度"
            "（最陡的上坡方向）走，步长按<em>学习率</em>取梯度的一个比例。线性回归只需"
            "要这些。本页后面讲的，都是景观不再是一只碗时发生的事。",
        ),
    )


def _table(n: dict[str, float], fitted: Tensor, formula: Tensor) -> Table:
    ends = torch.linalg.eigvalsh(formula).tolist()
    w, b = fitted.tolist()
    return compared(
        told("least squares", "最小二乘公式"),
        (
            (told("weight at the bottom", "碗底的权重"), n["weight"], w),
            (told("bias at the bottom", "碗底的偏置"), n["bias"], b),
            (told("loss at the bottom", "碗底的损失"), n["loss"], n["residual"]),
            (told("larger eigenvalue", "较大的特征值"), n["large"], ends[1]),
            (told("smaller eigenvalue", "较小的特征值"), n["small"], ends[0]),
        ),
    )


def _question(n: dict[str, float]) -> Question:
    return Question(
        told(
            "Let the ball go from the wall. Why does it not head straight for the "
            "bottom, and where does it spend most of its steps?",
            "从碗壁放下小球。它为什么不直奔碗底？大部分步数又花在了哪里？",
        ),
        told(
            "Look at the contour lines of the map. Are they circles? The gradient "
            "always stands at right angles to them.",
            "看看地图上的等高线：它们是圆吗？梯度总是与等高线垂直。",
        ),
        told(
            "They are ellipses, as the bowl bends {ratio} times more along one "
            "direction than along the other. The ball first drops into the steep "
            "direction (λ = {large}), then crawls along the flat one (λ = {small}), "
            "where the same learning rate moves it far less. At its present rate each "
            "step takes away {fast} of the steep distance, but only {slow} of the flat "
            "one.",
            "等高线是椭圆：碗在一个方向上的弯曲是另一个方向的 {ratio} 倍。小球先沿陡的"
            "方向（λ = {large}）落下，再沿平缓的方向（λ = {small}）慢慢挪动，同样的学习"
            "率在那里走不了多远。以现在的学习率，每一步消去陡方向上距离的 {fast}，而平"
            "缓方向上只有 {slow}。",
            ratio=n["large"] / n["small"],
            large=n["large"],
            small=n["small"],
            fast=f"{0.25:.0%}",
            slow=f"{0.25 * n['small'] / n['large']:.0%}",
        ),
    )
