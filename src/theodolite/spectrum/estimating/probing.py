"""Probes until every quantity asked for is near enough, by the cheapest way."""

from collections.abc import Sequence
from math import inf
from typing import Any, final

import torch
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.operators.operator import Operator
from theodolite.operators.split import Split
from theodolite.outcomes import EXACT, Outcome, converged, out_of_budget
from theodolite.seeding import generator
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.probes import Probe
from theodolite.spectrum.estimating.quantities import Quantity
from theodolite.spectrum.estimating.remainder import Remainder
from theodolite.spectrum.estimating.space import Known, Space
from theodolite.spectrum.estimating.sums import Sums
from theodolite.spectrum.finite import require_finite
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.vectors import rademacher_block

METHODS = ("auto", "plain", "deflated", "split")
# unit vectors multiplied together
_UNITS = 32
# probes that tell what would pay
_PILOTS = 6
# the share of the probes still missing that may be tried on Lanczos steps
_TRIAL = 0.06
# pairs of products H z, G z that are taken without looking for better
_FEW = 12
_BASIS_BYTES = 2**28

STRAIGHT = Outcome(
    "exact",
    "That of the Gauss–Newton part, exactly: the model is straight in every single "
    "parameter.",
)


@final
class Probing:
    """One run of random signs that serves several quantities.

    Parameters
    ----------
    matrix : Operator
        What is probed.
    wanted : dict
        Name to the :class:`Quantity` it stands for.
    effort : Effort
        What may be spent.
    seed : int
        Of signs and Krylov space.
    method : str
        One of :data:`METHODS`.
    deflate : EigenPairs, optional
        Vectors that are known.
    krylov : Krylov, optional
        A space of the same operator, known and allowed to grow.
    lengths : sequence of int
        Parameters of every layer, where layers are wanted.
    """

    def __init__(
        self,
        matrix: Operator,
        wanted: dict[str, Quantity],
        effort: Effort,
        *,
        seed: int,
        method: str = "auto",
        deflate: EigenPairs | None = None,
        krylov: Krylov | None = None,
        lengths: Sequence[int] = (),
    ) -> None:
        split = getattr(matrix, "split", None)
        _require_sensible(method, split, deflate, krylov)
        self.matrix, self.wanted, self.effort, self.seed = matrix, wanted, effort, seed
        self.method, self._lengths = method, lengths
        self._split: Split | None = split
        self._deflate, self._krylov = deflate, krylov
        self._generator = generator(seed)
        self._entries = {*wanted} - {"trace"} != set()
        self.space, self.known, self.sums = Space.empty(matrix), Known(), self._empty()
        # of the rest H − G, and what is known of G, where that is taken out
        self.rest: tuple[Known, Sums] | None = None
        self._pilots: list[Probe] = []
        self._how = "by plain probes"

    def _empty(self) -> Sums:
        size, device = self.matrix.shape[0], self.matrix.device
        return Sums.of(size, device, "diagonal" in self.wanted, self._lengths)

    def run(self) -> Outcome:
        """Probe until all tolerances are met, or the budget ends."""
        rest = None
        if self._may_split and self._split is not None:
            rest = self._of_rest(self._split)
        if rest is not None and (rest.missing <= _FEW or self.method == "split"):
            ended = self._by_rest(rest)
            if ended is not None:
                return ended
            rest = None
        if self._deflate is not None:
            self.space = Space.of_pairs(self._deflate, self.matrix, self._entries)
            self._how = f"beside {self.space.dimension} known vectors"
        elif self._krylov is not None and self._krylov.dimension:
            self.space = Space.of_krylov(self._krylov, self._krylov.dimension)
        self._take_stock()
        return self._by_probes(rest)

    # what is still missing

    @property
    def _open(self) -> dict[str, Quantity]:
        """Quantities that the rest's probes did not serve."""
        if self.rest is None:
            return self.wanted
        return {name: q for name, q in self.wanted.items() if not q.splits}

    def missing(self, fewest: int | None = None) -> float:
        """Probes still missing, by what was seen so far."""
        open_ = self._open.values()
        seen = self.known, self.sums, fewest
        return max((q.missing(*seen) for q in open_), default=0)

    def _take_stock(self, dimension: int | None = None) -> None:
        """All sums anew, for the vectors known by now, or the first of a basis."""
        if self._krylov is not None and dimension is not None:
            self.space = Space.of_krylov(self._krylov, dimension)
        whole = self.space.dimension == self.matrix.shape[0]
        self.known = self.space.known(self._entries, whole)
        self.sums = self._empty()
        for probe in self._pilots:
            self.sums.add(probe.signs, probe.compressed(self.space))

    # in the complement of what is known

    def _by_probes(self, rest: Remainder | None) -> Outcome:
        """Probes of H; of ``rest`` where that turns out to be cheaper."""
        size, known = self.matrix.shape[0], self.space.dimension
        growing = self._may_grow
        while True:
            missing = self.missing()
            self.effort.tell(missing)
            if missing <= 0:
                return EXACT if self.known.whole else _settled(self._how)
            if growing and self.sums.count >= _PILOTS:
                growing = False
                self._grow(inf if rest is None else 2 * rest.missing)
                # what they call small enough has to be so for others as well
                chosen = self.missing(_PILOTS) <= self.sums.count
                if chosen and self.space.dimension > known and not self.known.whole:
                    self.sums = self._empty()
                self._pilots.clear()
                continue
            if rest is not None and not growing and 2 * rest.missing < missing:
                ended = self._by_rest(rest)
                if ended is not None:
                    return ended
                rest = None
                continue
            if missing >= size and not self.effort.spent(size):
                return self._by_unit_vectors()
            if self.effort.spent():
                return self._too_late(self._open, self.known, self.sums)
            count = min(self.matrix.block_size, missing, self.effort.room)
            if growing:
                count = min(count, _PILOTS - self.sums.count)
            probe = self._drawn(int(count))
            self._pilots += [probe] * growing
            self.sums.add(probe.signs, probe.compressed(self.space))

    def _drawn(self, count: int) -> Probe:
        signs = self._signs(count)
        products = require_finite(self.matrix @ self.space.off(signs))
        return Probe(signs, products, self.space.dimension)

    def _signs(self, count: int) -> Tensor:
        matrix = self.matrix
        like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
        return rademacher_block(matrix.shape[0], count, self._generator, like)

    # the space that takes the variance out

    @property
    def _may_grow(self) -> bool:
        return self.method in ("auto", "deflated") and self._deflate is None

    def _grow(self, otherwise: float) -> None:
        """Lanczos steps while they save more probes than they cost.

        ``otherwise`` is what it takes without.
        """
        krylov = self._krylov or self._new_space()
        self._krylov = krylov
        start = at = best = krylov.dimension
        least = cheapest = self.missing(_PILOTS)
        size = self.matrix.shape[0]
        while not (krylov.full or krylov.exhausted):
            missing, held = self.missing(_PILOTS), krylov.dimension
            self.effort.tell(missing)
            # what is never affordable can still be thinned out
            worth = min(missing, size, self.effort.room, otherwise)
            patience = _TRIAL * worth + (3 if at > start else 0)
            if missing <= 0 or held - at > patience - 1 or self.effort.spent():
                break
            krylov.grow(self.matrix, max(1, min(int(patience / 4), 2 + held // 8)))
            self._take_stock(krylov.dimension)
            missing, held = self.missing(_PILOTS), krylov.dimension
            if missing < least:
                least, best = missing, held
            if missing + held - start < cheapest:
                cheapest, at = missing + held - start, held
            self.effort.holds(krylov.bytes + self.sums.bytes)
        # vectors that were no help do harm: they mix what was on the diagonal
        self._take_stock(best)
        if best:
            self._how = f"beside a Krylov space of {best} vectors"

    def _new_space(self) -> Krylov:
        matrix = self.matrix
        like = torch.empty(0, dtype=matrix.dtype, device=matrix.device)
        affordable = _BASIS_BYTES // (2 * matrix.shape[0] * like.element_size())
        capacity = max(20, min(300, affordable))
        return Krylov.from_random(matrix.shape[0], capacity, like, self.seed + 1)

    # the whole matrix

    def _by_unit_vectors(self) -> Outcome:
        """Every column of the matrix."""
        size, device = self.matrix.shape[0], self.matrix.device
        diagonal = torch.zeros(size, dtype=torch.float64, device=device)
        square = 0.0
        for start in range(0, size, _UNITS):
            rows = torch.arange(start, min(start + _UNITS, size), device=device)
            block = torch.zeros(size, len(rows), dtype=self.matrix.dtype, device=device)
            places = rows - start
            block[rows, places] = 1
            columns = require_finite(self.matrix @ block).double()
            diagonal[rows] = columns[rows, places]
            square += float(columns.square().sum())
            self.effort.tell(size - start)
        self.effort.tell(0)
        trace = float(diagonal.sum())
        self.known = Known(trace, 0.0, square, diagonal, whole=True)
        return EXACT

    # H = G + R

    @property
    def _may_split(self) -> bool:
        if self._split is None or not any(q.splits for q in self.wanted.values()):
            return False
        if not self._split.stands() or self.method not in ("auto", "split"):
            return False
        # what is known already is worth more than pairs of products, but not than none
        free = self._deflate is None and self._krylov is None
        return self.method == "split" or free or not self._split.bends()

    def _of_rest(self, split: Split) -> Remainder | None:
        """H − G, where its probes pay; the first of them serve H as well."""
        served = [q for q in self.wanted.values() if q.splits]
        pair = self._empty(), self._empty()
        rest = Remainder(self.matrix, split, served, self.effort, self._signs, *pair)
        pays = rest.pays(self.seed, self.method == "split")
        self._pilots = list(rest.probes)
        return rest if pays else None

    def _by_rest(self, rest: Remainder) -> Outcome | None:
        """Pairs of products; ``None`` where that leaves anything to be done."""
        met = rest.run()
        self.rest = rest.known, rest.sums
        if not met:
            served = {name: q for name, q in self.wanted.items() if q.splits}
            return self._too_late(served, *self.rest)
        if self._open:
            return None
        if rest.sums.count:
            return _settled("by pairs of products beside the Gauss–Newton part")
        return STRAIGHT if not rest.known.drawn else _settled("by random signs alone")

    # results

    def estimate(self, name: str, outcome: Outcome) -> Estimate[Any]:
        """What was found of one quantity, with what all have cost."""
        quantity = self.wanted[name]
        apart = self.rest is not None and quantity.splits
        known, sums = self.rest if apart and self.rest else (self.known, self.sums)
        found: Any = quantity.read(known, sums)
        return Estimate(
            value=found.value,
            error=found.error,
            probes=known.drawn if known.whole else sums.count,
            seed=self.seed,
            outcome=outcome,
            freedom=found.freedom,
            **self.effort.cost,
        )

    def _too_late(
        self, wanted: dict[str, Quantity], known: Known, sums: Sums
    ) -> Outcome:
        """Out of budget; the one furthest from its goal is named."""
        name = max(wanted, key=lambda name: wanted[name].missing(known, sums))
        reach, goal = wanted[name].reach_and_goal(known, sums)
        half = wanted[name].measure
        return out_of_budget(
            f"after {sums.count} probes {half} of the {name} is {reach:.2g} for "
            f"{goal:.2g}",
            "Raise budget or rtol, or give the large eigenpairs as deflate",
        )


def _settled(how: str) -> Outcome:
    return converged(f"The error is below its tolerance, {how}")


def _require_sensible(
    method: str,
    split: Split | None,
    deflate: EigenPairs | None,
    krylov: Krylov | None,
) -> None:
    if method not in METHODS:
        raise ArgumentError(
            found=f"method={method!r}.",
            why="That is no way to probe.",
            instead=f"Give one of {', '.join(map(repr, METHODS))}.",
        )
    if deflate is not None and krylov is not None:
        raise ArgumentError(
            found="Both deflate and krylov.",
            why="Each says what is known already.",
            instead="Give krylov alone: its space holds the pairs.",
        )
    if method == "split" and split is None:
        raise ArgumentError(
            found='method="split" for an operator that is no landscape\'s Hessian.',
            why="Only a landscape of a model knows its Gauss–Newton part.",
            instead='Give land.hessian(), or method="auto".',
        )
