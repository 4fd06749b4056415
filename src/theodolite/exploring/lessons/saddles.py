"""Where the landscape bends both ways: w₁³ − w₂² and w₁² − w₂²."""

from math import ceil, log

from torch import Tensor

from theodolite.exploring.drawing import drawn, function_landscape, marked
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.tables import NOTHING
from theodolite.exploring.words import Told, number, same, told
from theodolite.maps.descending.descent import descend
from theodolite.site.critical_point import CriticalPoint, classify
from theodolite.site.escape import escape_direction

# how far beside the ridge the ball starts, and how far off it counts as gone
BESIDE = (1e-2, 1e-4, 1e-8)
RATE = 0.05

CODE = """\
import torch, theodolite as td

land = td.Landscape.from_function(
    lambda w: w[0] ** 3 - w[1] ** 2, torch.tensor([1.0, 0.0])
)
print(land.hessian().dense())  # 6 and −2
print(td.classify(land))
print(td.escape_direction(land))
"""


def cubic(w: Tensor) -> Tensor:
    """The example of the Hessian's eigenvalues: 6 and −2 at (1, 0)."""
    return w[0] ** 3 - w[1] ** 2


def pure(w: Tensor) -> Tensor:
    """The plainest saddle, at the origin."""
    return w[0] ** 2 - w[1] ** 2


