"""Which way the axes of a map point."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.errors import ArgumentError, nearest_names
from theodolite.landscape import Landscape
from theodolite.maps.frame import Direction, Frame, require_frame, towards
from theodolite.maps.place import Place, as_place
from theodolite.seeding import generator
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.vectors import inner, norm

KINDS = {
    "filter": "random, each filter as long as the model's own",
    "layer": "random, each layer's tensors as long as the model's own",
    "random": "random, of length one",
    "eigen": "the Hessian's two largest eigenvectors",
    "eigen-bottom": "its two smallest, the smallest first",
    "eigen-ends": "the largest and the smallest",
}
_HELD = "biases and norm weights held"
_WHICH = {"eigen": "LA", "eigen-bottom": "SA", "eigen-ends": "BE"}

Directions = str | EigenPairs | Sequence[Any] | Tensor


def frame_for(
    land: Landscape, origin: Place, directions: Directions, count: int, seed: int
) -> Frame:
    """An origin and so many directions out of what users give.

    Parameters
    ----------
    land : Landscape
        Over whose parameters.
    origin : Place
        Coordinates zero.
    directions
        One of :data:`KINDS`; eigenpairs, whose first vectors are taken; or for each
        axis a flat tensor ``(p,)``, a checkpoint, or the number of a parameter.
    count : int
        One for a line, two for a plane.
    seed : int
        Of random directions and of the search for eigenvectors.

    Raises
    ------
    ArgumentError
        When there is no such kind, or the directions span nothing.
    """
    if isinstance(directions, EigenPairs):
        found = _eigenvectors(directions, count)
    elif isinstance(directions, str):
        found = _of_kind(land, origin, directions, count, seed)
    else:
        found = _given(land, origin, directions, count)
    frame = Frame(origin, tuple(found))
    require_frame(land, frame)
    return frame


def require_kind(kind: str) -> None:
    """Refuse what is no kind of direction.

    Raises
    ------
    ArgumentError
        With those that there are.
    """
    if kind not in KINDS:
        more = "A trajectory draws its own: trajectory.plane(land)."
        raise ArgumentError(
            found=f"directions={kind!r}.",
            why="There are " + "; ".join(f"{k!r} ({w})" for k, w in KINDS.items()),
            instead=more
            if kind == "pca"
            else f"Did you mean {nearest_names(kind, KINDS, 1)}? {more}",
        )


def _of_kind(
    land: Landscape, origin: Place, kind: str, count: int, seed: int
) -> list[Direction]:
    require_kind(kind)
    if kind in _WHICH:
        here = None if torch.equal(origin.point, land.point) else origin.point
        k = min(2 if kind == "eigen-ends" else count, land.size)
        pairs = eigsh(land.hessian(point=here), k, _WHICH[kind], seed=seed)
        # values descend: of the smallest, the very smallest comes last
        return _eigenvectors(pairs, count, last_first=kind == "eigen-bottom")
    if land.size == count:
        # there is no choice: the parameters themselves are the axes
        return [along_parameter(land, number) for number in range(count)]
    source = generator(seed)
    return [_random(land, origin, kind, number + 1, source) for number in range(count)]


def _random(
    land: Landscape, origin: Place, kind: str, number: int, source: torch.Generator
) -> Direction:
    drawn = torch.randn(land.size, generator=source, dtype=torch.float64)
    drawn = drawn.to(origin.point)
    label = f"random direction {number}"
    if kind == "random":
        return Direction(drawn / norm(drawn), kind, f"{label}, of length one")
    pieces = land.parameters.split(drawn)
    weights = land.parameters.split(origin.point)
    held = held_still_in(weights)
    scaled = [
        torch.zeros_like(piece)
        if hold
        else normalised(piece, weight, by_rows=kind == "filter" and weight.ndim > 1)
        for piece, weight, hold in zip(pieces, weights, held, strict=True)
    ]
    told = f"{label}, {kind}-normalised" + (f"; {_HELD}" if any(held) else "")
    return Direction(land.parameters.flatten(scaled), kind, told)


def held_still_in(weights: Sequence[Tensor]) -> list[bool]:
    """Whether each tensor is held: biases and norm weights, if there are others.

    As Li et al. do: one number of a vector has no direction to be normalised.
    """
    vectors = [weight.ndim <= 1 for weight in weights]
    return [False] * len(weights) if all(vectors) else vectors


def normalised(drawn: Tensor, weight: Tensor, *, by_rows: bool) -> Tensor:
    """A random tensor as long as a weight, in whole or row by row.

    A filter is everything that makes one output: a row of the first dimension. One
    that is all zeros stays where it is.
    """
    wide = [
        part.flatten(1) if by_rows else part.reshape(1, -1) for part in (drawn, weight)
    ]
    ours, theirs = (part.double().norm(dim=1) for part in wide)
    factor = theirs / ours.clamp_min(torch.finfo(torch.float64).tiny)
    return (wide[0] * factor[:, None].to(drawn)).reshape(drawn.shape)


def _eigenvectors(
    pairs: EigenPairs, count: int, *, last_first: bool = False
) -> list[Direction]:
    if pairs.vectors.shape[1] < count:
        raise ArgumentError(
            found=f"{pairs.vectors.shape[1]} eigenvectors.",
            why=f"A map needs {count}.",
            instead=f"Give td.eigsh(land.hessian(), k={count}).",
        )
    numbers = range(pairs.vectors.shape[1])
    return [
        along_eigenvector(pairs.vectors[:, number], float(pairs.values[number]))
        for number in (numbers[::-1] if last_first else numbers)[:count]
    ]


def along_eigenvector(vector: Float[Tensor, " p"], value: float) -> Direction:
    """The direction of an eigenvector, of one sign on every run."""
    # the sign that is set in print, as on the axis
    told = f"{value:.4g}".replace("-", "−", 1)
    label = f"eigenvector of λ = {told}"
    return Direction(_signed(vector), "eigenvector", label, curvature=value)


def _signed(vector: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
    """The vector or its opposite, the same on every run: its largest entry positive."""
    return vector if vector[vector.abs().argmax()] > 0 else -vector


def _given(
    land: Landscape, origin: Place, directions: Sequence[Any] | Tensor, count: int
) -> list[Direction]:
    if not isinstance(directions, (list, tuple, Tensor)):
        raise ArgumentError(
            found=f"A {type(directions).__name__} as directions.",
            why=f"This map has {count} of them.",
            instead=f"Give {count} tensors (p,), checkpoints or parameter numbers in a "
            f"list, or one of {', '.join(map(repr, KINDS))}.",
        )
    if len(directions) != count:
        raise ArgumentError(
            found=f"{len(directions)} directions.",
            why=f"This map has {count}.",
            instead=f"Give {count} tensors (p,), checkpoints or parameter numbers.",
        )
    found = [
        _one(land, origin, part, number + 1) for number, part in enumerate(directions)
    ]
    if count == 2 and all(direction.end is not None for direction in found):
        return [found[0], _across(*found)]
    return found


def _one(land: Landscape, origin: Place, part: Any, number: int) -> Direction:
    if isinstance(part, Direction):
        return part
    if isinstance(part, int):
        return along_parameter(land, part)
    if isinstance(part, (nn.Module, Mapping, Place)):
        return towards(origin, as_place(land, part), f"towards checkpoint {number}")
    if isinstance(part, Tensor) and part.shape == (land.size,):
        return Direction(part.detach().to(origin.point), "given", f"direction {number}")
    raise ArgumentError(
        found=f"A {type(part).__name__} as direction {number}"
        + (f", of shape {tuple(part.shape)}." if isinstance(part, Tensor) else "."),
        why=f"A direction moves {land.size} parameters.",
        instead=f"Give a flat tensor of shape ({land.size},), a checkpoint (a model or "
        "its state_dict()) or the number of a parameter.",
    )


def along_parameter(land: Landscape, number: int) -> Direction:
    """The axis of one parameter, by its place in the flat vector.

    Raises
    ------
    ArgumentError
        When there is no such place.
    """
    if not 0 <= number < land.size:
        raise ArgumentError(
            found=f"Parameter {number}.",
            why=f"There are {land.size}, counted from 0.",
            instead="Find a layer's places in land.layers.",
        )
    vector = torch.zeros(land.size, dtype=land.dtype, device=land.device)
    vector[number] = 1.0
    return Direction(vector, "parameter", parameter_name(land, number))


def parameter_name(land: Landscape, number: int) -> str:
    """A parameter as code names it, like ``fc1.weight[3, 0]``."""
    chosen = land.parameters
    for name, shape, place in zip(
        chosen.names, chosen.shapes, chosen.slices, strict=True
    ):
        if place.start <= number < place.stop:
            where = torch.unravel_index(torch.tensor(number - place.start), shape)
            return f"{name}[{', '.join(str(int(i)) for i in where)}]"
    message = f"no parameter {number}"
    raise IndexError(message)


def _across(first: Direction, second: Direction) -> Direction:
    """What of a second checkpoint lies across the first, as long as the first.

    So that the picture of three checkpoints shows their true distances.
    """
    along = float(inner(first.vector[None], second.vector)) / first.length**2
    rest = second.vector - along * first.vector
    size = norm(rest)
    factor = first.length / size if size else 0.0
    names = second.buffers.keys() & first.buffers.keys()
    buffers = {
        name: factor * (second.buffers[name] - along * first.buffers[name])
        for name in names
    }
    return Direction(
        factor * rest, "checkpoint", "across, towards checkpoint 2", buffers=buffers
    )
