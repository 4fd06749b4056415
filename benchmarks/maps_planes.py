"""Planes of as many points by everybody: time, right points, the model afterwards."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from maps_beds import (
    LOSS,
    POINTS,
    SPAN,
    STEPS,
    Bed,
    Loss,
    Surface,
    average,
    bare_loop,
    coordinates,
    small_cnn,
    small_mlp,
    truth,
)
from maps_peers import PEERS, MapPeer
from spectra_tables import Table, percent
from timing import Call, Times, interleaved, ratio
from torch import nn

import theodolite as td
from networks import Pair

# a point that is further off, by the range of the loss, is wrong
WRONG = 1e-3
_BARE, _ALONE = "the bare loop", "model and loss alone, in these batches"
_PLANE, _ADAPTIVE = "td.plane", "td.plane, rtol=0.01"
_COLUMNS = (
    "time, in bare loops",
    "aim",
    "points measured",
    "wrong points",
    "largest error, of the range",
    "the model afterwards",
)

Data = Iterable[Pair]


@dataclass(frozen=True)
class Drawn:
    """A surface, its distance from the truth, and what became of the model.

    Attributes
    ----------
    measured : int
        Points at which the loss was evaluated.
    off : ndarray
        By how much each point is off, by the range; infinite where it is no number.
    model : str
        How the model came back.
    allowed : float
        How far a point may be off, by the range.
    """

    measured: int
    off: Surface
    model: str
    allowed: float = WRONG

    @property
    def wrong(self) -> int:
        """Points that are further off."""
        return int((self.off > self.allowed).sum())

    @property
    def cells(self) -> tuple[str, ...]:
        """As a row of the table."""
        finite = self.off[np.isfinite(self.off)]
        largest = float(finite.max()) if finite.size else np.nan
        off = percent(largest) if largest < 10 else f"{largest:,.0f} times"
        wrong = f"{self.wrong} of {self.off.size}"
        if self.allowed > WRONG:
            wrong += f" over {percent(self.allowed)}"
        return str(self.measured), wrong, off, self.model


def distances(found: Surface, true: Surface) -> Surface:
    """How far each point is off, by the range of the loss."""
    apart = np.abs(found - true) / (true.max() - true.min())
    return np.where(np.isfinite(apart), apart, np.inf)


def checked(peer: MapPeer, bed: Bed, loss: Loss = LOSS) -> Drawn:
    """A peer's surface of all data at once, beside what it says it is."""
    model, claim = deepcopy(bed.model), peer.claim(bed)
    found = peer.plane(model, bed.batch, loss, bed)
    true = truth(bed, (claim.x, claim.y), claim.first, claim.second, loss)
    return Drawn(POINTS, distances(found, true), afterwards(bed, model))


def checked_plane(bed: Bed, rtol: float | None = None, loss: Loss = LOSS) -> Drawn:
    """The same of ours."""
    model, axis = deepcopy(bed.model), coordinates()
    found = plane(model, bed.batch, bed, rtol, loss)
    true = truth(bed, (axis, axis), bed.first, bed.second, loss)
    off = distances(found.loss.numpy(), true)
    return Drawn(found.evaluations, off, afterwards(bed, model), rtol or WRONG)


def plane(
    model: nn.Module,
    data: Data,
    bed: Bed,
    rtol: float | None = None,
    loss: Loss = LOSS,
) -> td.Plane:
    """Ours, from model and data to the surface."""
    [*batches] = data if isinstance(data, list) else [data]
    land = td.Landscape(model, loss, batches[0])
    directions = bed.flat_directions
    return td.plane(land, None, directions, STEPS, SPAN, rtol=rtol)


def afterwards(bed: Bed, model: nn.Module) -> str:
    """What differs from the model as it was given."""
    found: list[str] = []
    given, left = bed.model.state_dict(), model.state_dict()
    if any(not torch.equal(given[name], left[name]) for name in given):
        before, after = (_loss(one, bed) for one in (bed.model, model))
        found.append(f"moved, its loss {before:.2g} → {after:.2g}")
    if model.training != bed.model.training:
        found.append("in eval mode")
    if not all(weight.requires_grad for weight in model.parameters()):
        found.append("requires_grad off")
    return ", ".join(found) or "as it was"


@torch.no_grad()
def _loss(model: nn.Module, bed: Bed) -> float:
    return float(average(model, bed.batch))


def equal_grids(rounds: int) -> list[Table]:
    """Tensors in, one table for each network."""
    return [
        _table(bed, bed.batch, f"Equal grids: {bed.name}", text, rounds, _AIMS)
        for bed, text in ((small_mlp(), _OF_TENSORS), (small_cnn(), _AS_BEFORE))
    ]


