"""A small convolutional network with batch norm."""

from typing import final

from torch import Tensor, nn
from torch.nn import functional


@final
class CNN(nn.Module):
    """Two convolutions with batch norm and ReLU, and a linear layer."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.head = nn.Linear(256, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)`` for images ``(n, 1, 8, 8)``."""
        x = functional.relu(self.norm1(self.conv1(images)))
        x = functional.relu(self.norm2(self.conv2(x)))
        return self.head(x.flatten(1))
