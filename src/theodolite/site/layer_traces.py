"""The sum of curvatures of every layer, from the same probes."""

from theodolite.budget import BudgetLike
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.curvature import Curvature
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.layer_rows import LayerTraces, layer_lengths
from theodolite.spectrum.estimating.probes import require_tolerances
from theodolite.spectrum.estimating.probing import Probing
from theodolite.spectrum.estimating.quantities import LayersOf
from theodolite.spectrum.krylov import Krylov


def layer_traces(
    land: Landscape,
    *,
    rtol: float = 0.02,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> LayerTraces:
    """The trace of every layer's own block, all from the same products.

        tr H[l, l] = tr G[l, l] + E[Σ_{i∈l} zᵢ ((H − G) z)ᵢ]
        z of random signs over all layers

    One product serves all layers, where each layer's own probes would cost one a layer.
    The Gauss–Newton part G is exact for some 5 to 12 gradients, or large eigenvalues
    are taken out by Lanczos steps, as :func:`theodolite.trace` does. Stops when half of
    every 95 % interval is below ``rtol`` of the sum of all traces' sizes; computed
    exactly by p products where that is not more. The errors of different layers are not
    independent.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    rtol : float
        Half the widest 95 % interval asked for, relative to Σ |tr H[l, l]|.
    method : str
        ``"auto"``; ``"split"`` insists on the Gauss–Newton part, ``"deflated"`` leaves
        it out, ``"plain"`` takes random signs alone.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default; those of G count as well), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.
    deflate : EigenPairs, optional
        Pairs of the whole Hessian to take out instead, for one more product each; any
        orthonormal vectors are right, good ones save probes.
    krylov : Krylov, optional
        A run on the same Hessian whose space is taken out, and may grow.

    Returns
    -------
    LayerTraces
        A mapping from layer name to value and error.

    Raises
    ------
    ArgumentError
        When ``rtol`` is not positive, or the method unknown.
    TheodoliteError
        As :meth:`Landscape.hessian` raises.

    References
    ----------
    Hutchinson, "A stochastic estimator of the trace of the influence matrix", 1990,
    doi:10.1080/03610919008812866; by layers as in Dong et al., "HAWQ-V2", 2020,
    arXiv:1911.03852.
    """
    require_landscape(land)
    return layer_traces_of(
        land.hessian(),
        rtol=rtol,
        method=method,
        seed=seed,
        budget=budget,
        progress=progress,
        deflate=deflate,
        krylov=krylov,
    )


def layer_traces_of(
    hessian: Curvature,
    *,
    rtol: float = 0.02,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> LayerTraces:
    """The same for a Hessian at hand."""
    require_tolerances(rtol, 0.0, "rtol=0.02")
    with Effort(hessian, budget, 1000, progress, "layers' traces") as effort:
        probing = Probing(
            hessian,
            {"layers": LayersOf(rtol, 0.0)},
            effort,
            seed=seed,
            method=method,
            deflate=deflate,
            krylov=krylov,
            lengths=layer_lengths(hessian),
        )
        found = probing.estimate("layers", probing.run())
        return LayerTraces.of(list(hessian.parameters.layers), found)
