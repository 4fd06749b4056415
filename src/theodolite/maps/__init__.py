"""Lines, planes and paths over the landscape: the country around a point.

The functions that people use first are at the top (``td.line``, ``td.plane``); here is
what goes with them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theodolite.maps.disconnectivity import (
        DisconnectivityGraph as DisconnectivityGraph,
    )
    from theodolite.maps.disconnectivity import disconnectivity_graph
    from theodolite.maps.low_regions import low_regions
    from theodolite.maps.place import Place
    from theodolite.maps.quantities import AtPoint
    from theodolite.maps.saving import read_map

# name -> where it lives; looked up when first used, as at the top
_HOMES = {
    "DisconnectivityGraph": "disconnectivity",
    "disconnectivity_graph": "disconnectivity",
    "low_regions": "low_regions",
    "AtPoint": "quantities",
    "Place": "place",
    "read_map": "saving",
}

__all__ = [
    "AtPoint",
    "Place",
    "disconnectivity_graph",
    "low_regions",
    "read_map",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'theodolite.maps' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"theodolite.maps.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
