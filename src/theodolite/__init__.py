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
    from theodolite.budget import Budget
    from theodolite.errors import TheodoliteError
    from theodolite.estimate import Estimate
    from theodolite.landscape import Landscape
    from theodolite.models.catalogue import builtin
    from theodolite.operators.preconditioned import preconditioned
    from theodolite.outcomes import Outcome
    from theodolite.site.critical_point import CriticalPoint, classify
    from theodolite.site.expected_rise import Rise, expected_rise
    from theodolite.site.gauss_newton_diagonal import (
        gauss_newton_diagonal,
        gauss_newton_trace,
    )
    from theodolite.site.interactions import interactions
    from theodolite.site.layer_eigenvalues import LayerEigenvalues, layer_eigenvalues
    from theodolite.site.layer_rates import layer_learning_rates
    from theodolite.site.layer_traces import layer_traces
    from theodolite.site.preconditioner import preconditioner
    from theodolite.site.speed_limit import SpeedLimit, speed_limit
    from theodolite.site.stiffness import Stiffness, stiffness
    from theodolite.spectrum.density import SpectralDensity, spectral_density
    from theodolite.spectrum.diagonal import diagonal
    from theodolite.spectrum.eigenpairs import EigenPairs
    from theodolite.spectrum.eigsh import eigsh
    from theodolite.spectrum.frobenius import frobenius_norm
    from theodolite.spectrum.lanczos import Tridiagonal, lanczos
    from theodolite.spectrum.power_iteration import power_iteration
    from theodolite.spectrum.solve import Solution, solve
    from theodolite.spectrum.trace import trace
    from theodolite.surveying.result import Survey
    from theodolite.surveying.survey import survey

# public name -> where it lives; looked up when first used, so that `import theodolite`
# and the command line's --help do not wait for torch
_HOMES = {
    "Budget": "budget",
    "TheodoliteError": "errors",
    "Estimate": "estimate",
    "Landscape": "landscape",
    "builtin": "models.catalogue",
    "Outcome": "outcomes",
    "CriticalPoint": "site.critical_point",
    "classify": "site.critical_point",
    "Rise": "site.expected_rise",
    "expected_rise": "site.expected_rise",
    "LayerEigenvalues": "site.layer_eigenvalues",
    "layer_eigenvalues": "site.layer_eigenvalues",
    "layer_learning_rates": "site.layer_rates",
    "SpeedLimit": "site.speed_limit",
    "speed_limit": "site.speed_limit",
    "Stiffness": "site.stiffness",
    "stiffness": "site.stiffness",
    "SpectralDensity": "spectrum.density",
    "spectral_density": "spectrum.density",
    "EigenPairs": "spectrum.eigenpairs",
    "eigsh": "spectrum.eigsh",
    "Tridiagonal": "spectrum.lanczos",
    "lanczos": "spectrum.lanczos",
    "power_iteration": "spectrum.power_iteration",
    "Solution": "spectrum.solve",
    "solve": "spectrum.solve",
    "trace": "spectrum.trace",
    "preconditioned": "operators.preconditioned",
    "gauss_newton_diagonal": "site.gauss_newton_diagonal",
    "gauss_newton_trace": "site.gauss_newton_diagonal",
    "interactions": "site.interactions",
    "layer_traces": "site.layer_traces",
    "preconditioner": "site.preconditioner",
    "diagonal": "spectrum.diagonal",
    "frobenius_norm": "spectrum.frobenius",
    "Survey": "surveying.result",
    "survey": "surveying.survey",
}

__all__ = [
    "Budget",
    "CriticalPoint",
    "EigenPairs",
    "Estimate",
    "Landscape",
    "LayerEigenvalues",
    "Outcome",
    "Rise",
    "Solution",
    "SpectralDensity",
    "SpeedLimit",
    "Stiffness",
    "Survey",
    "TheodoliteError",
    "Tridiagonal",
    "__version__",
    "builtin",
    "classify",
    "diagonal",
    "eigsh",
    "expected_rise",
    "frobenius_norm",
    "gauss_newton_diagonal",
    "gauss_newton_trace",
    "interactions",
    "lanczos",
    "layer_eigenvalues",
    "layer_learning_rates",
    "layer_traces",
    "power_iteration",
    "preconditioned",
    "preconditioner",
    "solve",
    "spectral_density",
    "speed_limit",
    "stiffness",
    "survey",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module 'theodolite' has no attribute {name!r}"
        raise AttributeError(msg)
    state = random.getstate()
    try:
        value = getattr(import_module(f"theodolite.{_HOMES[name]}"), name)
    finally:
        # rich draws a number when it is imported
        random.setstate(state)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
