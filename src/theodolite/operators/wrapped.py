"""An operator around another one, with its size, type and habits."""

from theodolite.errors import ArgumentError
from theodolite.operators.linear_map import LinearMap
from theodolite.operators.operator import Operator


class Wrapped(Operator):
    """What every operator around another map takes over from it.

    Parameters
    ----------
    inner : LinearMap
        The one inside, square.

    Raises
    ------
    ArgumentError
        When it is not square.
    """

    def __init__(self, inner: LinearMap) -> None:
        if inner.shape[0] != inner.shape[1]:
            raise ArgumentError(
                found=f"A map of shape {inner.shape}.",
                why="What is symmetric is square.",
                instead="Use B.T @ B or B @ B.T, which are.",
            )
        super().__init__(inner.shape[0], inner.dtype, inner.device)
        self._inner = inner

    @property
    def resolution(self) -> float:
        """As for the map inside."""
        return self._inner.resolution

    @property
    def block_size(self) -> int:
        """As for the map inside."""
        return self._inner.block_size
