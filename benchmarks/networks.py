"""The networks whose products are timed, each with eight batches of random data."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCHES = 8
TOKENS = 65

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Network:
    """A model with its data.

    Attributes
    ----------
    model : Module
        What is measured.
    batches : list of pairs
        Inputs and labels, all of one size.
    """

    model: nn.Module
    batches: list[Pair]

    @property
    def size(self) -> int:
        """How many parameters the model has."""
        return sum(weight.numel() for weight in self.model.parameters())


class FlatCrossEntropy(nn.CrossEntropyLoss):
    """Cross-entropy whose last dimension is the classes, as token models have it."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The mean over all labels."""
        return super().forward(input.flatten(0, -2), target.flatten())


LOSS = FlatCrossEntropy()


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _convolution(before: int, after: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(after),
    )


class Residual(nn.Module):
    """Two convolutions, and a way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(before, after, 3, stride)
        self.second = _convolution(after, after, 3, 1)
        same = stride == 1 and before == after
        self.around = nn.Identity() if same else _convolution(before, after, 1, stride)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(b, before, h, w)`` to ``(b, after, h', w')``."""
        inside = self.second(functional.relu(self.first(images)))
        return functional.relu(inside + self.around(images))


class ResNet20(nn.Module):
    """The ResNet-20 of He et al., 2016, arXiv:1512.03385, for 32 × 32 images."""

    def __init__(self) -> None:
        super().__init__()
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        self.first = _convolution(3, 16, 3, 1)
        self.blocks = nn.Sequential(
            *(
                Residual(before, after, 1 if before == after else 2)
                for before, after in pairwise(widths)
            )
        )
        self.last = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(b, 3, 32, 32)`` to logits ``(b, 10)``."""
        features = self.blocks(functional.relu(self.first(images)))
        return self.last(features.mean((2, 3)))


class Attention(nn.Module):
    """Causal attention by torch's own fused operation."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(b, t, width)`` to the same."""
        parts = self.enter(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True
        )
        return self.leave(found.transpose(1, 2).flatten(2))


class TransformerBlock(nn.Module):
    """Attention and a two-layer network, each with LayerNorm in front."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.network = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """``(b, t, width)`` to the same."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.network(tokens)


class GPT(nn.Module):
    """A small language model over 65 characters."""

    def __init__(self, width: int = 128, blocks: int = 4, length: int = 128) -> None:
        super().__init__()
        self.token = nn.Embedding(TOKENS, width)
        self.place = nn.Embedding(length, width)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, 4) for _ in range(blocks))
        )
        self.last = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, TOKENS, bias=False)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(b, t)`` to logits ``(b, t, 65)``."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.last(self.blocks(self.token(tokens) + self.place(places)))


def _classes(shape: tuple[int, ...]) -> Pair:
    return torch.randn(shape), torch.randint(0, 10, shape[:1])


def _text() -> Pair:
    tokens = torch.randint(0, TOKENS, (8, 129))
    return tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()


# name, heading, model, one batch
_MAKERS: dict[str, tuple[str, Callable[[], nn.Module], Callable[[], Pair]]] = {
    "mlp": (
        "MLP 256-512-512-10, ReLU, 256 samples",
        lambda: mlp(256, 512, 512, 10),
        lambda: _classes((256, 256)),
    ),
    "resnet": (
        "ResNet-20, BatchNorm in eval mode, 64 images 3 × 32 × 32",
        lambda: ResNet20().eval(),
        lambda: _classes((64, 3, 32, 32)),
    ),
    "gpt": (
        "GPT, 4 blocks of width 128, 4 heads, 65 tokens, 8 × 128 tokens",
        GPT,
        _text,
    ),
    "small": (
        "MLP 20-64-64-10, ReLU, 512 samples",
        lambda: mlp(20, 64, 64, 10),
        lambda: _classes((512, 20)),
    ),
}
NAMES = tuple(_MAKERS)


def heading(name: str) -> str:
    """What a page calls the network."""
    return _MAKERS[name][0]


def network(name: str) -> Network:
    """The network of that name, the same each time."""
    torch.manual_seed(0)
    _, model, batch = _MAKERS[name]
    return Network(model(), [batch() for _ in range(BATCHES)])


def gradient(model: nn.Module, batches: list[Pair]) -> list[tuple[Tensor, ...]]:
    """Torch's own: forward, loss and ``autograd.grad``, for every batch."""
    weights = list(model.parameters())
    return [
        torch.autograd.grad(LOSS(model(inputs), labels), weights)
        for inputs, labels in batches
    ]
