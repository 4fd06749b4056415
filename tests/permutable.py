"""Networks whose units can be permuted, and the groups that they have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from theodolite.maps.alignment.answers import in_double, tensors_of, with_tensors
from theodolite.maps.alignment.finding import shuffled, symmetry_of
from theodolite.models.cnn import CNN
from theodolite.models.mlp import MLP
from theodolite.models.vit import ViT


class Residual(nn.Module):
    """Two convolutions, and a shortcut that is projected where shapes change."""

    def __init__(self, wide: int, out: int, stride: int, norm: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = norm(out), norm(out)
        self.short = nn.Identity()
        if wide != out:
            self.short = nn.Sequential(nn.Conv2d(wide, out, 1, stride), norm(out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class ResNet(nn.Module):
    def __init__(self, norm: Any = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, 1, 1), norm(8)
        self.blocks = nn.Sequential(
            *(Residual(8, 8, 1, norm), Residual(8, 16, 2, norm)),
            Residual(16, 16, 1, norm),
        )
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Padded(nn.Module):
    """The shortcut gets channels of zeros in front and behind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        self.conv1 = nn.Conv2d(8, 16, 3, 2, 1)
        self.conv2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = self.conv2(F.relu(self.conv1(x)))
        x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))
        return self.head(F.relu(x + y).mean((2, 3)))


class Dense(nn.Module):
    """Every layer sees what all before it have made."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 4, 3, padding=1)
        self.up = nn.ConvTranspose2d(4, 5, 1)
        self.norm, self.head = nn.BatchNorm2d(15), nn.Linear(15, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        y = F.relu(self.conv2(x))
        x = F.relu(self.norm(torch.cat([x, y, self.up(y)], 1)))
        return self.head(F.max_pool2d(x, 2).mean((2, 3)))


class Separable(nn.Module):
    """Depthwise and grouped convolutions, squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 12, 1), nn.BatchNorm2d(12)
        self.depth = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.down, self.up = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.grouped = nn.Conv2d(12, 6, 1, groups=3)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.depth(F.relu6(self.norm(self.conv(x)))))
        weights = self.up(F.relu(self.down(x.mean((2, 3), keepdim=True))))
        return self.head(F.leaky_relu(self.grouped(x * weights.sigmoid())).mean((2, 3)))


class Block(nn.Module):
    """Causal attention with one matrix for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 20), nn.Linear(20, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = (
            part.view(n, t, self.heads, -1).transpose(1, 2)
            for part in self.attn(self.norm1(x)).split(width, 2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).contiguous().view(n, t, width))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class GPT(nn.Module):
    """The embedding is the head's weight as well."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(11, 16), nn.Embedding(6, 16)
        self.block, self.norm = Block(16, 4), nn.LayerNorm(16)
        self.head = nn.Linear(16, 11, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.block(x)))


class Llama(nn.Module):
    """RMS norm, rotated queries and keys, two queries for each key, gated units."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 16)
        self.norm1, self.norm2 = nn.RMSNorm(16), nn.RMSNorm(16)
        self.q, self.k, self.v = (nn.Linear(16, n, bias=False) for n in (16, 8, 8))
        self.out = nn.Linear(16, 16, bias=False)
        self.gate, self.up = (nn.Linear(16, 24, bias=False) for _ in range(2))
        self.down, self.head = nn.Linear(24, 16, bias=False), nn.Linear(16, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        h = self.norm1(x)
        q, k, v = (
            part(h).unflatten(-1, (-1, 4)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        q, k = rotated(q), rotated(k)
        k, v = (t.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2) for t in (k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        h = self.norm2(x)
        return self.head(x + self.down(F.silu(self.gate(h)) * self.up(h)))


def rotated(x: Tensor) -> Tensor:
    angles = torch.arange(x.shape[-2])[:, None] / torch.tensor([1.0, 5.0, 1.0, 5.0])
    first, second = x.chunk(2, -1)
    turned = torch.cat([-second, first], -1)
    return x * angles.cos().to(x) + turned * angles.sin().to(x)


class Encoder(nn.Module):
    """torch's own transformer layers, of which one looks at other inputs.

    Its one matrix for queries, keys and values puts both streams into one group.
    """

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 8), nn.Linear(4, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.decoder = nn.TransformerDecoderLayer(8, 2, 12, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        memory = self.encoder(self.left(a))
        return self.head(self.decoder(self.right(b), memory))


class Recurrent(nn.Module):
    def __init__(self, kind: Any = nn.LSTM) -> None:
        super().__init__()
        self.rnn = kind(2, 6, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Mixer(nn.Module):
    """Tokens are mixed, then channels."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, 2)
        self.tokens1, self.tokens2 = nn.Linear(16, 12), nn.Linear(12, 16)
        self.units1, self.units2 = nn.Linear(8, 20), nn.Linear(20, 8)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        x = x + self.tokens2(F.gelu(self.tokens1(self.norm(x).mT))).mT
        return self.head((x + self.units2(F.silu(self.units1(x)))).mean(1))


class WeightNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.utils.parametrizations.weight_norm(nn.Linear(5, 8))
        self.fc2, self.fc3 = nn.Linear(8, 14), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(F.glu(self.fc2(torch.tanh(self.fc1(x)))))


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def words(*shape: int) -> Tensor:
    return torch.randint(0, 11, shape, generator=torch.Generator().manual_seed(3))


@dataclass(frozen=True)
class Case:
    """A network, inputs, and its groups: (blocks, units in each) by how often."""

    make: Callable[[], nn.Module]
    inputs: Any
    groups: dict[tuple[int, int], int]

    def model(self, seed: int = 0) -> nn.Module:
        """With statistics of batch norm that are not those of a fresh one."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = self.make()
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    for tensor in (module.running_mean, module.bias):
                        assert tensor is not None
                        nn.init.normal_(tensor)
                    for tensor in (module.running_var, module.weight):
                        assert tensor is not None
                        nn.init.uniform_(tensor, 0.5, 2.0)
        return model.eval()


HEADS = {(1, 3): 2, (3, 8): 4}
CASES: dict[str, Case] = {
    "MLP": Case(lambda: MLP((6, 16, 12, 3)), normal(9, 6), {(1, 16): 1, (1, 12): 1}),
    "CNN": Case(CNN, normal(3, 1, 8, 8), {(1, 8): 1, (1, 16): 1}),
    "ResNet": Case(ResNet, normal(3, 3, 8, 8), {(1, 8): 2, (1, 16): 3}),
    "ResNet, group norm": Case(
        lambda: ResNet(lambda channels: nn.GroupNorm(4, channels)),
        normal(3, 3, 8, 8),
        {(1, 4): 5, (4, 2): 2, (4, 4): 3},
    ),
    "padded shortcut": Case(
        Padded, normal(4, 3, 8, 8), {(1, 8): 1, (1, 16): 1, (1, 4): 2}
    ),
    "dense connections": Case(
        Dense, normal(4, 3, 6, 6), {(1, 6): 1, (1, 4): 1, (1, 5): 1}
    ),
    "separable": Case(
        Separable, normal(9, 3, 6, 6), {(1, 3): 1, (3, 4): 1, (3, 2): 1, (1, 4): 1}
    ),
    "ViT": Case(ViT, normal(3, 1, 8, 8), {(1, 24): 1, (1, 48): 2, **HEADS}),
    "GPT": Case(GPT, words(4, 6), {(1, 16): 1, (1, 4): 1, (4, 4): 2, (1, 20): 1}),
    "Llama": Case(
        Llama, words(4, 6), {(1, 16): 1, (1, 2): 1, (2, 2): 1, (2, 4): 1, (1, 24): 1}
    ),
    "transformer layers": Case(
        Encoder,
        (normal(4, 3, 5), normal(4, 4, 4)),
        {(1, 8): 1, (1, 2): 3, (2, 4): 6, (1, 12): 2},
    ),
    "LSTM": Case(Recurrent, normal(9, 4, 2), {(1, 6): 1}),
    "GRU": Case(lambda: Recurrent(nn.GRU), normal(9, 4, 2), {(1, 6): 1}),
    "mixer": Case(Mixer, normal(4, 1, 8, 8), {(1, 8): 1, (1, 12): 1, (1, 20): 1}),
    "weight norm": Case(WeightNorm, normal(9, 5), {(1, 8): 1, (1, 7): 1}),
}


def scrambled(model: nn.Module, inputs: Any, seed: int = 5) -> nn.Module:
    """The same function with its units in random order."""
    symmetry = symmetry_of(*in_double(model, inputs))
    orders = shuffled(symmetry, symmetry.groups, np.random.default_rng(seed))
    return with_tensors(model, symmetry.arranged(tensors_of(model), orders))
