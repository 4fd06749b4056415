"""Networks by how their first layer is given the data."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import jvp
from torch.nn.utils import parametrizations, prune

WIDE = 64


class Net(nn.Module):
    """A wide layer, made by ``first``, and a small one."""

    def __init__(self, first: Callable[[], nn.Module] | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(WIDE, 6) if first is None else first()
        with torch.no_grad():
            given = self.first(example(self.first)[:1]).numel()
        self.last = nn.Linear(given, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.enter(x)).flatten(1))

    def enter(self, x: Tensor) -> Tensor:
        return self.first(x)


def example(layer: nn.Module) -> Tensor:
    """Data that a layer takes, 20 rows."""
    shape = {nn.Conv1d: (2, 40), nn.Conv2d: (2, 7, 7), nn.Conv3d: (2, 4, 4, 4)}
    source = torch.Generator().manual_seed(2)
    wanted = shape.get(type(layer), (WIDE,))  # type: ignore[call-overload]
    return torch.randn(20, *wanted, generator=source)


def frozen_bias() -> nn.Module:
    layer = nn.Linear(WIDE, 6)
    layer.bias.requires_grad_(False)
    return layer


class Own(nn.Linear):
    """Does what it likes with its weight."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.weight.square().sum()


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(WIDE, WIDE), nn.Tanh(), nn.Linear(WIDE, WIDE))
    model[2].weight = model[0].weight
    return model


class InPlace(Net):
    def enter(self, x: Tensor) -> Tensor:
        return torch.relu_(self.first(x)).mul_(2)


class Normalised(Net):
    def enter(self, x: Tensor) -> Tensor:
        return self.first((x - x.mean(0)) / x.std(0))


class Keyword(Net):
    def enter(self, x: Tensor) -> Tensor:
        return self.first(input=x)


class Twice(Net):
    def enter(self, x: Tensor) -> Tensor:
        return self.first(x) + self.first(x.flip(0))


class PastForward(Net):
    """The second use goes past what hooks see."""

    def enter(self, x: Tensor) -> Tensor:
        return self.first(x) * self.first.forward(x.flip(0))


class Chosen(Net):
    """Which rows are seen hangs on the parameters, without a gradient."""

    def enter(self, x: Tensor) -> Tensor:
        order = (x @ self.first.weight.T).sum(1).argsort()
        return self.first(x[order]) + x[order, :1]


class Switched(Net):
    """Small moves of the parameters do not show in the input; larger ones do."""

    def enter(self, x: Tensor) -> Tensor:
        return self.first(x if self.last.weight.sum() > 0 else x.flip(1))


class Scaled(Net):
    def enter(self, x: Tensor) -> Tensor:
        return self.first(x * self.last.bias.detach().sum())


class Clamped(Net):
    """Writes its weights in every forward pass."""

    def enter(self, x: Tensor) -> Tensor:
        self.first.weight.data.clamp_(-0.1, 0.1)
        return self.first(x)


class Renormalised(Net):
    """Puts other memory into its weight, as a norm constraint is often written."""

    def enter(self, x: Tensor) -> Tensor:
        weight = self.first.weight
        weight.data = torch.renorm(weight.data, 2, 0, 0.5)
        return self.first(x)


class Slope(Net):
    """Differentiates by its inputs."""

    def enter(self, x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        value = self.first(x).tanh()
        slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
        return value + slope.sum(1, keepdim=True)


class Tangent(Net):
    """The same along one direction, by torch.func."""

    def enter(self, x: Tensor) -> Tensor:
        return jvp(lambda x: self.first(x).tanh(), (x,), (x.cos(),))[1]


class Dual(Net):
    """The same by dual numbers."""

    def enter(self, x: Tensor) -> Tensor:
        with forward_ad.dual_level():
            value = self.first(forward_ad.make_dual(x, x.cos())).tanh()
            return forward_ad.unpack_dual(value).tangent


class Looking(Net):
    """Bears no gradients."""

    def enter(self, x: Tensor) -> Tensor:
        return torch.from_numpy(self.first(x).numpy()).clone()


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(WIDE, 4), nn.Linear(WIDE, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.left(x).tanh() * self.right(x.flip(1)))


def changed(change: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    """A network whose first layer was reparametrised."""

    def make() -> nn.Module:
        model = Net()
        change(model.first)
        return model.eval()

    return make


def dropping() -> nn.Module:
    return nn.Sequential(
        nn.Dropout(0.3), nn.Linear(WIDE, 6), nn.Tanh(), nn.Linear(6, 3)
    )


def ring() -> nn.Module:
    return nn.Conv2d(2, 3, 5, padding=2, padding_mode="circular")


# how a model is made, and whether products are kept for it
MODELS: dict[str, tuple[Callable[[], nn.Module], bool]] = {
    "linear": (Net, True),
    "no bias": (partial(Net, partial(nn.Linear, WIDE, 6, bias=False)), True),
    "frozen bias": (partial(Net, frozen_bias), True),
    "conv 1d": (partial(Net, partial(nn.Conv1d, 2, 3, 25)), True),
    "conv 2d": (partial(Net, partial(nn.Conv2d, 2, 3, 5, stride=2)), True),
    "conv 3d": (partial(Net, partial(nn.Conv3d, 2, 3, 3, padding=1)), True),
    "circular": (partial(Net, ring), True),
    "two branches": (Branches, True),
    "tied": (tied, True),
    "in place": (InPlace, True),
    "normalised": (Normalised, True),
    "dropout with a seed": (dropping, True),
    "bears no gradients": (Looking, True),
    "switched": (Switched, True),
    "by keyword": (Keyword, False),
    "used twice": (Twice, False),
    "used past forward": (PastForward, False),
    "rows by argmax": (Chosen, False),
    "scaled by a parameter": (Scaled, False),
    "of a subclass": (partial(Net, partial(Own, WIDE, 6)), False),
    "weights clamped": (Clamped, False),
    "weights renormalised": (Renormalised, False),
    "by inputs": (Slope, False),
    "torch.func": (Tangent, False),
    "dual numbers": (Dual, False),
    "spectral norm": (changed(nn.utils.spectral_norm), False),
    "weight norm": (changed(parametrizations.weight_norm), False),
    "pruned": (changed(lambda m: prune.l1_unstructured(m, "weight", 0.5)), False),
    "pruned bias": (changed(lambda m: prune.l1_unstructured(m, "bias", 0.5)), False),
}
