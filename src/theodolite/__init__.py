"""Survey the loss landscape of neural networks.

>>> import theodolite as td
>>> land = td.Landscape(model, loss, (inputs, targets))  # doctest: +SKIP
>>> td.speed_limit(land)  # doctest: +SKIP
"""

import random
from importlib import import_module
from typing import TYPE_CHECKING, Any

from theodolite.version import __version__

if TYPE_CHECKING:
    from theodolite import maps as maps
    from theodolite.budget import Budget
    from theodolite.errors import TheodoliteError
    from theodolite.estimate import Estimate as Estimate
    from theodolite.landscape import Landscape
    from theodolite.maps.align import align
    from theodolite.maps.alignment.result import Alignment as Alignment
    from theodolite.maps.connect import connect
    from theodolite.maps.line import line
    from theodolite.maps.measured_line import Line as Line
    from theodolite.maps.measured_plane import Plane as Plane
    from theodolite.maps.paths.path import Path as Path
    from theodolite.maps.plane import plane
    from theodolite.maps.topology.merge_tree import MergeTree as MergeTree
    from theodolite.maps.topology.merge_tree import merge_tree
    from theodolite.maps.trajectories.trajectory import Trajectory
    from theodolite.models.catalogue import builtin
    from theodolite.operators.preconditioned import preconditioned
    from theodolite.outcomes import Outcome as Outcome
    from theodolite.site.critical_point import CriticalPoint as CriticalPoint
    from theodolite.site.critical_point import classify
    from theodolite.site.data_error import data_error
    from theodolite.site.escape import Escape as Escape
    from theodolite.site.escape import escape_direction
    from theodolite.site.expected_rise import Rise as Rise
    from theodolite.site.expected_rise import Rises as Rises
    from theodolite.site.expected_rise import expected_rise
    from theodolite.site.gauss_newton_diagonal import (
        gauss_newton_diagonal,
        gauss_newton_trace,
    )
    from theodolite.site.index import Index as Index
    from theodolite.site.index import index
    from theodolite.site.interactions import interactions
    from theodolite.site.layer_eigenvalues import LayerEigenvalues as LayerEigenvalues
    from theodolite.site.layer_eigenvalues import layer_eigenvalues
    from theodolite.site.layer_rates import layer_learning_rates
    from theodolite.site.layer_traces import layer_traces
    from theodolite.site.other_data.data_spread import DataSpread as DataSpread
    from theodolite.site.preconditioner import preconditioner
    from theodolite.site.sharpness import sharpness
    from theodolite.site.sharpness_measures import Sharpness as Sharpness
    from theodolite.site.speed_limit import SpeedLimit as SpeedLimit
    from theodolite.site.speed_limit import speed_limit
    from theodolite.site.stiffness import Stiffness as Stiffness
    from theodolite.site.stiffness import stiffness
    from theodolite.site.third_order import ThirdOrder as ThirdOrder
    from theodolite.site.third_order import third_order
    from theodolite.spectrum.counting.measured_density import (
        SpectralDensity as SpectralDensity,
    )
    from theodolite.spectrum.density import spectral_density
    from theodolite.spectrum.diagonal import diagonal
    from theodolite.spectrum.eigenpairs import EigenPairs as EigenPairs
    from theodolite.spectrum.eigsh import eigsh
    from theodolite.spectrum.estimating.layer_rows import LayerTraces as LayerTraces
    from theodolite.spectrum.frobenius import frobenius_norm
    from theodolite.spectrum.lanczos import Tridiagonal as Tridiagonal
    from theodolite.spectrum.lanczos import lanczos
    from theodolite.spectrum.moments import Moments as Moments
    from theodolite.spectrum.moments import moments
    from theodolite.spectrum.power_iteration import power_iteration
    from theodolite.spectrum.solve import solve
    from theodolite.spectrum.solving.solution import Solution as Solution
    from theodolite.spectrum.trace import trace
    from theodolite.surveying.result import Survey as Survey
    from theodolite.surveying.survey import survey

