"""A spherical spin glass: a landscape that nobody designed."""

from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.exploring.drawing import drawn, marked
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.words import Told, number, same, told
from theodolite.landscape import Landscape
from theodolite.maps.elsewhere import at_place
from theodolite.seeding import generator
from theodolite.site.critical_point import classify

SPINS = 24
SEED = 3
# steps of descents on the sphere, and of Newton's method there
SETTLING, REFINING = 1500, 60
# Newton's method finds what is near: it starts from places at all heights
HEIGHTS = (0, 10, 20, 30, 45, 70, 150)
# below which energy per spin nearly all critical points are minima, if N is large
THRESHOLD = -2 / sqrt(3)

CODE = """\
import torch, theodolite as td

n = 12
j = torch.randn(n, n, n, generator=torch.Generator().manual_seed(0)) / n

def energy(x):
    x = n**0.5 * x / x.norm()
    return -torch.einsum("ijk,i,j,k", j, x, x, x) / n

land = td.Landscape.from_function(energy, torch.ones(n))
print(td.classify(land), td.index(land))
"""


def couplings(seed: int = SEED) -> Float[Tensor, "n n n"]:
    """Random, and symmetric in the three spins."""
    shape = (SPINS, SPINS, SPINS)
    drawn_ = torch.randn(shape, generator=generator(seed), dtype=torch.float64)
    drawn_ = drawn_ / (sqrt(2) * SPINS)
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return torch.stack([drawn_.permute(order) for order in orders]).mean(0)


def spin_glass(strength: Float[Tensor, "n n n"]) -> Landscape:
    """The energy per spin, as a function of the direction of x alone.

    E = −Σ J x x x / N,  ‖x‖² = N
    """

    def energy(x: Tensor) -> Tensor:
        spins = sqrt(SPINS) * x / torch.linalg.vector_norm(x)
        return -(((strength @ spins) @ spins) @ spins) / SPINS

    start = torch.ones(SPINS, dtype=torch.float64)
    return Landscape.from_function(energy, start, name="spin glass")


