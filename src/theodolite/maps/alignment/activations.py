"""Match the units of two networks by what they do on the same inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from theodolite.batches import tensors_in
from theodolite.errors import ModelError
from theodolite.evaluation import arguments
from theodolite.maps.alignment.answers import in_float64
from theodolite.maps.alignment.axes import Axis, Layout, all_axes, fixed
from theodolite.maps.alignment.matching import Matching
from theodolite.maps.alignment.seats import Seat, seats
from theodolite.maps.alignment.symmetry import Symmetry, free_roots
from theodolite.maps.alignment.tracing import Site, plain_operations, taken_apart
from theodolite.maps.alignment.weights import Matched, inwards
from theodolite.seeding import generator
from theodolite.stillness import held_still

# sites of a group that are looked at, spread over the depth of the network
_SITES = 8
# places and samples at which units are compared
_COLUMNS = 4096
# fewer say nothing: two are always alike or opposite
_FEWEST = 3


def match_activations(
    symmetry: Symmetry,
    model_a: nn.Module,
    model_b: nn.Module,
    inputs: Any,
    *,
    seed: int,
) -> Matched:
    """Orders that make the correlations of matched units' activations large.

    One group after the other, from the inputs and the outputs inwards: its units are
    compared where all others that show are matched already, by a linear assignment.

    Raises
    ------
    ModelError
        When the two models do not run the same operations.
    """
    views = _views(symmetry)
    ours, theirs = (_seen(model, inputs, views, seed) for model in (model_a, model_b))
    places: dict[int, list[Seat]] = {}
    for view in views:
        for root, seat in view.seats:
            places.setdefault(root, []).append(seat)
    matching = Matching(symmetry.by_root, places, ours, theirs)
    entries = {name: tensor.numel() for name, tensor in ours.items()}
    hidden = 0
    for group, names in inwards(symmetry.groups, places, entries):
        if any(root in places for root in group.roots):
            matching.settle(group, names)
        else:
            hidden += group.size
    if hidden:
        symmetry.notes.append(f"{hidden} units show in no activation, and stay.")
    return Matched(matching.orders, 1, True)


@final
class _View:
    """How a site is looked at: its units in front, all else in one dimension behind."""

    def __init__(self, symmetry: Symmetry, site: Site, units: Sequence[Axis]) -> None:
        self.site, self.name = site, str(site.number)
        axes = all_axes(site.layout)
        front = [axes.index(axis) for axis in units]
        self._sizes = [axis.size for axis in axes]
        self._order = [*front, *(i for i in range(len(axes)) if i not in front)]
        self._units = [axis.size for axis in units]
        self._rest = site.size // max(1, _product(self._units))
        self.columns = min(self._rest, _COLUMNS)
        behind = fixed(symmetry.sets, [self.columns])
        layout: Layout = (*((axis,) for axis in units), *behind)
        found = seats(symmetry.sets, layout, self.name)
        self.seats = [(root, seat) for root, seat in found if root in symmetry.by_root]

    def look(self, tensor: Tensor, seed: int) -> Float[Tensor, "..."]:
        """Activations of each unit, of mean zero and length one."""
        parted = tensor.detach().reshape(self._sizes).permute(self._order)
        flat = parted.reshape(*self._units, self._rest)
        if self._rest > self.columns:
            chosen = torch.randperm(self._rest, generator=generator(seed))
            flat = flat[..., chosen[: self.columns].to(flat.device)]
        wide = in_float64(flat)
        centred = wide - wide.mean(-1, keepdim=True)
        length = centred.norm(dim=-1, keepdim=True)
        # a unit that is always the same is like no other
        floor = 1e-9 * wide.abs().amax(-1, keepdim=True)
        return torch.where(length > floor, centred / length, 0.0).contiguous()


def _product(sizes: Sequence[int]) -> int:
    return int(torch.Size(sizes).numel())


def _views(symmetry: Symmetry) -> list[_View]:
    """Sites that show units, for each group at most so many, spread over the depth."""
    owner = {root: group.root for group in symmetry.groups for root in group.roots}
    found: dict[int, list[_View]] = {}
    for site in symmetry.sites:
        units, groups = _units(symmetry, site, owner)
        if groups and (view := _View(symmetry, site, units)).columns >= _FEWEST:
            for root in groups:
                found.setdefault(root, []).append(view)
    chosen = [view for views in found.values() for view in _spread(views)]
    return list(dict.fromkeys(chosen))


def _units(
    symmetry: Symmetry, site: Site, owner: Mapping[int, int]
) -> tuple[list[Axis], set[int]]:
    """The axes of a site along which units may move, and the groups they belong to.

    With axes that only say which units those are.
    """
    axes = all_axes(site.layout)
    keys, groups = set(), set()
    for axis in axes:
        numbers = [] if axis.sets is None else {int(n) for n in axis.sets.flat}
        roots = {r for number in numbers for r in free_roots(symmetry.sets, number)}
        if roots & {*owner}:
            keys |= {axis.key, *axis.over}
            groups |= {owner[root] for root in roots & {*owner}}
    return [axis for axis in axes if axis.key in keys], groups


def _spread(views: list[_View]) -> list[_View]:
    """At most so many, from the first to the last."""
    if len(views) <= _SITES:
        return views
    return [views[i * (len(views) - 1) // (_SITES - 1)] for i in range(_SITES)]


@final
class _Watch(TorchDispatchMode):
    """Count operations, and look at what some of them make."""

    def __init__(self, views: Sequence[_View], seed: int) -> None:
        super().__init__()
        self._views = {view.site.number: view for view in views}
        self._seed, self._number = seed, 0
        self.seen: dict[str, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Let the operation run."""
        del types
        kwargs = kwargs or {}
        output = taken_apart(self, func, args, kwargs)
        if output is not NotImplemented:
            return output
        output = func(*args, **kwargs)
        self._number += 1
        view = self._views.get(self._number)
        if view is not None:
            first = next(tensors_in(output))
            name = str(func.overloadpacket).removeprefix("aten.")
            if name != view.site.name or tuple(first.shape) != view.site.shape:
                raise _OtherOperationsError
            # at once: what follows may write over it
            self.seen[view.name] = view.look(first, self._seed)
        return output


class _OtherOperationsError(Exception):
    """The operations are not those that were traced."""


def _seen(
    model: nn.Module, inputs: Any, views: Sequence[_View], seed: int
) -> dict[str, Tensor]:
    args, kwargs = arguments(inputs)
    try:
        with (
            held_still(model),
            plain_operations(model),
            _Watch(views, seed) as watch,
        ):
            model.eval()(*args, **kwargs)
    except _OtherOperationsError as error:
        raise ModelError(
            found="The two models run different operations on the same inputs.",
            why="Activations are compared operation by operation.",
            instead='Give two models of the same class, or align by method="weights".',
        ) from error
    return watch.seen
