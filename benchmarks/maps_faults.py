"""What surfaces leave out or change: batch norm, losses that are no numbers, axes."""

from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
import torch
from maps_beds import LOSS, POINTS, STEPS, Bed, flat, normalised_cnn, small_mlp, truth
from maps_peers import DISTANCE, PEERS, MapPeer
from maps_planes import WRONG, checked, checked_plane, distances, plane
from spectra_tables import Table, percent
from torch import Tensor, nn

# a loss above this is no number any more
_BOUND = 1.0


class Bounded(nn.CrossEntropyLoss):
    """NaN from some loss on, as after an overflow."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The mean loss, or NaN."""
        loss = super().forward(input, target)
        return torch.where(loss < _BOUND, loss, torch.nan)


def faults(rounds: int) -> list[Table]:
    """What everybody draws of two hard cases, and what else was seen of the peers."""
    del rounds
    peers = [peer for peer in PEERS if peer.installed]
    columns = ("", "batch norm: wrong points", "of them NaN", "NaN at", "NaN drawn at")
    rows = [("td.plane", *_normalised(), *_ours_bounded())]
    rows += [
        (peer.name, *_normalised(peer), *_bounded(peer, small_mlp())) for peer in peers
    ]
    hard = Table(
        "Batch norm, and losses that are no numbers",
        "The CNN with batch norm in eval mode, whose statistics no plane should move; "
        "and the MLP with a loss that is NaN wherever it exceeds "
        f"{_BOUND:g}: at how many of its own {POINTS} points it is, and at how many a "
        "peer draws that.",
        columns,
        rows,
    )
    seen = [
        (peer.name, *found)
        for peer in peers
        for check in _CHECKS.get(peer.name, ())
        for found in [check(peer, small_mlp())]
    ]
    rest = Table(
        "What else was seen of the peers",
        "On the MLP, each tried here.",
        ("", "what", "seen"),
        seen,
        words=True,
    )
    return [hard, rest] if seen else [hard]


def _normalised(peer: MapPeer | None = None) -> tuple[str, str]:
    bed = normalised_cnn()
    drawn = checked_plane(bed) if peer is None else checked(peer, bed)
    wrong = f"{drawn.wrong} of {POINTS}"
    return wrong, str(int(np.isinf(drawn.off).sum()))


def _ours_bounded() -> tuple[str, str]:
    bed = small_mlp()
    found = plane(deepcopy(bed.model), bed.batch, bed, loss=Bounded()).fields["loss"]
    axis = np.linspace(-1, 1, STEPS).tolist()
    true = truth(bed, (axis, axis), bed.first, bed.second, Bounded())
    return str(int(np.isnan(true).sum())), str(int(found.broken.sum()))


