"""Which parameters are surveyed, and their order in one flat vector."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import accumulate
from math import prod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.errors import ArgumentError, ParameterError, nearest_names

Patterns = str | Sequence[str]


@final
class Parameters:
    """Named tensors in a fixed order, and their places in one flat vector.

    Parameters
    ----------
    names : sequence of str
        Names, those of one layer side by side.
    tensors : sequence of Tensor
        One tensor a name; only shape, type and device are read.
    """

    def __init__(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        self.names = tuple(names)
        self.shapes = tuple(tensor.shape for tensor in tensors)
        self.dtypes = tuple(tensor.dtype for tensor in tensors)
        self.devices = tuple(tensor.device for tensor in tensors)
        self.sizes = tuple(prod(shape) for shape in self.shapes)
        self.size = sum(self.sizes)

    @cached_property
    def dtype(self) -> torch.dtype:
        """The type of flat vectors: the widest of the tensors', float32 at least."""
        widest = torch.float32
        for dtype in self.dtypes:
            widest = torch.promote_types(widest, dtype)
        return widest

    @property
    def device(self) -> torch.device:
        """Where flat vectors live: beside the first tensor."""
        return self.devices[0]

    @cached_property
    def _alike(self) -> bool:
        """Whether all tensors have the flat vector's type and device."""
        return {*self.dtypes} == {self.dtype} and {*self.devices} == {self.device}

    @property
    def slices(self) -> tuple[slice, ...]:
        """The place of each tensor in the flat vector."""
        ends = tuple(accumulate(self.sizes))
        return tuple(
            slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)
        )

    @property
    def layers(self) -> dict[str, slice]:
        """Layer name to slice of the flat vector, in the vector's order."""
        found: dict[str, slice] = {}
        for name, place in zip(self.names, self.slices, strict=True):
            layer = layer_of(name)
            start = found[layer].start if layer in found else place.start
            found[layer] = slice(start, place.stop)
        return found

    def flatten(self, tensors: Iterable[Tensor | None]) -> Float[Tensor, " p"]:
        """One flat vector out of tensors of these shapes; ``None`` becomes zeros."""
        pieces = [
            torch.zeros(size, dtype=self.dtype, device=self.device)
            if tensor is None
            else _dense(tensor).reshape(-1)
            for size, tensor in zip(self.sizes, tensors, strict=True)
        ]
        if not self._alike:
            pieces = [piece.to(self.device, self.dtype) for piece in pieces]
        return torch.cat(pieces)

    def split(self, flat: Float[Tensor, " p"]) -> list[Tensor]:
        """Tensors of these shapes, types and devices out of one flat vector."""
        if flat.shape != (self.size,):
            raise ArgumentError(
                found=f"A vector of shape {tuple(flat.shape)}.",
                why=f"These parameters have {self.size} entries.",
                instead=f"Give a flat tensor of shape ({self.size},).",
            )
        return [piece[0] for piece in self.split_several(flat[None])]

    def split_several(self, rows: Float[Tensor, "k p"]) -> list[Tensor]:
        """The same out of several flat vectors, stacked in front of the shapes."""
        front = rows.shape[:1]
        pieces = [
            piece.reshape(front + shape)
            for piece, shape in zip(
                rows.split_with_sizes(self.sizes, 1), self.shapes, strict=True
            )
        ]
        if self._alike:
            return pieces
        places = zip(pieces, self.devices, self.dtypes, strict=True)
        return [piece.to(device, dtype) for piece, device, dtype in places]

    def within(self, layers: Patterns) -> list[int]:
        """Positions of the tensors whose layer matches a pattern.

        Raises
        ------
        ParameterError
            When a pattern matches no layer; the nearest names are suggested.
        """
        owners = [layer_of(name) for name in self.names]
        for pattern in as_patterns(layers):
            if not any(fnmatchcase(owner, pattern) for owner in owners):
                raise ParameterError(
                    found=f"No layer matches {pattern!r}.",
                    why="Blocks are chosen by layer name or fnmatch pattern.",
                    instead=f"Near: {nearest_names(pattern, dict.fromkeys(owners))}.",
                )
        return [
            position
            for position, owner in enumerate(owners)
            if matches(owner, as_patterns(layers))
        ]

    def at(self, positions: Sequence[int]) -> "Parameters":
        """The parameters at some positions alone, with a flat vector of their own."""
        chosen = object.__new__(Parameters)
        for field in ("names", "shapes", "dtypes", "devices", "sizes"):
            values = getattr(self, field)
            setattr(chosen, field, tuple(values[position] for position in positions))
        chosen.size = sum(chosen.sizes)
        return chosen


