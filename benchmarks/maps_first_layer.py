"""Wide inputs: the first layer's products computed once for a whole plane."""

from copy import deepcopy

import torch
from maps_beds import LOSS, POINTS, SPAN, STEPS, bare_loop, coordinates, flat
from spectra_tables import Table
from timing import interleaved, ratio
from torch import Tensor, nn

import theodolite as td
from networks import mlp

_BARE, _REUSED, _ANEW = "the bare loop", "td.plane", "td.plane, nothing reused"


class Anew(nn.Linear):
    """A layer that is no plain one: nothing is taken for granted of it."""


def first_layer(rounds: int) -> list[Table]:
    """With and without the products, and beside the bare loop."""
    torch.manual_seed(0)
    plain = mlp(784, 256, 256, 10)
    batch = torch.randn(512, 784), torch.randint(0, 10, (512,))
    first, second = ([_small(w) for w in plain.parameters()] for _ in range(2))
    directions = flat(first), flat(second)
    other = deepcopy(plain)
    other[0] = Anew(784, 256)
    other.load_state_dict(plain.state_dict())

    def ours(model: nn.Module) -> td.Plane:
        land = td.Landscape(model, LOSS, batch)
        return td.plane(land, None, directions, STEPS, SPAN)

    axes = coordinates(), coordinates()
    calls = {
        _BARE: lambda: bare_loop(plain, [batch], axes, first, second),
        _REUSED: lambda: ours(plain),
        _ANEW: lambda: ours(other),
    }
    times = interleaved(calls, rounds, _BARE)
    apart = (ours(plain).loss - ours(other).loss).abs() / ours(other).loss
    rows = [
        (_BARE, "1"),
        *((name, str(ratio(times, name, _BARE))) for name in (_REUSED, _ANEW)),
        ("gained by the products kept", str(ratio(times, _ANEW, _REUSED))),
        ("faster than the bare loop", str(ratio(times, _BARE, _REUSED))),
        ("largest difference of the losses", f"{float(apart.max()):.1e}"),
        ("evaluation", str(ours(plain).run["evaluation"])),
    ]
    text = (
        "MLP 784-256-256-10, ReLU, 512 samples, "
        f"{STEPS} × {STEPS} = {POINTS} points: the layer that is given the data keeps "
        "its products with weights and directions, unless it is of a class of the "
        f"user's own. {len(times[_BARE])} rounds."
    )
    return [Table("The first layer", text, ("", "time, in bare loops"), rows)]


def _small(weight: Tensor) -> Tensor:
    return 0.05 * torch.randn_like(weight)
