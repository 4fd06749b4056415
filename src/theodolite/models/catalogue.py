"""The built-in landscapes by their names."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from theodolite.errors import TargetError, nearest_names
from theodolite.landscape import Landscape
from theodolite.models.cnn import CNN
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP
from theodolite.models.training import trained
from theodolite.models.vit import ViT
from theodolite.stillness import held_still, seed_everything


def builtin(name: str, *, seed: int = 0) -> Landscape:
    """A built-in landscape.

    Networks are trained from the seed when first asked for, in seconds, and kept in
    the platform's cache folder.

    Parameters
    ----------
    name : str
        ``"digits-mlp"``, ``"digits-cnn"``, ``"digits-vit"``, ``"linear-regression"``
        or ``"saddle"``.
    seed : int
        Of initialisation and training.

    Raises
    ------
    TargetError
        When there is none of that name.
    """
    if name not in CATALOGUE:
        raise TargetError(
            found=f"No built-in landscape is called {name!r}.",
            why=f"There are {', '.join(CATALOGUE)}.",
            instead=f"Did you mean {nearest_names(name, CATALOGUE, 1)}?",
        )
    return CATALOGUE[name](seed=seed)


def _digits_network(
    name: str, make: Callable[[], nn.Module], epochs: int, seed: int
) -> Landscape:
    train, test = split_digits()
    model = trained(name, make, train, epochs=epochs, seed=seed)
    return Landscape(model, nn.CrossEntropyLoss(), train, test=test, name=name)


def _linear_regression(seed: int) -> Landscape:
    """One weight, one bias, mean squared error: the convex bowl."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(64, 1, generator=generator) * 2 - 1
    y = 1.5 * x + 0.5 + 0.1 * torch.randn(64, 1, generator=generator)
    with held_still(None):
        seed_everything(seed)
        model = nn.Linear(1, 1)
    return Landscape(model, nn.MSELoss(), (x, y), name="linear-regression")


def _saddle(seed: int) -> Landscape:
    """A cubic valley across a ridge, the same for every seed."""
    del seed

    def saddle(w: Tensor) -> Tensor:
        return w[0] ** 3 - w[1] ** 2

    return Landscape.from_function(saddle, torch.tensor([1.0, 0.0]), name="saddle")


CATALOGUE: dict[str, Callable[..., Landscape]] = {
    "digits-mlp": partial(
        _digits_network, "digits-mlp", partial(MLP, (64, 24, 24, 10)), 20
    ),
    "digits-cnn": partial(_digits_network, "digits-cnn", CNN, 10),
    "digits-vit": partial(_digits_network, "digits-vit", ViT, 20),
    "linear-regression": _linear_regression,
    "saddle": _saddle,
}
