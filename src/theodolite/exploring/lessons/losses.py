"""Cross-entropy against Dice, over the predictions of two pixels."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from theodolite.exploring.drawing import drawn
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.tables import NOTHING
from theodolite.exploring.words import Told, number, told
from theodolite.landscape import Landscape
from theodolite.maps.elsewhere import at_place
from theodolite.spectrum.vectors import norm

Loss = Callable[[Tensor, Tensor], Tensor]

HALF, BLACK = (1.0, 0.0), (0.0, 0.0)
SPAN = 5.0
# where single numbers are taken, in logits
HERE = (-1.0, 0.5)

CODE = """\
import torch, theodolite as td

def dice(logits, target):
    p = logits.sigmoid()
    return 1 - 2 * (p * target).sum() / (p + target).sum()

model = torch.nn.Linear(3, 2)
land = td.Landscape(model, dice, (torch.randn(8, 3), torch.zeros(8, 2)))
print(land.gradient().norm())  # all black: nothing to learn from
print(land.prediction_hessian().dense())
"""


class Pixels(nn.Module):
    """As many logits as there are pixels, each a parameter."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(count, dtype=torch.float64))

    def forward(self, image: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """The logits, whatever the image."""
        return self.logits + 0 * image


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """The mean over all pixels."""
    return functional.binary_cross_entropy_with_logits(logits, target)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """One less the overlap, by all pixels together: 1 − 2 Σpt / (Σp + Σt)."""
    share = logits.sigmoid()
    return 1 - 2 * (share * target).sum() / (share.sum() + target.sum())


def pixels(loss: Loss, target: tuple[float, ...]) -> Landscape:
    """The loss over the logits of an image's pixels."""
    wanted = torch.tensor([list(target)], dtype=torch.float64)
    model = Pixels(len(target))
    return Landscape(model, loss, (torch.zeros_like(wanted), wanted))


def losses_lesson(detail: Detail) -> Lesson:
    """Cross-entropy is separable and convex; Dice couples, and dies on black."""
    lands = {
        (name, target): pixels(loss, target)
        for target in (HALF, BLACK)
        for name, loss in (("cross-entropy", cross_entropy), ("dice", dice))
    }
    numbers: dict[str, float] = {}
    here = torch.tensor(HERE, dtype=torch.float64)
    for name in ("cross-entropy", "dice"):
        land = lands[name, HALF]
        matrix = at_place(land, here).prediction_hessian().dense()
        numbers[f"{name} coupling"] = float(matrix[0, 1].abs())
        numbers[f"{name} downward"] = downward(land, max(5, detail.steps // 5))
        numbers[f"{name} black"] = norm(lands[name, BLACK].gradient(here))
    axes = (
        told("logit of the white pixel", "白色像素的 logit"),
        told("logit of the black pixel", "黑色像素的 logit"),
    )
    black = (told("logit, pixel 1", "像素 1 的 logit"), told("pixel 2", "像素 2"))
    maps = {
        key: drawn(
            land,
            TITLES[key],
            labels=axes if key[1] == HALF else black,
            marks=[],
            steps=detail.steps,
            span=SPAN,
        )
        for key, land in lands.items()
    }
    return Lesson(
        anchor="losses",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(numbers),
        instruments=(
            Instrument(
                "losses-half",
                (maps["cross-entropy", HALF], maps["dice", HALF]),
                HALF_CAPTION,
                {"start": (-3.5, 3.5), "rate": 2.0, "log": False},
            ),
            Instrument(
                "losses-black",
                (maps["cross-entropy", BLACK], maps["dice", BLACK]),
                BLACK_CAPTION,
                {"start": (2.0, 3.0), "rate": 2.0, "log": False},
            ),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def downward(land: Landscape, steps: int) -> float:
    """The share of a grid's points at which some direction bends down."""
    axis = torch.linspace(-SPAN, SPAN, steps, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    lowest = [
        float(torch.linalg.eigvalsh(land.hessian(point=point).dense())[0])
        for point in points
    ]
    # what rounding makes of zero is not downward
    return sum(value < -1e-12 for value in lowest) / len(lowest)


def _table(n: dict[str, float]) -> Table:
    heads = (NOTHING, told("cross-entropy", "交叉熵"), told("Dice", "Dice"))
    rows = (
        (
            told("coupling of two pixels, ∂²L/∂z₁∂z₂", "两个像素的耦合 ∂²L/∂z₁∂z₂"),
            number(n["cross-entropy coupling"]),
            number(n["dice coupling"]),
        ),
        (
            told("points that bend downward somewhere", "某个方向向下弯曲的点所占比例"),
            told("{s}", "{s}", s=f"{n['cross-entropy downward']:.0%}"),
            told("{s}", "{s}", s=f"{n['dice downward']:.0%}"),
        ),
        (
            told("|gradient| when the target is all black", "目标全黑时的梯度长度"),
            number(n["cross-entropy black"]),
            number(n["dice black"]),
        ),
    )
    return Table(heads, rows)


TITLE = told("The choice of the loss draws the map", "损失函数的选择画出地图")
MISSION = told(
    "Two ways of saying “wrong”, two landscapes. Find the one that goes dead.",
    "两种说“错”的方式，两片景观。找出会变成死地的那一片。",
)
TITLES = {
    ("cross-entropy", HALF): told("Cross-entropy", "交叉熵"),
    ("dice", HALF): told("Dice", "Dice 损失"),
    ("cross-entropy", BLACK): told(
        "Cross-entropy, target all black", "交叉熵，目标全黑"
    ),
    ("dice", BLACK): told("Dice, target all black", "Dice 损失，目标全黑"),
}
HALF_CAPTION = told(
    "An image of two pixels, one white and one black; the network’s answer is a logit "
    "for each. The same balls on both landscapes.",
    "只有两个像素的图像，一白一黑；网络对每个像素给出一个 logit。两片景观上是同样的小"
    "球。",
)
BLACK_CAPTION = told(
    "The same with nothing to be found in the image. The right answer is to push both "
    "logits down.",
    "图像里什么也没有时。正确的做法是把两个 logit 都压低。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "How “wrong” is measured is the first choice of the architect. For the "
            "segmentation of images two losses are common. <em>Cross-entropy</em> sums "
            "an error for each pixel; it is <em>separable</em>, the Hessian in the "
            "predictions is diagonal, and it is convex along every one of them. "
            "<em>Dice</em> asks how well the two shapes overlap as a whole.",
            "怎样衡量“错误程度”，是建筑师的第一个选择。图像分割常用两种损失。<em>交叉熵"
            "</em>是每个像素误差之和：它是<em>可分的</em>，对预测的海森矩阵是对角的，沿"
            "每个坐标都是凸的。<em>Dice</em> 则问两个形状整体上重叠得如何。",
        ),
        told(
            "So Dice couples all pixels: the gradient of one depends on the others, "
            "and the mixed second derivative is {coupling} where cross-entropy has "
            "{zero}. And it is not convex: at {share} of the points of this map some "
            "direction bends downward, at {none} for cross-entropy.",
            "因此 Dice 把所有像素耦合在一起：一个像素的梯度取决于其他像素；混合二阶导数"
            "是 {coupling}，而交叉熵是 {zero}。它也不是凸的：图上 {share} 的点在某个方"
            "向上向下弯曲，交叉熵则是 {none}。",
            coupling=n["dice coupling"],
            zero=n["cross-entropy coupling"],
            share=f"{n['dice downward']:.0%}",
            none=f"{n['cross-entropy downward']:.0%}",
        ),
        told(
            "The worst case is a target that is all black. The overlap is zero "
            "whatever the network says, the Dice loss is one everywhere, and its "
            "gradient is {dead}: learning stops. Cross-entropy still slopes by "
            "{alive}. People add a small constant to both sums, or both losses.",
            "最糟的情形是目标全黑。不管网络说什么，重叠都是零，Dice 损失处处等于一，梯"
            "度是 {dead}：学习停止了。交叉熵仍有长度为 {alive} 的梯度。实践中的办法是给"
            "两个和式各加一个小常数，或把两种损失加在一起。",
            dead=n["dice black"],
            alive=n["cross-entropy black"],
        ),
    )


QUESTION = Question(
    told(
        "On the Dice landscape, drop the ball far out where the white pixel’s logit is "
        "very low. What happens to the read-out of |<var>g</var>|, and why is that a "
        "problem at the start of training?",
        "在 Dice 景观上，把小球放到白色像素 logit 很低的远处。|<var>g</var>| 的读数怎样"
        "变化？为什么这在训练初期是个问题？",
    ),
    told(
        "Out there the network says “black” for both pixels: almost no overlap.",
        "在那里，网络对两个像素都说“黑”：几乎没有重叠。",
    ),
    told(
        "The gradient fades exponentially, as the sigmoid saturates and the overlap is "
        "nearly zero. Descent sits on a plateau although the answer could hardly be "
        "more wrong; the gradient of cross-entropy is largest just there.",
        "梯度按指数衰减：sigmoid 饱和了，重叠又近乎零。答案错得不能再错，下降却停在高原"
        "上；交叉熵的梯度恰恰在那里最大。",
    ),
)
