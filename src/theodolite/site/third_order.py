"""How the curvature along a direction changes on the way, and in training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import Weight, WeightedMean
from theodolite.batches import Batch
from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.evaluation import Evaluation
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.products.diagnosis import failures_explained
from theodolite.products.third import (
    Pieces,
    differentiable_thrice,
    third_derivative,
    two_derivatives,
)
from theodolite.spectrum.vectors import inner, norm

# relative difference that truncation may leave between the two ways
_APART = 0.02


@dataclass(frozen=True, repr=False)
class ThirdOrder:
    """Three derivatives along a vector v, as it was given.

    Attributes
    ----------
    cubic : float
        D³f[v, v, v]; grows with the cube of v's length.
    curvature : float
        vᵀHv; grows with its square.
    slope : float
        ∇fᵀv.
    gradient : Tensor
        ∇(vᵀHv) ``(p,)`` for v held fixed: where the curvature along v grows.
    halving : float
        ``|vᵀHv / 2 D³f[v, v, v]| · ‖v‖``: how far to walk along ±v, in parameter units,
        until the curvature has changed by half, were its slope to last. Infinite where
        it does not change. The same for every length of v.
    drift : float
        ``−∇f · ∇(vᵀHv)``: what gradient flow changes the curvature by, per unit of
        time (learning rate times steps). For a unit eigenvector, dλ/dt.
    residual : float
        ``‖H v − θ v‖ / ‖v‖`` with ``θ = vᵀHv / ‖v‖²``: zero for an eigenvector.
    length : float
        ‖v‖.
    difference : float or None
        D³f[v, v, v] as a difference of curvatures on both sides; ``None`` where none
        was taken.
    difference_error : float
        What rounding alone may put between the two.
    kinks : tuple of str
        Operations with kinks, at which the curvature jumps and no derivative sees it.
    products, seconds, bytes, outcome
        What it cost, the third derivative counted as two products, and how it ended.
    """

    cubic: float
    curvature: float
    slope: float
    gradient: Float[Tensor, " p"]
    halving: float
    drift: float
    residual: float
    length: float
    difference: float | None
    difference_error: float
    kinks: tuple[str, ...]
    products: int
    seconds: float
    bytes: int
    outcome: Outcome

    @property
    def agrees(self) -> bool | None:
        """Whether differences say the same; ``None`` where none were taken."""
        return self.outcome.good if self.difference is not None else None

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain; the gradient by its norm."""
        plain = {
            name: value for name, value in vars(self).items() if name != "gradient"
        }
        return {
            **plain,
            "kinks": list(self.kinks),
            "gradient_norm": norm(self.gradient),
            "outcome": self.outcome.name,
        }

    def __repr__(self) -> str:
        return (
            f"ThirdOrder: curvature {self.curvature:.6g} along v, D³f[v, v, v] "
            f"{self.cubic:.6g}; half as much more or less after walking "
            f"{self.halving:.4g}; gradient flow changes it by {self.drift:.4g} per "
            f"unit of time. {self.outcome}"
        )


