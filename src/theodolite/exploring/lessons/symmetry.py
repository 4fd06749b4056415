"""Filters of which only the sum counts: flat directions, and what is conserved."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.exploring.drawing import drawn
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.tables import MEASURED, NOTHING
from theodolite.exploring.words import Told, number, told
from theodolite.landscape import Landscape
from theodolite.maps.descending.descent import descend
from theodolite.seeding import generator
from theodolite.spectrum.vectors import norm

TAPS, LENGTH = 3, 64
KERNEL = (0.5, 1.0, -0.3)
STEPS = 100

CODE = """\
import torch, theodolite as td

land = td.Landscape.from_function(
    lambda w: (w[0] + w[1] - 1) ** 2, torch.tensor([2.0, 0.0])
)
print(torch.linalg.eigvalsh(land.hessian().dense()))  # one is zero
run = td.maps.descend(land, 0.1)
print(run.path[:, 0] - run.path[:, 1])  # never changes
"""


class SharedSum(nn.Module):
    """A convolution with the sum of two filters."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.zeros(2, TAPS, dtype=torch.float64))

    def forward(self, signal: Float[Tensor, "n 1 l"]) -> Float[Tensor, "n 1 m"]:
        """Both filters over the signal, added."""
        return nn.functional.conv1d(signal, self.filters.sum(0)[None, None])


def shared_sum(seed: int = 0) -> Landscape:
    """The mean squared error of two filters against one that made the data."""
    source = generator(seed)
    signal = torch.randn(1, 1, LENGTH, generator=source, dtype=torch.float64)
    wanted = nn.functional.conv1d(signal, signal.new_tensor([[KERNEL]]))
    model = SharedSum()
    with torch.no_grad():
        model.filters.copy_(signal.new_tensor([KERNEL, KERNEL]) / 2)
    return Landscape(model, nn.MSELoss(), (signal, wanted), name="shared sum")


