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
from theodolite.maps.given_the_data import given_the_data, is_ordinary

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

# weight and bias; no bias, or one that does not move
Pair = tuple[Tensor, Tensor | None]


@final
class Room:
    """Bytes that may be kept, by all layers together.

    Parameters
    ----------
    left : int
        How many.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> bool:
        """Take some, if there are so many."""
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass
class _Kept:
    """What one batch gave a layer, and the layer's products with it."""

    given: Tensor
    version: int | None
    products: list[Tensor] = field(default_factory=list)

    def itself(self, given: Tensor) -> bool:
        """Whether a layer is given the very memory once more, unchanged."""
        return (
            self.version is not None
            and given.data_ptr() == self.given.data_ptr()
            and given.shape == self.given.shape
            and given.stride() == self.given.stride()
            and _version(given) == self.version
        )

    def same(self, given: Tensor) -> bool:
        """Whether a layer is given the same once more."""
        return self.itself(given) or torch.equal(given, self.given)


def _version(x: Tensor) -> int | None:
    """How often a tensor was written to; tensors of inference mode do not know."""
    return None if x.is_inference() else x._version


@final
class FirstLayer:
    """One layer whose products with a batch are kept, while its input is the same.

    Every input is compared with the one kept, and the weights with what they were put
    to: a layer that is given something else, or whose model writes its weights, is
    computed as always.

    Parameters
    ----------
    layer : Module
        A linear or convolution layer.
    parts : sequence of pairs
        Its weight and bias along every axis of the frame.
    origin : pair
        Weight and bias where the coordinates are zero.
    room : Room
        What may be kept.
    """

    def __init__(
        self, layer: nn.Module, parts: Sequence[Pair], origin: Pair, room: Room
    ) -> None:
        self._layer, self._parts, self._origin = layer, parts, origin
        self._apply = _LAYERS[type(layer)]
        self._kept: dict[object, _Kept] = {}
        self._room, self._used, self._misses = room, 0, 0
        self._put: list[Tensor | None] = []
        self.hits = 0

    def __call__(
        self, key: object, amounts: Sequence[float], x: Tensor
    ) -> Tensor | None:
        """The layer's output at some coordinates; ``None`` where it has to compute."""
        if self._misses >= _PATIENCE or not is_ordinary(x):
            return None
        kept = self._kept.get(key)
        if kept is None:
            if self._take(x.nbytes):
                # the tensor itself: what is written to it shows in its version
                self._kept[key] = _Kept(x, _version(x))
            return None
        if not kept.same(x):
            self._forget(self._misses + 1)
            return None
        if not self._still_there():
            self._forget(_PATIENCE)
            return None
        if not kept.products and not self._multiplied(kept, x):
            return None
        self.hits += 1
        return _combined(kept.products, amounts)

    def _take(self, size: int) -> bool:
        """Take room for what is to be kept; let the layer alone where there is none."""
        enough = self._room.take(size)
        if enough:
            self._used += size
        else:
            self._forget(_PATIENCE)
        return enough

    def _forget(self, misses: int) -> None:
        """Give back all that is kept."""
        self._room.left += self._used
        self._used, self._misses = 0, misses
        self._kept.clear()

    def arrived(self) -> None:
        """Look at weight and bias where they were put."""
        self._put = [None if t is None else t.clone() for t in self._now]

    @property
    def _now(self) -> list[Tensor | None]:
        own = self._layer._parameters
        return [own["weight"], own["bias"]]

    def _still_there(self) -> bool:
        """Whether the model has not written its weights since."""
        pairs = zip(self._now, self._put, strict=True)
        return all(
            now is put
            or (now is not None and put is not None and torch.equal(now, put))
            for now, put in pairs
        )

    def _multiplied(self, kept: _Kept, x: Tensor) -> bool:
        """Compute the products of a batch, if there is room for them."""
        if kept.itself(x):
            # the data themselves, which are kept anyway
            self._room.left += x.nbytes
            self._used -= x.nbytes
        base = self._apply(self._layer, x, *self._origin)
        if base.dtype not in _PRECISE:
            self._forget(_PATIENCE)
            return False
        if not self._take(base.nbytes * (1 + len(self._parts))):
            return False
        kept.products = [
            base,
            *(self._apply(self._layer, x, *part) for part in self._parts),
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

    def arrived(self) -> None:
        """The leaves are at another point."""
        for layer in self.layers:
            layer.arrived()

    def output(
        self,
        layer: FirstLayer,
        compute: Callable[..., Tensor],
        *given: Any,
        **named: Any,
    ) -> Tensor:
        """What stands for a layer's ``forward``."""
        plain = self.at is not None and len(given) == 1 and not named
        found = layer(*self.at, given[0]) if self.at is not None and plain else None
        return compute(*given, **named) if found is None else found


@contextmanager
def first_layers(
    model: nn.Module,
    leaves: Sequence[Tensor],
    points: OnFrame,
    split: Callable[[Tensor], list[Tensor]],
    evaluate: Callable[[], object],
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
    evaluate : callable
        Passes one batch through the model.
    room : int
        Bytes that may be kept.
    """
    watched, shared = FirstLayers(), Room(room)
    numbers = {id(leaf): number for number, leaf in enumerate(leaves)}
    frame = points.frame
    origin = split(frame.origin.point)
    along = [split(direction.vector) for direction in frame.directions]
    wide = [module for module in model.modules() if _is_wide(module, numbers)]
    chosen = given_the_data(wide, leaves, evaluate)
    try:
        for layer in chosen:
            weight, bias = layer._parameters["weight"], layer._parameters["bias"]
            w, b = numbers[id(weight)], numbers.get(id(bias))
            kept = FirstLayer(
                layer,
                [(part[w], None if b is None else part[b]) for part in along],
                (origin[w], bias if b is None else origin[b]),
                shared,
            )
            watched.layers.append(kept)
            plain: Any = layer.forward
            vars(layer)["forward"] = partial(watched.output, kept, plain)
        yield watched
    finally:
        for layer in chosen:
            vars(layer).pop("forward", None)


def _is_wide(module: nn.Module, numbers: Mapping[int, int]) -> bool:
    """Whether adding products would cost a layer less than multiplying."""
    weight = module._parameters.get("weight")
    return (
        type(module) in _LAYERS
        and "forward" not in vars(module)
        and isinstance(weight, Tensor)
        # without it the bias is computed, by pruning for example
        and "bias" in module._parameters
        and id(weight) in numbers
        and weight.dtype in _PRECISE
        and weight.shape[0] > 0
        and weight[0].numel() >= _WIDE
    )
