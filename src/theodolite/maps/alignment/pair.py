"""Two models of one architecture out of what users have, and what both share."""

from collections.abc import Mapping
from contextlib import closing
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from theodolite.errors import (
    ArgumentError,
    ModelError,
    ParameterError,
    nearest_names,
)
from theodolite.evaluation import require_plain_module, unwrapped
from theodolite.footing import require_finite_weights
from theodolite.landscape import Landscape
from theodolite.maps.place import Place, as_place, plain_names

ModelLike = nn.Module | Landscape | Mapping[str, Tensor] | Tensor | Place


def first_model(what: Any) -> nn.Module:
    """The model whose order is kept.

    Raises
    ------
    ArgumentError, ModelError
        When it is neither a module nor the landscape of one.
    """
    if isinstance(what, Landscape):
        if what.model is None:
            raise ArgumentError(
                found="The landscape of a function.",
                why="It has no layers, whose units could be permuted.",
                instead="Give two models, or a landscape over a model and data.",
            )
        return _standing(what, what.model)
    require_plain_module(what)
    return unwrapped(what)


def second_model(first: Any, what: Any) -> nn.Module:
    """The model to be aligned; a copy of the first one where weights are given alone.

    Raises
    ------
    ParameterError
        When its parameters are not those of the first one.
    ArgumentError, ModelError
        When it is nothing of the kind.
    """
    model = first_model(first)
    if isinstance(what, (nn.Module, Landscape)):
        second = first_model(what)
    elif isinstance(first, Landscape):
        second = _at_place(model, first, as_place(first, what))
    elif isinstance(what, Mapping):
        second = _loaded(model, what)
    else:
        raise ArgumentError(
            found=f"A {type(what).__name__} as the second model.",
            why="Its weights are put into another order, name by name.",
            instead="Give a model or its state_dict(); a flat tensor or a Place where "
            "the first one is a Landscape.",
        )
    _require_alike(model, second)
    return second


def _standing(land: Landscape, model: nn.Module) -> nn.Module:
    """A landscape's model, or a copy where the landscape is measured elsewhere."""
    chosen = dict(model.named_parameters())
    own = land.parameters.flatten(chosen[n].detach() for n in land.parameters.names)
    instead = getattr(land.evaluation, "instead", {})
    if not instead and torch.equal(own, land.point):
        return model
    return _at_place(model, land, as_place(land, None))


def copied(model: nn.Module) -> nn.Module:
    """A copy of a model.

    Raises
    ------
    ModelError
        When it cannot be copied.
    """
    try:
        return deepcopy(model)
    except RuntimeError as error:
        raise ModelError(
            found=f"The model cannot be copied: {error}",
            why="An aligned model is a copy; yours stays as it is.",
            instead="Keep tensors that were computed as buffers or detached, so that "
            "copy.deepcopy(model) works.",
        ) from error


def _at_place(model: nn.Module, land: Landscape, place: Place) -> nn.Module:
    """A copy of a landscape's model at a place of it."""
    norms = [(n, m) for n, m in model.named_modules() if isinstance(m, _NormBase)]
    for layer, norm in norms:
        for name in (f"{layer}.{key}".strip(".") for key in norm._buffers):
            if name.endswith(("_mean", "_var")) and name not in place.buffers:
                raise ArgumentError(
                    found=f"A point without {name!r}.",
                    why="The statistics of batch norm belong to the units: they are "
                    "permuted along.",
                    instead="Give the model itself or its state_dict().",
                )
    copy = copied(model)
    pieces = land.parameters.split(place.point)
    tensors = {
        **dict(zip(land.parameters.names, pieces, strict=True)),
        **place.buffers,
    }
    named = {**dict(copy.named_parameters()), **dict(copy.named_buffers())}
    with torch.no_grad():
        for name, tensor in tensors.items():
            named[name].copy_(tensor)
    return copy


def _loaded(model: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    copy = copied(model)
    try:
        copy.load_state_dict(plain_names(state))
    except RuntimeError as error:
        raise ParameterError(
            found=f"The state dict does not fit: {error}",
            why="Two networks are aligned unit by unit.",
            instead="Give a checkpoint of the same architecture.",
        ) from error
    return copy


def _require_alike(model: nn.Module, other: nn.Module) -> None:
    """Refuse two architectures, and weights that are no numbers."""
    named = [_shapes(m) for m in (model, other)]
    for name in dict.fromkeys([*named[0], *named[1]]):
        shapes = [shapes.get(name) for shapes in named]
        if shapes[0] == shapes[1]:
            continue
        missing = [i for i, shape in enumerate(shapes) if shape is None]
        raise ParameterError(
            found=f"{name!r} has shape {shapes[0]} in the first model and {shapes[1]} "
            "in the second."
            if not missing
            else f"{name!r} is in one of the two models alone.",
            why="Units are matched one to one, layer by layer.",
            instead="Give two models of the same architecture."
            if not missing
            else f"Near: {nearest_names(name, named[missing[0]])}. Give two models of "
            "the same architecture.",
        )
    for one in (model, other):
        require_finite_weights(dict(one.named_parameters()))


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tuple(tensor.shape) for name, tensor in named.items()}


def held_tensors(model: nn.Module, other: nn.Module) -> list[str]:
    """What both have in common and do not train, or what no checkpoint would carry.

    Another order of a frozen table would be right, but it would not be the same table.
    """
    theirs = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    carried = set(model.state_dict(keep_vars=True))
    held: list[str] = []
    for name, tensor in model.named_parameters():
        frozen = not tensor.requires_grad and _same(tensor, theirs[name])
        if frozen or not tensor.is_floating_point():
            held.append(name)
    for name, tensor in model.named_buffers():
        lost = name not in carried or not tensor.is_floating_point()
        if lost or _same(tensor, theirs[name]):
            held.append(name)
    return held


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other.to(one))


def inputs_of(first: Any, inputs: Any) -> Any:
    """The inputs that are given, or the first batch of a landscape.

    Raises
    ------
    ArgumentError
        When there are none.
    """
    if inputs is not None:
        return inputs
    if isinstance(first, Landscape):
        with closing(iter(first.batches)) as batches:
            return next(batches).inputs
    raise ArgumentError(
        found="inputs=None, and two models without data.",
        why="Which units can be permuted is found by watching one forward pass.",
        instead="Give one batch of inputs: align(model_a, model_b, inputs), or a "
        "Landscape as the first model.",
    )
