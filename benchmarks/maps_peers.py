"""Other libraries' planes: how they are asked for, and what they say they drew.

They live in a folder of their own, so that they leave this project's environment as it
is: topopy, which landscaper needs, asks for numpy below 2 and networkx below 3.
"""

import io
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from maps_beds import (
    SPAN,
    STEPS,
    Bed,
    Loss,
    Surface,
    average,
    coordinates,
    flat,
)
from peers import FOLDER
from torch import Tensor, nn

from networks import Pair

INSTALL = (
    f"pip install --no-deps --target {FOLDER} -c constraints.txt "
    "loss-landscapes==3.0.6 landscaper==1.3.1 loss-landscape-3d==0.1.3 nngeom==0.2.0 "
    "topopy==1.0.4 nglpy==1.1.7 gudhi==3.13.0 coloraide==8.13.1 drawsvg==2.4.2 "
    "tqdm==4.70.1"
)
# how far landscaper goes, by the norm of the weights
DISTANCE = 0.5
_SEED = 0

Draw = Callable[[nn.Module, Iterable[Pair], Loss, Bed], Surface]


@dataclass(frozen=True)
class Claim:
    """What a surface is said to be: ``f(w + x[i]·first + y[j]·second)``.

    Attributes
    ----------
    x, y : sequence of float
        Coordinates.
    first, second : list of Tensor
        Directions, a tensor for each parameter.
    """

    x: Sequence[float]
    y: Sequence[float]
    first: list[Tensor]
    second: list[Tensor]


@dataclass(frozen=True)
class MapPeer:
    """One library.

    Attributes
    ----------
    name, module : str
        Its package, and what is imported.
    draw : callable
        Its surface of 21 × 21 points, ``[i, j]`` as in the claim.
    claim : callable
        What its documentation says that is.
    """

    name: str
    module: str
    draw: Draw
    claim: Callable[[Bed], Claim]

    @property
    def installed(self) -> bool:
        """Whether it can be imported."""
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """As its package says."""
        return version(self.name)

    def plane(
        self,
        model: nn.Module,
        data: Iterable[Pair],
        loss: Loss,
        bed: Bed,
        noise: int = _SEED,
    ) -> Surface:
        """Its surface without its prints; random directions are the same each time."""
        torch.manual_seed(_SEED)
        np.random.seed(noise)
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return self.draw(model, data, loss, bed)


def _loss_landscapes(
    model: nn.Module, data: Iterable[Pair], loss: Loss, bed: Bed, distance: float = 1
) -> Surface:
    del bed
    library: Any = import_module("loss_landscapes")
    if isinstance(data, list):
        metric = import_module("loss_landscapes.metrics").Loss(loss, *data[0])
    else:
        # a metric of the user's own, as its documentation says
        def metric(wrapper: Any) -> float:
            return average(wrapper.forward, data, loss).item()

    return library.random_plane(
        model, metric, distance=distance, steps=STEPS, normalization="filter"
    )


def _loss_landscapes_claim(bed: Bed) -> Claim:
    """Its directions, drawn once more; ``[i, j]`` is i and j steps from a corner."""
    library: Any = import_module("loss_landscapes.model_interface.model_parameters")
    torch.manual_seed(_SEED)
    start = library.ModelParameters([w.detach() for w in bed.model.parameters()])
    first = library.rand_u_like(start)
    second = library.orthogonal_to(first)
    steps = [number - STEPS / 2 for number in range(STEPS)]
    for direction in (first, second):
        direction.filter_normalize_(start)
        direction.mul_(start.model_norm() / STEPS / direction.model_norm())
    return Claim(steps, steps, first.parameters, second.parameters)


def _landscaper_directions(model: nn.Module) -> list[list[Tensor]]:
    library: Any = import_module("landscaper.utils")
    return library.generate_random_orthogonal_directions(model, 2)


def _landscaper(
    model: nn.Module, data: Iterable[Pair], loss: Loss, bed: Bed
) -> Surface:
    del bed
    library: Any = import_module("landscaper")
    return library.LossLandscape.compute(
        model,
        data,
        _landscaper_directions(model),
        lambda moved, batches: average(moved, batches, loss),
        steps=STEPS,
        distance=DISTANCE,
        dim=2,
        device="cpu",
    ).loss


def _landscaper_claim(bed: Bed) -> Claim:
    """Each tensor's part as long as the root of its size, then all to one length.

    The steps are those that it takes; its coordinates say something else.
    """
    torch.manual_seed(_SEED)
    norm = float(flat([w.detach() for w in bed.model.parameters()]).norm())
    directions = []
    for parts in _landscaper_directions(bed.model):
        even = [part * math.sqrt(part.numel()) / part.norm() for part in parts]
        length = norm * DISTANCE / (STEPS / 2)
        directions.append([part * length / flat(even).norm() for part in even])
    steps = [number - STEPS // 2 for number in range(STEPS)]
    return Claim(steps, steps, directions[0], directions[1])


def _loss_landscape_3d(
    model: nn.Module, data: Iterable[Pair], loss: Loss, bed: Bed
) -> Surface:
    del bed
    library: Any = import_module("loss_landscape_3d")
    first, second = library.generate_random_directions(model, normalize=True)
    axis = np.linspace(-SPAN, SPAN, STEPS)
    calculator = library.LossLandscapeCalculator(model, data, loss)
    return calculator.calculate(
        axis, axis, first, second, center_state=model.state_dict()
    )


def _loss_landscape_3d_claim(bed: Bed) -> Claim:
    library: Any = import_module("loss_landscape_3d")
    torch.manual_seed(_SEED)
    drawn = library.generate_random_directions(bed.model, normalize=True)
    names = [name for name, _ in bed.model.named_parameters()]
    first, second = ([one[name] for name in names] for one in drawn)
    return Claim(coordinates(), coordinates(), first, second)


def _nngeom(model: nn.Module, data: Iterable[Pair], loss: Loss, bed: Bed) -> Surface:
    library: Any = import_module("nngeom")
    wrapped = library.Model(model, loss_fn=partial(average, loss=loss))
    directions = [direction.double().numpy() for direction in bed.flat_directions]
    found = library.plane_slice_2d(
        wrapped, data, span=SPAN, steps=STEPS, directions=directions
    )
    # its rows belong to the second direction, and it says so
    return found.losses.T


def _nngeom_claim(bed: Bed) -> Claim:
    return Claim(coordinates(), coordinates(), bed.first, bed.second)


PEERS = (
    MapPeer(
        "loss-landscapes", "loss_landscapes", _loss_landscapes, _loss_landscapes_claim
    ),
    MapPeer("landscaper", "landscaper", _landscaper, _landscaper_claim),
    MapPeer(
        "loss-landscape-3d",
        "loss_landscape_3d",
        _loss_landscape_3d,
        _loss_landscape_3d_claim,
    ),
    MapPeer("nngeom", "nngeom", _nngeom, _nngeom_claim),
)


def found_in(folder: str | None) -> list[MapPeer]:
    """The peers that can be imported, those in a folder among them."""
    if folder is not None:
        sys.path.append(folder)
    return [peer for peer in PEERS if peer.installed]
