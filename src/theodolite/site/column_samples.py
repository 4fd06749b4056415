"""Random samples of every block's squared norm, a layer's column at a time."""

from math import inf
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.budget import Budget
from theodolite.operators.layer_columns import LayerColumns
from theodolite.seeding import generator
from theodolite.site.known_part import KnownPart
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import EAGERNESS
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.vectors import rademacher_block

# probes of every layer before it is asked which needs more
_FIRST = 10
# samples that the bound on the variance counts for, beside the samples themselves
_BOUND_COUNTS = 6.0
# unit vectors multiplied together
_UNITS = 32


@final
class ColumnSamples:
    """What is known of ``‖H[i, j]‖_F²`` for all layers i and j.

    Parameters
    ----------
    columns : LayerColumns
        What multiplies.
    seed : int
        Of the signs.
    deflate : EigenPairs, optional
        Whose part of the matrix needs no probes.
    """

    def __init__(
        self, columns: LayerColumns, seed: int, deflate: EigenPairs | None = None
    ) -> None:
        self._columns, self._layers = columns, list(columns.sizes)
        self._sizes = torch.tensor(list(columns.sizes.values()))
        self._generator = generator(seed)
        count = len(self._layers)
        # a sample a row: the squares of all blocks in the layer's column
        empty = torch.zeros(0, count, dtype=torch.float64)
        self._samples = [empty for _ in self._layers]
        self._known: dict[int, Tensor] = {}
        lengths = self._sizes.tolist()
        self._part = None if deflate is None else KnownPart(deflate, lengths)

    @property
    def products(self) -> int:
        """Products spent so far."""
        return self._columns.products

    @property
    def exact(self) -> bool:
        """Whether every block is known without probes."""
        known = self._is_known()
        return bool((known[:, None] | known[None]).all())

    def begin(self, limit: Budget) -> None:
        """Some probes of every layer, and all of the layers that have no more."""
        small = [j for j, size in enumerate(self._sizes.tolist()) if size <= _FIRST]
        others = [j for j in range(len(self._layers)) if j not in small]
        for number in range(_FIRST):
            if number and limit.spent(self.products):
                break
            self._add({layer: self._signs(layer) for layer in others})
            if number == 0:
                for layer in small:
                    self._know(layer)

    def probe(self, layer: int, count: int) -> None:
        """More probes of one layer, or all its unit vectors where that is not more."""
        if count >= int(self._sizes[layer]):
            self._know(layer)
        else:
            signs = [self._signs(layer) for _ in range(count)]
            self._add({layer: torch.cat(signs, 1)})

    def next_step(self, rtol: float) -> tuple[int, int] | None:
        """The layer that lowers most error for its products, and how many to spend."""
        _, errors = self.norms()
        goal = rtol * self.norm()[0] / EAGERNESS
        gains = (errors.square() - goal**2).clamp(min=0)
        if not bool((gains > 0).any()):
            return None
        counts = self._counts()
        pooled = counts[:, None] + counts[None]
        pooled.diagonal().copy_(counts)
        costs = (pooled * gains / goal**2).ceil().amax(1).minimum(self._sizes)
        layer = int((gains.sum(1) / costs.clamp(min=1)).argmax())
        size, cost = int(self._sizes[layer]), int(costs[layer])
        # no more than there are already: what is needed is itself an estimate
        return layer, size if cost == size else min(cost, int(counts[layer]))

    def norms(self) -> tuple[Float[Tensor, "l l"], Float[Tensor, "l l"]]:
        """Frobenius norms and standard errors of all blocks."""
        means, variances = self._means()
        weights = self._weights()
        parts = weights * means
        spread = weights.square() * variances
        # a diagonal block is measured from one end, not from two
        spread.diagonal().copy_(variances.diagonal() / 2)
        spread = (spread + spread.T).sqrt()
        roots = (parts + parts.T).clamp(min=0).sqrt()
        # a root near zero inherits no more than the root of the error
        errors = torch.where(
            roots > spread.sqrt() / 2, spread / (2 * roots), spread.sqrt()
        )
        return roots, errors

    def norm(self) -> tuple[float, float]:
        """‖H‖_F and its standard error."""
        root = max(0.0, sum(self._squares())) ** 0.5
        error = self._error_of(1.0, 1.0)
        return root, error / (2 * root) if root else 0.0

    def off_diagonal(self) -> tuple[float, float]:
        """The share of ‖H‖_F² between different layers, and its standard error."""
        within, between = self._squares()
        total = within + between
        if not total:
            return 0.0, 0.0
        error = self._error_of(-between / total**2, within / total**2)
        return between / total, error

    def _squares(self) -> tuple[float, float]:
        """What lies within the layers, and between them."""
        squares = self._weights() * self._means()[0]
        within = 2 * float(squares.diagonal().sum())
        return within, 2 * float(squares.sum()) - within

    def _error_of(self, within: float, between: float) -> float:
        """The standard error of a combination of both, by each column's samples."""
        weights, variance = self._weights(), 0.0
        for layer, samples in enumerate(self._samples):
            if layer in self._known:
                continue
            factors = between * 2 * weights[:, layer]
            factors[layer] = within
            combined, count = samples @ factors, len(samples)
            if count <= 3:
                return inf
            # the spread of Student's t: few samples underrate their own
            variance += float(combined.var()) / count * (count - 1) / (count - 3)
        return variance**0.5

    def _means(self) -> tuple[Float[Tensor, "l l"], Float[Tensor, "l l"]]:
        """Every column's means, and the variance of each mean."""
        known = [(self._known.get(layer), s) for layer, s in enumerate(self._samples)]
        found = [
            self._mean_and_variance(samples)
            if column is None
            else (column, torch.zeros_like(column))
            for column, samples in known
        ]
        means, variances = zip(*found, strict=True)
        return torch.stack(means, 1), torch.stack(variances, 1)

    def _mean_and_variance(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        mean, count = samples.mean(0), len(samples)
        away = (samples - mean).square().sum(0)
        if self._part is not None:
            # what is left knows no bound: the spread of Student's t
            freedom = count - 3
            return mean, away / freedom / count if freedom > 0 else away + inf
        # a few samples of a skew quantity say little of their own spread
        most = 2 * mean.square() * _BOUND_COUNTS
        return mean, (away + most) / (_BOUND_COUNTS + count - 1) / count

    def _weights(self) -> Float[Tensor, "l l"]:
        """How much of a block comes from its column; the rest comes from its row."""
        known, counts = self._is_known(), self._counts()
        weights = counts[None] / (counts[:, None] + counts[None])
        row, column = known[:, None], known[None]
        weights = torch.where(
            column & ~row, 1.0, torch.where(row & ~column, 0.0, weights)
        )
        return torch.where(row & column, 0.5, weights)

    def _is_known(self) -> Tensor:
        return torch.tensor([j in self._known for j in range(len(self._layers))])

    def _counts(self) -> Float[Tensor, " l"]:
        counts = [max(1, len(samples)) for samples in self._samples]
        return torch.tensor(counts, dtype=torch.float64)

    def _signs(self, layer: int) -> Float[Tensor, "n 1"]:
        hessian = self._columns.hessian
        like = torch.empty(0, dtype=hessian.dtype, device=hessian.device)
        return rademacher_block(int(self._sizes[layer]), 1, self._generator, like)

    def _add(self, blocks: dict[int, Tensor]) -> None:
        named = {self._layers[layer]: block for layer, block in blocks.items()}
        for name, squares in self._columns.squares(named).items():
            layer = self._layers.index(name)
            more = require_finite(squares)
            if self._part is not None:
                known = self._part.squares(layer, named[name])
                more = more - known + self._part.expected(layer)
            self._samples[layer] = torch.cat([self._samples[layer], more])

    def _know(self, layer: int) -> None:
        """The layer's column by its unit vectors."""
        size, hessian = int(self._sizes[layer]), self._columns.hessian
        total = torch.zeros(len(self._layers), dtype=torch.float64)
        for start in range(0, size, _UNITS):
            rows = torch.arange(start, min(start + _UNITS, size))
            block = torch.zeros(size, len(rows), dtype=hessian.dtype)
            block[rows, rows - start] = 1
            name = self._layers[layer]
            squares = self._columns.squares({name: block.to(hessian.device)})[name]
            total += require_finite(squares).sum(0)
        self._known[layer] = total
