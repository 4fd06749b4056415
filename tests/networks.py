"""Small networks with everything that people put into theirs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class MLP(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.tanh(self.fc1(x)))


class CNN(nn.Module):
    """Convolution, batch norm, a kink."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return self.head(F.avg_pool2d(x, 2).flatten(1))


class Norms(nn.Module):
    """Group, instance and layer norm after trainable layers; SiLU and GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 1)
        self.group, self.instance = nn.GroupNorm(2, 4), nn.InstanceNorm2d(4)
        self.fc = nn.Linear(4, 4)
        self.layer = nn.LayerNorm(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.group(self.conv(x)))
        x = self.instance(x).square().mean((2, 3)) + x.mean((2, 3))
        return self.head(F.gelu(self.layer(self.fc(x))))


class Encoder(nn.Module):
    """torch's own transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(
            4, 2, dim_feedforward=5, dropout=0.0, batch_first=True
        )
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x).mean(1))


class SelfAttention(nn.Module):
    """An embedding, causal scaled dot product attention, a layer norm."""

    def __init__(self, tokens: int, width: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]
        return self.head(self.norm(x))


class LSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(2, 3, batch_first=True)
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Tied(nn.Module):
    """The embedding is the output layer's weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(3, 4)
        self.fc = nn.Linear(4, 4)
        self.out = nn.Linear(4, 3, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        weight = torch.arange(1, tokens.shape[1] + 1) / tokens.shape[1]
        x = (self.embed(tokens) * weight.to(self.fc.weight)[:, None]).sum(1)
        return self.out(torch.tanh(self.fc(x)))


class Unused(MLP):
    def __init__(self) -> None:
        super().__init__(4, 5, 3)
        self.spare = nn.Linear(2, 3)


class Checkpointed(MLP):
    """The hidden layer is computed again in every backward pass."""

    def __init__(self) -> None:
        super().__init__(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = checkpoint(lambda x: torch.tanh(self.fc1(x)), x, use_reentrant=False)
        return self.fc2(hidden)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 3), nn.Linear(2, 3)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.left(a).tanh() * self.right(b)


class OwnLoss(MLP):
    """Answers with its loss, as transformers' models do."""

    def __init__(self) -> None:
        super().__init__(4, 5, 3)

    def forward(self, inputs: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = super().forward(inputs)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}
