"""Four small trained networks whose whole Hessian spectrum is on file.

``benchmarks/known_spectra.py --write`` trains them and writes the file; the Hessians
are made there by torch alone. Data are drawn as integers, so that they are the same on
every machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

import theodolite as td
from theodolite.models.digits import digits
from theodolite.models.mlp import MLP

SAMPLE = Path(__file__).parent / "samples" / "trained.safetensors"
F64 = torch.float64

Pair = tuple[Tensor, Tensor]


class CNN(nn.Module):
    """Three convolutions with batch norm and ReLU, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.conv3 = nn.Conv2d(16, 16, 3, stride=2, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(16)
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(images)))
        x = functional.relu(self.norm2(self.conv2(x)))
        x = functional.relu(self.norm3(self.conv3(x)))
        return self.head(x.flatten(1))


class GPT(nn.Module):
    """One block of width 16 with two heads, over 32 tokens and 16 places."""

    def __init__(self, width: int = 16, tokens: int = 32, length: int = 16) -> None:
        super().__init__()
        self.token = nn.Embedding(tokens, width)
        self.place = nn.Parameter(torch.randn(length, width) / 4)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.enter, self.leave = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = (
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )
        self.norm3 = nn.LayerNorm(width)
        self.head = nn.Linear(width, tokens, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(n, t)`` to logits ``(n, 32, t)``."""
        x = self.token(tokens) + self.place
        x = x + self.leave(self.attended(self.enter(self.norm1(x))))
        x = x + self.narrow(functional.gelu(self.widen(self.norm2(x))))
        return self.head(self.norm3(x)).transpose(1, 2)

    def attended(self, mixed: Tensor) -> Tensor:
        """Causal attention, written out: peers cannot differentiate the fused one."""
        query, key, value = mixed.unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
        later = torch.ones_like(scores, dtype=torch.bool).triu(1)
        weights = scores.masked_fill(later, -torch.inf).softmax(-1)
        return (weights @ value).transpose(1, 2).flatten(2)


def deep_linear() -> nn.Module:
    """Four linear layers with nothing between them."""
    widths = [(20, 24), (24, 24), (24, 24), (24, 16)]
    return nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in widths))


def integers(low: int, high: int, *shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, shape, generator=generator)


def noise(*shape: int, seed: int) -> Tensor:
    """Almost normal, and exact in every type: sums of three uniform integers."""
    return integers(-64, 65, 3, *shape, seed=seed).sum(0) / 64


def clusters() -> Pair:
    """Ten overlapping clouds in twenty dimensions."""
    labels = integers(0, 10, 400, seed=1)
    centres = noise(10, 20, seed=2)
    return centres[labels] + noise(400, 20, seed=3), labels


def images() -> Pair:
    pictures, labels = digits()
    return pictures[:300], labels[:300]


def sentences() -> Pair:
    """Every token is followed by one of four."""
    followers, choices = integers(0, 32, 32, 4, seed=4), integers(0, 4, 17, 64, seed=5)
    tokens = [integers(0, 32, 64, seed=6)]
    for choice in choices[1:]:
        tokens.append(followers[tokens[-1], choice])
    text = torch.stack(tokens, 1)
    return text[:, :-1].contiguous(), text[:, 1:].contiguous()


def line_fit() -> Pair:
    """A linear map of rank six, and noise."""
    teacher = noise(20, 6, seed=7) @ noise(6, 16, seed=8) / 8
    inputs = noise(200, 20, seed=9)
    return inputs, inputs @ teacher + noise(200, 16, seed=10) / 4


# name: the network, its loss, its data
NETWORKS: dict[str, tuple[Callable[[], nn.Module], nn.Module, Callable[[], Pair]]] = {
    "mlp": (lambda: MLP((20, 48, 48, 10)), nn.CrossEntropyLoss(), clusters),
    "cnn": (CNN, nn.CrossEntropyLoss(), images),
    "gpt": (GPT, nn.CrossEntropyLoss(), sentences),
    "deep linear": (deep_linear, nn.MSELoss(), line_fit),
}
NAMES = tuple(NETWORKS)


@dataclass(frozen=True)
class Known:
    """What is known of a network's Hessian H, in float64.

    ``values (p,)``: all eigenvalues, descending. ``diagonal (p,)``.
    ``gauss_newton_trace``: that of JᵀSJ, S the loss's Hessian in the outputs.
    ``quadratic``, ``square``: zᵀHz and ‖Hz‖² for z = ``probe(p)``.
    """

    values: Tensor
    diagonal: Tensor
    gauss_newton_trace: float
    quadratic: float
    square: float

    @property
    def trace(self) -> float:
        return float(self.values.sum())

    @property
    def frobenius(self) -> float:
        return float(self.values.norm())

    @property
    def norm(self) -> float:
        """The largest eigenvalue in size."""
        return float(self.values.abs().max())


@cache
def on_file() -> dict[str, Tensor]:
    return load_file(SAMPLE)


def part_of(name: str) -> dict[str, Tensor]:
    front = f"{name}/"
    stored = on_file().items()
    return {key.removeprefix(front): t for key, t in stored if key.startswith(front)}


def known(name: str) -> Known:
    stored = part_of(name)
    numbers = {key: float(stored[key]) for key in ("quadratic", "square")}
    return Known(
        values=stored["values"],
        diagonal=stored["diagonal"],
        gauss_newton_trace=float(stored["gauss_newton_trace"]),
        **numbers,
    )


def model(name: str, dtype: torch.dtype = F64) -> nn.Module:
    """The trained network, in ``eval()`` mode, its parameters in the order of ``p``."""
    with torch.random.fork_rng(devices=[]):
        made = NETWORKS[name][0]()
    stored = part_of(name)
    made.load_state_dict({key: stored[f"model/{key}"] for key in made.state_dict()})
    return made.to(dtype).eval()


def data(name: str, dtype: torch.dtype = F64) -> Pair:
    """Inputs and targets as one batch, numbers in this type."""
    inputs, targets = (
        part.to(dtype) if part.is_floating_point() else part
        for part in NETWORKS[name][2]()
    )
    return inputs, targets


def land(name: str, dtype: torch.dtype = F64) -> td.Landscape:
    """The trained network's landscape."""
    loss = NETWORKS[name][1]
    return td.Landscape(model(name, dtype), loss, data(name, dtype), name=name)


def probe(size: int) -> Tensor:
    """A fixed vector of signs ``(p,)``."""
    return 2.0 * integers(0, 2, size, seed=11).to(F64) - 1.0
