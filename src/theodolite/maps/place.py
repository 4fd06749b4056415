"""A point of a landscape, with the buffers that belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.errors import ArgumentError, ParameterError, nearest_names
from theodolite.evaluation import unwrapped
from theodolite.landscape import Landscape

# what data-parallel and compiled wrappers put in front of every name
_WRAPPERS = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class Place:
    """A point of a landscape, with the buffers that belong to it.

    Attributes
    ----------
    point : Tensor
        Parameters as one flat vector ``(p,)``.
    buffers : mapping
        Floating-point buffers by name, like batch norm's running statistics; empty
        where none are known.
    """

    point: Float[Tensor, " p"]
    buffers: Mapping[str, Tensor] = field(default_factory=dict)


# what users call a place: a model, a state dict, a flat tensor, or where the model is
PlaceLike = Place | nn.Module | Mapping[str, Tensor] | Tensor | None


def as_place(land: Landscape, what: PlaceLike) -> Place:
    """A place of a landscape out of what users have.

    Parameters
    ----------
    land : Landscape
        Whose parameters, in whose order.
    what
        A model of the same architecture, its state dict, a flat tensor ``(p,)``, a
        :class:`Place`, or ``None`` for where the landscape's model is.

    Raises
    ------
    ParameterError
        When a parameter is missing, or has another shape.
    ArgumentError
        When it is none of these, or holds NaN or infinity.
    """
    if what is None:
        return Place(land.point, _own_buffers(land))
    if isinstance(what, Place):
        place = Place(_flat(land, what.point), what.buffers)
    elif isinstance(what, Tensor):
        place = Place(_flat(land, what))
    elif isinstance(what, nn.Module):
        inner = unwrapped(what)
        weights = dict(inner.named_parameters(remove_duplicate=False))
        place = Place(_gathered(land, weights), _buffers(land, _floating(inner)))
    elif isinstance(what, Mapping):
        state = plain_names(what)
        place = Place(_gathered(land, state), _buffers(land, state))
    else:
        raise ArgumentError(
            found=f"A {type(what).__name__} as a point of the landscape.",
            why="A point is a value for each of its parameters.",
            instead="Give a model, its state_dict(), a flat tensor of shape "
            f"({land.size},), or None for where the model is.",
        )
    _require_finite(land, place)
    return place


def _own_buffers(land: Landscape) -> dict[str, Tensor]:
    """Copies of the buffers that a landscape is measured with."""
    found = _floating(land.model)
    instead = getattr(land.evaluation, "instead", {})
    return {name: instead.get(name, b).detach().clone() for name, b in found.items()}


def _floating(model: nn.Module | None) -> dict[str, Tensor]:
    """Copies of a model's floating-point buffers."""
    named = () if model is None else model.named_buffers()
    return {
        name: buffer.detach().clone()
        for name, buffer in named
        if buffer.is_floating_point()
    }


def _flat(land: Landscape, point: Tensor) -> Tensor:
    if point.shape != (land.size,) or not point.is_floating_point():
        raise ParameterError(
            found=f"A point of shape {tuple(point.shape)} and type {point.dtype}.",
            why=f"This landscape has {land.size} parameters.",
            instead=f"Give a flat float tensor of shape ({land.size},), or the model.",
        )
    return point.detach().to(dtype=land.dtype, device=land.device, copy=True)


def plain_names(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict without what wrappers put in front of the names."""
    for front in 2 * _WRAPPERS:
        if state and all(name.startswith(front) for name in state):
            state = {name.removeprefix(front): t for name, t in state.items()}
    return state


def _buffers(land: Landscape, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the buffers that the landscape's model has too, as it has them."""
    own = _floating(land.model)
    known = {name: state[name] for name in own if name in state}
    for name, buffer in known.items():
        _require_shape(f"Buffer {name!r}", buffer, own[name].shape)
    return {n: b.detach().to(own[n], copy=True) for n, b in known.items()}


def _gathered(land: Landscape, weights: Mapping[str, Tensor]) -> Tensor:
    """The landscape's parameters out of named tensors."""
    chosen, weights = land.parameters, _with_other_names(land.model, weights)
    _require_same_rest(land, weights)
    for name, shape in zip(chosen.names, chosen.shapes, strict=True):
        if name not in weights:
            raise ParameterError(
                found=f"There is no parameter {name!r}.",
                why="A place gives a value for every parameter of the landscape.",
                instead=f"Near: {nearest_names(name, weights)}. Give a checkpoint of "
                "the same architecture.",
            )
        _require_shape(f"Parameter {name!r}", weights[name], shape)
    # checkpoints are often kept in a narrower type, and on the CPU
    return chosen.flatten(
        weights[name].detach().to(land.device, land.dtype) for name in chosen.names
    )


def _with_other_names(
    model: nn.Module | None, weights: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    """Tied weights under all their names, of which files may keep any one."""
    tied: dict[int, list[str]] = {}
    named = () if model is None else model.named_parameters(remove_duplicate=False)
    for name, parameter in named:
        tied.setdefault(id(parameter), []).append(name)
    known = {
        other: weights[name]
        for names in tied.values()
        for name in names
        if name in weights
        for other in names
    }
    return {**known, **weights}


def _require_shape(what: str, found: Any, shape: torch.Size) -> None:
    """Refuse what is no tensor of a shape."""
    if isinstance(found, Tensor) and found.shape == shape:
        return
    is_tensor = isinstance(found, Tensor)
    kind = f"of shape {tuple(found.shape)}" if is_tensor else type(found).__name__
    raise ParameterError(
        found=f"{what}, {kind}.",
        why=f"Here it is a tensor of shape {tuple(shape)}.",
        instead="Give a checkpoint of the same architecture.",
    )


def _require_same_rest(land: Landscape, weights: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint whose other parameters are not those of the landscape."""
    own = {} if land.model is None else dict(land.model.named_parameters())
    for name in [n for n in own if n not in land.parameters.names]:
        theirs = weights.get(name)
        if theirs is not None:
            _require_shape(f"Parameter {name!r}", theirs, own[name].shape)
        if theirs is not None and not torch.equal(own[name].to(theirs), theirs):
            raise ParameterError(
                found=f"Parameter {name!r} is not what it is in the landscape's model.",
                why="It is frozen or was not chosen: the landscape keeps it as it is, "
                "so that this checkpoint is no point of it.",
                instead="Choose it as well (requires_grad_(True), parameters='*').",
            )


def _require_finite(land: Landscape, place: Place) -> None:
    if bool(place.point.isfinite().all()):
        return
    broken = next(
        name
        for name, part in zip(
            land.parameters.names, land.parameters.split(place.point), strict=True
        )
        if not bool(torch.isfinite(part).all())
    )
    raise ArgumentError(
        found=f"A point with NaN or infinity in {broken!r}.",
        why="Nothing around it can be measured.",
        instead="Give the last checkpoint before the run diverged.",
    )