def third_order(
    land: Landscape, v: Float[Tensor, " p"], *, check: bool = True
) -> ThirdOrder:
    """How fast the curvature along a direction changes: three derivatives.

        D³f[v, v, v] = d/dt vᵀH(θ + t v)v,   ∇(vᵀHv) = D³f[v, v, ·]

    Everything is computed for v as it is given; ``halving`` alone is a distance in
    parameter units. With a unit eigenvector, ``drift`` says whether gradient descent
    is on the way to sharper ground: dλ/dt = −∇f · ∇(vᵀHv).

    Costs 6 to 14 gradients, and memory of six for one batch, as the gradient is
    differentiated twice more, in primitive operations: torch's fused norms are wrong
    at third order. D³f[v, v, v] alone would not come cheaper (nested forward mode
    takes 10 to 27 gradients). ``check`` adds two products.

    It misleads on networks with kinks (ReLU, max-pooling): there the curvature also
    jumps, and ``halving`` sees only what lies between the jumps. And it is a local
    slope: curvature that has a maximum along v changes little at first.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    v : Tensor
        The direction ``(p,)``, of any length but zero.
    check : bool
        Compare D³f[v, v, v] with a difference of curvatures on both sides of the
        point, and vᵀHv with one of slopes; the outcome says if they disagree. Not in
        half precision, where a small step is lost.

    Raises
    ------
    ArgumentError
        When v has another shape, is zero, or is not finite.
    SecondDerivativeError
        When an operation of the model cannot be differentiated so often.
    NonFiniteError
        When a derivative is NaN or infinite.

    References
    ----------
    Damian, Nichani and Lee, "Self-stabilization: the implicit bias of gradient descent
    at the edge of stability", 2022, arXiv:2209.15594. Pearlmutter, "Fast exact
    multiplication by the Hessian", 1994, doi:10.1162/neco.1994.6.1.147.
    """
    require_landscape(land)
    began = time.perf_counter()
    vector = _direction(land, v)
    found = _Derivatives(land, vector)
    length, turned = norm(vector), _dot(found.product, vector)
    cubic = _dot(found.bend, vector)
    halving = _halving(turned, cubic, length)
    told: list[_Told] = []
    if check and _fine(land):
        step = _step(land, halving)
        sides = _Differences(land, vector, step / length)
        rounds = 100 * _rounding(land) * length**2 / step
        told = [
            _Told("D³f[v, v, v]", cubic, sides.cubic, rounds * norm(found.product)),
            _Told("vᵀHv", turned, sides.curvature, rounds * norm(found.gradient)),
        ]
    return ThirdOrder(
        cubic=cubic,
        curvature=turned,
        slope=_dot(found.gradient, vector),
        gradient=found.bend,
        halving=halving,
        drift=-_dot(found.gradient, found.bend),
        residual=norm(found.product - turned / length**2 * vector) / length,
        length=length,
        difference=told[0].difference if told else None,
        difference_error=told[0].rounding if told else 0.0,
        kinks=found.kinks,
        products=4 if told else 2,
        seconds=time.perf_counter() - began,
        bytes=5 * vector.numel() * vector.element_size(),
        outcome=_outcome(told, found.kinks),
    )


@final
class _Derivatives:
    """Averages over all batches of ∇f, H v and ∇(vᵀHv)."""

    def __init__(self, land: Landscape, vector: Tensor) -> None:
        self._land, self._vectors = land, land.parameters.split(vector)
        self._means = [WeightedMean() for _ in range(3)]
        self.kinks: tuple[str, ...] = ()
        land.each_batch(self._add)
        self.gradient, self.product, self.bend = (
            _finite(mean.result()) for mean in self._means
        )

    def _add(self, evaluate: Evaluation, leaves: list[Tensor], batch: Batch) -> None:
        with (
            failures_explained(self._land.model, evaluate, leaves, [batch]),
            differentiable_thrice(self._land.model),
        ):
            found = third_derivative(evaluate, leaves, batch, self._vectors)
        parts = (found.gradient, found.product, found.bend)
        for mean, pieces in zip(self._means, parts, strict=True):
            _add_pieces(self._land, mean, pieces, found.weight)
        self.kinks = tuple(sorted({*self.kinks, *found.kinks}))


@final
class _Differences:
    """vᵀHv from slopes, and D³f[v, v, v] from curvatures, on both sides of the point.

    Along ``step · v``.
    """

    def __init__(self, land: Landscape, vector: Tensor, step: float) -> None:
        self._land, self._vectors = land, land.parameters.split(vector)
        self._step = step
        # ∇f and H v ahead, and the same behind
        self._means = [WeightedMean() for _ in range(4)]
        land.each_batch(self._add)
        slopes = [_dot(mean.result(), vector) for mean in self._means]
        self.curvature = (slopes[0] - slopes[2]) / (2 * step)
        self.cubic = (slopes[1] - slopes[3]) / (2 * step)

    def _add(self, evaluate: Evaluation, leaves: list[Tensor], batch: Batch) -> None:
        for means, move in ((self._means[:2], 1.0), (self._means[2:], -1.0)):
            moved = [
                (leaf.detach() + move * self._step * piece).requires_grad_()
                for leaf, piece in zip(leaves, self._vectors, strict=True)
            ]
            with differentiable_thrice(self._land.model), evaluate.at(moved):
                *parts, weight = two_derivatives(evaluate, moved, batch, self._vectors)
            for mean, pieces in zip(means, parts, strict=True):
                _add_pieces(self._land, mean, pieces, weight)