def _dense(tensor: Tensor) -> Tensor:
    """A gradient of nn.Embedding(sparse=True) with its zeros."""
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def layer_of(name: str) -> str:
    """The layer that owns a parameter: its module, or itself at the root."""
    return name.rpartition(".")[0] or name


def as_patterns(patterns: Patterns) -> tuple[str, ...]:
    """One pattern or several, as a tuple."""
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def choose_parameters(model: nn.Module, patterns: Patterns) -> dict[str, nn.Parameter]:
    """The trainable parameters whose names match, each tensor once.

    Tied weights are counted under their first name, and are found under any of
    their names; frozen ones (``requires_grad=False``) are left out.

    Raises
    ------
    ParameterError
        When a pattern matches nothing, or only frozen parameters.
    """
    aliases: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        aliases.setdefault(id(parameter), []).append(name)
    everything = dict(model.named_parameters())
    if not as_patterns(patterns):
        raise ParameterError(
            found="parameters is an empty list of patterns.",
            why="There is nothing to differentiate by.",
            instead='Give a pattern like "blocks.*", or leave it out for all.',
        )
    for pattern in as_patterns(patterns):
        _require_match(pattern, aliases.values(), everything)
    return {
        name: parameter
        for name, parameter in everything.items()
        if parameter.requires_grad
        and any(
            matches(alias, as_patterns(patterns)) for alias in aliases[id(parameter)]
        )
    }


def _require_match(
    pattern: str,
    aliases: Iterable[Sequence[str]],
    everything: dict[str, nn.Parameter],
) -> None:
    """Refuse a pattern that chooses nothing."""
    if not everything:
        raise ParameterError(
            found="The model has no parameters.",
            why="There is nothing to differentiate by.",
            instead="Give a module with parameters, or use Landscape.from_function.",
        )
    chosen = [
        names[0] for names in aliases if any(matches(n, (pattern,)) for n in names)
    ]
    if not chosen:
        raise ParameterError(
            found=f"No parameter matches {pattern!r}.",
            why="Parameters are chosen by fnmatch patterns over their full names.",
            instead=f"Near: {nearest_names(pattern, everything)}.",
        )
    lazy = [name for name in chosen if nn.parameter.is_lazy(everything[name])]
    if lazy:
        raise ParameterError(
            found=f"Parameter {lazy[0]!r} has no shape yet.",
            why="A lazy module gets its weights at the first forward pass.",
            instead="Call model(inputs) once before the Landscape is made.",
        )
    imaginary = [name for name in chosen if everything[name].is_complex()]
    if imaginary:
        raise ParameterError(
            found=f"Parameter {imaginary[0]!r} is {everything[imaginary[0]].dtype}.",
            why="The Hessian is that of a function of real numbers.",
            instead="Store real and imaginary part as a real parameter "
            "(torch.view_as_real), or leave it out by parameters=...",
        )
    if not any(everything[name].requires_grad for name in chosen):
        raise ParameterError(
            found=f"All {len(chosen)} parameters that match {pattern!r} are frozen.",
            why="Parameters with requires_grad=False are left out.",
            instead="Call requires_grad_(True) on those to be surveyed.",
        )
