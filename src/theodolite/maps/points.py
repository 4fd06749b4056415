"""Points that are visited one after another."""

from collections.abc import Mapping, Sequence
from typing import Protocol, final, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from theodolite.maps.place import Place


@runtime_checkable
class Points(Protocol):
    """Points to be visited, each written into memory that is used again."""

    def __len__(self) -> int: ...

    def write(self, number: int, flat: Float[Tensor, " p"]) -> None:
        """Put one point's coordinates into ``flat``."""
        ...

    def buffers(self, number: int) -> Mapping[str, Tensor]:
        """The buffers that belong to it, as far as they are known."""
        ...


@final
class Listed:
    """Places one by one."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def write(self, number: int, flat: Float[Tensor, " p"]) -> None:
        """Copy a place's point."""
        flat.copy_(self._places[number].point)

    def buffers(self, number: int) -> Mapping[str, Tensor]:
        """Those of the place."""
        return self._places[number].buffers
