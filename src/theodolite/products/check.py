"""Ask a product whether it is right, on this very landscape.

Two questions that any product must answer, whatever computed it: is it symmetric, and
does it say what a difference of two gradients says? What rounding alone explains is
measured, where it matters, by asking again a rounding away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, final

import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.gradient_difference import GradientDifference, total_norm

# what an operation's wrong derivative stays far above, and rounding hardly reaches
_ASYMMETRY = {torch.float64: 1e-8, torch.float32: 1e-6}
# rounding shrinks by nine digits between float32 and float64; what is wrong does not
_SHRINKS = 1e-3


@dataclass(frozen=True)
class Check:
    """What the product of one batch was found to be.

    Attributes
    ----------
    engine : str
        What computed it.
    right : bool
        Whether what was found is within what rounding explains.
    asymmetry : float or None
        |uᵀAv − vᵀAu| / (‖u‖ ‖Av‖) for random u and v; ``None`` in types too narrow to
        tell.
    difference : float or None
        ‖Av − D‖ / ‖Av‖ for a difference D of gradients; ``None`` where it could say
        nothing: on networks with kinks in float32, and for matrices other than the
        Hessian.
    difference_error : float
        How far D itself may be off.
    noise : float
        How far rounding moves products; zero where it was not in question.
    note : str
        Why a question was not asked, or the error that was met.
    """

    engine: str
    right: bool
    asymmetry: float | None = None
    difference: float | None = None
    difference_error: float = 0.0
    noise: float = 0.0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return dict(vars(self))

    def __str__(self) -> str:
        parts = [] if self.asymmetry is None else [f"symmetric to {self.asymmetry:.0e}"]
        if self.difference is not None:
            parts.append(f"{self.difference:.0e} from a difference of gradients")
        if self.noise:
            parts.append(f"rounding moves products by {self.noise:.0e}")
        parts += [self.note] if self.note else []
        return f"{self.engine}: " + ", ".join(parts)


@final
class Examination:
    """The questions to one batch's product.

    Parameters
    ----------
    product : BatchProduct
        Of the first batch.
    leaves : sequence of Tensor
        The point.
    nearby : callable
        The same batch's product at another point.
    wide : callable
        The same questions in float64, or ``None`` where that cannot be.
    """

    def __init__(
        self,
        product: BatchProduct,
        leaves: Sequence[Tensor],
        nearby: Callable[[Sequence[Tensor]], BatchProduct],
        wide: Callable[[], "Examination | None"],
    ) -> None:
        self._product, self._leaves = product, leaves
        self._nearby, self._wide = nearby, wide
        self._positions = [k for k, leaf in enumerate(leaves) if leaf.requires_grad]
        types = {leaves[k].dtype for k in self._positions}
        self._dtype = max(types, key=lambda dtype: torch.finfo(dtype).eps)

    def check(
        self, engine: str, difference: GradientDifference | None, note: str
    ) -> Check:
        """Multiply two random vectors, and compare.

        Parameters
        ----------
        engine : str
            What computes the product.
        difference : GradientDifference or None
            Of the same batch, where it can tell.
        note : str
            Why there is none.
        """
        v = self._random(1)
        av = self._times(self._product, v)
        if not isfinite(total_norm(av)):
            return Check(engine, False, note="NaN or infinite")
        asymmetry = self._asymmetry(v, av)
        if self._dtype not in _ASYMMETRY:
            return Check(engine, True, note=note)
        noise, allowed = 0.0, _ASYMMETRY[self._dtype]
        if asymmetry > allowed:
            noise = self._noise(v, av)
        right = asymmetry <= max(allowed, noise)
        if not right or difference is None:
            return Check(engine, right, asymmetry, noise=noise, note=note)
        apart, error, noise = self._compared(difference, v, noise)
        right = self._explained(apart, error, noise)
        return Check(engine, right, asymmetry, apart, error, noise, note)

    def check_difference(self, engine: str, product: GradientDifference) -> Check:
        """What a difference of gradients says of itself; it is shown, never refused."""
        v = self._random(1)
        asymmetry = self._asymmetry(v, self._times(product, v))
        kinks = product.kinks()
        note = f"smoothed across kinks ({kinks[0]})" if kinks else ""
        error = product.error
        return Check(engine, True, asymmetry, difference_error=error, note=note)

    def _compared(
        self, difference: GradientDifference, v: list[Tensor], noise: float
    ) -> tuple[float, float, float]:
        """How far the product is from a difference, that one's error, and the noise."""
        apart, error = self._apart(difference, v)
        if not self._explained(apart, error, noise):
            # without what has no gradient by decree, as an embedding's padding
            gradients = difference.gradient(self._positions)
            v = [torch.where(g == 0, 0.0, w) for g, w in zip(gradients, v, strict=True)]
            apart, error = self._apart(difference, v)
        if not self._explained(apart, error, noise):
            noise = self._noise(v, self._times(self._product, v))
        return apart, error, noise

    def _explained(self, apart: float, error: float, noise: float) -> bool:
        allowed = 1e-4 if self._dtype == torch.float64 else 0.02
        return apart <= 5 * error + 3 * noise + allowed

    def _apart(
        self, difference: GradientDifference, v: Sequence[Tensor]
    ) -> tuple[float, float]:
        difference.error = 0.0
        ours, theirs = self._times(self._product, v), self._times(difference, v)
        size = max(total_norm(ours), total_norm(theirs))
        return (_distance(ours, theirs) / size if size else 0.0), difference.error

    def _noise(self, v: Sequence[Tensor], av: Sequence[Tensor]) -> float:
        """How far rounding moves the product of a vector.

        In float64 where the model can be measured so, if it is right there; else by
        moving every weight by the rounding of the narrowest type in the product.
        """
        wide = self._wide()
        if wide is None:
            exact = self._times(self._nearby(self._jittered()), v)
        else:
            copies = [w.double() for w in v]
            exact = wide._times(wide._product, copies)
            if wide._asymmetry(copies, exact) > _SHRINKS * self._asymmetry(v, av):
                return 0.0
        size = total_norm(exact)
        return _distance(exact, av) / size if size else 0.0

    def _asymmetry(self, v: Sequence[Tensor], av: Sequence[Tensor]) -> float:
        """|uᵀAv − vᵀAu| / (‖u‖ ‖Av‖) for a random u."""
        u, size = self._random(0), total_norm(av)
        gap = abs(_inner(u, av) - _inner(v, self._times(self._product, u)))
        return gap / (total_norm(u) * size) if size else 0.0

    def _jittered(self) -> list[Tensor]:
        moved = [leaf.detach() for leaf in self._leaves]
        rounding = max(torch.finfo(self._dtype).eps, self._product.rounding)
        for k, sign in zip(self._positions, self._random(2), strict=True):
            moved[k] = moved[k] * (1 + rounding * sign.sign())
            moved[k].requires_grad_()
        return moved

    def _times(self, product: BatchProduct, v: Sequence[Tensor]) -> list[Tensor]:
        found = product.product(v, self._positions, self._positions)
        return [
            torch.zeros_like(one) if result is None else result
            for result, one in zip(found, v, strict=True)
        ]

    def _random(self, seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        leaves = [self._leaves[k] for k in self._positions]
        return [
            torch.randn(w.shape, generator=generator).to(w.detach()) for w in leaves
        ]


def difference_that_tells(
    evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
) -> tuple[GradientDifference | None, str]:
    """A difference of gradients that is fit to judge, or why there is none."""
    resolution = max(
        torch.finfo(leaf.dtype).eps for leaf in leaves if leaf.requires_grad
    )
    if resolution > 1e-6:
        return None, "no difference of gradients in half precision"
    difference = GradientDifference(evaluate, leaves, batch)
    if resolution > 1e-9 and (kinks := difference.kinks()):
        return None, f"no difference of gradients across kinks ({kinks[0]})"
    return difference, ""


def _inner(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    pairs = zip(left, right, strict=True)
    return sum(float((a.double() * b.double()).sum()) for a, b in pairs)


def _distance(left: Sequence[Tensor], right: Sequence[Tensor]) -> float:
    return total_norm([a - b for a, b in zip(left, right, strict=True)])
