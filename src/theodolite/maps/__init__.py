"""Lines, planes and paths over the landscape: the country around a point.

The functions that people use first are at the top (``td.line``, ``td.plane``); here is
what goes with them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theodolite.maps.comparison import Comparison as Comparison
    from theodolite.maps.comparison import compare
    from theodolite.maps.descending.boundaries import Boundaries as Boundaries
    from theodolite.maps.descending.boundaries import boundaries
    from theodolite.maps.descending.descent import Descent as Descent
    from theodolite.maps.descending.descent import descend
    from theodolite.maps.descending.descent_on_plane import descend_on
    from theodolite.maps.descending.rates import Rates as Rates
    from theodolite.maps.elsewhere import at_place
    from theodolite.maps.paths.barrier import Barrier as Barrier
    from theodolite.maps.paths.mountain_pass import Pass as Pass
    from theodolite.maps.paths.pass_between import pass_between
    from theodolite.maps.paths.ways import Ways as Ways
    from theodolite.maps.paths.ways import ways
    from theodolite.maps.place import Place
    from theodolite.maps.quantities import AtPoint
    from theodolite.maps.saving import read_map
    from theodolite.maps.topology.disconnectivity import (
        DisconnectivityGraph as DisconnectivityGraph,
    )
    from theodolite.maps.topology.disconnectivity import disconnectivity_graph
    from theodolite.maps.topology.low_regions import low_regions
    from theodolite.maps.topology.regions import LowRegions as LowRegions
    from theodolite.maps.track import Track as Track
    from theodolite.maps.trajectories.principal_components import (
        PrincipalComponents as PrincipalComponents,
    )
    from theodolite.maps.trajectories.trajectory_plane import (
        TrajectoryPlane as TrajectoryPlane,
    )
    from theodolite.maps.trajectories.trajectory_plane import trajectory_plane

# name -> where it lives; looked up when first used, as at the top
_HOMES = {
    "at_place": "elsewhere",
    "boundaries": "descending.boundaries",
    "compare": "comparison",
    "descend": "descending.descent",
    "descend_on": "descending.descent_on_plane",
    "pass_between": "paths.pass_between",
    "trajectory_plane": "trajectories.trajectory_plane",
    "ways": "paths.ways",
    "disconnectivity_graph": "topology.disconnectivity",
    "low_regions": "topology.low_regions",
    "AtPoint": "quantities",
    "Place": "place",
    "read_map": "saving",
}

# what they return: nobody makes one, but annotations name them
_RESULTS = {
    "Barrier": "paths.barrier",
    "Boundaries": "descending.boundaries",
    "Comparison": "comparison",
    "Descent": "descending.descent",
    "DisconnectivityGraph": "topology.disconnectivity",
    "LowRegions": "topology.regions",
    "Pass": "paths.mountain_pass",
    "PrincipalComponents": "trajectories.principal_components",
    "Rates": "descending.rates",
    "Track": "track",
    "TrajectoryPlane": "trajectories.trajectory_plane",
    "Ways": "paths.ways",
}

__all__ = [
    "AtPoint",
    "Place",
    "at_place",
    "boundaries",
    "compare",
    "descend",
    "descend_on",
    "disconnectivity_graph",
    "low_regions",
    "pass_between",
    "read_map",
    "trajectory_plane",
    "ways",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name) or _RESULTS.get(name)
    if home is None:
        msg = f"module 'theodolite.maps' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"theodolite.maps.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *_RESULTS]
