"""Diagonal matrices, which multiply for nothing."""

from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.operator import Operator


@final
class Diagonal(Operator):
    """The operator that multiplies every entry by a number of its own.

        (D v)ᵢ = dᵢ vᵢ

    A product costs p multiplications.

    Parameters
    ----------
    entries : Tensor
        The diagonal, ``(p,)``; narrow and integer types become float64.

    Raises
    ------
    ArgumentError
        When it is not one row of real numbers.
    """

    def __init__(self, entries: Tensor) -> None:
        if entries.ndim != 1 or entries.is_complex() or entries.numel() == 0:
            raise ArgumentError(
                found=f"A diagonal of shape {tuple(entries.shape)} and type "
                f"{entries.dtype}.",
                why="A diagonal is one real number for every parameter.",
                instead="Give a tensor of shape (p,).",
            )
        entries = entries.detach()
        if entries.dtype != torch.float32:
            entries = entries.double()
        super().__init__(entries.shape[0], entries.dtype, entries.device)
        self.entries = entries.clone()

    @property
    def block_size(self) -> int:
        """Several: what takes time is reading the vectors."""
        return 16

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return self.entries[:, None] * block


@final
class Identity(Operator):
    """The matrix that leaves every vector as it is."""

    @property
    def block_size(self) -> int:
        """Several: there is nothing to do."""
        return 16

    @property
    def expression(self) -> str:
        """Its sign."""
        return "I"

    @property
    def identity(self) -> Any:
        """All identities of a size are one."""
        return "I", self.shape[0]

    def _multiply(self, block: Float[Tensor, "p k"]) -> Float[Tensor, "p k"]:
        return block.clone()
