"""Losses over a small smooth network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks import MLP
from operations.row import F64, SAMPLES, Problem, Row, ready
from problems import labels, normal

Target = Callable[[], Any]


def network(outputs: int) -> nn.Module:
    return MLP(2, 3, outputs)


def over(
    loss: Callable[[Any, Any], Any],
    target: Target,
    outputs: int = 3,
    make: Callable[[int], nn.Module] = network,
) -> Row:
    """A loss of a network's outputs, and its targets."""

    def build() -> Problem:
        model = ready(partial(make, outputs))
        return Problem(model, loss, normal(SAMPLES, 2, dtype=F64), target())

    return Row(build)


def classes() -> Tensor:
    return labels(3, SAMPLES)


def some_ignored() -> Tensor:
    """Few in the first rows, more in the last ones, none of them alone."""
    share = torch.arange(SAMPLES) % 3 < torch.arange(SAMPLES) // 4
    return torch.where(share & (torch.arange(SAMPLES) < 10), -1, classes())


def reals(outputs: int = 3) -> Tensor:
    return normal(SAMPLES, outputs, dtype=F64, seed=5)


def bits() -> Tensor:
    return labels(2, SAMPLES, 3).to(F64)


def signs() -> Tensor:
    return 2.0 * labels(2, SAMPLES).to(F64) - 1


def shares() -> Tensor:
    return reals().softmax(-1)


def counts() -> Tensor:
    return labels(4, SAMPLES, 3).to(F64)


def images() -> Tensor:
    """Labels of three pixels each, some of them ignored."""
    return torch.where(
        torch.arange(SAMPLES)[:, None] % 4 > 2, -100, labels(2, SAMPLES, 3)
    )


WEIGHTS = torch.tensor([1.0, 3.0, 0.5], dtype=F64)


def dice(output: Tensor, target: Tensor) -> Tensor:
    chance = output.sigmoid()
    both = (chance * target).sum(0)
    return (1 - (2 * both + 1) / (chance.sum(0) + target.sum(0) + 1)).mean()


def focal(output: Tensor, target: Tensor) -> Tensor:
    plain = F.cross_entropy(output, target, reduction="none")
    return ((1 - (-plain).exp()) ** 2 * plain).mean()


def contrastive(output: Tensor, target: Tensor) -> Tensor:
    """InfoNCE between two views of each sample."""
    left, right = (F.normalize(part) for part in output.chunk(2, 1))
    return F.cross_entropy(left @ right.T / 0.5, torch.arange(len(target)))


