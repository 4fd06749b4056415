"""An operator around another one, with its size, type and habits."""

from theodolite.operators.operator import Operator


class Wrapped(Operator):
    """What every operator around another one takes over from it.

    Parameters
    ----------
    inner : Operator
        The one inside.
    """

    def __init__(self, inner: Operator) -> None:
        super().__init__(inner.shape[0], inner.dtype, inner.device)
        self._inner = inner

    @property
    def resolution(self) -> float:
        """As for the operator inside."""
        return self._inner.resolution

    @property
    def block_size(self) -> int:
        """As for the operator inside."""
        return self._inner.block_size
