"""From a word on the command line to a point of a landscape."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from theodolite.cli.target import find_target
from theodolite.errors import TargetError
from theodolite.landscape import Landscape
from theodolite.maps.place import Place, as_place
from theodolite.models.catalogue import CATALOGUE
from theodolite.storage.provenance import Target

_TORCH = (".pt", ".pth", ".bin", ".ckpt")
# what torch says of objects in a file
_OBJECT = re.compile(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) (\S+)")
# where trainers put the weights inside a checkpoint
_INSIDE = ("state_dict", "model_state_dict", "model")


def find_landscape(text: str, *, seed: int = 0) -> tuple[Landscape, Target]:
    """The landscape that a target names; ``digits-cnn@3`` is trained from seed 3.

    Raises
    ------
    TargetError
        As :func:`find_target`, or when the seed is no number.
    """
    name, _, number = text.partition("@")
    if not number or name not in CATALOGUE:
        return find_target(text, seed=seed)
    if not number.isdigit():
        raise TargetError(
            found=f"{text}: {number!r} is no seed.",
            why="Behind the @ stands the seed that a built-in network is trained from.",
            instead=f"Give for example {name}@1.",
        )
    land, target = find_target(name, seed=int(number))
    land.name = text
    return land, Target(text, target.kind, target.folder)


def find_place(text: str, land: Landscape, *, seed: int = 0) -> Place:
    """The point of a landscape that a file of weights or another target names.

    Parameters
    ----------
    text : str
        A ``.safetensors`` or torch file that holds a state dict, or a target whose
        model is of the same architecture.
    land : Landscape
        Whose parameters.
    seed : int
        Of a built-in network's training.

    Raises
    ------
    TargetError
        When there is no such file or target, or it holds no weights.
    ParameterError
        When they do not fit.
    """
    if is_file_of_weights(text):
        return as_place(land, _weights(Path(text)))
    other, _ = find_landscape(text, seed=seed)
    return as_place(land, other.model if other.model is not None else other.point)


def is_file_of_weights(text: str) -> bool:
    """Whether a word names a file of weights, rather than a target.

    Raises
    ------
    TargetError
        When it does, and there is no such file.
    """
    path = Path(text)
    if path.is_file():
        return path.suffix != ".py"
    if path.suffix != ".safetensors" and path.suffix not in _TORCH:
        return False
    raise TargetError(
        found=f"There is no file {path}.",
        why="It should hold the weights of a checkpoint.",
        instead="Check the path; it is taken from here.",
    )


def _weights(path: Path) -> Mapping[str, Tensor]:
    """A state dict out of a file; nothing but tensors is ever unpickled."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # it warns of what it may not understand, and refuses what it does not
            warnings.simplefilter("ignore")
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # what is no torch file fails in any of torch's and pickle's ways
        raise TargetError(
            found=f"{path} cannot be read: {_said(error)}.",
            why="Weights are read from safetensors files, and from torch files that "
            "hold tensors alone.",
            instead="Save model.state_dict(), best with safetensors.torch.save_file.",
        ) from error
    return _state_dict(held, path)


def _said(error: Exception) -> str:
    """What a library says, without its advice to run what the file holds."""
    if isinstance(error, UnpicklingError):
        found = _OBJECT.search(str(error))
        return f"it holds objects like {found[1]}" if found else "it is no torch file"
    if not isinstance(error, (OSError, SafetensorError)):
        return f"it is no torch file ({type(error).__name__})"
    first = str(error).partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}"


def _state_dict(held: Any, path: Path) -> Mapping[str, Tensor]:
    for key in _INSIDE:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if isinstance(held, Mapping):
        # some modules keep more than tensors beside their weights
        tensors = {n: value for n, value in held.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise TargetError(
        found=f"{path} holds a {type(held).__name__} that is no state dict.",
        why="Names of parameters have to lead to tensors.",
        instead="Save model.state_dict().",
    )
