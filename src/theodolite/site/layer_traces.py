"""The sum of curvatures of every layer, from the same probes."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike, as_budget
from theodolite.estimate import Estimate, mean_and_error
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.curvature import Curvature
from theodolite.outcomes import Outcome
from theodolite.spectrum.diagonal import known_diagonal
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.probes import Probe, Probes, Tally, require_tolerances


@final
@dataclass(frozen=True, repr=False)
class LayerTraces(Mapping[str, Estimate[float]]):
    """The trace of every layer's block, by layer name.

    Attributes
    ----------
    rows : dict
        Layer name to :class:`~theodolite.estimate.Estimate`, in the model's order;
        the products of each are those that all share.
    products, seconds, seed, outcome
        What it cost and how it ended.
    """

    rows: dict[str, Estimate[float]]
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    def __getitem__(self, layer: str) -> Estimate[float]:
        return self.rows[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        rows = {name: row.to_dict() for name, row in self.rows.items()}
        return {**vars(self), "rows": rows, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [
            f"  {name:{width}}  {row.value:.5g} ± {row.error:.1g}"
            for name, row in self.rows.items()
        ]
        head = f"LayerTraces: {self.products} products. {self.outcome}"
        return "\n".join([head, *lines])


def layer_traces(
    land: Landscape,
    *,
    rtol: float = 0.02,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> LayerTraces:
    """The trace of every layer's own block, all from the same products.

        tr H[l, l] = Σ_{i∈l} (H V Vᵀ)ᵢᵢ + E[Σ_{i∈l} zᵢ (H z')ᵢ]
        z' = z − V Vᵀ z,  z of random signs over all layers

    One product serves all layers, where each layer's own probes would cost one a
    layer. Stops when every standard error is below ``rtol`` of the sum of all traces'
    sizes, after at least 20 probes; computed exactly by p products where that is not
    more. With ten pairs in ``deflate`` 20 probes mostly suffice. The errors of
    different layers are not independent.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    rtol : float
        Standard error asked for, relative to Σ |tr H[l, l]|.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default), or a time like ``"30s"``.
    deflate : EigenPairs, optional
        Pairs of the whole Hessian, for one more product each; any orthonormal vectors
        are right, good ones save probes.

    Returns
    -------
    LayerTraces
        A mapping from layer name to value and error.

    Raises
    ------
    ArgumentError
        When ``rtol`` is not positive.
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
        land.hessian(), rtol=rtol, seed=seed, budget=budget, deflate=deflate
    )


def layer_traces_of(
    hessian: Curvature,
    *,
    rtol: float = 0.02,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
) -> LayerTraces:
    """The same for a Hessian at hand."""
    began = time.perf_counter()
    require_tolerances(rtol, 0.0, "rtol=0.02")
    layers = hessian.parameters.layers
    probes = Probes(hessian, seed, deflate)
    sizes = [place.stop - place.start for place in layers.values()]
    tally = _LayerSums(sizes, rtol, known_diagonal(hessian, deflate))
    ended = probes.run(tally, as_budget(budget, 1000))
    spent = probes.products, time.perf_counter() - began, seed, ended
    rows = {
        name: Estimate(value, error, 0 if tally.exact else tally.count, *spent)
        for name, (value, error) in zip(layers, tally.estimates(), strict=True)
    }
    return LayerTraces(rows, *spent)


@final
class _LayerSums(Tally):
    """Independent samples of every layer's part of zᵀ H z, or of its diagonal."""

    def __init__(
        self, sizes: list[int], rtol: float, known: Float[Tensor, " p"]
    ) -> None:
        super().__init__()
        self._sizes, self._rtol = sizes, rtol
        self._known = self._summed(known[:, None])[:, 0].tolist()
        self._samples = torch.zeros(0, len(sizes), dtype=torch.float64)
        self._entries = torch.zeros(sum(sizes), dtype=torch.float64)

    def add(self, probe: Probe) -> None:
        """One sample of every layer a probe."""
        samples = self._summed(probe.signs.double() * probe.products.double())
        self._samples = torch.cat([self._samples, samples.T.cpu()])
        self.count = len(self._samples)

    def add_columns(self, rows: Tensor, columns: Tensor) -> None:
        """Their entries on the diagonal."""
        places = torch.arange(len(rows), device=rows.device)
        self._entries[rows.cpu()] = columns[rows, places].double().cpu()

    def error_and_goal(self) -> tuple[float, float]:
        """The largest error of a layer, and what it should be."""
        values, errors = zip(*self.estimates(), strict=True)
        return max(errors), self._rtol * sum(map(abs, values))

    def estimates(self) -> list[tuple[float, float]]:
        """Every layer's trace and its standard error."""
        if self.exact:
            return [(float(t), 0.0) for t in self._summed(self._entries[:, None])]
        found = [mean_and_error(samples) for samples in self._samples.T]
        return [
            (known + mean, error)
            for known, (mean, error) in zip(self._known, found, strict=True)
        ]

    def _summed(self, entries: Float[Tensor, "p k"]) -> Float[Tensor, "l k"]:
        return torch.stack([part.sum(0) for part in entries.split(self._sizes)])
