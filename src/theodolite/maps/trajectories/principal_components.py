"""The directions in which checkpoints lie apart most, exact for any number of weights.

Everything follows from the inner products of the checkpoints' differences, a matrix as
large as there are checkpoints: it is summed over blocks of columns, and the directions
are combined in a second pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.maps.trajectories.columns import Columns, slabs

Origin = Literal["last", "mean"]

# shares of the first variance: what rounding leaves of a zero, and of a difference
_ZERO, _TIE = 1e-12, 1e-9
# a coordinate below this share of the largest has no sign to go by
_SIGN = 1e-6


@dataclass(frozen=True, repr=False)
class PrincipalComponents:
    """Directions in which checkpoints lie apart most, and how far each goes.

    Attributes
    ----------
    center : Tensor
        ``(p,)``: what differences are taken to.
    directions : Tensor
        ``(k, p)``: unit vectors, perpendicular to each other, the longest way first.
    coordinates : Tensor
        ``(m, k)``: of every checkpoint along them, in parameter units.
    explained : Tensor
        ``(m,)``: the share of all squared distances from the centre that each
        component holds, descending; of the variance, where the centre is the mean.
    total : float
        The sum of these squared distances.
    origin : str
        ``"last"`` or ``"mean"``.
    tied : bool
        Whether a chosen component cannot be told from the next: then any mixture of
        the two would do as well, and the picture shows one of many.
    """

    center: Float[Tensor, " p"]
    directions: Float[Tensor, "k p"]
    coordinates: Float[Tensor, "m k"]
    explained: Float[Tensor, " m"]
    total: float
    origin: str
    tied: bool

    @property
    def share(self) -> float:
        """What the chosen components explain together."""
        return float(self.explained[: len(self.directions)].sum())

    def to_dict(self) -> dict[str, Any]:
        """The numbers without the long vectors, plain."""
        return {
            "origin": self.origin,
            "explained": self.explained.tolist(),
            "share": self.share,
            "total": self.total,
            "coordinates": self.coordinates.tolist(),
            "tied": self.tied,
        }

    def __repr__(self) -> str:
        k = len(self.directions)
        parts = " + ".join(f"{100 * float(e):.3g} %" for e in self.explained[:k])
        tied = " Tied with the next: one choice of many." if self.tied else ""
        return (
            f"PrincipalComponents of {len(self.coordinates)} checkpoints: {parts} of "
            f"the squared distances from the {self.origin}.{tied}"
        )


def principal_components(
    rows: Columns,
    count: int = 2,
    *,
    origin: Origin = "last",
    dtype: torch.dtype = torch.float64,
) -> PrincipalComponents:
    """The directions in which checkpoints lie apart most.

        G = X Xᵀ = U Λ Uᵀ,   d_k = Xᵀ u_k / √λ_k,   X = Θ − 1 θ₀ᵀ

    Exact for any number of parameters: the eigenproblem is as large as there are
    checkpoints, m. Two passes over the data, m² p operations each at most; memory is
    (count + 1) p numbers and about 200 MiB. The order is that of the variances. The
    sign is such that the first checkpoint has a positive coordinate (or, where it has
    none, the first that has one), so that the same run gives the same picture.

    Misleads where the path is long and smooth: random walks, too, have principal
    components that hold most of their variance.

    Parameters
    ----------
    rows : Columns
        The checkpoints.
    count : int
        How many directions.
    origin : str
        ``"last"``: differences to the last checkpoint; ``"mean"``: to the mean of all.
    dtype : torch.dtype
        Of centre and directions.

    Raises
    ------
    ArgumentError
        When the checkpoints span fewer directions.
    NonFiniteError
        When one holds NaN or infinity.

    References
    ----------
    Li et al., "Visualizing the loss landscape of neural nets", 2018, arXiv:1712.09913,
    section 7; random walks: Antognini and Sohl-Dickstein, "PCA of high dimensional
    random walks with comparison to neural network training", 2018, arXiv:1806.08805.
    """
    _require_several(rows, count, origin)
    gram = gram_of(rows, origin)
    if not bool(gram.isfinite().all()):
        _name_the_broken(rows)
    values, vectors = decomposed(gram)
    _require_rank(values, count)
    coordinates = vectors[:, :count] * values[:count].sqrt()
    signs = signs_of(coordinates)
    coordinates = coordinates * signs
    center = torch.empty(rows.size, dtype=dtype)
    directions = torch.empty(count, rows.size, dtype=dtype)
    mixes = (coordinates / values[:count]).T
    for place, middle, block in differences(rows, origin):
        center[place] = middle.to(dtype)
        directions[:, place] = (mixes @ block).to(dtype)
    straighten(directions)
    total = float(gram.diagonal().sum())
    gaps = (values[:count] - values[1 : count + 1]) / values[0]
    return PrincipalComponents(
        center=center,
        directions=directions,
        coordinates=coordinates,
        explained=values / values.sum(),
        total=total,
        origin=origin,
        tied=bool((gaps < _TIE).any()),
    )


def differences(
    rows: Columns, origin: Origin
) -> Iterator[tuple[slice, Tensor, Float[Tensor, "m c"]]]:
    """Blocks of columns: where, the centre there, and the differences to it."""
    for place in slabs(rows):
        block = rows.columns(place)
        center = block[-1].clone() if origin == "last" else block.mean(0)
        yield place, center, block.sub_(center)


def gram_of(rows: Columns, origin: Origin) -> Float[Tensor, "m m"]:
    """Inner products of the differences, summed over blocks of columns in float64."""
    total = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for _, _, block in differences(rows, origin):
        total += block @ block.T
    return total


def decomposed(
    gram: Float[Tensor, "m m"],
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m m"]]:
    """Eigenvalues descending, none below zero, and eigenvectors as columns."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    return values.flip(0).clamp_min(0.0), vectors.flip(1)