def saddles_lesson(detail: Detail) -> Lesson:
    """Eigenvalues of both signs; descent leaves in ln(1/ε) steps."""
    tilted = function_landscape(cubic, (1.0, 0.0), "w₁³ − w₂²")
    saddle = function_landscape(pure, (0.0, 0.0), "w₁² − w₂²")
    places = [classify(land) for land in (tilted, saddle)]
    way_out = escape_direction(saddle)
    needed = {beside: escape_steps(beside) for beside in BESIDE}
    numbers = {
        "up": places[0].highest,
        "down": places[0].lowest,
        "gradient": places[0].gradient_norm,
        "index": float(places[1].index),
        "out": 0.0 if way_out.direction is None else float(way_out.direction[1].abs()),
        "faint": min(BESIDE),
        **{f"steps from {beside:g}": float(n) for beside, n in needed.items()},
    }
    maps = (
        drawn(
            tilted,
            told("w₁³ − w₂², around (1, 0)", "w₁³ − w₂²，在 (1, 0) 附近"),
            labels=(
                told("w₁, counted from 1", "w₁，从 1 算起"),
                told("w₂", "w₂"),
            ),
            marks=[marked("centre", (0, 0), 1.0, told("(1, 0)", "(1, 0)"))],
            steps=detail.steps,
            span=1.5,
        ),
        drawn(
            saddle,
            told("w₁² − w₂², around its saddle", "w₁² − w₂²，在鞍点附近"),
            labels=(told("w₁", "w₁"), told("w₂", "w₂")),
            marks=[marked("saddle", (0, 0), 0.0, told("saddle", "鞍点"))],
            steps=detail.steps,
            span=1.5,
        ),
    )
    return Lesson(
        anchor="saddles",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(places, needed),
        instruments=(
            Instrument("saddles-cubic", maps[:1], CUBIC),
            Instrument(
                "saddles-pure",
                maps[1:],
                PURE,
                {"start": (1.2, 1e-4), "rate": RATE},
            ),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def escape_steps(beside: float) -> int:
    """Steps of descent until the ball is a unit off the ridge, from beside it."""
    land = function_landscape(pure, (1.0, beside), "w₁² − w₂²")
    run = descend(land, RATE, steps=2 * predicted_steps(beside) + 20)
    return int((run.path[:, 1].abs() >= 1).nonzero()[0])


def predicted_steps(beside: float) -> int:
    """The same by formula: every step multiplies the distance by 1 + 2η."""
    return ceil(log(1 / beside) / log(1 + 2 * RATE))


def _table(places: list[CriticalPoint], needed: dict[float, int]) -> Table:
    heads = (NOTHING, told("measured", "测得"), told("by formula", "公式给出"))
    where = (
        told("eigenvalues at (1, 0) of the first", "第一个景观在 (1, 0) 的特征值"),
        told("its gradient there", "那里的梯度长度"),
        told("kind of place", "这一点是"),
        told("kind of place, second landscape", "第二个景观的原点是"),
        told("directions that bend down", "向下弯曲的方向数"),
    )
    first, second = places
    known = (
        (same(f"{first.highest:g}, {first.lowest:g}".replace("-", "−")), same("6, −2")),
        (number(first.gradient_norm), same("3")),
        (KINDS[first.kind], KINDS["slope"]),
        (KINDS[second.kind], KINDS["saddle"]),
        (number(float(second.index)), same("1")),
    )
    rows = [(what, *pair) for what, pair in zip(where, known, strict=True)]
    rows += [
        (
            told("steps to leave from {e} beside", "偏离 {e} 时离开所需步数", e=beside),
            number(float(n)),
            number(float(predicted_steps(beside))),
        )
        for beside, n in needed.items()
    ]
    return Table(heads, tuple(rows))


KINDS = {
    "slope": told("a slope", "斜坡"),
    "saddle": told("a saddle", "鞍点"),
    "minimum": told("a minimum", "极小值点"),
    "maximum": told("a maximum", "极大值点"),
    "degenerate": told("degenerate", "退化的点"),
}
TITLE = told("Where it bends both ways: saddles", "两头弯曲的地方：鞍点")
MISSION = told(
    "Sit on a saddle, and find the way down that the gradient does not show.",
    "坐上马鞍，找出梯度没有告诉你的那条下坡路。",
)
CUBIC = told(
    "Turn it: along w₁ a valley, along w₂ a ridge. The gradient at the centre points "
    "along w₁ only.",
    "转动它：沿 w₁ 看是山谷，沿 w₂ 看是山脊。中心处的梯度只指向 w₁ 方向。",
)
PURE = told(
    "The ball starts almost exactly on the ridge, a ten-thousandth beside it.",
    "小球几乎正好从脊线上出发，只偏了万分之一。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "The eigenvalues of the Hessian give the local picture. All positive: the "
            "bottom of a bowl. All negative: a summit. Of both signs: the land bends "
            "up one way and down another, like a saddle. For <var>w</var>₁³ − "
            "<var>w</var>₂² at (1, 0) they are {up} and {down}: along <var>w</var>₁ a "
            "valley, along <var>w</var>₂ a ridge.",
            "海森矩阵的特征值给出一幅完整的局部图像。全为正：碗底。全为负：山顶。有正有"
            "负：一个方向向上弯，另一个方向向下弯，像马鞍。对 <var>w</var>₁³ − "
            "<var>w</var>₂²，在点 (1, 0) 它们是 {up} 和 {down}：沿 <var>w</var>₁ 是山"
            "谷，沿 <var>w</var>₂ 是山脊。",
            up=n["up"],
            down=n["down"],
        ),
        told(
            "To be exact, curvature alone does not make a saddle <em>point</em>: here "
            "the gradient is {gradient}, not zero, so theodolite calls the place a "
            "slope that bends both ways. A hiker who follows the gradient walks along "
            "<var>w</var>₁ and never sees the steep way down along the ridge. The "
            "second landscape, <var>w</var>₁² − <var>w</var>₂², has the real thing at "
            "its centre: zero gradient, one direction up, one down.",
            "严格说，单凭曲率还不能叫鞍<em>点</em>：这里梯度的长度是 {gradient}，不是"
            "零，所以 theodolite 称它为一处两头弯曲的斜坡。只跟随梯度的徒步者会沿 "
            "<var>w</var>₁ 走，完全错过沿山脊方向的陡峭下坡。第二个景观 <var>w</var>₁² "
            "− <var>w</var>₂² 的中心才是真正的鞍点：梯度为零，一个方向向上，一个方向向"
            "下。",
            gradient=n["gradient"],
        ),
        told(
            "High-dimensional landscapes are full of saddles: a critical point is a "
            "minimum only if <em>every</em> direction bends up. They do not trap "
            "descent, they slow it. From a distance <var>ε</var> beside the ridge each "
            "step multiplies the distance by 1 + 2<var>η</var>, so leaving takes about "
            "ln(1/<var>ε</var>)/ln(1 + 2<var>η</var>) steps. A little noise, or the "
            "eigenvector of the negative eigenvalue, leaves at once.",
            "高维景观里到处是鞍点：只有<em>每一个</em>方向都向上弯，临界点才是极小值"
            "点。鞍点困不住梯度下降，只会让它变慢。从脊线旁 <var>ε</var> 处出发，每一步"
            "把偏离乘以 1 + 2<var>η</var>，离开大约需要 ln(1/<var>ε</var>)/ln(1 + "
            "2<var>η</var>) 步。一点噪声，或者负特征值对应的特征向量，立刻就能让它离"
            "开。",
        ),
    )


QUESTION = Question(
    told(
        "Race plain descent against noisy descent and Newton’s method on the second "
        "landscape. Who leaves first, and who never does?",
        "在第二个景观上，让普通梯度下降、带噪声的下降和牛顿法赛跑。谁最先离开？谁永远不"
        "走？",
    ),
    told(
        "Newton’s step is −<var>H</var><sup>−1</sup><var>g</var>: it goes to where the "
        "gradient vanishes, whatever the signs of the eigenvalues.",
        "牛顿法的步子是 −<var>H</var><sup>−1</sup><var>g</var>：不管特征值是正是负，它"
        "都走向梯度为零的地方。",
    ),
    told(
        "The noise pushes the ball off the ridge within a few steps, and the ridge "
        "does the rest. Plain descent follows later. Newton jumps onto the saddle in "
        "one step and stays: a small gradient is no proof of a minimum. Ask for a "
        "positive definite Hessian as well.",
        "噪声几步之内就把小球推离脊线，剩下的由山脊完成；普通下降随后跟上。牛顿法一步跳"
        "到鞍点上就不动了：梯度很小并不证明这里是极小值点，还要海森矩阵正定。",
    ),
)
