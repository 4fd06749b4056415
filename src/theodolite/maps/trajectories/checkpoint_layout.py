"""How one checkpoint lies in a file: parameters first, buffers behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite, prod
from typing import Any, final

import torch
from torch import Tensor

from theodolite.errors import ArgumentError

# rows and buffers begin at multiples of this, so that any type can be read there
_ALIGNED = 16

Shape = tuple[int, ...]


@final
@dataclass(frozen=True)
class Layout:
    """Names, shapes and types of what makes a checkpoint, in order.

    Attributes
    ----------
    names, shapes : tuple
        Of the parameters, which all are kept in one type.
    dtype : torch.dtype
        That type.
    buffer_names, buffer_shapes, buffer_dtypes : tuple
        Of the buffers, which keep their own.
    """

    names: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtype: torch.dtype
    buffer_names: tuple[str, ...] = ()
    buffer_shapes: tuple[Shape, ...] = ()
    buffer_dtypes: tuple[torch.dtype, ...] = ()

    @property
    def size(self) -> int:
        """Parameters in a checkpoint."""
        return sum(prod(shape) for shape in self.shapes)

    @property
    def all_shapes(self) -> dict[str, Shape]:
        """Of parameters and buffers, by name."""
        names = self.names + self.buffer_names
        return dict(zip(names, self.shapes + self.buffer_shapes, strict=True))

    @property
    def row_bytes(self) -> int:
        """From the beginning of one checkpoint to that of the next."""
        return self._buffers_at[-1]

    @property
    def _buffers_at(self) -> list[int]:
        """Where each buffer begins, and where the row ends."""
        sizes = [
            _aligned(prod(shape) * dtype.itemsize)
            for shape, dtype in zip(self.buffer_shapes, self.buffer_dtypes, strict=True)
        ]
        return list(
            accumulate(sizes, initial=_aligned(self.size * self.dtype.itemsize))
        )

    def pieces(
        self, tensors: Sequence[Tensor], buffers: Sequence[Tensor]
    ) -> Iterator[memoryview]:
        """The bytes of a checkpoint, one tensor after the other.

        Raises
        ------
        ArgumentError
            When a finite weight is beyond the largest number of the type.
        """
        for name, tensor in zip(self.names, tensors, strict=True):
            yield _bytes(_narrowed(name, tensor, self.dtype))
        yield _padding(self.size * self.dtype.itemsize)
        for tensor, dtype in zip(buffers, self.buffer_dtypes, strict=True):
            plain = tensor.detach().to("cpu", dtype)
            yield _bytes(plain)
            yield _padding(plain.numel() * dtype.itemsize)

    def point(self, row: Tensor) -> Tensor:
        """The parameters in the bytes of a row, flat."""
        return row[: self.size * self.dtype.itemsize].view(self.dtype)

    def buffers(self, row: Tensor) -> dict[str, Tensor]:
        """The buffers in the bytes of a row, by name."""
        found = {}
        for name, shape, dtype, start in zip(
            self.buffer_names,
            self.buffer_shapes,
            self.buffer_dtypes,
            self._buffers_at[:-1],
            strict=True,
        ):
            piece = row[start : start + prod(shape) * dtype.itemsize]
            found[name] = piece.view(dtype).reshape(shape)
        return found

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {
            "dtype": spelled_type(self.dtype),
            "parameters": dict(zip(self.names, map(list, self.shapes), strict=True)),
            "buffers": {
                name: {"shape": list(shape), "dtype": spelled_type(dtype)}
                for name, shape, dtype in zip(
                    self.buffer_names,
                    self.buffer_shapes,
                    self.buffer_dtypes,
                    strict=True,
                )
            },
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Layout":
        """The inverse of :meth:`to_dict`."""
        parameters, buffers = plain["parameters"], plain["buffers"]
        return cls(
            tuple(parameters),
            tuple(tuple(shape) for shape in parameters.values()),
            type_named(plain["dtype"]),
            tuple(buffers),
            tuple(tuple(buffer["shape"]) for buffer in buffers.values()),
            tuple(type_named(buffer["dtype"]) for buffer in buffers.values()),
        )


def spelled_type(dtype: torch.dtype) -> str:
    """A type's name, like ``"float16"``."""
    return str(dtype).removeprefix("torch.")


def type_named(name: str) -> torch.dtype:
    """The floating-point type of that name.

    Raises
    ------
    ValueError
        When there is none.
    """
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        msg = f"{name!r} is no floating-point type"
        raise ValueError(msg)
    return dtype


def _narrowed(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    plain = tensor.detach().to("cpu", dtype)
    # counted only where there is one: the ends are found several times faster
    if plain.numel() and not all(map(isfinite, torch.stack(plain.aminmax()).tolist())):
        lost = int((plain.isinf() & ~tensor.detach().cpu().isinf()).sum())
        if lost:
            raise ArgumentError(
                found=f"{lost} weights of {name!r} above {torch.finfo(dtype).max:.6g}.",
                why=f"{spelled_type(dtype)} has no number for them.",
                instead="Give Trajectory(..., dtype=torch.bfloat16), whose range is "
                "that of float32, or leave dtype out.",
            )
    return plain


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def _padding(size: int) -> memoryview:
    return memoryview(bytes(_aligned(size) - size))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
