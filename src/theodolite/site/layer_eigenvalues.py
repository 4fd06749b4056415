"""The steepest curvature of every layer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.curvature import Curvature
from theodolite.operators.layer_blocks import LayerBlocks
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import chosen_positions
from theodolite.spectrum.krylov import Krylov

_BASIS = 40
# rounds that usual blocks take, for the bar alone
_USUAL = 15
# blocks that are written out: a residual says that some eigenvalue is near, not which
_SMALL = 16


@dataclass(frozen=True)
class LayerRow:
    """One layer's block of the Hessian.

    Attributes
    ----------
    value : float
        Its largest eigenvalue.
    residual : float
        How far that may be off.
    size : int
        Parameters in the layer.
    products : int
        Products with the block.
    converged : bool
        Whether the residual met its tolerance.
    """

    value: float
    residual: float
    size: int
    products: int
    converged: bool


@final
@dataclass(frozen=True, repr=False)
class LayerEigenvalues(Mapping[str, LayerRow]):
    """The largest eigenvalue of every layer's block, by layer name.

    Attributes
    ----------
    rows : dict
        Layer name to :class:`LayerRow`, in the model's order.
    products, seconds, seed, outcome
        What it cost and how it ended.
    """

    rows: dict[str, LayerRow]
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    def __getitem__(self, layer: str) -> LayerRow:
        return self.rows[layer]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        rows = {name: vars(row) for name, row in self.rows.items()}
        return {**vars(self), "rows": rows, "outcome": self.outcome.name}

    def to_record(self, rates: Mapping[str, float] | None = None) -> dict[str, Any]:
        """What a page draws of them.

        Parameters
        ----------
        rates : mapping, optional
            Safe learning rates by layer, infinite for those it leaves out; NaN for all
            where they are not known.
        """
        known = {} if rates is None else rates
        other = float("nan" if rates is None else "inf")
        rows = [
            {
                "name": name,
                "size": row.size,
                "eigenvalue": row.value,
                "residual": row.residual,
                "converged": row.converged,
                "learning_rate": known.get(name, other),
            }
            for name, row in self.rows.items()
        ]
        return {"rows": rows}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("layers", self.to_record(), rows=len(self.rows))

    def __repr__(self) -> str:
        width = max(map(len, self.rows), default=0)
        lines = [
            f"  {name:{width}}  {row.value:.5g} ± {row.residual:.1g}"
            + ("" if row.converged else "  ?")
            for name, row in self.rows.items()
        ]
        head = f"LayerEigenvalues: {self.products} block products. {self.outcome}"
        return "\n".join([head, *lines])


def layer_eigenvalues(
    land: Landscape,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> LayerEigenvalues:
    """The largest eigenvalue of every layer's own block, all in one pass.

    All layers advance side by side on the same gradient graphs; those that have
    converged drop out. A product with one layer's block differentiates only through
    what that layer needs. Costs 10 to 25 block products a layer; no block's largest
    eigenvalue exceeds the whole Hessian's.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    tol : float
        Residual relative to each eigenvalue.
    seed : int
        Of the random starts.
    budget : int or str, optional
        Block products in all (200 a layer by default), or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Returns
    -------
    LayerEigenvalues
        A mapping from layer name to value, residual and size.

    Raises
    ------
    TheodoliteError
        As :meth:`Landscape.hessian` raises.

    References
    ----------
    Block curvature for learning rates: LeCun, Bottou, Orr and Müller, "Efficient
    BackProp", 1998, doi:10.1007/3-540-49430-8_2.
    """
    require_landscape(land)
    return layer_eigenvalues_of(
        land.hessian(), tol=tol, seed=seed, budget=budget, progress=progress
    )


def layer_eigenvalues_of(
    hessian: Curvature,
    *,
    tol: float = 1e-3,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    after_round: Callable[[int], None] = lambda products: None,
) -> LayerEigenvalues:
    """The same on the graphs of a Hessian at hand, telling its block products."""
    blocks = LayerBlocks(hessian)
    most = 200 * len(blocks.parameters)
    searches = {
        name: _LayerSearch(parameters.size, hessian, seed, tol)
        for name, parameters in blocks.parameters.items()
    }
    active, rounds = dict(searches), 0
    with Effort(blocks, budget, most, progress, "layers' eigenvalues") as effort:
        # the first round is always made
        while active and not (rounds and effort.spent()):
            vectors = {name: search.krylov.next for name, search in active.items()}
            ahead = {n: v for n, v in vectors.items() if v is not None}
            products = blocks.multiply(ahead)
            for name, product in products.items():
                searches[name].absorb(product)
            after_round(len(products))
            active = {n: search for n, search in active.items() if not search.done}
            rounds += 1
            effort.tell(len(active) * max(1, _USUAL - rounds))
        effort.holds(sum(search.krylov.bytes for search in searches.values()))
        rows = {name: search.row() for name, search in searches.items()}
        return LayerEigenvalues(
            rows=rows, seed=seed, outcome=_layers_ended(rows, tol), **effort.cost
        )


def _layers_ended(rows: Mapping[str, LayerRow], tol: float) -> Outcome:
    late = [name for name, row in rows.items() if not row.converged]
    if late:
        return out_of_budget(
            f"{len(late)} of {len(rows)} layers have residuals above tol={tol:g}",
            "Raise budget or tol",
        )
    return converged(f"All {len(rows)} layers met their tolerance")


@final
class _LayerSearch:
    """The largest eigenvalue of one block, a product at a time."""

    def __init__(self, size: int, like: Curvature, seed: int, tol: float) -> None:
        empty = torch.empty(0, dtype=like.dtype, device=like.device)
        self.krylov = Krylov.from_random(size, _BASIS, empty, seed)
        self.tol, self.products, self.done = tol, 0, False
        self._small = size <= _SMALL

    def absorb(self, product: Tensor) -> None:
        """Take a product, judge, and make room for the next."""
        self.krylov.absorb(product)
        self.products += 1
        ritz = self.krylov.ritz()
        met = float(ritz.estimates[-1]) <= self._tolerance(ritz.values)
        good = met and not self._small and self.row().converged
        self.done = self.krylov.exhausted or good
        if self.krylov.full and not self.done:
            kept = chosen_positions(ritz.values, _BASIS // 2, "LA")
            self.krylov.restart(ritz.values[kept], ritz.mixes[:, kept])

    def row(self) -> LayerRow:
        """The best value so far, with its true residual."""
        ritz = self.krylov.ritz()
        residual = float(self.krylov.residuals(ritz.values[-1:], ritz.mixes[:, -1:]))
        good = self.krylov.exhausted or residual <= self._tolerance(ritz.values)
        value = float(ritz.values[-1])
        return LayerRow(value, residual, self.krylov.size, self.products, good)

    def _tolerance(self, values: Tensor) -> float:
        return self.tol * max(float(values[-1].abs()), 1e-3 * float(values.abs().max()))