def loaders(rounds: int) -> list[Table]:
    """A data loader in."""
    bed = small_mlp()
    title = f"A DataLoader in batches of 64: {bed.name}"
    return [_table(bed, bed.loader, title, _OF_LOADERS, rounds, _LOADED)]


# what ours should cost at most in bare loops, and how much faster than the fastest
# peer it should be
_Aims = dict[str, tuple[float | None, float]]
_AIMS: _Aims = {_PLANE: (1.2, 1.0), _ADAPTIVE: (None, 3.0)}
_LOADED: _Aims = {_PLANE: (None, 5.0), _ADAPTIVE: (None, 5.0)}

_OF_TENSORS = (
    f"{STEPS} × {STEPS} points of a trained network, all data as tensors, along two "
    "filter-normalised directions where they can be given, along the peer's own where "
    "not. The bare loop copies `base + x * d1 + y * d2` into every parameter, and "
    "calls model and loss; peers that ask for batches get a list of one.\n\n"
    "A point is wrong that is more than 0.1 % of the range off what the documentation "
    "says it is, measured in float64 along the directions that were used. *The fastest "
    "peer* may be a wrong one: loss-landscapes adds a step to the model's own weights "
    "in place, where the bare loop takes five operations, and never goes back to the "
    "centre. *Model and loss alone* move no weights and keep the batches they were "
    "given."
)
_AS_BEFORE = "As above, on convolutions."
_OF_LOADERS = (
    f"The same {STEPS} × {STEPS} points; the bare loop and the peers iterate over the "
    "loader at every point; ours keeps the batches that it has collated once, and "
    "joins small ones where that gives the same averages."
)


def _table(
    bed: Bed, data: Data, title: str, text: str, rounds: int, aims: _Aims
) -> Table:
    peers = [peer for peer in PEERS if peer.installed]
    calls = _calls(bed, data, peers)
    times = interleaved(calls, rounds, _BARE)
    drawn = {
        _PLANE: checked_plane(bed),
        _ADAPTIVE: checked_plane(bed, 0.01),
        **{peer.name: checked(peer, bed) for peer in peers},
    }
    bare = _each(times) / POINTS * 1e3
    first = (f"{_BARE}, {bare:.3g} ms a point", "1", "", str(POINTS), "", "", "")
    alone = str(ratio(times, _ALONE, _BARE))
    rows: list[tuple[str, ...]] = [first, (_ALONE, alone, *[""] * 5)]
    for name, one in drawn.items():
        spread = ratio(times, name, _BARE)
        most = aims[name][0] if name in aims else None
        aim = "" if most is None else f"≤ {most}{_mark(spread.middle <= most)}"
        rows.append((name, str(spread), aim, *one.cells))
    rows += _compared(times, [peer.name for peer in peers], drawn, aims)
    text += f"\n\n{len(times[_BARE])} rounds."
    return Table(title, text, ("", *_COLUMNS), rows)


def _each(times: Times) -> float:
    return sorted(times[_BARE])[len(times[_BARE]) // 2]


def _calls(bed: Bed, data: Data, peers: Sequence[MapPeer]) -> dict[str, Call]:
    """Each with a model of its own, as some do not bring it back."""
    axis, kept = coordinates(), list(data)

    @torch.no_grad()
    def alone(model: nn.Module) -> list[float]:
        return [float(average(model, kept)) for _ in range(POINTS)]

    def afresh(call: Callable[[nn.Module], object]) -> Call:
        return lambda: call(deepcopy(bed.model))

    def bare(model: nn.Module) -> Surface:
        return bare_loop(model, data, (axis, axis), bed.first, bed.second)

    def theirs(peer: MapPeer, model: nn.Module) -> Surface:
        return peer.plane(model, data, LOSS, bed)

    return {
        _BARE: afresh(bare),
        _ALONE: afresh(alone),
        _PLANE: afresh(lambda model: plane(model, data, bed)),
        _ADAPTIVE: afresh(lambda model: plane(model, data, bed, 0.01)),
        **{peer.name: afresh(partial(theirs, peer)) for peer in peers},
    }


def _compared(
    times: Times, peers: Sequence[str], drawn: dict[str, Drawn], aims: _Aims
) -> list[tuple[str, ...]]:
    """Ours beside the fastest peer, and beside the fastest that is right."""
    rows: list[tuple[str, ...]] = []
    right = [peer for peer in peers if not drawn[peer].wrong]
    for what, among in (("fastest peer", peers), ("fastest right one", right)):
        for ours, (_, least) in aims.items():
            if not among:
                continue
            best = min(among, key=lambda peer: ratio(times, peer, ours).middle)
            spread = ratio(times, best, ours)
            aim = f"≥ {least:g}{_mark(spread.middle >= least)}"
            title = f"{ours}, faster than the {what} ({best})"
            rows.append((title, str(spread), aim, "", "", "", ""))
    return rows


def _mark(met: bool) -> str:
    return " ✓" if met else ""
