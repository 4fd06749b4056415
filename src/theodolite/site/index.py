"""How many directions bend down."""

from dataclasses import dataclass
from typing import Any

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.spectrum.counting.measured_density import SpectralDensity
from theodolite.spectrum.density import spectral_density


@dataclass(frozen=True, repr=False)
class Index:
    """The number of negative eigenvalues, and how far it may be off.

    Attributes
    ----------
    value : float
        How many eigenvalues are below ``−tolerance``, as the density counts them.
    low, high : float
        The 95 % interval of the count; its lower end is no smaller than ``certain``.
    certain : int
        So many there surely are: a compression of a matrix has no more of them.
    tolerance : float
        What is nearer to zero than that counts as zero.
    size : int
        p, the number of all eigenvalues.
    products, seconds, bytes, seed, outcome
        What it cost and how it ended.
    """

    value: float
    low: float
    high: float
    certain: int
    tolerance: float
    size: int
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        return (
            f"Index: {self.value:.0f} of {self.size} eigenvalues below "
            f"−{self.tolerance:.2g}, between {self.low:.0f} and {self.high:.0f}, "
            f"{self.certain} for sure ({self.products} products). {self.outcome}"
        )


def index(
    land: Landscape,
    *,
    tolerance: float | None = None,
    probes: int = 3,
    steps: int = 60,
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
) -> Index:
    """The number of directions that bend down, with an interval.

        #{λᵢ < −tolerance}

    Counted from the spectral density, whose moments bound it from both sides; exact
    where p products are no more than the density's. Costs ``probes · steps`` products
    and 2 · steps · p numbers. Networks have most of their eigenvalues near zero, of
    both signs: the number then hangs on ``tolerance``, and the interval is wide.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    tolerance : float, optional
        What counts as zero; by default what rounding cannot tell from it.
    probes, steps : int
        As :func:`theodolite.spectral_density` takes them; more steps narrow the
        interval.
    seed : int
        Of the probes.
    budget : int or str, optional
        Products, or a time like ``"30s"``.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When ``tolerance`` is negative.
    TheodoliteError
        As :meth:`Landscape.hessian` and :func:`theodolite.spectral_density` raise.

    References
    ----------
    Dauphin et al., "Identifying and attacking the saddle point problem in
    high-dimensional non-convex optimization", 2014, arXiv:1406.2572.
    """
    require_landscape(land)
    if tolerance is not None and not tolerance >= 0:
        raise ArgumentError(
            found=f"tolerance={tolerance}.",
            why="Eigenvalues below −tolerance are counted as negative.",
            instead="Give a size like 1e-3, or leave it out for rounding's.",
        )
    density = spectral_density(
        land.hessian(),
        probes=probes,
        steps=steps,
        seed=seed,
        budget=budget,
        progress=progress,
    )
    return index_from(density, tolerance)


def index_from(density: SpectralDensity, tolerance: float | None = None) -> Index:
    """The index out of a density at hand."""
    # a value at zero, moved by rounding, must not reach the end of the interval
    reach = 4 * density.rounding if tolerance is None else tolerance
    count = density.negative(reach)
    low, high = count.interval()
    certain = _certain(density, reach)
    return Index(
        value=max(count.value, certain),
        low=max(low, certain),
        high=min(max(high, certain), density.size),
        certain=certain,
        tolerance=reach,
        size=density.size,
        products=density.products,
        seconds=density.seconds,
        bytes=density.bytes,
        seed=density.seed,
        outcome=density.outcome,
    )


def _certain(density: SpectralDensity, reach: float) -> int:
    """Negative Ritz values of one probe and of the outliers together."""
    # taken together they are those of a space in which both are coupled by residuals
    doubt = float(density.residuals.sum()) if len(density.residuals) else 0.0
    beside = int((density.outliers < -reach - doubt).sum())
    counts = [int((rule.nodes < -reach - doubt).sum()) for rule in density.rules]
    return beside + max(counts)