def _add_pieces(
    land: Landscape, mean: WeightedMean, pieces: Pieces, weight: Weight
) -> None:
    # a batch that weighs nothing has no mean
    if counted := float(weight):
        mean.add(land.parameters.flatten(pieces), counted)


def _outcome(told: Sequence["_Told"], kinks: Sequence[str]) -> Outcome:
    """What stands behind the derivatives."""
    jumps = f" {', '.join(kinks)} in it: no derivative sees kinks." if kinks else ""
    wrong = [one for one in told if not one.agrees]
    if not told:
        return Outcome("exact", f"Differentiated three times.{jumps}")
    if not wrong:
        agreed = "Differentiated three times; differences agree."
        return Outcome("exact", agreed + jumps)
    found = f"A difference says {wrong[0].name} = {wrong[0].difference:.4g}"
    if kinks:
        why = f"at kinks ({', '.join(kinks)}) the curvature jumps, and D³f and halving "
        return Outcome("disagreement", f"{found}: {why}hold between them alone.")
    return Outcome(
        "disagreement",
        f"{found}: either that rounds, or an operation's derivative is wrong; measure "
        "in float64 (land.to(torch.float64)) to tell.",
    )


@dataclass(frozen=True)
class _Told:
    """A derivative, the difference that has to say the same, and its rounding."""

    name: str
    derivative: float
    difference: float
    rounding: float

    @property
    def agrees(self) -> bool:
        largest = max(abs(self.derivative), abs(self.difference))
        apart = abs(self.derivative - self.difference)
        return apart <= _APART * largest + self.rounding


def _halving(curvature: float, cubic: float, length: float) -> float:
    """The walk after which half the curvature has come or gone."""
    return abs(curvature / (2 * cubic)) * length if cubic else float("inf")


def _step(land: Landscape, halving: float) -> float:
    """A walk short beside what the curvature changes over, and above rounding."""
    size, rounding = norm(land.point), _rounding(land)
    # where there is no curvature, half of it is gone at once
    reach = min(halving or float("inf"), max(size, 1.0))
    return max(rounding ** (1 / 3) * reach, 300 * rounding * size)


def _rounding(land: Landscape) -> float:
    return max(torch.finfo(dtype).eps for dtype in land.parameters.dtypes)


def _fine(land: Landscape) -> bool:
    """Whether a small step is not lost to rounding."""
    return _rounding(land) < 1e-6


def _dot(left: Tensor, right: Tensor) -> float:
    return float(inner(left[None], right))


def _finite(derivative: Tensor) -> Tensor:
    if not bool(torch.isfinite(derivative).all()):
        raise NonFiniteError(
            found="A derivative of third order or below is NaN or infinite.",
            why="An operation has none here, like a root or a norm at zero, or it "
            "overflows.",
            instead="Add a small number under the root, or measure in a wider type "
            "(land.to(torch.float64)).",
        )
    return derivative


def _direction(land: Landscape, v: Tensor) -> Float[Tensor, " p"]:
    if v.shape != (land.size,):
        raise ArgumentError(
            found=f"A direction of shape {tuple(v.shape)}.",
            why=f"The landscape has {land.size} parameters.",
            instead=f"Give a flat tensor of shape ({land.size},), like "
            "td.eigsh(land.hessian(), 1).vectors[:, 0].",
        )
    vector = v.detach().to(land.device, land.dtype)
    if not 0.0 < norm(vector) < float("inf"):
        raise ArgumentError(
            found=f"A direction of length {norm(vector)}.",
            why="Derivatives along it are taken.",
            instead="Give a vector of positive, finite length.",
        )
    return vector
