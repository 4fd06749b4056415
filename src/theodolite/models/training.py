"""Train a built-in network once, and keep the result in the platform's cache."""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from platformdirs import user_cache_path
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from theodolite.stillness import held_still, seed_everything

# part of the file's name: a changed recipe must not find the old weights
_RECIPE = 1


def trained(
    name: str,
    make: Callable[[], nn.Module],
    data: tuple[Tensor, Tensor],
    *,
    epochs: int,
    seed: int,
) -> nn.Module:
    """A network trained from a seed, in ``eval()`` mode, from the cache if it is there.

    Warns
    -----
    RuntimeWarning
        When the trained weights cannot be kept; they are then trained anew each time.
    """
    path = cache_folder() / f"{name}-{seed}-{_RECIPE}.safetensors"
    with held_still(None):
        seed_everything(seed)
        model = make()
        if not _loaded(model, path):
            # from the start: a file that does not fit may have been read in part
            seed_everything(seed)
            model = make()
            train(model, data, epochs=epochs, seed=seed)
            _keep(model, path)
    return model.eval()


def cache_folder() -> Path:
    """Where trained weights are kept, by the platform's convention."""
    return user_cache_path("theodolite")


def train(
    model: nn.Module, data: tuple[Tensor, Tensor], *, epochs: int, seed: int
) -> None:
    """Minimise the cross-entropy with Adam, batches of 64, the rate falling to zero."""
    inputs, labels = data
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    steps = epochs * -(-len(labels) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(labels), generator=generator).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    model.zero_grad()


def _loaded(model: nn.Module, path: Path) -> bool:
    """Fill a model from the cache; a damaged file counts as none."""
    if not path.exists():
        return False
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        warnings.warn(f"{path} is unreadable, training anew: {error}", stacklevel=4)
        return False
    return True


def _keep(model: nn.Module, path: Path) -> None:
    """Write the weights under a name of their own first: readers never see half."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        temporary = Path(name)
        try:
            save_file({k: v.contiguous() for k, v in model.state_dict().items()}, name)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        warnings.warn(
            f"Trained weights cannot be kept in {path.parent}: {error}",
            RuntimeWarning,
            stacklevel=4,
        )
