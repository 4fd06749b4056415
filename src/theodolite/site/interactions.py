"""How strongly the layers bend each other."""

from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.operators.curvature import Curvature
from theodolite.operators.layer_columns import LayerColumns
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.parameters import Patterns
from theodolite.progress import ProgressLike
from theodolite.site.column_samples import ColumnSamples
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import require_tolerances

# a matrix of more layers than this is printed by its strongest couplings alone
_PRINTED = 12


@dataclass(frozen=True)
class Coupling:
    """Two different layers, and the block of the Hessian between them.

    Attributes
    ----------
    layers : tuple of str
        Their names.
    norm, error : float
        The block's Frobenius norm, and one standard error.
    strength : float
        The norm over the geometric mean of both layers' own; at most one where the
        Hessian bends upward everywhere.
    """

    layers: tuple[str, str]
    norm: float
    error: float
    strength: float


@final
@dataclass(frozen=True, repr=False)
class Interactions:
    """The Frobenius norm of the Hessian's block between any two layers.

    Attributes
    ----------
    names : tuple of str
        The layers, in the model's order.
    norms, errors : Tensor
        ``‖H[i, j]‖_F`` and one standard error ``(l, l)``, symmetric, float64; the
        error is zero where the block is known exactly.
    norm, norm_error : float
        ``‖H‖_F`` of all these layers.
    off_diagonal, off_diagonal_error : float
        The share of ``‖H‖_F²`` that lies between different layers.
    products, seconds, seed, outcome
        What it cost and how it ended.
    """

    names: tuple[str, ...]
    norms: Float[Tensor, "l l"]
    errors: Float[Tensor, "l l"]
    norm: float
    norm_error: float
    off_diagonal: float
    off_diagonal_error: float
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    def strongest(self, count: int = 5) -> list[Coupling]:
        """The largest blocks between different layers, largest first."""
        names = self.names
        pairs = [(i, j) for i in range(len(names)) for j in range(i)]
        pairs.sort(key=lambda pair: -float(self.norms[pair]))
        return [self._coupling(i, j) for i, j in pairs[:count]]

    def _coupling(self, i: int, j: int) -> Coupling:
        norm = float(self.norms[i, j])
        own = float(self.norms[i, i] * self.norms[j, j]) ** 0.5
        names = (self.names[j], self.names[i])
        return Coupling(names, norm, float(self.errors[i, j]), norm / own if own else 0)

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain; matrices as lists of rows."""
        matrices = {"norms": self.norms.tolist(), "errors": self.errors.tolist()}
        plain = {"names": list(self.names), "outcome": self.outcome.name}
        return {**vars(self), **matrices, **plain}

    def to_record(self) -> dict[str, Any]:
        """What a page draws of them."""
        plain = self.to_dict()
        names = ("names", "norms", "errors", "norm", "norm_error", "off_diagonal")
        return {name: plain[name] for name in (*names, "off_diagonal_error")}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("interactions", self.to_record(), rows=len(self.names))

    def __repr__(self) -> str:
        head = (
            f"Interactions of {len(self.names)} layers: {self.off_diagonal:.1%} ± "
            f"{self.off_diagonal_error:.1%} of ‖H‖² lies between them. "
            f"{self.products} products. {self.outcome}"
        )
        matrix = self._matrix() if len(self.names) <= _PRINTED else []
        couplings = [
            f"  {' – '.join(pair.layers)}: {pair.norm:.3g} ± {pair.error:.1g} "
            f"(strength {pair.strength:.2f})"
            for pair in self.strongest()
        ]
        title = ["Strongest couplings:"] if couplings else []
        return "\n".join([head, *matrix, *title, *couplings])

    def _matrix(self) -> list[str]:
        rows = [[f"{float(norm):.3g}" for norm in row] for row in self.norms]
        cells = [[*self.names], *rows]
        widths = [max(len(row[j]) for row in cells) for j in range(len(self.names))]
        front = max(len(name) for name in self.names)
        return [
            f"  {name:{front}}  "
            + "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True))
            for name, row in zip(("", *self.names), cells, strict=True)
        ]


def interactions(
    land: Landscape,
    *,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    layers: Patterns | None = None,
    deflate: EigenPairs | None = None,
) -> Interactions:
    """The Frobenius norms of all blocks of the Hessian, layer by layer.

        ‖H[i, j]‖_F² = E‖H[i, j] z‖²,   z of random signs over layer j

    A product with signs over one layer alone measures that layer's blocks with all
    others; as H is symmetric, every block between two layers is measured from both
    ends, and pooled. Layers with no more parameters than they need probes are
    multiplied by their unit vectors instead: their rows and columns are exact. Ten
    probes a layer at first, more for the layers whose blocks are least certain, until
    every error is below ``rtol`` of ‖H‖_F, the norm of the whole. About ¼ s² / rtol²
    products for a layer whose blocks hold a share s of that norm.

    The stated error is that of the norm, by its samples and by the bound
    ``Var ‖Bz‖² ≤ 2 ‖B‖_F⁴``; blocks that are much smaller than ‖H‖_F are known to a
    fifth of their size.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    rtol : float
        Standard error of every block's norm, relative to ‖H‖_F.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products (1,000 by default, or 50 a layer where that is more), or a time like
        ``"30s"``. One for each layer, and up to ten for tiny ones, are always made.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.
    layers : str or sequence of str, optional
        Only the blocks among these layers (names or fnmatch patterns).
    deflate : EigenPairs, optional
        Pairs of the same Hessian, ``td.eigsh(land.hessian(), 10, "LM")``: what they
        tell needs no probes, which makes the rest ten times as precise where a few
        outliers carry the weight. Any pairs are right, good ones save probes.

    Returns
    -------
    Interactions
        Norms with errors, and the share of the Hessian between layers.

    Raises
    ------
    ArgumentError
        When ``rtol`` is not positive, or the pairs are of another size.
    TheodoliteError
        As :meth:`Landscape.hessian` raises.

    References
    ----------
    What block-diagonal approximations leave out: Martens and Grosse, "Optimizing
    neural networks with Kronecker-factored approximate curvature", 2015,
    arXiv:1503.05671.
    """
    require_landscape(land)
    hessian = land.hessian(layers)
    return interactions_of(
        hessian,
        rtol=rtol,
        seed=seed,
        budget=budget,
        progress=progress,
        deflate=deflate,
    )


def interactions_of(
    hessian: Curvature,
    *,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
) -> Interactions:
    """The same on the graphs of a Hessian at hand."""
    require_tolerances(rtol, 0.0, "rtol=0.05")
    _require_pairs_of(hessian, deflate)
    columns = LayerColumns(hessian)
    samples = ColumnSamples(columns, seed, deflate)
    most = max(1000, 50 * len(columns.sizes))
    with Effort(columns, budget, most, progress, "interactions") as effort:
        outcome = _measure(samples, rtol, effort)
        norms, errors = samples.norms()
        norm, norm_error = samples.norm()
        share, share_error = samples.off_diagonal()
        return Interactions(
            names=tuple(columns.sizes),
            norms=norms,
            errors=errors,
            norm=norm,
            norm_error=norm_error,
            off_diagonal=share,
            off_diagonal_error=share_error,
            seed=seed,
            outcome=outcome,
            **effort.cost,
        )


def _require_pairs_of(hessian: Curvature, pairs: EigenPairs | None) -> None:
    if pairs is not None and pairs.vectors.shape[0] != hessian.shape[0]:
        raise ArgumentError(
            found=f"Eigenvectors of {pairs.vectors.shape[0]} entries in deflate.",
            why=f"The Hessian of these layers is {hessian.shape[0]} × "
            f"{hessian.shape[0]}.",
            instead="Give td.eigsh(land.hessian(layers), 10, 'LM').",
        )


def _measure(samples: ColumnSamples, rtol: float, effort: Effort) -> Outcome:
    """Probe the layer that promises most, until all errors are small enough."""
    samples.begin(effort.budget)
    while not samples.exact:
        plan = samples.next_step(rtol)
        if plan is None:
            return converged(f"Every error is below {rtol:g} ‖H‖_F")
        layer, count = plan
        effort.tell(count)
        if effort.spent():
            worst = float(samples.norms()[1].max())
            return out_of_budget(
                f"the largest error is {worst:.2g} for {rtol * samples.norm()[0]:.2g}",
                "Raise budget or rtol",
            )
        samples.probe(layer, int(min(count, effort.room)))
    return EXACT