# public name -> where it lives; looked up when first used, so that `import theodolite`
# and the command line's --help do not wait for torch
_HOMES = {
    "Trajectory": "maps.trajectories.trajectory",
    "Budget": "budget",
    "TheodoliteError": "errors",
    "Landscape": "landscape",
    "align": "maps.align",
    "connect": "maps.connect",
    "line": "maps.line",
    "merge_tree": "maps.topology.merge_tree",
    "plane": "maps.plane",
    "builtin": "models.catalogue",
    "preconditioned": "operators.preconditioned",
    "classify": "site.critical_point",
    "data_error": "site.data_error",
    "escape_direction": "site.escape",
    "expected_rise": "site.expected_rise",
    "gauss_newton_diagonal": "site.gauss_newton_diagonal",
    "gauss_newton_trace": "site.gauss_newton_diagonal",
    "index": "site.index",
    "interactions": "site.interactions",
    "layer_eigenvalues": "site.layer_eigenvalues",
    "layer_learning_rates": "site.layer_rates",
    "layer_traces": "site.layer_traces",
    "preconditioner": "site.preconditioner",
    "sharpness": "site.sharpness",
    "speed_limit": "site.speed_limit",
    "stiffness": "site.stiffness",
    "third_order": "site.third_order",
    "spectral_density": "spectrum.density",
    "diagonal": "spectrum.diagonal",
    "eigsh": "spectrum.eigsh",
    "frobenius_norm": "spectrum.frobenius",
    "lanczos": "spectrum.lanczos",
    "moments": "spectrum.moments",
    "power_iteration": "spectrum.power_iteration",
    "solve": "spectrum.solve",
    "trace": "spectrum.trace",
    "survey": "surveying.survey",
}
# what they return: nobody makes one, but annotations name them
_RESULTS = {
    "Estimate": "estimate",
    "Outcome": "outcomes",
    "Alignment": "maps.alignment.result",
    "Line": "maps.measured_line",
    "MergeTree": "maps.topology.merge_tree",
    "Path": "maps.paths.path",
    "Plane": "maps.measured_plane",
    "CriticalPoint": "site.critical_point",
    "DataSpread": "site.other_data.data_spread",
    "Escape": "site.escape",
    "Rise": "site.expected_rise",
    "Rises": "site.expected_rise",
    "Index": "site.index",
    "LayerEigenvalues": "site.layer_eigenvalues",
    "Sharpness": "site.sharpness_measures",
    "SpeedLimit": "site.speed_limit",
    "Stiffness": "site.stiffness",
    "ThirdOrder": "site.third_order",
    "SpectralDensity": "spectrum.counting.measured_density",
    "EigenPairs": "spectrum.eigenpairs",
    "Tridiagonal": "spectrum.lanczos",
    "Moments": "spectrum.moments",
    "LayerTraces": "spectrum.estimating.layer_rows",
    "Solution": "spectrum.solving.solution",
    "Survey": "surveying.result",
}

# rooms with names of their own for what is used less often
_ROOMS = ("maps",)

__all__ = [
    "Budget",
    "Landscape",
    "TheodoliteError",
    "Trajectory",
    "__version__",
    "align",
    "builtin",
    "classify",
    "connect",
    "data_error",
    "diagonal",
    "eigsh",
    "escape_direction",
    "expected_rise",
    "frobenius_norm",
    "gauss_newton_diagonal",
    "gauss_newton_trace",
    "index",
    "interactions",
    "lanczos",
    "layer_eigenvalues",
    "layer_learning_rates",
    "layer_traces",
    "line",
    "maps",
    "merge_tree",
    "moments",
    "plane",
    "power_iteration",
    "preconditioned",
    "preconditioner",
    "sharpness",
    "solve",
    "spectral_density",
    "speed_limit",
    "stiffness",
    "survey",
    "third_order",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"theodolite.{name}")
    home = _HOMES.get(name) or _RESULTS.get(name)
    if home is None:
        msg = f"module 'theodolite' has no attribute {name!r}"
        raise AttributeError(msg)
    state = random.getstate()
    try:
        value = getattr(import_module(f"theodolite.{home}"), name)
    finally:
        # rich draws a number when it is imported
        random.setstate(state)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, *_RESULTS]