def signs_of(coordinates: Float[Tensor, "m k"]) -> Float[Tensor, " k"]:
    """What makes the first coordinate that has a size positive, for each column."""
    sizes = coordinates.abs()
    first = (sizes > _SIGN * sizes.amax(0)).int().argmax(0)
    found = coordinates[first, torch.arange(coordinates.shape[1])]
    return torch.where(found < 0, -1.0, 1.0).double()


def straighten(directions: Float[Tensor, "k p"]) -> None:
    """Make directions perpendicular and of length one, in place and in this order."""
    for number, row in enumerate(directions):
        for earlier in directions[:number]:
            row -= _inner(earlier, row) * earlier
        row /= _inner(row, row) ** 0.5


def _inner(left: Tensor, right: Tensor) -> float:
    """An inner product in float64, by pieces that fit into the cache's reach."""
    pieces = zip(left.split(2**21), right.split(2**21), strict=True)
    return sum(float(a.double() @ b.double()) for a, b in pieces)


def _require_several(rows: Columns, count: int, origin: str) -> None:
    if origin not in ("last", "mean"):
        raise ArgumentError(
            found=f"origin={origin!r}.",
            why="Differences are taken to a checkpoint or to the mean of all.",
            instead='Give "last" or "mean".',
        )
    if count < 1 or len(rows) <= count:
        raise ArgumentError(
            found=f"{len(rows)} checkpoints for {count} directions.",
            why="The centre is one of them, and each direction needs another.",
            instead=f"Give at least {count + 1}: record more often (every=1).",
        )


def _require_rank(values: Tensor, count: int) -> None:
    """Refuse a direction that rounding alone would choose."""
    least = _ZERO * len(values) * float(values[0])
    spanned = int((values > least).sum())
    if spanned < count:
        raise ArgumentError(
            found=f"Checkpoints that span {spanned} of {count} directions.",
            why="They lie on a line or all in one place, so that a second direction "
            "would be one of rounding errors.",
            instead="Record more of the run, or draw theodolite.line(land, first, "
            "last).",
        )


def _name_the_broken(rows: Columns) -> None:
    good = torch.ones(len(rows), dtype=torch.bool)
    for place in slabs(rows):
        good &= rows.columns(place).isfinite().all(1)
    broken = int((~good).nonzero()[0]) if not bool(good.all()) else 0
    raise NonFiniteError(
        found=f"Checkpoint {broken} holds NaN or infinity, or numbers whose squares "
        "do.",
        why="The run has left every plane there.",
        instead=f"Give the checkpoints before: [run[n] for n in range({broken})].",
    )