def masked(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    mask = target > -0.5
    return (output - target)[mask].square().sum(), mask.sum()


def weighed(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample has a weight of its own."""
    weight = target[:, 0].exp()
    return weight @ (output - target).square().sum(1), weight.sum()


def gaussian(output: Tensor, target: Tensor) -> Tensor:
    return F.gaussian_nll_loss(output[:, :2], target, F.softplus(output[:, 2:]))


def triplets(output: Tensor, target: Tensor) -> Tensor:
    anchor, near, far = output.chunk(3, 1)
    return F.triplet_margin_loss(anchor, near, far + target, margin=2.0)


def cosine(output: Tensor, target: Tensor) -> Tensor:
    return F.cosine_embedding_loss(output[:, :2], output[:, 2:], target, margin=-1.0)


def ranking(output: Tensor, target: Tensor) -> Tensor:
    left, right = output.square().unbind(1)
    return F.margin_ranking_loss(left, right, target, margin=1.0)


def sequence(output: Tensor, target: Tensor) -> Tensor:
    """CTC over five steps of four classes each."""
    steps = output.view(-1, 5, 4).log_softmax(-1).transpose(0, 1)
    lengths = torch.full((len(target),), 5), torch.full((len(target),), 2)
    return F.ctc_loss(steps, 1 + target, *lengths)


def hinge(output: Tensor, target: Tensor) -> Tensor:
    return F.relu(1 - target * output[:, 0]).square().mean()


def pixels(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.view(-1, 2, 3), target)


def quantile(output: Tensor, target: Tensor) -> Tensor:
    error = target - output
    return torch.maximum(0.9 * error, -0.1 * error).mean()


class Hidden(nn.Module):
    """Answers with its hidden units and the weight that makes logits of them."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(2, 4), nn.Linear(4, outputs, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.body(x).tanh(), self.head.weight


def fused(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    return F.linear_cross_entropy(*output, target)


class Adaptive(nn.Module):
    """Answers with its loss, for frequent and rare classes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body = nn.Linear(2, outputs)
        self.head = nn.AdaptiveLogSoftmaxWithLoss(outputs, 5, [2], div_value=2.0)

    def forward(self, x: Tensor) -> Any:
        hidden = self.body(x).tanh()
        return self.head(hidden, labels(5, SAMPLES)[: len(x)])


class Segmenter(nn.Module):
    """Two classes for each of three pixels."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.body = network(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).view(-1, 2, 3)


def straight(outputs: int) -> nn.Module:
    return nn.Linear(2, outputs)


LOSSES: dict[str, Row] = {
    "cross-entropy": over(nn.CrossEntropyLoss(), classes),
    "cross-entropy, weights and ignored": over(
        nn.CrossEntropyLoss(WEIGHTS, ignore_index=-1), some_ignored
    ),
    "cross-entropy, smoothed": over(nn.CrossEntropyLoss(label_smoothing=0.2), classes),
    "cross-entropy, smoothed with weights": over(
        nn.CrossEntropyLoss(WEIGHTS, ignore_index=-1, label_smoothing=0.2), some_ignored
    ),
    "cross-entropy of probabilities": over(nn.CrossEntropyLoss(), shares),
    "cross-entropy of probabilities, weights": over(
        nn.CrossEntropyLoss(WEIGHTS), shares
    ),
    "cross-entropy of pixels": over(
        nn.CrossEntropyLoss(WEIGHTS[:2]), images, 6, Segmenter
    ),
    "cross-entropy of pixels by hand": over(pixels, images, 6),
    "cross-entropy fused with a linear layer": over(fused, classes, 3, Hidden),
    "NLL": over(lambda out, y: F.nll_loss(out.log_softmax(-1), y), classes),
    "NLL with weights": over(
        nn.NLLLoss(WEIGHTS, ignore_index=-1),
        some_ignored,
        make=lambda outputs: nn.Sequential(network(outputs), nn.LogSoftmax(-1)),
    ),
    "BCE": over(lambda out, y: F.binary_cross_entropy(out.sigmoid(), y), bits),
    "BCE with logits": over(nn.BCEWithLogitsLoss(), bits),
    "BCE with logits, pos_weight": over(nn.BCEWithLogitsLoss(pos_weight=WEIGHTS), bits),
    "MSE": over(nn.MSELoss(), reals),
    "MSE masked by hand": over(masked, reals),
    "MSE with weights of samples": over(weighed, reals),
    "L1": over(nn.L1Loss(), reals),
    "L1 of a linear model": over(nn.L1Loss(), reals, make=straight),
    "SmoothL1": over(nn.SmoothL1Loss(beta=0.7), reals),
    "Huber": over(nn.HuberLoss(delta=0.7), reals),
    "quantile": over(quantile, reals),
    "KLDiv": over(
        lambda out, y: F.kl_div(out.log_softmax(-1), y, reduction="batchmean"), shares
    ),
    "KLDiv of logarithms": over(
        lambda out, y: F.kl_div(
            out.log_softmax(-1), y.log(), reduction="batchmean", log_target=True
        ),
        shares,
    ),
    "KLDiv the other way": over(
        lambda out, y: (F.kl_div(y.log(), out.softmax(-1), reduction="sum"), len(y)),
        shares,
    ),
    "PoissonNLL": over(nn.PoissonNLLLoss(), counts),
    "PoissonNLL of rates": over(
        lambda out, y: F.poisson_nll_loss(F.softplus(out), y, log_input=False), counts
    ),
    "GaussianNLL": over(gaussian, partial(reals, 2)),
    "CosineEmbedding": over(cosine, signs, 4),
    "TripletMargin": over(triplets, partial(reals, 2), 6),
    "MarginRanking": over(ranking, signs, 2),
    "MultiMargin": over(nn.MultiMarginLoss(), classes),
    "MultiMargin, squared": over(nn.MultiMarginLoss(p=2, weight=WEIGHTS), classes),
    "MultiLabelMargin": over(
        nn.MultiLabelMarginLoss(), lambda: torch.tensor([[1, -1, 0]] * SAMPLES)
    ),
    "MultiLabelSoftMargin": over(nn.MultiLabelSoftMarginLoss(), bits),
    "SoftMargin": over(nn.SoftMarginLoss(), lambda: 2 * bits() - 1),
    "HingeEmbedding": over(nn.HingeEmbeddingLoss(margin=2.0), lambda: 2 * bits() - 1),
    "squared hinge": over(hinge, signs),
    "CTC": over(sequence, lambda: labels(3, SAMPLES, 2), 20),
    "Dice": over(dice, bits),
    "focal": over(focal, classes),
    "contrastive": over(contrastive, classes, 4),
    "adaptive log-softmax": over(
        lambda out, y: out.loss, lambda: labels(5, SAMPLES), 3, Adaptive
    ),
}