def spin_glass_lesson(detail: Detail) -> Lesson:
    """The higher a critical point, the more directions bend down."""
    strength = couplings()
    land = spin_glass(strength)
    points = critical_points(strength, max(70, detail.repeats // 2))
    places = [classify(at_place(land, point)) for point in points]
    energies = torch.tensor([land.loss(point) for point in points])
    indices = torch.tensor([float(place.index) for place in places])
    valleys = minima(strength, max(24, detail.repeats // 4))
    numbers = {
        "found": float(len(points)),
        "minima": float((indices == 0).sum()),
        "rank": rank_correlation(energies, indices),
        "lowest": land.loss(valleys[0]),
        "valleys": float(len(valleys)),
        "threshold": THRESHOLD,
        "worst_gradient": max(place.gradient_norm for place in places),
    }
    return Lesson(
        anchor="spin-glass",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table(energies, indices),
        instruments=(
            Instrument(
                "spin-glass-map",
                (slice_through(land, valleys, detail),),
                CAPTION,
                {"start": (0.75, 0.3), "rate": 0.05},
            ),
        ),
        question=QUESTION,
        code=CODE,
        numbers=numbers,
    )


def slice_through(land: Landscape, valleys: Tensor, detail: Detail) -> dict:
    """The plane through three minima, the deepest at its centre."""
    deepest, second, third = valleys[:3]
    along = second - deepest
    reach = float(along.norm())
    first = along / reach
    across = third - deepest - first * (first @ (third - deepest))
    height = float(across.norm())
    corners = ((0.0, 0.0), (reach, 0.0), (float(first @ (third - deepest)), height))
    margin = 0.7
    spans = [
        (min(ends) - margin, max(ends) + margin) for ends in zip(*corners, strict=True)
    ]
    losses = [land.loss(valley) for valley in (deepest, second, third)]
    text = told("a minimum in all {n} dimensions", "在全部 {n} 维中的极小值点", n=SPINS)
    return drawn(
        at_place(land, deepest),
        told("A slice through three minima", "穿过三个极小值点的切片"),
        labels=(
            told("from the deepest to the second", "从最深的到第二深的"),
            told("across, towards the third", "横向，朝第三深的"),
        ),
        directions=(first, across / height),
        marks=[
            marked("minimum", corner, loss, text)
            for corner, loss in zip(corners, losses, strict=True)
        ],
        steps=detail.steps + 20,
        span=spans,
        limit=True,
    )


def _force(
    strength: Float[Tensor, "n n n"], x: Float[Tensor, "m n"]
) -> tuple[Float[Tensor, "m n n"], Float[Tensor, "m n"]]:
    """J x and −∂E/∂x/3 of points on the sphere of radius √N."""
    once = torch.einsum("ijk,mk->mij", strength, x)
    return once, torch.einsum("mij,mj->mi", once, x)


def _on_sphere(x: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    return sqrt(SPINS) * x / torch.linalg.vector_norm(x, dim=1, keepdim=True)


def _starts(count: int, seed: int) -> Float[Tensor, "m n"]:
    source = generator(seed)
    return _on_sphere(torch.randn(count, SPINS, generator=source, dtype=torch.float64))


def minima(
    strength: Float[Tensor, "n n n"], starts: int, seed: int = 0
) -> Float[Tensor, "m n"]:
    """Where descents on the sphere end, each once, deepest first, of length one."""
    x = _settled(strength, _starts(starts, seed), SETTLING)
    return _each_once(strength, refined(strength, x))


def critical_points(
    strength: Float[Tensor, "n n n"], starts: int, seed: int = 1
) -> Float[Tensor, "m n"]:
    """What Newton's method finds from all heights, once each, lowest first."""
    x = torch.cat(
        [
            _settled(strength, part, steps)
            for part, steps in zip(
                _starts(starts, seed).chunk(len(HEIGHTS)), HEIGHTS, strict=True
            )
        ]
    )
    return _each_once(strength, refined(strength, x))


def _settled(
    strength: Float[Tensor, "n n n"], x: Float[Tensor, "m n"], steps: int
) -> Float[Tensor, "m n"]:
    """Points on the sphere after so many steps of descent."""
    for _ in range(steps):
        _, force = _force(strength, x)
        x = _on_sphere(x + 0.05 * force)
    return x


def refined(
    strength: Float[Tensor, "n n n"], x: Float[Tensor, "m n"]
) -> Float[Tensor, "k n"]:
    """Newton's method on the Lagrangian E + μ(‖x‖² − N)/2; those that converged."""
    bordered = x.new_zeros(len(x), SPINS + 1, SPINS + 1)
    for _ in range(REFINING):
        once, force = _force(strength, x)
        multiplier = (force * x).sum(1, keepdim=True) / SPINS
        rest = force - multiplier * x
        bordered[:, :SPINS, :SPINS] = 2 * once - multiplier[:, :, None] * torch.eye(
            SPINS, dtype=x.dtype
        )
        bordered[:, :SPINS, SPINS] = bordered[:, SPINS, :SPINS] = x
        right = torch.cat([-rest, x.new_zeros(len(x), 1)], dim=1)
        step = torch.linalg.solve(bordered, right)[:, :SPINS]
        # far steps are cut: the quadratic does not reach so far
        size = torch.linalg.vector_norm(step, dim=1, keepdim=True)
        x = _on_sphere(x + step * (0.5 / size).clamp(max=1.0))
    _, force = _force(strength, x)
    rest = force - (force * x).sum(1, keepdim=True) / SPINS * x
    return x[torch.linalg.vector_norm(rest, dim=1) < 1e-9]


def _each_once(
    strength: Float[Tensor, "n n n"], x: Float[Tensor, "m n"]
) -> Float[Tensor, "k n"]:
    """Points of different energy, lowest first, of length one."""
    _, force = _force(strength, x)
    energies = -(force * x).sum(1) / SPINS
    order = energies.argsort()
    fresh = torch.ones(len(x), dtype=torch.bool)
    fresh[1:] = energies[order].diff() > 1e-8
    return x[order][fresh] / sqrt(SPINS)


def rank_correlation(a: Float[Tensor, " m"], b: Float[Tensor, " m"]) -> float:
    """Spearman's: 1 where both rise together."""
    ranks = torch.stack([_ranks(a), _ranks(b)])
    return float(torch.corrcoef(ranks)[0, 1])


def _ranks(values: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
    """Equal values share the mean of their ranks."""
    below = (values[None] < values[:, None]).sum(1)
    alike = (values[None] == values[:, None]).sum(1)
    return below + (alike - 1) / 2


def _table(energies: Float[Tensor, " m"], indices: Float[Tensor, " m"]) -> Table:
    heads = (
        told("energy per spin", "每个自旋的能量"),
        told("critical points", "临界点"),
        told("directions down, mean", "向下的方向数，平均"),
        told("of these minima", "其中极小值点"),
    )
    # energies come ascending
    rows = []
    for part in torch.arange(len(energies)).chunk(5):
        inside = indices[part]
        spread = float(inside.std()) if len(part) > 1 else 0.0
        ends = f"{float(energies[part[0]]):.2f} … {float(energies[part[-1]]):.2f}"
        rows.append(
            (
                same(ends.replace("-", "−")),
                told("{n}", "{n}", n=len(part)),
                number(float(inside.mean()), spread / len(part) ** 0.5),
                told("{n}", "{n}", n=int((inside == 0).sum())),
            )
        )
    return Table(heads, tuple(rows))


TITLE = told("A landscape that nobody designed", "一片无人设计的景观")
MISSION = told(
    "Walk a spin glass, physics’ own rugged landscape, and see where its saddles live.",
    "走进自旋玻璃，物理学自己的崎岖景观，看看它的鞍点住在哪里。",
)
CAPTION = told(
    "{n} spins on a sphere, coupled at random in threes. The plane goes through the "
    "three deepest minima that were found.",
    "球面上的 {n} 个自旋，三个一组随机耦合。平面穿过已找到的最深的三个极小值点。",
    n=SPINS,
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "Loss landscapes have relatives in nature. In a <em>spin glass</em> every "
            "spin is pulled by random couplings that cannot all be satisfied, and the "
            "energy has very many minima. Here are {spins} spins on a sphere, with "
            "energy −Σ <var>J</var><sub>ijk</sub> "
            "<var>x</var><sub>i</sub><var>x</var><sub>j</sub><var>x</var><sub>k</sub>; "
            "nobody drew this land, it was drawn by lot.",
            "损失景观在自然界有亲戚。在<em>自旋玻璃</em>里，每个自旋都受随机耦合的牵"
            "扯，这些耦合无法同时满足，能量于是有非常多的极小值。这里是球面上的 "
            "{spins} 个自旋，能量为 −Σ <var>J</var><sub>ijk</sub> "
            "<var>x</var><sub>i</sub><var>x</var><sub>j</sub><var>x</var><sub>k</sub>；"
            "这片土地没有人画过，是抽签抽出来的。",
            spins=SPINS,
        ),
        told(
            "Newton’s method found {found} critical points, and at each theodolite "
            "counted the directions that bend down, the <em>index</em>. It grows with "
            "the energy: their rank correlation is {rank}. High up there are only "
            "saddles with many ways down; minima crowd at the bottom, below about "
            "{threshold} per spin for very many spins. The deepest found here has "
            "{lowest}.",
            "牛顿法找到了 {found} 个临界点，theodolite 在每一处数出向下弯曲的方向数，即"
            "<em>指标</em>。指标随能量升高：二者的秩相关系数是 {rank}。高处只有下坡路很"
            "多的鞍点；极小值点都挤在底部，自旋极多时大约在每自旋 {threshold} 以下。这"
            "里找到的最深处是 {lowest}。",
            found=round(n["found"]),
            rank=n["rank"],
            threshold=n["threshold"],
            lowest=n["lowest"],
        ),
        told(
            "This is the physicists’ argument why local minima are not what troubles "
            "large networks: a critical point of high loss is almost surely a saddle, "
            "and whatever is a minimum lies nearly as deep as the best. For real "
            "networks it is an analogy, not a theorem; measuring is how to find out.",
            "物理学家由此论证，局部最小值并不是大网络的真正麻烦：损失高的临界点几乎必定"
            "是鞍点，而真正的极小值点都几乎和最好的一样深。对真实网络，这只是类比，不是"
            "定理；要知道究竟如何，就去测量。",
        ),
    )


QUESTION = Question(
    told(
        "Drop ten balls. Do they all end in a marked minimum? And is where a ball "
        "comes to rest on this slice a minimum of the glass?",
        "放下十只小球。它们都落入标出的极小值点吗？小球在这张切片上停下的地方，是自旋玻"
        "璃的极小值点吗？",
    ),
    told(
        "The ball moves in two dimensions. The glass has {n}, less the one that the "
        "sphere takes away.",
        "小球只在两维里运动。自旋玻璃有 {n} 维，减去球面约束的一维。",
        n=SPINS,
    ),
    told(
        "No. Only the marked hollows are minima in all dimensions. Elsewhere the ball "
        "rests where the slope <em>within the slice</em> vanishes; out of it there is "
        "nearly always a way further down. Every two-dimensional picture of a network "
        "has this flaw.",
        "不是。只有标出的洼地才是所有维度中的极小值点。在别处，小球停在<em>切片之内"
        "</em>坡度消失的地方，切片之外几乎总还有路继续向下。任何网络的二维图画都有这个"
        "缺陷。",
    ),
)