def _bounded(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    claim = peer.claim(bed)
    axes = claim.x, claim.y
    true = truth(bed, axes, claim.first, claim.second, Bounded())
    found = peer.plane(deepcopy(bed.model), bed.batch, Bounded(), bed)
    return str(int(np.isnan(true).sum())), str(int(np.isnan(found).sum()))


def _rows_off(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """Whether every other row is the one that lies one step further."""
    claim = peer.claim(bed)
    further = [*claim.y, claim.y[-1] + 1]
    true = truth(bed, (claim.x, further), claim.first, claim.second)
    found = peer.plane(deepcopy(bed.model), bed.batch, LOSS, bed)
    right = distances(found, true[:, :-1]) <= WRONG
    shifted = distances(found, true[:, 1:]) <= WRONG
    return (
        "rows that are right",
        f"{int(right.all(1).sum())} of {STEPS}; {int(shifted.all(1).sum())} are right "
        "one step further along the row",
    )


def _reach(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """How far the weights go at twice the distance."""
    library: Any = import_module(peer.module)
    reached = []
    for distance in (1.0, 2.0):
        model, farthest = deepcopy(bed.model), 0.0
        start = flat(list(model.parameters())).detach()

        def metric(wrapper: Any, start: Tensor = start) -> float:
            nonlocal farthest
            here = flat(list(wrapper.get_module_parameters().parameters))
            farthest = max(farthest, float((here - start).norm()))
            return 0.0

        torch.manual_seed(0)
        library.random_plane(model, metric, distance=distance, steps=STEPS)
        reached.append(farthest)
    return "`distance=2` reaches", f"{reached[1] / reached[0]:.2f} of `distance=1`"


def _call_of_readme(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    library: Any = import_module(peer.module)
    try:
        library.random_plane(deepcopy(bed.model), lambda _: 0.0, normalize="filter")
    except TypeError as error:
        seen = f"TypeError: {error}"
    else:
        seen = "runs"
    return "the call in its README", seen


def _noise(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """The highest point, drawn twice along the same directions."""
    highest = [
        float(peer.plane(deepcopy(bed.model), bed.batch, LOSS, bed, noise).max())
        for noise in (1, 2)
    ]
    apart = abs(highest[0] - highest[1]) / highest[0]
    return "its highest point, drawn twice", f"differs by {percent(apart)}"


def _coordinates(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """How far it goes by how far its coordinates say it does."""
    claim = peer.claim(bed)
    norm = float(flat([w.detach() for w in bed.model.parameters()]).norm())
    went = claim.x[-1] * float(flat(claim.first).norm()) / norm
    return "its outermost coordinate", f"{DISTANCE:g}, where it went {went:.3f}"


def _second_axis(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """Which coordinate a surface varies with that varies along its second axis."""
    del bed
    library: Any = import_module(peer.module)
    first, second = np.array([0.0, 1.0, 2.0]), np.array([10.0, 20.0, 30.0])
    landscape = library.LossLandscape(np.tile(second, (3, 1)), [first, second])
    values = landscape.loss.flatten()
    along = [
        abs(float(np.corrcoef(landscape.coords[:, axis], values)[0, 1]))
        for axis in (0, 1)
    ]
    axis = ("first", "second")[int(along[1] > along[0])]
    return (
        "what varies along the array's second axis",
        f"varies with the {axis} coordinate in its merge trees",
    )


def _with_copied_centre(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """The plane around a copy of the weights, not the weights themselves."""
    library: Any = import_module(peer.module)
    model, claim = deepcopy(bed.model), peer.claim(bed)
    names = [name for name, _ in model.named_parameters()]
    directions = [
        dict(zip(names, parts, strict=True)) for parts in (claim.first, claim.second)
    ]
    calculator = library.LossLandscapeCalculator(model, bed.batch, LOSS)
    center = {name: value.clone() for name, value in model.state_dict().items()}
    found = calculator.calculate(claim.x, claim.y, *directions, center)
    true = truth(bed, (claim.x, claim.y), claim.first, claim.second)
    wrong = int((distances(found, true) > WRONG).sum())
    return (
        "`center_state=model.state_dict()`, as its README says",
        "moves with the model at every point; with a copy of the weights "
        f"{wrong} of {POINTS} points are wrong",
    )


def _filters(peer: MapPeer, bed: Bed) -> tuple[str, str]:
    """How far its filter-normalised rows are from the lengths of the model's rows."""
    library: Any = import_module(peer.module)
    wrapped = library.Model(deepcopy(bed.model), loss_fn=lambda model, batch: LOSS)
    probes: Any = import_module(f"{peer.module}.probes")
    drawn = probes.filter_normalize(probes.random_direction(wrapped, seed=0), wrapped)
    weight = next(bed.model.parameters()).detach()
    rows = torch.from_numpy(drawn[: weight.numel()]).reshape(weight.shape).norm(dim=1)
    share = rows / weight.norm(dim=1)
    return (
        '`normalize="filter"`: rows by the model\'s',
        f"{float(share.min()):.2f} … {float(share.max()):.2f}; each tensor as a whole "
        "has the model's length",
    )


_CHECKS: dict[str, tuple[Callable[[MapPeer, Bed], tuple[str, str]], ...]] = {
    "loss-landscapes": (_call_of_readme, _rows_off, _reach),
    "landscaper": (_noise, _coordinates, _second_axis),
    "loss-landscape-3d": (_with_copied_centre,),
    "nngeom": (_filters,),
}
