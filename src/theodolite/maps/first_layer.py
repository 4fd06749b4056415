"""The first layer's products, computed once: x(W + αD)ᵀ = xWᵀ + α·xDᵀ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from theodolite.maps.frame import OnFrame

# weights of one output from which on adding costs less than multiplying
_WIDE = 48
# types in which a sum of products rounds as the product of sums does
_PRECISE = (torch.float32, torch.float64)
# points after which a layer whose input was never the same is let alone
_PATIENCE = 2

# exact types alone: a subclass may do anything with its weight
_LAYERS: dict[type[nn.Module], Callable[[Any, Tensor, Tensor, Any], Tensor]] = {
    nn.Linear: lambda layer, x, weight, bias: functional.linear(x, weight, bias),
    nn.Conv1d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
    nn.Conv2d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
    nn.Conv3d: lambda layer, x, weight, bias: layer._conv_forward(x, weight, bias),
}


@dataclass
class _Kept:
    """What one batch gave a layer, and the layer's products with it."""

    given: Tensor
    version: int
    products: list[Tensor] = field(default_factory=list)

    def same(self, given: Tensor) -> bool:
        """Whether a layer is given the same once more."""
        itself = (
            given.data_ptr() == self.given.data_ptr()
            and given.shape == self.given.shape
            and given.stride() == self.given.stride()
            and given._version == self.version
        )
        return itself or torch.equal(given, self.given)


@final
class FirstLayer:
    """One layer whose products with a batch are kept, while its input is the same.

    Every input is compared with the one kept: a layer that is given something else is
    computed as always.

    Parameters
    ----------
    layer : Module
        A linear or convolution layer.
    parts : sequence of pairs
        Its weight and bias along every axis of the frame; ``None`` for a bias that
        does not move.
    origin : pair
        Weight and bias where the coordinates are zero.
    room : int
        Bytes that may be kept.
    """

    def __init__(
        self,
        layer: nn.Module,
        parts: Sequence[tuple[Tensor, Tensor | None]],
        origin: tuple[Tensor, Tensor | None],
        room: int,
    ) -> None:
        self._layer, self._parts, self._origin = layer, parts, origin
        self._apply = _LAYERS[type(layer)]
        self._kept: dict[object, _Kept] = {}
        self._room, self._misses = room, 0
        self.hits = 0

    def __call__(
        self, key: object, amounts: Sequence[float], x: Tensor
    ) -> Tensor | None:
        """The layer's output at some coordinates; ``None`` where it has to compute."""
        if key is None or self._misses >= _PATIENCE or x.requires_grad:
            return None
        kept = self._kept.get(key)
        if kept is None:
            # the tensor itself: what is written to it shows in its version
            self._kept[key] = _Kept(x, x._version)
            return None
        if not kept.same(x):
            self._misses += 1
            self._kept.clear()
            return None
        if not kept.products and not self._multiplied(kept, x):
            return None
        self.hits += 1
        return _combined(kept.products, amounts)

    def _multiplied(self, kept: _Kept, x: Tensor) -> bool:
        """Compute the products of a batch, if there is room for them."""
        base = self._apply(self._layer, x, *self._origin)
        self._room -= base.nbytes * (1 + len(self._parts))
        if self._room < 0:
            self._misses = _PATIENCE
            self._kept.clear()
            return False
        kept.products = [
            base,
            *(
                self._apply(self._layer, x, weight, bias)
                for weight, bias in self._parts
            ),
        ]
        return True


def _combined(products: Sequence[Tensor], amounts: Sequence[float]) -> Tensor:
    """The products mixed as the weights are; a tensor of its own each time."""
    base, *parts = products
    mixed = base
    for amount, part in zip(amounts, parts, strict=True):
        # not even zeros are added, so that the origin keeps its every bit
        if amount:
            mixed = (
                torch.add(base, part, alpha=amount)
                if mixed is base
                else mixed.add_(part, alpha=amount)
            )
    return base.clone() if mixed is base else mixed


@final
class FirstLayers:
    """All layers that are given the data themselves, watched while a map is measured.

    Attributes
    ----------
    at : tuple or None
        Which batch is evaluated at which coordinates; layers compute as always without.
    """

    def __init__(self) -> None:
        self.at: tuple[object, Sequence[float]] | None = None
        self.layers: list[FirstLayer] = []

    @property
    def hits(self) -> int:
        """How often kept products stood in for a layer."""
        return sum(layer.hits for layer in self.layers)

    def output(
        self, layer: FirstLayer, compute: Callable[[Tensor], Tensor], x: Tensor
    ) -> Tensor:
        """What stands for a layer's ``forward``."""
        found = None if self.at is None else layer(*self.at, x)
        return compute(x) if found is None else found


@contextmanager
def first_layers(
    model: nn.Module,
    leaves: Sequence[Tensor],
    points: OnFrame,
    split: Callable[[Tensor], list[Tensor]],
    given_data: Callable[[], object],
    room: int,
) -> Iterator[FirstLayers]:
    """Let kept products stand in for the layers that are given the data.

    Parameters
    ----------
    model : Module
        Held still, with ``leaves`` in the place of its parameters.
    leaves : sequence of Tensor
        Those.
    points : OnFrame
        The frame's points that will be visited.
    split : callable
        A flat vector to tensors of the leaves' shapes.
    given_data : callable
        Evaluates one batch.
    room : int
        Bytes that may be kept.
    """
    watched = FirstLayers()
    numbers = {id(leaf): number for number, leaf in enumerate(leaves)}
    frame = points.frame
    origin = split(frame.origin.point)
    along = [split(direction.vector) for direction in frame.directions]
    put: list[nn.Module] = []
    try:
        for layer in _given_the_data(model, leaves, numbers, given_data):
            weight, bias = layer._parameters["weight"], layer._parameters["bias"]
            w = numbers[id(weight)]
            b = numbers.get(id(bias))
            kept = FirstLayer(
                layer,
                [(part[w], None if b is None else part[b]) for part in along],
                (origin[w], bias if b is None else origin[b]),
                room,
            )
            watched.layers.append(kept)
            put.append(layer)
            plain: Any = layer.forward
            vars(layer)["forward"] = partial(watched.output, kept, plain)
        yield watched
    finally:
        for layer in put:
            del vars(layer)["forward"]


def _given_the_data(
    model: nn.Module,
    leaves: Sequence[Tensor],
    numbers: Mapping[int, int],
    given_data: Callable[[], object],
) -> list[nn.Module]:
    """Wide layers, used once, whose input no parameter has a say in."""
    wide = [
        module
        for module in model.modules()
        if type(module) in _LAYERS
        and "forward" not in vars(module)
        and id(module._parameters["weight"]) in numbers
        and _is_wide(module._parameters["weight"])
    ]
    calls: dict[nn.Module, list[bool]] = {module: [] for module in wide}

    def note(module: nn.Module, given: tuple[Any, ...]) -> None:
        free = isinstance(given[0], Tensor) and not given[0].requires_grad
        calls[module].append(free)

    hooks = [module.register_forward_pre_hook(note) for module in wide]
    try:
        if wide:
            for leaf in leaves:
                leaf.requires_grad_()
            given_data()
    finally:
        for hook in hooks:
            hook.remove()
        for leaf in leaves:
            leaf.requires_grad_(False)
    return [module for module, free in calls.items() if free == [True]]


def _is_wide(weight: Any) -> bool:
    return (
        isinstance(weight, Tensor)
        and weight.dtype in _PRECISE
        and weight.shape[0] > 0
        and weight[0].numel() >= _WIDE
    )
