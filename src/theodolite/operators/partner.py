"""What stands beside one of our maps in a sum or a product."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.matrix import GeneralMatrix, as_operator


def as_partner(other: Any, like: LinearMap) -> Any:
    """Anybody's matrix as a map that agrees with ours, or ``NotImplemented``.

    Operators of others count as symmetric where they are square, as for estimators;
    tensors and arrays are looked at.

    Raises
    ------
    ArgumentError
        When its type or device is another.
    """
    partner = _as_map(other, like)
    if partner is not NotImplemented:
        require_agreement(like, partner)
    return partner


def _as_map(other: Any, like: LinearMap) -> Any:
    if isinstance(other, LinearMap):
        return other
    shape = tuple(getattr(other, "shape", ()))
    if len(shape) != 2 or not hasattr(other, "__matmul__"):
        return NotImplemented
    if shape[0] == shape[1] and _looks_symmetric(other):
        return as_operator(other, like)
    return GeneralMatrix(other, like)


def require_agreement(left: LinearMap, right: LinearMap) -> None:
    """Refuse maps of different types or on different devices.

    Raises
    ------
    ArgumentError
        Naming both.
    """
    ours, theirs = (f"{m.dtype} on {m.device}" for m in (left, right))
    if (left.dtype, left.device) != (right.dtype, right.device):
        raise ArgumentError(
            found=f"{left.expression} is {ours}, {right.expression} is {theirs}.",
            why="Their products cannot be put together without rounding or copying "
            "that nobody asked for.",
            instead="Convert the one that is a tensor (.to(dtype, device)), or measure "
            "both landscapes in one type (model.double()).",
        )


def _looks_symmetric(matrix: Any) -> bool:
    """Whether a tensor or an array equals its transpose, up to rounding."""
    if isinstance(matrix, np.ndarray):
        matrix = torch.as_tensor(matrix)
    if not isinstance(matrix, Tensor) or matrix.is_complex():
        return True
    wide = matrix.double()
    difference = float((wide - wide.T).abs().max()) if matrix.numel() else 0.0
    narrow = matrix.dtype if matrix.is_floating_point() else torch.float64
    # NaN is no reason: products are looked at where they are used
    return not difference > 64 * torch.finfo(narrow).eps * float(wide.abs().max())
