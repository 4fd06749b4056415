"""Small trained networks, two directions, and the plain loop over their plane."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from networks import Pair, mlp

STEPS, SPAN = 21, 1.0
POINTS = STEPS**2
BATCH = 64

Surface = NDArray[np.float64]
Call = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
Parts = Sequence[Tensor]

LOSS = nn.CrossEntropyLoss()


@dataclass(frozen=True)
class Bed:
    """A trained network with its data and two directions.

    Attributes
    ----------
    name : str
        What the page calls it.
    model : Module
        In ``train()`` mode, unless it has batch norm.
    inputs, labels : Tensor
        All data.
    first, second : list of Tensor
        Directions, a tensor for each parameter.
    """

    name: str
    model: nn.Module
    inputs: Tensor
    labels: Tensor
    first: list[Tensor]
    second: list[Tensor]

    @property
    def batch(self) -> list[Pair]:
        """All data as one batch."""
        return [(self.inputs, self.labels)]

    @property
    def loader(self) -> "DataLoader[tuple[Tensor, ...]]":
        """The same, collated anew each time, in equal batches."""
        return DataLoader(TensorDataset(self.inputs, self.labels), BATCH)

    @property
    def flat_directions(self) -> tuple[Tensor, Tensor]:
        """Both as vectors."""
        return flat(self.first), flat(self.second)


def flat(parts: Parts) -> Tensor:
    """Tensors as one vector."""
    return torch.cat([part.flatten() for part in parts])


def average(call: Call, data: Iterable[Pair], loss: Loss = LOSS) -> Tensor:
    """The mean loss over batches of one size."""
    losses = [loss(call(inputs), labels) for inputs, labels in data]
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()


def coordinates(steps: int = STEPS, span: float = SPAN) -> list[float]:
    """A symmetric axis."""
    return np.linspace(-span, span, steps).tolist()


def bare_loop(
    model: nn.Module,
    data: Iterable[Pair],
    axes: tuple[Sequence[float], Sequence[float]],
    first: Parts,
    second: Parts,
    loss: Loss = LOSS,
) -> Surface:
    """The loss at every point, with nothing around it; the weights are put back."""
    weights = list(model.parameters())
    base = [weight.detach().clone() for weight in weights]
    found = np.empty((len(axes[0]), len(axes[1])))
    with torch.no_grad():
        for i, x in enumerate(axes[0]):
            for j, y in enumerate(axes[1]):
                for w, b, d1, d2 in zip(weights, base, first, second, strict=True):
                    w.copy_(b + x * d1 + y * d2)
                found[i, j] = float(average(model, data, loss))
        for weight, b in zip(weights, base, strict=True):
            weight.copy_(b)
    return found


def truth(
    bed: Bed,
    axes: tuple[Sequence[float], Sequence[float]],
    first: Parts,
    second: Parts,
    loss: Loss = LOSS,
) -> Surface:
    """The bare loop in float64, batch norm as it is in the model."""
    model = deepcopy(bed.model).double()
    data = [(bed.inputs.double(), bed.labels)]
    wide = [[part.double() for part in parts] for parts in (first, second)]
    return bare_loop(model, data, axes, wide[0], wide[1], loss)


@cache
def small_mlp() -> Bed:
    """Three layers on 20 numbers."""
    torch.manual_seed(0)
    model = mlp(20, 32, 32, 5)
    data = _classes((20,), 1024, 5)
    return _bed("MLP 20-32-32-5, ReLU, 1,024 samples", model, data)


@cache
def small_cnn() -> Bed:
    """Two convolutions on images."""
    torch.manual_seed(0)
    model = _cnn(nn.Identity)
    data = _classes((1, 14, 14), 256, 5)
    return _bed("CNN, 256 images 1 × 14 × 14", model, data)


@cache
def normalised_cnn() -> Bed:
    """The same with batch norm, in ``eval()`` mode."""
    torch.manual_seed(0)
    model = _cnn(lambda: nn.BatchNorm2d(8))
    bed = _bed("CNN with batch norm", model, _classes((1, 14, 14), 256, 5))
    bed.model.eval()
    return bed


def _cnn(normalise: Callable[[], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1),
        normalise(),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(72, 5),
    )


def _classes(shape: tuple[int, ...], samples: int, classes: int) -> Pair:
    """A noisy prototype for each class."""
    labels = torch.randint(0, classes, (samples,))
    prototypes = torch.randn(classes, *shape)
    return prototypes[labels] + 1.5 * torch.randn(samples, *shape), labels


def _bed(name: str, model: nn.Module, data: Pair) -> Bed:
    """Train, and draw directions."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        LOSS(model(data[0]), data[1]).backward()
        optimizer.step()
    optimizer.zero_grad()
    return Bed(name, model, *data, _filters(model), _filters(model))


def _filters(model: nn.Module) -> list[Tensor]:
    """A random direction, each filter as long as the model's; biases held."""
    return [_filtered(weight.detach()) for weight in model.parameters()]


def _filtered(weight: Tensor) -> Tensor:
    if weight.dim() < 2:
        return torch.zeros_like(weight)
    rows, drawn = weight.flatten(1), torch.randn_like(weight).flatten(1)
    scale = rows.norm(dim=1, keepdim=True) / drawn.norm(dim=1, keepdim=True)
    return (drawn * scale).reshape(weight.shape)
