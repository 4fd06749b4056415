"""Lanczos runs from random directions, and the outliers that the first one shows."""

from typing import final

import torch
from torch import Tensor

from theodolite.operators.operator import Operator
from theodolite.seeding import generator
from theodolite.spectrum.counting.compression import Compression, off
from theodolite.spectrum.counting.known_values import NO_VALUES, NOTHING_KNOWN, Known
from theodolite.spectrum.counting.quadrature import Rule, rule_of
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.symmetry import require_symmetric
from theodolite.spectrum.vectors import random_vector

# a pair's residual against the distance to its neighbour
_APART = 1e-2
# a single eigenvalue's share of a random direction, in units of 1/p: one in 2,000
# has more
_SINGLE = 12.0


@final
class LanczosProbes:
    """Rules of random directions in the complement of known vectors.

    Parameters
    ----------
    matrix : Operator
        What is probed.
    steps : int
        Of each run.
    seed : int
        Of the directions.
    deflate : EigenPairs, optional
        Known from the start.
    search : bool
        Whether pairs that converge in the first run are taken out of the others.
    """

    def __init__(
        self,
        matrix: Operator,
        steps: int,
        seed: int,
        deflate: EigenPairs | None,
        *,
        search: bool,
    ) -> None:
        self._matrix, self._steps, self._seed = matrix, steps, seed
        self._generator = generator(seed)
        self._like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
        self.known, self._rows = NOTHING_KNOWN, self._like.new_zeros(0, matrix.shape[0])
        if deflate is not None:
            self.known = Known(deflate.values.cpu(), deflate.residuals.cpu())
            self._rows = deflate.vectors.T.contiguous().to(self._like)
        self._search = search
        self._given = len(self.known.values)
        self._first: Krylov | None = None
        self._gone: Tensor | None = None
        self._gaps = NO_VALUES
        self.rules: list[Rule] = []

    def run(self, probes: int, effort: Effort, least: int = 1) -> None:
        """Probe until there are so many rules, or the budget ends.

        Of the first so many, ``least``, one is made whatever the budget.
        """
        while len(self.rules) < probes:
            if len(self.rules) >= least and effort.spent(self._steps):
                return
            if self._first is not None:
                self._take_out_what_converged(self._first)
            steps = int(max(1, min(self._steps, effort.room)))
            self._probe(steps, effort, (probes - len(self.rules)) * self._steps)

    def _probe(self, steps: int, effort: Effort, wanted: int) -> None:
        """One rule; half of its steps at least, but for the first."""
        start = random_vector(self._matrix.shape[0], self._generator, self._like)
        krylov = Krylov(off(start, self._rows), steps, self._seed)
        effort.holds(krylov.bytes + self._rows.nbytes)
        operator = self._matrix
        if len(self._rows):
            operator = Compression(operator, self._rows)
        least = steps // 2 if self.rules else 1
        for done in range(krylov.capacity):
            if done >= least and effort.spent():
                break
            krylov.grow(operator)
            effort.tell(wanted - done - 1)
            if _exhausted(krylov, self._like.dtype):
                break
        # a complement may hold nothing but rounding
        if not self.rules and not len(self._rows):
            require_symmetric(krylov.asymmetry(), self._matrix)
        self._first = krylov if self._search and not self.rules else None
        self.rules.append(_rule_in(krylov, self._like.dtype))

    def _take_out_what_converged(self, krylov: Krylov) -> None:
        """Know the pairs that the first run has found, from now on."""
        self._first = None
        ritz, rule = krylov.ritz(), self.rules[0]
        if rule.closed or len(ritz.values) < 2:
            return
        residuals = krylov.residuals(ritz.values, ritz.mixes)
        gaps = _gaps(ritz.values)
        weights = ritz.mixes[0].square()
        good = residuals <= _APART * gaps
        good &= weights * (self._matrix.shape[0] - self._given) <= _SINGLE
        # what the start does not hold was found by rounding
        good &= weights > 1e-24
        if not bool(good.any()) or bool(good.all()):
            return
        rows = krylov.vectors(ritz.mixes[:, good]).T
        self._rows = torch.cat([self._rows, rows])
        self.known = Known(
            torch.cat([self.known.values, ritz.values[good]]),
            torch.cat([self.known.residuals, residuals[good]]),
        )
        self._gone, self._gaps = good, gaps[good]

    def finish(self) -> tuple[list[Rule], Known]:
        """All rules on the complement of what is known to be single, and that."""
        if self._gone is None:
            return self.rules, self.known
        values = self.known.values[self._given :]
        size = self._matrix.shape[0] - self._given
        before = size - len(values)
        again = self._seen_again(values, before)
        gone = self._gone.clone()
        gone[self._gone.nonzero()[again, 0]] = False
        after = before + int(again.sum())
        first = self.rules[0].without(gone)
        others = [
            rule.beside_atoms(values[again], 1 / after) for rule in self.rules[1:]
        ]
        kept = torch.cat([torch.ones(self._given, dtype=torch.bool), ~again])
        known = Known(self.known.values[kept], self.known.residuals[kept])
        return [first, *others], known

    def _seen_again(self, values: Tensor, dimension: int) -> Tensor:
        """Which found values have copies or close neighbours in later probes.

        A start sees one direction of an eigenspace only, the one that was taken out:
        the first rule would count the others as missing.
        """
        reach = 1e-2 * self._gaps + 3 * self.known.residuals[self._given :]
        again = torch.zeros(len(values), dtype=torch.bool)
        for rule in self.rules[1:]:
            nodes = rule.nodes[rule.weights * dimension > 1e-2]
            distances = (nodes[:, None] - values[None, :]).abs()
            again |= (distances <= reach).any(0)
        return again


def _gaps(values: Tensor) -> Tensor:
    """The distance of each ascending value to the nearer neighbour."""
    steps, far = values.diff(), values.new_full((1,), float("inf"))
    return torch.minimum(torch.cat([far, steps]), torch.cat([steps, far]))


def _rule_in(krylov: Krylov, dtype: torch.dtype) -> Rule:
    """The rule of the start, whose space may have been exhausted."""
    broken = _exhausted(krylov, dtype)
    steps = krylov.dimension - 1 if broken else krylov.dimension
    small = krylov.small[:steps, :steps]
    closed = broken or krylov.exhausted
    return rule_of(small.diagonal(), small.diagonal(1), closed=closed)


def _exhausted(krylov: Krylov, dtype: torch.dtype) -> bool:
    """Whether the last direction is a new one: it is not coupled to the one before."""
    if krylov.dimension < 2:
        return False
    column = krylov.small[:, -2]
    return float(column[-1].abs()) <= 8 * torch.finfo(dtype).eps * float(column.norm())
