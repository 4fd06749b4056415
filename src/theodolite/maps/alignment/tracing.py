"""Watch a model run once, and keep account of the axes of all tensors."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from theodolite.batches import tensors_in
from theodolite.errors import ModelError, TheodoliteError
from theodolite.evaluation import arguments, described
from theodolite.maps.alignment.axes import (
    Layout,
    NoRuleError,
    fixed,
    free,
    has_uniform,
    pin_all,
    pinned,
    sizes,
    without_uniform,
)
from theodolite.maps.alignment.relations import broadcast
from theodolite.maps.alignment.rules import RULES
from theodolite.maps.alignment.rules.call import Call, Rule
from theodolite.maps.alignment.rules.entries import entrywise
from theodolite.maps.alignment.unit_sets import UnitSets
from theodolite.products.memory import is_out_of_memory
from theodolite.stillness import held_still

# operations whose results show what the units do
_SHOWING = {"convolution", "mm", "addmm", "bmm", "baddbmm", "add", "add_"}
_SHOWING |= {"native_batch_norm", "native_layer_norm", "native_group_norm"}

# address of the memory, and where in it the entries lie
Spot = tuple[int, int, tuple[int, ...], tuple[int, ...], torch.dtype]


@dataclass(frozen=True)
class Site:
    """What one of the operations made, counted from 1, and its axes."""

    number: int
    name: str
    shape: tuple[int, ...]
    layout: Layout

    @property
    def size(self) -> int:
        """How many entries."""
        return prod(self.shape)


@final
class Account(TorchDispatchMode):
    """What is known of the axes of every tensor that operations have met.

    A tensor is known by where its entries lie, so that aliases are the same tensor.
    All memory that operations have made is held until the account is dropped.

    Parameters
    ----------
    sets : UnitSets
        What the axes run over.
    named : mapping
        Parameters and buffers, whose axes are free until something pins them.
    inputs : sequence of Tensor
        What the model is called with: pinned.
    """

    def __init__(
        self, sets: UnitSets, named: Mapping[str, Tensor], inputs: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self.sets = sets
        self.sites: list[Site] = []
        self.unknown: dict[str, None] = {}
        self._layouts: dict[Spot, Layout] = {}
        self._spots: dict[int, set[Spot]] = {}
        # so that no other tensor is put where one of these was
        self._alive: dict[int, Any] = {}
        self._names: dict[Spot, str] = {}
        self._met: set[Spot] = set()
        self._live: set[Spot] = set()
        self._number = 0
        for tensor in inputs:
            self._live.add(self._enter(tensor, fixed(sets, tensor.shape)))
        for name, tensor in named.items():
            if _spot(tensor) not in self._layouts:
                spot = self._enter(tensor, free(sets, tensor.shape))
                self._names[spot] = name

    def used(self) -> dict[str, Layout]:
        """The parameters and buffers that operations have met, and their axes."""
        return {
            name: self._layouts[spot]
            for spot, name in self._names.items()
            if spot in self._met
        }

    def pin(self, tensors: Sequence[Tensor]) -> None:
        """Let nothing in some tensors move."""
        for tensor in tensors:
            pin_all(self.sets, self.layout_of(tensor))

    def layout_of(self, tensor: Tensor) -> Layout:
        """A tensor's axes; pinned where it comes from elsewhere."""
        spot = _spot(tensor)
        if spot not in self._layouts:
            # a view of known memory that was taken where nobody watched
            self._pin_memory(spot[0])
            self._enter(tensor, fixed(self.sets, tensor.shape))
        return self._layouts[spot]

    def _enter(self, tensor: Tensor, layout: Layout) -> Spot:
        spot = _spot(tensor)
        self._layouts[spot] = layout
        self._spots.setdefault(spot[0], set()).add(spot)
        self._alive[spot[0]] = tensor.untyped_storage()
        return spot

    def _pin_memory(self, address: int) -> bool:
        """Pin all that is known to lie in some memory; whether it could have moved."""
        moved = False
        for spot in self._spots.get(address, ()):
            moved |= pin_all(self.sets, self._layouts[spot])
            self._layouts[spot] = fixed(self.sets, sizes(self._layouts[spot]))
        return moved

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Let the operation run, and follow its axes."""
        del types
        kwargs = kwargs or {}
        output = taken_apart(self, func, args, kwargs)
        if output is not NotImplemented:
            return output
        before = list(tensors_in([args, kwargs]))
        spots = {id(tensor): _spot(tensor) for tensor in before}
        layouts = {id(tensor): self.layout_of(tensor) for tensor in before}
        new = {i for i, s in spots.items() if s in self._names and s not in self._met}
        output = func(*args, **kwargs)
        call = Call(self.sets, func, args, kwargs, output, layouts, new)
        self._number += 1
        self._met.update(spots.values())
        live = any(spot in self._live for spot in spots.values())
        self._follow(call, spots)
        if live:
            self._live.update(map(_spot, call.outputs))
            self._show(call)
        return output

    def _follow(self, call: Call, spots: dict[int, Spot]) -> None:
        """Enter the results of a call, and what it has written to."""
        written = [tensor for tensor in call.inputs if id(tensor) in call.written]
        try:
            found = _result(call)
            for i, layout in call.layout_by_id.items():
                self._layouts[spots[i]] = layout
        except NoRuleError:
            pins = [pin_all(self.sets, layout) for layout in call.layout_by_id.values()]
            pins += [self._pin_memory(_spot(tensor)[0]) for tensor in written]
            if any(pins):
                self.unknown[call.name] = None
            found = [fixed(self.sets, tensor.shape) for tensor in call.outputs]
        for tensor, layout in zip(call.outputs, found, strict=True):
            if id(tensor) in call.written:
                layout = self._overwritten(tensor, layout, spots[id(tensor)])
            self._enter(tensor, layout)

    def _overwritten(self, tensor: Tensor, layout: Layout, spot: Spot) -> Layout:
        """What a tensor has now that was written to, with all in its memory."""
        others = self._spots.get(spot[0], set()) - {spot}
        shared = [other for other in others if has_uniform(self._layouts[other])]
        if not shared:
            return layout
        # what was the same all along has places now
        for dim, dimension in enumerate(self._layouts[spot]):
            if has_uniform((dimension,)):
                layout = pinned(self.sets, layout, dim)
        for other in shared:
            self._layouts[other] = without_uniform(self.sets, self._layouts[other])
        return layout

    def _show(self, call: Call) -> None:
        """Remember where the activations of units can be seen."""
        if call.name in _SHOWING:
            layout = self._layouts[_spot(call.outputs[0])]
            shape = tuple(call.shape)
            self.sites.append(Site(self._number, call.name, shape, layout))


def _result(call: Call) -> list[Layout]:
    """The layouts of what came out.

    Raises
    ------
    NoRuleError
        When the operation is not known, or the rule does not fit what came out.
    """
    rule = _rule_for(call.function)
    if rule is None:
        raise NoRuleError
    try:
        result = rule(call)
    except (LookupError, TypeError, ValueError) as error:
        # called in a way that the rule was not written for
        raise NoRuleError from error
    several = result if isinstance(result, list) else [result] * len(call.outputs)
    found: list[Layout] = []
    for tensor, layout in zip(call.outputs, several, strict=True):
        if not tensor.numel():
            layout = fixed(call.sets, tensor.shape)
        if sizes(layout) != tensor.shape:
            raise NoRuleError
        if id(tensor) in call.written:
            layout = broadcast(call.sets, [layout, call.layout_of(tensor)])
        found.append(layout)
    return found


def _rule_for(function: Any) -> Rule | None:
    seeded = torch.Tag.nondeterministic_seeded in function.tags
    if seeded or function._overloadname == "out":
        return None
    if torch.Tag.pointwise in function.tags:
        return entrywise
    name = str(function.overloadpacket).removeprefix("aten.")
    return RULES.get(name) or RULES.get(name.removesuffix("_"))


def taken_apart(mode: TorchDispatchMode, function: Any, args: Any, kwargs: Any) -> Any:
    """What an operation without a rule answers, as the operations it is made of.

    Where there are any: those that inference mode does not take apart by itself.
    """
    if _rule_for(function) is not None:
        return NotImplemented
    with mode:
        return function.decompose(*args, **kwargs)


def _spot(tensor: Tensor) -> Spot:
    """Where a tensor's entries lie."""
    if tensor.layout != torch.strided:
        return id(tensor), 0, tuple(tensor.shape), (), tensor.dtype
    address = tensor.untyped_storage().data_ptr()
    shape, strides = tuple(tensor.shape), tensor.stride()
    return address, int(tensor.storage_offset()), shape, strides, tensor.dtype


