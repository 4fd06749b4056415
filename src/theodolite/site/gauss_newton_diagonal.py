"""The trace and the diagonal of the Gauss–Newton matrix, without its products."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from torch import Tensor

from theodolite.averages import require_samples
from theodolite.batches import Batch
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate, mean_and_error
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import EXACT, Outcome, converged
from theodolite.parameters import Patterns
from theodolite.products.fisher import generator_of
from theodolite.products.loss_curvature import require_predictions
from theodolite.products.recorded import Recorded, record
from theodolite.spectrum.finite import require_finite

# backward passes up to which all columns are taken
_MOST_COLUMNS = 32
_PROBES = 20


@final
@dataclass(frozen=True, repr=False)
class GaussNewtonTrace:
    """The trace of the Gauss–Newton matrix, in whole and by layers.

    Attributes
    ----------
    total : Estimate
        The whole trace; its products are backward passes through all data.
    layers : dict
        Layer name to the :class:`~theodolite.estimate.Estimate` of its block.
    """

    total: Estimate[float]
    layers: dict[str, Estimate[float]]

    def __float__(self) -> float:
        return self.total.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        layers = {name: row.to_dict() for name, row in self.layers.items()}
        return {"total": self.total.to_dict(), "layers": layers}

    def __repr__(self) -> str:
        width = max(map(len, self.layers))
        lines = [
            f"  {name:{width}}  {row.value:.5g} ± {row.error:.1g}"
            for name, row in self.layers.items()
        ]
        return "\n".join([f"GaussNewtonTrace: {self.total}", *lines])


def gauss_newton_trace(
    land: Landscape,
    layers: Patterns | None = None,
    *,
    probes: int | Literal["exact", "auto"] = "auto",
    seed: int = 0,
) -> GaussNewtonTrace:
    """The trace of the Gauss–Newton matrix, without a single product.

        tr G = Σ_n w_n Σ_c ‖J_nᵀ S_n e_c‖²,   S_n S_nᵀ the loss's Hessian of sample n

    Exact by one backward pass through the activations for each column c, one less than
    the classes, and the layers' rules for squared norms, ‖a‖²‖δ‖² for a linear layer:
    for ten classes 5 gradients (perceptrons) to 11 (convolutions), in the memory of
    one. With more columns than 32, like for tokens, random signs take the place of the
    columns, 1 to 3 % off in a pass; also for parameters that no rule knows or that are
    used twice (tied weights, recurrent layers, bare parameters), and for all where
    batch statistics let the samples meet. The error says which: it is zero for exact
    layers.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    layers : str or sequence of str, optional
        Only these layers (names or fnmatch patterns).
    probes : int or str
        Random signs to draw, two at least. ``"auto"``: 20, where they are needed;
        ``"exact"``: all columns where there is a rule, however many.
    seed : int
        Of the signs.

    Returns
    -------
    GaussNewtonTrace
        Total and layers, each with its standard error.

    Raises
    ------
    ArgumentError
        For the landscape of a function, or fewer than two probes.
    LossError
        When the loss is not one of torch's likelihoods over outputs of the model:
        take ``td.trace(land.gauss_newton())`` then.

    References
    ----------
    Squared norms by layers: Goodfellow, "Efficient per-example gradient computations",
    2015, arXiv:1510.01799; the square root of the loss's Hessian: Dangel, Kunstner and
    Hennig, "BackPACK", 2020, arXiv:1912.10985.
    """
    tally = _measured(land, layers, probes, seed, whole=False)
    return GaussNewtonTrace(tally.trace(tally.positions), tally.layer_traces())


def gauss_newton_diagonal(
    land: Landscape,
    layers: Patterns | None = None,
    *,
    probes: int | Literal["exact", "auto"] = "auto",
    seed: int = 0,
) -> Estimate[Tensor]:
    """The diagonal of the Gauss–Newton matrix, without a single product.

        G_ii = Σ_n w_n Σ_c (J_nᵀ S_n e_c)_i²

    As :func:`gauss_newton_trace`, by squares of entries in place of norms,
    (a²)ᵀ(δ²) for a linear layer.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    layers : str or sequence of str, optional
        Only these layers (names or fnmatch patterns).
    probes : int or str
        As for :func:`gauss_newton_trace`.
    seed : int
        Of the signs.

    Returns
    -------
    Estimate
        With value and error ``(p,)``; the error of exact entries is zero.

    Raises
    ------
    ArgumentError, LossError
        As :func:`gauss_newton_trace` raises.

    References
    ----------
    As for :func:`gauss_newton_trace`.
    """
    return _measured(land, layers, probes, seed, whole=True).diagonal()


def _measured(
    land: Landscape,
    layers: Patterns | None,
    probes: int | Literal["exact", "auto"],
    seed: int,
    whole: bool,
) -> "_Tally":
    require_landscape(land)
    if isinstance(probes, int) and probes < 2:
        raise ArgumentError(
            found=f"probes={probes}.",
            why="Two random signs at least tell how far they are off.",
            instead='Give probes=20, or probes="exact".',
        )
    tally = _Tally(land, layers, probes, seed, whole)
    land.each_batch(tally.add, layers)
    return tally


@final
class _Tally:
    """Sums over batches, for every parameter, of exact squares or of draws."""

    def __init__(
        self,
        land: Landscape,
        layers: Patterns | None,
        probes: int | Literal["exact", "auto"],
        seed: int,
        whole: bool,
    ) -> None:
        require_predictions(land.evaluation, "Gauss–Newton diagonal")
        self._began = time.perf_counter()
        self._seed, self._whole = seed, whole
        every = range(len(land.parameters.names))
        chosen = every if layers is None else land.parameters.within(layers)
        self.positions = list(chosen)
        self._parameters = land.parameters.at(self.positions)
        self._always = isinstance(probes, int)
        self._most = float("inf") if probes == "exact" else _MOST_COLUMNS
        self._draws = probes if isinstance(probes, int) else _PROBES
        self._random: set[int] = set()
        self._weight, self._passes = 0.0, 0
        # by position: one number a draw, or the entries and their squared error
        self._sums: dict[int, Tensor] = {}
        self._errors: dict[int, Tensor] = {}

    def add(self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch) -> None:
        """Take one more batch into the sums."""
        batched = record(evaluate, leaves, batch)
        weight = float(batched.weight)
        if not weight:
            return
        exact = not self._always and batched.columns <= self._most
        if exact:
            for position, squares in batched.exact(self._whole).items():
                self._add_exact(position, squares.double(), weight)
        if not (exact and batched.complete):
            self._add_random(batched, exact, weight, batch.number)
        self._weight += weight
        self._passes = max(self._passes, batched.passes)

    def _add_exact(self, position: int, squares: Tensor, weight: float) -> None:
        if not self._whole:
            squares = squares.expand(self._draws)
        self._plus(self._sums, position, weight * squares)

    def _add_random(
        self, batched: Recorded, exact: bool, weight: float, number: int
    ) -> None:
        """Draw, and take mean and spread of the draws."""
        draws: dict[int, _Draws] = {}
        generator = generator_of(self._seed, number, batched.device)
        for _ in range(self._draws):
            found = batched.probe(generator, self._whole, known=exact)
            for position, squares in found.items():
                draws.setdefault(position, _Draws(self._whole)).add(squares.double())
        for position, drawn in draws.items():
            self._random.add(position)
            self._plus(self._sums, position, weight * drawn.mean())
            if self._whole:
                error = weight**2 * drawn.squared_error()
                self._plus(self._errors, position, error)

    @staticmethod
    def _plus(sums: dict[int, Tensor], position: int, value: Tensor) -> None:
        known = sums.get(position)
        sums[position] = value.clone() if known is None else known.add_(value)

    def trace(self, positions: Sequence[int]) -> Estimate[float]:
        """The trace over some parameters; their draws belong together."""
        require_samples(self._weight)
        rows = [self._sums[p].cpu() for p in positions if p in self._sums]
        samples = torch.zeros(self._draws, dtype=torch.float64)
        samples = require_finite(torch.stack([samples, *rows]).sum(0) / self._weight)
        value, error = mean_and_error(samples)
        if self._random.isdisjoint(positions):
            value, error = float(samples[0]), 0.0
        return self._estimate(value, error, positions)

    def layer_traces(self) -> dict[str, Estimate[float]]:
        """The trace of every layer's block."""
        owners: dict[str, list[int]] = {}
        starts = {place.start: p for place, p in self._starts()}
        for layer, span in self._parameters.layers.items():
            owners[layer] = [
                p for at, p in starts.items() if span.start <= at < span.stop
            ]
        return {layer: self.trace(owned) for layer, owned in owners.items()}

    def _starts(self) -> list[tuple[slice, int]]:
        return list(zip(self._parameters.slices, self.positions, strict=True))

    def diagonal(self) -> Estimate[Tensor]:
        """All entries, and how far each may be off."""
        require_samples(self._weight)
        values = (self._sums.get(position) for position in self.positions)
        errors = (self._errors.get(position) for position in self.positions)
        value = self._parameters.flatten(values).div_(self._weight)
        error = self._parameters.flatten(errors).sqrt_().div_(self._weight)
        return self._estimate(require_finite(value), error, self.positions)

    def _estimate(self, value: Any, error: Any, positions: Sequence[int]) -> Any:
        drawn = not self._random.isdisjoint(positions)
        return Estimate(
            value=value,
            error=error,
            probes=self._draws if drawn else 0,
            products=self._passes,
            seconds=time.perf_counter() - self._began,
            seed=self._seed,
            outcome=self._ended() if drawn else EXACT,
        )

    def _ended(self) -> Outcome:
        names = [self._parameters.names[self.positions.index(p)] for p in self._random]
        part = "All" if len(names) == len(self.positions) else f"{len(names)} of the"
        return converged(f"{part} parameters by {self._draws} random signs")


@final
class _Draws:
    """Mean and spread of draws of one tensor."""

    def __init__(self, whole: bool) -> None:
        self._whole, self._count = whole, 0
        self._sum, self._squares = torch.zeros(()), torch.zeros(())
        self._all: list[Tensor] = []

    def add(self, value: Tensor) -> None:
        """Take one draw: entries are summed, numbers remembered."""
        self._count += 1
        if not self._whole:
            self._all.append(value)
            return
        self._sum = self._sum.to(value) + value
        self._squares = self._squares.to(value) + value.square()

    def mean(self) -> Tensor:
        """The entries' mean, or every number."""
        return self._sum / self._count if self._whole else torch.stack(self._all)

    def squared_error(self) -> Tensor:
        """Of the mean, entry by entry."""
        spread = self._squares - self._count * self.mean().square()
        return spread.clamp_min(0) / (self._count * (self._count - 1))
