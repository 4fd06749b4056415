"""Where numbers come from: target, versions, machine, landscape, git state."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from theodolite.landscape import Landscape
from theodolite.version import __version__

FORMAT = 1
# modules that compute something else in training mode
_DIFFER_IN_TRAINING = (_NormBase, _DropoutNd, nn.RReLU)


@dataclass(frozen=True)
class Target:
    """What was surveyed, as its user named it.

    Attributes
    ----------
    name : str
        Like ``digits-cnn`` or ``model.py:make_landscape``.
    kind : str
        ``"built-in"``, ``"file"``, ``"module"`` or ``"object"``.
    folder : Path or None
        Where its source lies, whose git state is recorded.
    """

    name: str
    kind: str = "object"
    folder: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Name, kind and git state."""
        state = None if self.folder is None else git_state(self.folder)
        return {"name": self.name, "kind": self.kind, "git": state}


def surroundings(land: Landscape) -> dict[str, Any]:
    """Versions, machine and device."""
    return {
        "format": FORMAT,
        "theodolite": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(land.device),
        "threads": torch.get_num_threads(),
    }


def device_name(device: torch.device) -> str:
    """The device, with the GPU's name where it is one."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def landscape_record(land: Landscape) -> dict[str, Any]:
    """Parameters, data, type and loss."""
    layers = land.layers.items()
    return {
        "parameters": land.size,
        "samples": land.samples,
        "batches": len(land.batch_sizes),
        "dtype": str(land.dtype).removeprefix("torch."),
        "loss": land.loss_name,
        "layers": [
            {"name": name, "size": place.stop - place.start} for name, place in layers
        ],
    }


def git_state(folder: Path) -> Mapping[str, Any] | None:
    """The commit a folder is at and whether it was changed since; ``None`` outside."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain"))}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, or no repository
        return None
    return done.stdout.strip()


def fingerprint(land: Landscape) -> dict[str, float]:
    """Two numbers that tell one point of one landscape from another."""
    point = land.point.double()
    weights = torch.arange(1, land.size + 1, dtype=torch.float64, device=point.device)
    return {"loss": land.loss(), "point": float((point * weights.sin()).sum())}


def notes(land: Landscape) -> list[str]:
    """What a reader of the numbers has to know besides."""
    modules = [] if land.model is None else land.model.modules()
    kinds = {
        type(module).__name__
        for module in modules
        if module.training and isinstance(module, _DIFFER_IN_TRAINING)
    }
    if kinds:
        names = ", ".join(sorted(kinds))
        return [f"The model was measured in training mode, in which {names} differ."]
    return []
