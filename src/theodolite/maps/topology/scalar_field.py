"""A scalar field on a grid or a graph, out of what users have."""

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from theodolite.errors import ArgumentError


@runtime_checkable
class Planar(Protocol):
    """What has the coordinates and the losses of a plane."""

    @property
    def x(self) -> Tensor:
        """Coordinates of the rows ``(nx,)``."""
        ...

    @property
    def y(self) -> Tensor:
        """Coordinates of the columns ``(ny,)``."""
        ...

    @property
    def loss(self) -> Tensor:
        """Losses ``(nx, ny)``."""
        ...


@final
@dataclass(frozen=True)
class ScalarField:
    """A number at every vertex of a grid or a graph.

    Attributes
    ----------
    values : Tensor
        Float64 on the CPU, ``(nx, ny)`` or ``(n,)``.
    edges : array or None
        Pairs of neighbours of a graph; ``None`` for a grid.
    x, y : Tensor or None
        Coordinates of a grid's rows and columns.
    error : float
        How far a value may be off; zero where nothing is said.
    """

    values: Float[Tensor, "..."]
    edges: Int[ndarray, "m 2"] | None
    x: Float[Tensor, " nx"] | None
    y: Float[Tensor, " ny"] | None
    error: float = 0.0


def as_field(
    values: Any, edges: Any = None, x: Any = None, y: Any = None
) -> ScalarField:
    """A field out of a plane, a matrix, or numbers and edges.

    Raises
    ------
    ArgumentError
        When shapes do not fit, an edge names no vertex, or no value is finite.
    """
    error = 0.0
    if isinstance(values, Planar):
        error = float(getattr(values, "error", 0.0))
        values, x, y = values.loss, values.x, values.y
    numbers = as_numbers(values, "values")
    if numbers.ndim != (2 if edges is None else 1) or not numbers.numel():
        raise ArgumentError(
            found=f"Values of shape {tuple(numbers.shape)} "
            f"{'without' if edges is None else 'with'} edges.",
            why="A grid has a matrix of values, a graph a list of them and its edges.",
            instead="Give a plane, a matrix (nx, ny), or values (n,) and edges (m, 2): "
            "a line's: torch.stack([torch.arange(n - 1), torch.arange(1, n)], 1).",
        )
    if not bool(numbers.isfinite().any()):
        raise ArgumentError(
            found=f"{numbers.numel()} values, none of them finite.",
            why="There is nothing to map.",
            instead="Take a smaller span around a model that has a finite loss.",
        )
    pairs = None if edges is None else _as_edges(edges, len(numbers))
    axes = _as_axis(x, "x", numbers, 0), _as_axis(y, "y", numbers, 1)
    return ScalarField(numbers, pairs, *axes, error)


def as_numbers(values: Any, name: str) -> Float[Tensor, "..."]:
    """A copy in float64 on the CPU, of a tensor, an array or lists.

    Raises
    ------
    ArgumentError
        When it is none of these.
    """
    try:
        is_array = isinstance(values, (Tensor, ndarray))
        # torch reads lists of Python's floats in single precision
        found = torch.as_tensor(values, dtype=None if is_array else torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(
            found=f"A {type(values).__name__} as {name}.",
            why=f"It cannot be read as numbers ({error}).",
            instead="Give a tensor, a NumPy array, or lists of numbers.",
        ) from error
    return found.detach().to("cpu", torch.float64, copy=True)


def _as_axis(
    axis: Any, name: str, values: Float[Tensor, "..."], dimension: int
) -> Float[Tensor, " n"] | None:
    """The coordinates along a dimension of a grid."""
    if axis is None:
        return None
    found = as_numbers(axis, name)
    if values.ndim != 2 or found.shape != (values.shape[dimension],):
        raise ArgumentError(
            found=f"{name} of shape {tuple(found.shape)}.",
            why=f"The values have shape {tuple(values.shape)}.",
            instead="Give x of one number a row and y of one a column, for a grid.",
        )
    return found


def _as_edges(edges: Any, count: int) -> Int[ndarray, "m 2"]:
    """Pairs of vertices, each there."""
    found = as_numbers(edges, "edges").numpy()
    found = found.reshape(-1, 2) if not found.size else found
    there = (found == np.floor(found)) & (found >= 0) & (found < count)
    if found.ndim == 2 and found.shape[1] == 2 and there.all():
        return found.astype(np.int64)
    wrong = f", among them {found[~there].flat[0]:g}" if not there.all() else ""
    raise ArgumentError(
        found=f"Edges of shape {tuple(found.shape)}{wrong}.",
        why=f"An edge is a pair of vertices, numbered from 0 to {count - 1}.",
        instead="Give a tensor of whole numbers of shape (m, 2).",
    )
