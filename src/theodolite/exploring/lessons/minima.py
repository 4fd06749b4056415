"""A flat and a sharp minimum of equal loss, shaken."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.exploring.drawing import function_landscape, marked, record_of
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.words import Told, number, told
from theodolite.maps.plane import plane
from theodolite.maps.topology.merge_tree import merge_tree
from theodolite.seeding import generator
from theodolite.site.expected_rise import Rises, expected_rise
from theodolite.spectrum.trace import trace

FLAT, SHARP = (-1.0, 0.0), (1.0, 0.0)
# the curvatures along both axes
FLAT_BEND, SHARP_BEND = (0.6, 1.0), (20.0, 40.0)
SIGMAS = (0.01, 0.03, 0.1, 0.3)
# of the noisy walkers: learning rate, noise on the gradient, steps
RATE, NOISE, WALK = 0.03, 6.0, 1000

CODE = """\
import theodolite as td

land = td.builtin("linear-regression")
print(td.trace(land.hessian()))
print(td.expected_rise(land, (0.01, 0.1)))  # ½σ² tr H, beside a measurement
"""


def _hill(w: Float[Tensor, "... 2"], where: Sequence[float], bend: Sequence[float]):
    off = w - w.new_tensor(where)
    return (off.square() * w.new_tensor(bend)).sum(-1) / 2


def two_minima(w: Float[Tensor, "... 2"]) -> Float[Tensor, "..."]:
    """Zero at both minima, with the curvatures asked for, and smooth between.

        1/f = 1/q₁ + 1/q₂

    of the two quadratics q₁ and q₂: next to a minimum the other one is out of sight.
    """
    flat, sharp = _hill(w, FLAT, FLAT_BEND), _hill(w, SHARP, SHARP_BEND)
    return flat * sharp / (flat + sharp)


def minima_lesson(detail: Detail) -> Lesson:
    """The rise under noise is ½σ² tr H, in both, until the quadratic picture ends."""
    lands = [function_landscape(two_minima, at, "two minima") for at in (FLAT, SHARP)]
    traces = [trace(land.hessian()) for land in lands]
    rises = [
        expected_rise(land, SIGMAS, rtol=0.02, budget=detail.repeats) for land in lands
    ]
    stayed = [stay(at, detail.repeats) for at in (FLAT, SHARP)]
    centre = function_landscape(two_minima, (0.0, 0.0), "two minima")
    around = plane(centre, directions=(0, 1), steps=detail.steps, span=(2.4, 1.6))
    tree = merge_tree(around)
    numbers = {
        "flat_loss": lands[0].loss(),
        "sharp_loss": lands[1].loss(),
        "flat_trace": traces[0].value,
        "sharp_trace": traces[1].value,
        "pass": tree.saddles[0].value,
        "flat_stay": stayed[0],
        "sharp_stay": stayed[1],
        "flat_holds": rises[0].holds_up_to or 0.0,
        "sharp_holds": rises[1].holds_up_to or 0.0,
    }
    marks = [
        marked("minimum", FLAT, numbers["flat_loss"], FLAT_NAME),
        marked("minimum", SHARP, numbers["sharp_loss"], SHARP_NAME),
        marked("pass", tree.saddles[0].coordinates or (0, 0), numbers["pass"], PASS),
    ]
    record = record_of(
        around,
        told("Two minima of equal loss", "损失相等的两个极小值点"),
        labels=(told("w₁", "w₁"), told("w₂", "w₂")),
        marks=marks,
    )
    methods = ["descent", "noisy"]
    start = {"start": (1.25, 0.1), "rate": RATE, "methods": methods, "log": False}
    return Lesson(
        anchor="minima",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers, detail),
        table=_table(rises),
        instruments=(Instrument("minima-map", (record,), CAPTION, start),),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def stay(start: Sequence[float], walkers: int, seed: int = 0) -> float:
    """The share of noisy walkers that end where they began, in the same basin."""
    source = generator(seed)
    w = torch.tensor([list(start)] * walkers, dtype=torch.float64)
    for _ in range(WALK):
        gradient = torch.func.grad(lambda p: two_minima(p).sum())(w)
        noise = torch.randn(w.shape, generator=source, dtype=w.dtype)
        w = w - RATE * (gradient + NOISE * noise)
    near_sharp = _hill(w, SHARP, SHARP_BEND) < _hill(w, FLAT, FLAT_BEND)
    began_sharp = tuple(start) == SHARP
    return float((near_sharp == began_sharp).double().mean())


def _table(rises: list[Rises]) -> Table:
    heads = (
        told("noise <var>σ</var>", "噪声 <var>σ</var>"),
        told(
            "A: predicted ½<var>σ</var>² tr <var>H</var>",
            "A：预测 ½<var>σ</var>² tr <var>H</var>",
        ),
        told("A: measured rise", "A：测得的升高"),
        told(
            "B: predicted ½<var>σ</var>² tr <var>H</var>",
            "B：预测 ½<var>σ</var>² tr <var>H</var>",
        ),
        told("B: measured rise", "B：测得的升高"),
    )
    rows = [
        (
            number(pair[0].sigma),
            *(
                number(*part)
                for rise in pair
                for part in (
                    (rise.predicted.value,),
                    (rise.measured.value, rise.measured.error),
                )
            ),
        )
        for pair in zip(*rises, strict=True)
    ]
    return Table(heads, tuple(rows))


TITLE = told("Flat and sharp", "平坦与尖锐")
MISSION = told(
    "Two minima of the same loss. Find out which one a shaking hand can keep.",
    "两个极小值点，损失相同。看看手一抖，哪一个还守得住。",
)
FLAT_NAME = told("flat minimum A", "平坦的极小值点 A")
SHARP_NAME = told("sharp minimum B", "尖锐的极小值点 B")
PASS = told("the pass between them", "两者之间的隘口")
CAPTION = told(
    "Two balls start beside the sharp minimum: one descends plainly, one with noise.",
    "两只小球从尖锐极小值点旁出发：一只普通下降，一只带噪声。",
)


def _paragraphs(n: dict[str, float], detail: Detail) -> tuple[Told, ...]:
    return (
        told(
            "Both hollows of this landscape reach down to the same loss, {loss}. On "
            "the training data the two solutions are equally good. But A is wide, and "
            "B is a narrow pit. Shake the weights a little, by <var>δ</var> ~ N(0, "
            "<var>σ</var>²<var>I</var>), as new data would: around A the altitude "
            "hardly changes, around B it shoots up.",
            "这片景观的两处洼地都降到同样的损失 {loss}。在训练数据上，两个解一样好。但 "
            "A 宽阔，B 是一个窄坑。像新数据那样，给权重加一点扰动 <var>δ</var> ~ N(0, "
            "<var>σ</var>²<var>I</var>)：在 A 周围海拔几乎不变，在 B 周围却急剧上升。",
            loss=n["flat_loss"],
        ),
        told(
            "How much is told by the eigenvalues, and by their sum alone: "
            "E[<var>f</var>(<var>w</var> + <var>δ</var>)] − <var>f</var>(<var>w</var>) "
            "≈ ½ <var>σ</var>² tr <var>H</var>. The traces are {flat} and {sharp}. The "
            "table puts the prediction beside the measured rise. In A it holds up to σ "
            "= {flat_holds}, in B only up to {sharp_holds}: beyond, the noise reaches "
            "where the hollow is no quadratic any more.",
            "升高多少，由特征值说了算，而且只看它们的总和：E[<var>f</var>(<var>w</var> "
            "+ <var>δ</var>)] − <var>f</var>(<var>w</var>) ≈ ½ <var>σ</var>² tr "
            "<var>H</var>。两处的迹是 {flat} 和 {sharp}。表中把预测与测得的升高并列。"
            "在 A 处，直到 σ = {flat_holds} 都成立；在 B 处只到 {sharp_holds}：再大，噪"
            "声就伸到了洼地不再是二次曲面的地方。",
            flat=n["flat_trace"],
            sharp=n["sharp_trace"],
            flat_holds=n["flat_holds"],
            sharp_holds=n["sharp_holds"],
        ),
        told(
            "Stochastic gradient descent shakes by itself. Of {walkers} walkers with "
            "noise on every gradient, {flat} of those that began in A were in A after "
            "{steps} steps, of those in B only {sharp}; the pass between them is "
            "equally high for both, {height}. The noise throws the walkers out of "
            "sharp minima and lets them settle in wide ones. That is one reason why "
            "networks trained with it generalise.",
            "随机梯度下降自己就在抖。让 {walkers} 个行者在每个梯度上带噪声走 {steps} "
            "步：从 A 出发的有 {flat} 仍在 A，从 B 出发的只有 {sharp} 仍在 B；而两者之"
            "间的隘口对双方一样高，都是 {height}。噪声把行者抛出尖锐的极小值点，让它们"
            "落在宽阔的盆地里。这正是用它训练的网络泛化得好的原因之一。",
            walkers=detail.repeats,
            steps=WALK,
            flat=f"{n['flat_stay']:.0%}",
            sharp=f"{n['sharp_stay']:.0%}",
            height=n["pass"],
        ),
    )


QUESTION = Question(
    told(
        "Raise the noise until the noisy ball leaves the sharp pit. Then drop it at "
        "the same height above A. Does the noise throw it out there?",
        "加大噪声，直到带噪声的小球离开尖锐的坑。再把它放在 A 上方同样高度处：噪声会把"
        "它抛出来吗？",
    ),
    told(
        "Both pits are equally deep. What differs is how far up the wall the push of "
        "one step carries the ball. (Noise is counted in lengths of the gradient at "
        "the start, which is smaller at A: you may turn it up for fairness.)",
        "两个坑一样深。不同的是：一步的推力能把小球送上坑壁多高。（噪声以起点处梯度的长"
        "度计；A 处梯度较小，为公平起见可以把噪声调大。）",
    ),
    told(
        "It stays, even with several times the noise. A push by <var>δ</var> lifts the "
        "ball by ½ <var>λδ</var>², some forty times as much where the curvature is "
        "forty times as large. And in B the learning rate is not far from the speed "
        "limit 2/<var>λ</var><sub>max</sub>: a rate too large for it leaves a sharp "
        "minimum without any noise.",
        "它不会出来，噪声大几倍也一样。推开 <var>δ</var>，小球升高 ½ <var>λδ</var>²：曲"
        "率大四十来倍，升高也大四十来倍。而且在 B 处，学习率离速度限制 "
        "2/<var>λ</var><sub>max</sub> 不远：学习率对它太大时，即使没有噪声，小球也会离"
        "开尖锐的极小值点。",
    ),
)
