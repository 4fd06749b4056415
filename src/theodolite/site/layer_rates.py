"""A learning rate for every layer, safe when all layers move together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError, ParameterError
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.operator import Operator
from theodolite.operators.scaled import Scaled
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.site.layer_eigenvalues import LayerEigenvalues, layer_eigenvalues_of
from theodolite.spectrum.eigsh import eigsh

# a layer that hardly bends does not get a rate without bounds
_FLATTEST = 1e-3


@dataclass(frozen=True)
class LayerRates:
    """A learning rate for every layer, safe when all layers move together.

    Attributes
    ----------
    rates : dict
        Layer name to ``fraction · 2 / (coupling · λ_layer)``.
    coupling : float
        Largest eigenvalue of the Hessian after every layer is rescaled by its own
        λ: one for layers that do not interact, up to their number.
    coupling_residual : float
        How far that may be off.
    fraction : float
        Of the joint speed limit.
    products : int
        Full products spent on the coupling.
    outcome : Outcome
        How that ended.
    """

    rates: dict[str, float]
    coupling: float
    coupling_residual: float
    fraction: float
    products: int
    outcome: Outcome


def layer_rates(
    hessian: Operator,
    eigenvalues: LayerEigenvalues,
    layers: Mapping[str, slice],
    *,
    fraction: float = 0.5,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> LayerRates:
    """Learning rates out of every layer's eigenvalue and their coupling."""
    if not 0 < fraction <= 1:
        raise ArgumentError(
            found=f"fraction={fraction}.",
            why="Above the speed limit descent diverges, at zero it stands still.",
            instead="Give a fraction in (0, 1]; 0.5 is 1/λ_max.",
        )
    steepest = max((row.value for row in eigenvalues.values()), default=0.0)
    if steepest <= 0:
        raise ArgumentError(
            found="No layer bends upward.",
            why="Nothing limits the learning rate here.",
            instead="Measure at another point, or choose a rate by line search.",
        )
    bends = {
        name: max(row.value, _FLATTEST * steepest) for name, row in eigenvalues.items()
    }
    scale = torch.empty(hessian.shape[0], dtype=hessian.dtype)
    for name, place in layers.items():
        scale[place] = bends[name] ** -0.5
    scaled = Scaled(hessian, scale)
    top = eigsh(scaled, 1, tol=1e-2, seed=seed, budget=budget, progress=progress)
    # the upper end of what the coupling may be: these rates are meant to be safe
    coupling = float(top.values[0] + top.residuals[0])
    return LayerRates(
        rates={name: fraction * 2 / (coupling * bend) for name, bend in bends.items()},
        coupling=coupling,
        coupling_residual=float(top.residuals[0]),
        fraction=fraction,
        products=top.products,
        outcome=top.outcome,
    )


def layer_learning_rates(
    land: Landscape,
    *,
    fraction: float = 0.5,
    tol: float = 1e-2,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimiser, with a learning rate for each layer.

        η_layer = fraction · 2 / (μ λ_layer)
        μ = λ_max(D^−½ H D^−½),   D = diag(λ_layer)

    Rates of 2/λ_layer alone are safe only if the layers do not interact; the measured
    coupling μ makes them safe together, for plain gradient descent near this point. A
    layer that bends less than a thousandth of the steepest is treated as if it bent
    that much.

    Parameters
    ----------
    land : Landscape
        Of a model, measured where it is.
    fraction : float
        Of the joint speed limit; 0.5 is the rate 1/λ_max.
    tol : float
        Residual relative to each eigenvalue.
    seed : int
        Of the random starts.
    budget : int or str, optional
        Products for the layers and again for the coupling, or a time.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    list of dict
        ``{"params": [...], "lr": ..., "name": layer}`` for each layer, ready for
        ``torch.optim.SGD(groups)``.

    Raises
    ------
    ParameterError
        When the landscape is a function's, which has no parameters to train.
    ArgumentError
        When ``fraction`` is out of range, or nothing bends upward.

    References
    ----------
    Singh et al., "Layer-specific adaptive learning rates for deep networks", 2015,
    arXiv:1510.04609; the joint limit is that of block-scaled gradient descent.
    """
    require_landscape(land)
    if land.model is None:
        raise ParameterError(
            found="A landscape made from a function.",
            why="It has no module whose parameters an optimiser could move.",
            instead="Use speed_limit(land), or make the Landscape from a model.",
        )
    hessian = land.hessian()
    eigenvalues = layer_eigenvalues_of(
        hessian, tol=tol, seed=seed, budget=budget, progress=progress
    )
    rates = layer_rates(
        hessian,
        eigenvalues,
        land.layers,
        fraction=fraction,
        seed=seed,
        budget=budget,
        progress=progress,
    )
    return [
        {"params": land.parameters_of(layer), "lr": rate, "name": layer}
        for layer, rate in rates.rates.items()
    ]
