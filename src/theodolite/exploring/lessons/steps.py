"""Too small and too large steps on the bowl."""

from collections.abc import Mapping

from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.lessons.bowl import bowl, bowl_record
from theodolite.exploring.newton import newton
from theodolite.exploring.tables import NOTHING
from theodolite.exploring.words import Told, number, told
from theodolite.maps.descending.boundaries import Boundaries, boundaries
from theodolite.maps.descending.descent import Descent, descend
from theodolite.maps.elsewhere import at_place

STEPS = 200
# learning rates to be tried, in units of 1/λ_max; the last two frame 2/λ_max
RATES = (0.02, 0.8, 1.7, 1.98, 2.02)

CODE = """\
import torch, theodolite as td

land = td.builtin("linear-regression")
print(td.speed_limit(land))  # 2/λ_max
for rate in (0.01, 0.4, 0.9, 1.1):
    print(td.maps.descend(land, rate))
"""

VERDICTS: Mapping[str, Told] = {
    "crawl": told("crawls", "爬行"),
    "converge": told("converges", "收敛"),
    "oscillate": told("swings", "振荡"),
    "diverge": told("diverges", "发散"),
}


def steps_lesson(detail: Detail) -> Lesson:
    """Gradient descent swings above 1/λ_max and diverges above 2/λ_max."""
    land = bowl()
    bottom = newton(land)[-1]
    found = boundaries(at_place(land, bottom), steps=STEPS)
    top = found.rates.largest
    runs = [descend(land, rate / top, steps=STEPS) for rate in RATES]
    numbers = {
        "large": top,
        "small": found.rates.smallest,
        "swings": found.rates.oscillates_above,
        "limit": found.rates.diverges_above,
        "crawls": found.rates.crawls_below,
        "swings_low": found.oscillates[0],
        "swings_high": found.oscillates[1],
        "limit_low": found.diverges[0],
        "limit_high": found.diverges[1],
        "as_predicted": float(sum(run.as_predicted for run in runs)),
    }
    title = told("The same bowl, with a speed limit", "同一只碗，加上速度限制")
    record = bowl_record(land, bottom, title, detail)
    return Lesson(
        anchor="steps",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(runs, found),
        instruments=(
            Instrument(
                "steps-map",
                (record,),
                CAPTION,
                {"start": (3.4, 2.4), "rate": 1.9 / top, "log": False},
            ),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def _table(runs: list[Descent], found: Boundaries) -> Table:
    top = found.rates.largest
    heads = (
        told(
            "learning rate × <var>λ</var><sub>max</sub>",
            "学习率 × <var>λ</var><sub>max</sub>",
        ),
        told("predicted", "预测"),
        told("observed", "观察到"),
        told("loss after {n} steps", "{n} 步后的损失", n=STEPS),
    )
    tried = [
        (
            number(run.learning_rate * top),
            VERDICTS[run.predicted],
            VERDICTS[run.verdict],
            number(float(f"{float(run.losses[-1]):.3g}")),
        )
        for run in runs
    ]
    begins = [
        (
            name,
            number(predicted),
            number(_middle(interval) * top, _half(interval) * top),
            NOTHING,
        )
        for name, predicted, interval in (
            (told("swings begin at", "振荡始于"), 1.0, found.oscillates),
            (told("divergence begins at", "发散始于"), 2.0, found.diverges),
        )
    ]
    return Table(heads, (*tried, *begins))


def _middle(interval: tuple[float, float]) -> float:
    return sum(interval) / 2


def _half(interval: tuple[float, float]) -> float:
    return (interval[1] - interval[0]) / 2


TITLE = told("Steps too small, steps too large", "步子太小，步子太大")
MISSION = told(
    "Find the fastest learning rate, and the one at which the ball flies out of the "
    "bowl.",
    "找到最快的学习率，再找到让小球飞出碗外的那一个。",
)
CAPTION = told(
    "The marks on the slider are 1/<var>λ</var><sub>max</sub> and "
    "2/<var>λ</var><sub>max</sub>, measured here. Watch the verdict change as you pass "
    "them.",
    "滑块上的刻度是在此测得的 1/<var>λ</var><sub>max</sub> 与 "
    "2/<var>λ</var><sub>max</sub>。越过它们时，留意判定如何变化。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "On the slope of a bowl that bends by <var>λ</var>, a step of gradient "
            "descent multiplies the distance to the bottom by 1 − <var>ηλ</var>. With "
            "a small learning rate <var>η</var> that factor is just below one, and the "
            "ball <em>crawls</em>. At <var>η</var> = 1/<var>λ</var> it is zero: one "
            "step, and you are there. Above, it is negative, and the ball lands on the "
            "opposite wall: it <em>swings</em>. Above 2/<var>λ</var> it is beyond −1, "
            "each swing is wider than the last, and the ball <em>diverges</em>.",
            "在曲率为 <var>λ</var> 的碗壁上，梯度下降每走一步，到碗底的距离就乘以 1 − "
            "<var>ηλ</var>。学习率 <var>η</var> 很小时，这个因子略小于 1，小球<em>爬行"
            "</em>。当 <var>η</var> = 1/<var>λ</var> 时它等于零：一步就到。再大，它变成"
            "负数，小球落到对面的碗壁上，来回<em>振荡</em>。超过 2/<var>λ</var>，它的绝"
            "对值大于 1，一次比一次荡得更远，小球<em>发散</em>。",
        ),
        told(
            "A bowl has several curvatures, and one learning rate for all of them. The "
            "steepest sets the speed limit, <var>η</var> ≤ "
            "2/<var>λ</var><sub>max</sub> = {limit} here; the flattest decides how "
            "long you wait. Below {crawls}, {steps} steps do not bring it to a tenth.",
            "一只碗有好几个曲率，学习率却只有一个。最陡的方向定下速度限制："
            "<var>η</var> ≤ 2/<var>λ</var><sub>max</sub>，这里是 {limit}；最平缓的方向"
            "决定你要等多久。学习率低于 {crawls} 时，{steps} 步还不能把那里的距离缩短到"
            "十分之一。",
            limit=n["limit"],
            crawls=n["crawls"],
            steps=STEPS,
        ),
        told(
            "The table holds real descents on this bowl. What the eigenvalue predicted "
            "is what was observed, and bisection finds the boundaries where they "
            "should be, to a hundredth. In a network of a million weights the same "
            "number, measured with products alone, tells you before training which "
            "learning rate will blow up.",
            "表中是在这只碗上真实走过的下降。特征值预测什么，就观察到什么；用二分法找到"
            "的边界也正在该在的地方，误差约百分之一。对有上百万权重的网络，只靠海森向量"
            "积就能测出同一个数，训练之前便知道多大的学习率会让损失爆炸。",
        ),
    )


QUESTION = Question(
    told(
        "Which learning rate brings the ball to the bottom in the fewest steps? Is it "
        "1/<var>λ</var><sub>max</sub>?",
        "哪个学习率用最少的步数把小球送到碗底？是 1/<var>λ</var><sub>max</sub> 吗？",
    ),
    told(
        "At 1/<var>λ</var><sub>max</sub> the steep direction is done after one step. "
        "What of the flat one? Try rates between the two marks.",
        "学习率取 1/<var>λ</var><sub>max</sub> 时，陡的方向一步就走完了。平缓的方向呢？"
        "试试两个刻度之间的学习率。",
    ),
    told(
        "The best one lies higher, at 2/(<var>λ</var><sub>max</sub> + "
        "<var>λ</var><sub>min</sub>): there both directions shrink equally fast, the "
        "steep one by swinging. Training a little above 1/<var>λ</var><sub>max</sub> "
        "is no fault; only 2/<var>λ</var><sub>max</sub> is a wall.",
        "最好的学习率更大：2/(<var>λ</var><sub>max</sub> + "
        "<var>λ</var><sub>min</sub>)。此时两个方向缩短得一样快，陡的那个靠来回振荡。训"
        "练时略高于 1/<var>λ</var><sub>max</sub> 并不是错，"
        "2/<var>λ</var><sub>max</sub> 才是真正的墙。",
    ),
)
