"""Two training runs on one plane, and the edge at which the faster one walks."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from theodolite.exploring.drawing import record_of
from theodolite.exploring.lesson import Detail, Instrument, Lesson, Question, Table
from theodolite.exploring.words import Told, number, told
from theodolite.landscape import Landscape
from theodolite.maps.elsewhere import at_place
from theodolite.maps.trajectories.trajectory import Trajectory
from theodolite.maps.trajectories.trajectory_plane import (
    TrajectoryPlane,
    trajectory_plane,
)
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP
from theodolite.site.speed_limit import speed_limit
from theodolite.stillness import held_still, seed_everything

IMAGES, WIDTHS = 300, (64, 16, 16, 16, 10)
FAST, SLOW = 0.5, 0.2
CHECKPOINTS = 30
# of the run's checkpoints, the last share over which the edge is averaged
LATE = 3

CODE = """\
import torch, theodolite as td

model = torch.nn.Linear(1, 1)
x = torch.linspace(-1, 1, 16)[:, None]
land = td.Landscape(model, torch.nn.MSELoss(), (x, 2 * x))
trajectory = td.Trajectory(model, every=2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
for _ in range(20):
    loss = (model(x) - 2 * x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    trajectory.record(loss)
print(trajectory.plane(land, steps=21))
"""


def squared_error(
    output: Float[Tensor, "n c"], target: Float[Tensor, "n c"]
) -> Float[Tensor, ""]:
    """Half the squared distance, averaged over the images."""
    return (output - target).square().sum(1).mean() / 2


def some_digits() -> tuple[Float[Tensor, "n 1 8 8"], Float[Tensor, "n c"]]:
    """Centred images, and their labels as rows of zeros and a one."""
    (images, labels), _ = split_digits()
    images, labels = images[:IMAGES], labels[:IMAGES]
    one_hot: Int[Tensor, "n c"] = functional.one_hot(labels, WIDTHS[-1])
    return images - images.mean(0), one_hot.float()


def a_network(seed: int = 0) -> nn.Module:
    """Three hidden layers of 16 units, as they are before training."""
    with held_still(None):
        seed_everything(seed)
        return MLP(WIDTHS)


def recorded(rate: float, time: float) -> tuple[Landscape, Trajectory]:
    """A run of gradient descent with all images, for a time of steps × rate."""
    data, model = some_digits(), a_network()
    steps = round(time / rate)
    every = max(1, steps // CHECKPOINTS)
    trajectory = Trajectory(model, every=every, name=f"η = {rate:g}")
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for _ in range(steps + 1):
        loss = squared_error(model(data[0]), data[1])
        trajectory.record(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trajectory.close()
    return Landscape(model, squared_error, data, name="digits, squared error"), (
        trajectory
    )


def share_of_limit(land: Landscape, run: Trajectory, rate: float) -> list[float]:
    """ηλ_max/2 at every checkpoint: one is the edge of stability."""
    found = [speed_limit(at_place(land, place)).value for place in run.places()]
    return [rate / limit for limit in found]


def training_lesson(detail: Detail) -> Lesson:
    """With the large rate the curvature rises to 2/η, and stays there."""
    time = FAST * detail.training
    land, fast = recorded(FAST, time)
    _, slow = recorded(SLOW, time)
    shares = [share_of_limit(land, r, e) for r, e in ((fast, FAST), (slow, SLOW))]
    found = trajectory_plane(
        land,
        {run.name: run for run in (fast, slow)},
        steps=min(detail.steps, 51),
        rtol=0.01,
    )
    late = shares[0][-max(1, len(shares[0]) // LATE) :]
    numbers = {
        "parameters": float(land.size),
        "fast_first": shares[0][0],
        "fast_most": max(shares[0]),
        "fast_late": sum(late) / len(late),
        "fast_curvature": 2 * shares[0][-1] / FAST,
        "slow_curvature": 2 * shares[1][-1] / SLOW,
        "fast_loss": float(fast.losses[-1]),
        "slow_loss": float(slow.losses[-1]),
        "explained": float(found.explained.sum()),
        "off": max(float(track.distance.max()) for track in found.tracks),
        "excess": max(float(track.excess.abs().max()) for track in found.tracks),
        "points": float(len(found.plane.points)),
        "error": found.plane.error,
        "end": fast.steps[-1] * FAST,
    }
    record = record_of(
        found.plane,
        told("Two training runs, one plane", "两次训练，同一个平面"),
        labels=_labels(found),
        marks=[],
    )
    start = {"log": True}
    return Lesson(
        anchor="training",
        title=TITLE,
        mission=MISSION,
        paragraphs=_paragraphs(numbers),
        table=_table((fast, slow), shares),
        instruments=(Instrument("training-map", (record,), CAPTION, start),),
        question=_question(numbers),
        code=CODE,
        numbers=numbers,
    )


def _labels(found: TrajectoryPlane) -> tuple[Told, Told]:
    first, second = (float(share) for share in found.explained)
    return (
        told(
            "first principal component, {s} of the squared distances",
            "第一主成分，占距离平方和的 {s}",
            s=f"{first:.0%}",
        ),
        told("second, {s}", "第二主成分，{s}", s=f"{second:.0%}"),
    )


def _table(runs: tuple[Trajectory, Trajectory], shares: list[list[float]]) -> Table:
    heads = (
        told("time, steps × <var>η</var>", "时间（步数 × <var>η</var>）"),
        *(
            told(words, words_zh, r=rate)
            for rate in (FAST, SLOW)
            for words, words_zh in (
                ("loss, <var>η</var> = {r}", "损失，<var>η</var> = {r}"),
                (
                    "<var>ηλ</var><sub>max</sub>/2",
                    "<var>ηλ</var><sub>max</sub>/2",
                ),
            )
        ),
    )
    last = min(len(share) for share in shares) - 1
    rows = []
    for part in range(6):
        row = round(part * last / 5)
        cells = [number(runs[0].steps[row] * FAST)]
        for run, share in zip(runs, shares, strict=True):
            cells += [
                number(float(f"{float(run.losses[row]):.3g}")),
                number(float(f"{share[row]:.3g}")),
            ]
        rows.append(tuple(cells))
    return Table(heads, tuple(rows))


TITLE = told("A training run, at the edge of stability", "一次训练，走在稳定的边缘")
MISSION = told(
    "Follow two real runs over measured ground, and catch the faster one at its speed "
    "limit.",
    "跟着两次真实的训练走过测量过的地面，抓住较快的那一次贴着速度限制走的时刻。",
)
CAPTION = told(
    "Move the slider of the curve: the checkpoint moves through all views. Each "
    "checkpoint is drawn at its true loss; threads lead to its foot on the plane.",
    "拖动曲线下的滑块，检查点会在所有视图里移动。每个检查点画在它真实的损失高度上，细线"
    "连到它在平面上的垂足。",
)


def _paragraphs(n: dict[str, float]) -> tuple[Told, ...]:
    return (
        told(
            "A network of {parameters} weights learned {images} digits twice from the "
            "same start, with the learning rates {fast} and {slow}. The plane is the "
            "one on which both runs moved most; it holds {explained} of the squared "
            "distances. The rest lies off it: checkpoints are up to {off} away, and "
            "the plane’s loss below them differs by up to {excess} from their own.",
            "一个有 {parameters} 个权重的网络，从同一起点两次学习 {images} 个手写数字，"
            "学习率分别为 {fast} 和 {slow}。这个平面是两次训练移动最多的平面，包含了距"
            "离平方和的 {explained}。其余部分在平面之外：检查点最远离开 {off}，平面在其"
            "下方的损失与它们自己的损失最多相差 {excess}。",
            parameters=round(n["parameters"]),
            images=IMAGES,
            fast=FAST,
            slow=SLOW,
            explained=f"{n['explained']:.0%}",
            off=n["off"],
            excess=n["excess"],
        ),
        told(
            "Along the way the curvature grows. Divided by the speed limit, the large "
            "learning rate starts at {first}, climbs to {most}, and then stays at "
            "about one: {late} on the average of the last third. The loss keeps "
            "falling, not at every step, but on the whole. This is the <em>edge of "
            "stability</em>.",
            "一路上曲率在增大。大的学习率与速度限制之比起初是 {first}，升到 {most}，此"
            "后一直停在 1 附近：最后三分之一平均为 {late}。损失并非每一步都下降，但总体"
            "上持续下降。这就是<em>稳定的边缘</em>。",
            first=n["fast_first"],
            most=n["fast_most"],
            late=n["fast_late"],
        ),
        told(
            "On a quadratic, beyond 2/<var>λ</var><sub>max</sub> the loss explodes. On "
            "a network the ball bounces up the walls a little, and there the valley is "
            "wider: the limit corrects the run. So large learning rates lead to "
            "flatter places. At the end, with nearly equal losses, "
            "<var>λ</var><sub>max</sub> is {flat} for the large one and {sharp} for "
            "the small one. The speed limit is local; measure it along the way.",
            "在二次曲面上，超过 2/<var>λ</var><sub>max</sub> 损失就会爆炸。在网络上，小"
            "球沿谷壁弹高一点，而那里的山谷更宽：限制反过来纠正了训练。因此大的学习率通"
            "向更平坦的地方。到最后，两次训练损失相近，<var>λ</var><sub>max</sub> 却分"
            "别是 {flat}（大学习率）和 {sharp}（小学习率）。速度限制是局部的，要沿途测"
            "量。",
            flat=n["fast_curvature"],
            sharp=n["slow_curvature"],
        ),
    )


def _question(n: dict[str, float]) -> Question:
    return Question(
        told(
            "Find the checkpoints that hang far above or below the surface. Why may a "
            "ball rolled on this map go where the network did not?",
            "找出悬在曲面上方或下方很远的检查点。为什么在这张地图上滚动的小球，会走到网"
            "络没有走过的地方？",
        ),
        told(
            "The network had {p} directions to move in. How many has the ball?",
            "网络有 {p} 个方向可以移动。小球有几个？",
            p=round(n["parameters"]),
        ),
        told(
            "Two. The gradient of the network points out of the plane almost "
            "everywhere, and the steepest direction, the one that limits the learning "
            "rate, hardly shows in it: swings at the edge happen across the picture, "
            "not along it. That is why true heights and distances are drawn.",
            "两个。网络的梯度几乎处处指向平面之外；限制学习率的最陡方向在这个平面里几乎"
            "看不见：边缘处的振荡横穿画面，而不沿着画面。所以这里画出真实的高度和距"
            "离。",
        ),
    )
