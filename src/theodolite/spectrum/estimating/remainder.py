"""Probes of what a Hessian is beside its Gauss–Newton part."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

from jaxtyping import Float
from torch import Tensor

from theodolite.errors import TheodoliteError
from theodolite.operators.operator import Operator
from theodolite.operators.split import Split
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.estimating.probes import Probe
from theodolite.spectrum.estimating.quantities import Quantity
from theodolite.spectrum.estimating.space import Known
from theodolite.spectrum.estimating.sums import Sums
from theodolite.spectrum.finite import require_finite

# pairs of products H z, G z at least
FEWEST = 3
# how much smaller the rest's variance has to be for pairs to pay
_GAIN = 4.0
# standard errors between zᵀ G z and tr G that cannot be chance
_STRANGE = 10.0

Draw = Callable[[int], Float[Tensor, "p k"]]


@final
class Remainder:
    """R = H − G, probed by pairs of products with the same signs.

        tr H = tr G + E[zᵀ R z],   diag H = diag G + E[z ⊙ R z]

    Both zᵀ H z and zᵀ R z come out of a pair, so that the first few tell whether more
    of them pay.

    Parameters
    ----------
    matrix : Operator
        H.
    split : Split
        What is known of G.
    wanted : sequence of Quantity
        Those that this serves.
    effort : Effort
        What may be spent.
    draw : callable
        Gives random signs.
    rest, plain : Sums
        Without any probe, for R and for H.
    """

    def __init__(
        self,
        matrix: Operator,
        split: Split,
        wanted: Sequence[Quantity],
        effort: Effort,
        draw: Draw,
        rest: Sums,
        plain: Sums,
    ) -> None:
        self._matrix, self._split, self._wanted = matrix, split, wanted
        self._effort, self._draw = effort, draw
        self.known, self.sums, self._plain = Known(), rest, plain
        self.probes: list[Probe] = []

    @property
    def missing(self) -> float:
        """Pairs still missing, by what was seen so far."""
        found = [q.missing(self.known, self.sums, FEWEST) for q in self._wanted]
        return max(found, default=0)

    def pays(self, seed: int, insist: bool) -> bool:
        """Whether the first pairs say so, and G is known well enough.

        None are needed where the model does not bend along any parameter.
        """
        try:
            if not self._split.bends():
                self.known = replace(self._known(seed), whole=True)
                return self.missing == 0
            self._pair(FEWEST)
            gain = self._plain.spread >= _GAIN * self.sums.spread
            if self.sums.count < FEWEST or not (gain or insist):
                return False
            self.known = self._known(seed)
        except TheodoliteError:
            # a loss without a Gauss–Newton part, or one that no rule knows
            if insist:
                raise
            return False
        return self.missing < self._matrix.shape[0] and self._agrees

    def run(self) -> bool:
        """Pairs until all tolerances are met; false where the budget ends before."""
        while (missing := self.missing) > 0:
            self._effort.tell(2 * missing)
            if self._effort.spent(2):
                return False
            self._pair(min(self._matrix.block_size, missing))
        return True

    def _pair(self, count: float) -> None:
        count = min(count, self._effort.room // 2)
        if count < 1:
            return
        signs = self._draw(int(count))
        # this first: where there is none, nothing has been spent
        other = require_finite(self._split.gauss_newton @ signs)
        self._effort.beside = self._split.gauss_newton
        product = require_finite(self._matrix @ signs)
        self.probes.append(Probe(signs, product))
        self._plain.add(signs, product)
        self.sums.add(signs, product - other)

    def _known(self, seed: int) -> Known:
        """What is known of G, as far as it is asked for."""
        if self.sums.entries is None:
            return self._traces(seed)
        found = self._split.diagonal(seed)
        if not found.error.any():
            return Known(float(found.value.sum()), diagonal=found.value)
        traces = self._traces(seed)
        return Known(
            traces.trace,
            traces.trace_error,
            drawn=traces.drawn,
            diagonal=found.value,
            diagonal_error=found.error,
            layers=traces.layers,
            layer_errors=traces.layer_errors,
        )

    def _traces(self, seed: int) -> Known:
        found = self._split.trace(seed)
        rows = found.layers.values()
        values = self.sums.mean.new_tensor([row.value for row in rows]).cpu()
        errors = self.sums.mean.new_tensor([row.error for row in rows]).cpu()
        return Known(
            found.total.value,
            found.total.error,
            drawn=found.total.probes,
            layers=values,
            layer_errors=errors,
        )

    @property
    def _agrees(self) -> bool:
        """Whether products with G could have the trace that it is said to have."""
        seen = float((self._plain.mean - self.sums.mean).sum())
        variance = 2 * (self._plain.trace_variance + self.sums.trace_variance)
        error = (variance / self.sums.count) ** 0.5 + self.known.trace_error
        rounding = self._matrix.resolution * abs(self.known.trace)
        return abs(seen - self.known.trace) <= _STRANGE * (error + rounding)