def trace(model: nn.Module, inputs: Any) -> Account:
    """Run a model on inputs, and account for its axes.

    Outputs are pinned. The model runs in the mode that it is in, with attention taken
    apart, so that its heads show.

    Raises
    ------
    ModelError
        When the model fails on its inputs, or while it is watched.
    """
    args, kwargs = arguments(inputs)
    with held_still(model), plain_operations(model):
        # inside: the buffers are copies meanwhile
        named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        account = Account(UnitSets(), named, list(tensors_in(inputs)))
        try:
            with account:
                output = model(*args, **kwargs)
        except Exception as error:
            if is_out_of_memory(error) or isinstance(error, TheodoliteError):
                raise
            raise ModelError(
                found=f"The model failed: {type(error).__name__}: {error}",
                why=f"It was called with {described(inputs)}, and its operations were "
                "watched.",
                instead="Call model(inputs) yourself; a tuple of inputs is given as "
                "model(*inputs), a dict as model(**inputs).",
            ) from error
    account.pin(outputs_in(output))
    return account


@contextmanager
def plain_operations(model: nn.Module) -> Iterator[None]:
    """No fused attention, nothing compiled."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(hasattr(module, "_orig_mod") for module in model.modules()):
            # not for all: it imports the compiler, which takes seconds
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def outputs_in(output: Any) -> list[Tensor]:
    """Every tensor in what a model answers, in whatever it is wrapped."""
    leaves = tree_leaves(output)
    found = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    for leaf in leaves:
        if not isinstance(leaf, Tensor) and hasattr(leaf, "__dict__"):
            found += tensors_in(list(vars(leaf).values()))
    return found