def symmetry_lesson(detail: Detail) -> Lesson:
    """As many flat directions as the symmetry has, and a conserved difference."""
    land = shared_sum()
    values = torch.linalg.eigvalsh(land.hessian().dense())
    start = torch.randn(land.size, generator=generator(1), dtype=torch.float64)
    gradient = land.gradient(start)
    # what moves weight from one filter to the other, tap by tap
    moves = torch.cat([torch.eye(TAPS), -torch.eye(TAPS)], dim=1).to(gradient)
    run = descend(land, 0.5 / float(values[-1]), start=start, steps=STEPS)
    between = run.path[:, :TAPS] - run.path[:, TAPS:]
    total = run.path[:, :TAPS] + run.path[:, TAPS:]
    numbers = {
        "flat": float((values.abs() < 1e-10 * values[-1]).sum()),
        "bent": float((values > 1e-10 * values[-1]).sum()),
        "along": float((moves @ gradient).abs().max()),
        "gradient": norm(gradient),
        "difference": norm(between[0]),
        "drift": norm(between[-1] - between[0]),
        "sum_off": norm(total[-1] - total.new_tensor(KERNEL)),
        "sum_off_first": norm(total[0] - total.new_tensor(KERNEL)),
    }
    record = drawn(
        land,
        told("The middle taps of two filters", "两个滤波器的中间一格"),
        labels=(
            told("filter 1, counted from a minimum", "滤波器 1，从极小值点算起"),
            told("filter 2", "滤波器 2"),
        ),
        marks=[],
        directions=(1, TAPS + 1),
        steps=detail.steps,
        span=2.0,
        limit=True,
    )
    start_here = {"start": (1.7, 0.4), "rate": 0.04, "log": False}
    return Lesson(
        anchor="symmetry",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(numbers),
        instruments=(Instrument("symmetry-map", (record,), CAPTION, start_here),),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def _table(n: dict[str, float]) -> Table:
    heads = (NOTHING, MEASURED, told("by the symmetry", "由对称性"))
    rows = (
        (
            told("flat directions of {p}", "{p} 个方向中平坦的", p=2 * TAPS),
            number(n["flat"]),
            number(float(TAPS)),
        ),
        (
            told(
                "gradient along them, of {all}",
                "梯度沿这些方向的分量（总长 {all}）",
                all=n["gradient"],
            ),
            number(n["along"]),
            number(0.0),
        ),
        (
            told(
                "change of the difference, of {all}, in {k} steps",
                "{k} 步中差值的变化（差值 {all}）",
                all=n["difference"],
                k=STEPS,
            ),
            number(n["drift"]),
            number(0.0),
        ),
        (
            told(
                "distance of the sum from the true filter",
                "滤波器之和与真滤波器的距离",
            ),
            number(n["sum_off"]),
            number(0.0),
        ),
    )
    return Table(heads, rows)


TITLE = told("A symmetry, and what it conserves", "对称性，以及它守恒的量")
MISSION = told(
    "Let balls roll from different places into one valley, and find what none of them "
    "ever changes.",
    "让小球从不同的地方滚进同一条山谷，找出它们谁也改变不了的东西。",
)
CAPTION = told(
    "The floor of the valley is level from end to end: every point on it is the same "
    "network.",
    "谷底从头到尾一样平：上面每一点都是同一个网络。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "This convolutional network has two filters of {taps} weights, and its "
            "output depends on their <em>sum</em> alone. Take something from one "
            "filter and give it to the other, and nothing changes: not the output, not "
            "the loss. The architecture has a symmetry, and the landscape inherits it "
            "as a level valley; of {p} directions {flat} are exactly flat.",
            "这个卷积网络有两个滤波器，各 {taps} 个权重，输出只依赖它们的<em>总和"
            "</em>。从一个滤波器拿走一点，加到另一个上，什么都不会变：输出不变，损失也"
            "不变。架构有一个对称性，景观继承了它，成为一条平坦的山谷；{p} 个方向里有 "
            "{flat} 个完全平坦。",
            taps=TAPS,
            p=2 * TAPS,
            flat=round(n["flat"]),
        ),
        told(
            "The gradient is perpendicular to level directions, everywhere, not only "
            "at the bottom: at a random point its part along them is {along}, of a "
            "length of {gradient}. Gradient descent is blind to them. It moves the "
            "sum, and leaves the <em>difference</em> of the filters as it was.",
            "梯度处处与平坦方向垂直，不只在谷底：在一个随机点，它沿这些方向的分量是 "
            "{along}，而总长是 {gradient}。梯度下降对这些方向“视而不见”：它移动滤波器的"
            "总和，却让两者的<em>差</em>保持原样。",
            along=n["along"],
            gradient=n["gradient"],
        ),
        told(
            "So the difference is a <em>conserved quantity</em>, as energy or momentum "
            "are in physics: after {steps} steps it has changed by {drift}. Training "
            "is confined to the slice of the landscape on which it was initialised; "
            "which of the equivalent networks you get was decided before the first "
            "step.",
            "所以这个差是<em>守恒量</em>，如同物理中的能量或动量：{steps} 步之后它只变"
            "了 {drift}。训练被限制在初始化所在的那一片切面上；在所有等价的网络里你会得"
            "到哪一个，迈出第一步之前就已注定。",
            steps=STEPS,
            drift=n["drift"],
        ),
    )


QUESTION = Question(
    told(
        "Drop balls on both walls. In which direction do their paths run, and does "
        "momentum, or noise, change that?",
        "在两侧谷壁上放下小球。它们的路径朝什么方向？动量或噪声会改变它吗？",
    ),
    told(
        "Paths run at right angles to the contour lines, and all contour lines here "
        "are parallel to the valley.",
        "路径与等高线垂直，而这里所有等高线都与山谷平行。",
    ),
    told(
        "All paths run along (1, 1), straight across the valley. Momentum adds up "
        "gradients, so it conserves the difference too. The ball’s noise does not, as "
        "it shakes in all directions alike. (The noise of mini-batches would: each "
        "batch’s gradient has the same symmetry. Weight decay would not: it pulls the "
        "filters towards each other.)",
        "所有路径都沿 (1, 1) 方向，笔直地横穿山谷。动量只是把梯度累加起来，所以差值依然"
        "守恒。小球的噪声朝所有方向一样抖动，会破坏守恒。（小批量的噪声则不会：每个批次"
        "的梯度都有同样的对称性。权重衰减会：它把两个滤波器拉向相等。）",
    ),
)
