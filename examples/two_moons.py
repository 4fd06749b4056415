"""A model, data and checkpoint of one's own, ready for

theodolite survey examples/two_moons.py:make_landscape

Run the file itself to train the checkpoint anew.
"""

from math import pi
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import theodolite as td

CHECKPOINT = Path(__file__).with_name("two_moons.safetensors")


class ResidualNet(nn.Module):
    """Two residual blocks with layer norm over 16 features."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(2, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, width),
                nn.SiLU(),
                nn.Linear(width, width),
            )
            for _ in range(2)
        )
        self.head = nn.Linear(width, 1)

    def forward(self, points: Tensor) -> Tensor:
        x = self.embed(points)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x).squeeze(-1)


def two_moons(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points on two interleaved half circles, and which one each is on."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    angle = pi * torch.rand(n, generator=generator)
    upper = torch.stack([angle.cos(), angle.sin()], 1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], 1)
    points = torch.where(labels[:, None] == 0, upper, lower)
    return points + 0.15 * torch.randn(n, 2, generator=generator), labels.float()


def make_landscape() -> td.Landscape:
    """The trained network over its training data, with test data beside it."""
    model = ResidualNet()
    model.load_state_dict(load_file(CHECKPOINT))
    return td.Landscape(
        model.eval(),
        nn.BCEWithLogitsLoss(),
        two_moons(400, seed=0),
        test=two_moons(400, seed=1),
    )


def train() -> None:
    torch.manual_seed(0)
    model, (points, labels) = ResidualNet(), two_moons(400, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(points), labels).backward()
        optimizer.step()
    save_file(model.state_dict(), CHECKPOINT)


if __name__ == "__main__":
    train()
