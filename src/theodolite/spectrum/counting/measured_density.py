"""A measured spectral density, and what is read off it without another product."""

from dataclasses import dataclass, fields
from functools import cached_property
from math import inf, nextafter
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.outcomes import EXACT, Outcome
from theodolite.spectrum.counting.agreement import Agreement
from theodolite.spectrum.counting.cumulative import Cumulative
from theodolite.spectrum.counting.known_values import Known
from theodolite.spectrum.counting.quadrature import Rule
from theodolite.spectrum.counting.spectral_sums import (
    Function,
    SpectralSum,
    spectral_sum,
)

# standard errors to an end of a 95 % interval, which counts are computed as
_REACH = 1.959964
_CERTAIN = 10**6


@dataclass(frozen=True, repr=False)
class SpectralDensity:
    """The share of eigenvalues per unit of curvature, and sums over all of them.

    Attributes
    ----------
    nodes, weights : Tensor
        The quadrature ``(n,)``: a share ``weights[i]`` of all eigenvalues is taken to
        lie at ``nodes[i]``; the weights add up to one. Outliers come last.
    grid, density : Tensor
        A smoothed picture of the bulk ``(g,)``, in 1 / curvature; each node is spread
        by half the distance to its neighbours.
    band : Tensor
        One standard error of the density by the probes' draw, ``(g,)``.
    cumulative, low, high : Tensor
        The share of eigenvalues up to each point of the grid, outliers included, and
        its 95 % interval there (each for itself), ``(g,)``.
    outliers, residuals : Tensor
        Eigenvalues outside the probes ``(k,)``, each a share 1/p, and how far each may
        be off.
    rules : tuple of Rule
        The Gauss rule of each probe, on the complement of the outliers.
    size : int
        p, the number of all eigenvalues.
    rounding : float
        How far rounding of the products may move an eigenvalue.
    probes, steps : int
        Independent starts, and Lanczos steps of each.
    products, seconds, bytes, seed, outcome
        What it cost and how it ended.
    """

    nodes: Float[Tensor, " n"]
    weights: Float[Tensor, " n"]
    grid: Float[Tensor, " g"]
    density: Float[Tensor, " g"]
    band: Float[Tensor, " g"]
    cumulative: Float[Tensor, " g"]
    low: Float[Tensor, " g"]
    high: Float[Tensor, " g"]
    outliers: Float[Tensor, " k"]
    residuals: Float[Tensor, " k"]
    rules: tuple[Rule, ...]
    size: int
    rounding: float
    probes: int
    steps: int
    products: int
    seconds: float
    bytes: int
    seed: int
    outcome: Outcome

    def share_below(self, value: float) -> float:
        """The share of eigenvalues below a value."""
        return self.count(-inf, nextafter(value, -inf)).value / self.size

    def count(self, low: float, high: float) -> Estimate[float]:
        """How many eigenvalues are in [low, high].

        The error covers what a finite number of Lanczos steps leaves open
        (Chebyshev-Markov-Stieltjes bounds of each probe), the probes' draw (a known
        law) and the outliers' residuals; the 95 % interval is asked of all three.

        Raises
        ------
        ArgumentError
            When ``low`` exceeds ``high``, or one is NaN.
        """
        if not low <= high:
            raise ArgumentError(
                found=f"count({low}, {high}).",
                why="An interval goes from its lower end to its upper one.",
                instead="Give density.count(low, high) with low ≤ high.",
            )
        start, stop = torch.tensor([[low], [high]], dtype=torch.float64)
        found = self._cumulative.between(start, stop)
        value = float(found.value)
        reach = max(float(found.high) - value, value - float(found.low))
        return self._estimate(value, reach / _REACH, _CERTAIN)

    def near_zero(self, width: float) -> Estimate[float]:
        """How many eigenvalues are at most ``width`` in size."""
        return self.count(-width, width)

    def negative(self, tolerance: float | None = None) -> Estimate[float]:
        """How many eigenvalues are below −``tolerance``, which is rounding's size."""
        reach = self.rounding if tolerance is None else tolerance
        return self.count(-inf, nextafter(-reach, -inf))

    def sum(self, function: Function) -> Estimate[float]:
        """Σ f(λᵢ) of any function that takes a tensor of eigenvalues.

        The error joins the probes' draw (a known law), what more Lanczos steps may
        change, by what the last ones did, and the outliers' residuals. It misleads for
        functions with a step or a pole among the eigenvalues: use :meth:`count` for
        steps.
        """
        found = self._summed(function)
        return self._estimate(found.value, found.error, found.freedom)

    def trace(self) -> Estimate[float]:
        """Σ λᵢ; approximate outliers leave it unbiased."""
        found = self._summed(lambda values: values)
        return self._estimate(found.value, found.sampling, found.freedom)

    def frobenius_norm(self) -> Estimate[float]:
        """(Σ λᵢ²)^½, with what the outliers' residuals hold."""
        found = self._summed(torch.square)
        beside = 2 * float(self.residuals.square().sum())
        return self._root(found.value + beside, found.sampling, found.freedom, 2)

    def schatten_norm(self, q: float) -> Estimate[float]:
        """(Σ |λᵢ|^q)^(1/q): the nuclear norm for q = 1, Frobenius' for q = 2.

        Raises
        ------
        ArgumentError
            When ``q`` is not positive and finite.
        """
        if not 0 < q < inf:
            raise ArgumentError(
                found=f"q={q}.",
                why="A Schatten norm is a root of a sum of powers.",
                instead='Give 0 < q < ∞; td.eigsh(H, 1, "LM") is the limit of q → ∞.',
            )
        found = self._summed(lambda values: values.abs().pow(q))
        return self._root(found.value, found.error, found.freedom, q)

    def log_determinant(self, alpha: float = 0.0) -> Estimate[float]:
        """Log det(H + α I) = Σ log(λᵢ + α), of a positive definite sum.

        Raises
        ------
        ArgumentError
            When some node says that it is not positive definite.
        """
        lowest = float(self.nodes.min())
        if not lowest + alpha > 0:
            raise ArgumentError(
                found=f"alpha={alpha:g} with a node at {lowest:.6g}.",
                why="The logarithm of a determinant needs λ + α > 0 for every λ.",
                instead=f"Give alpha={max(-1.1 * lowest, 1e-6 * self._scale):.2g} or "
                "more, or take H.gauss_newton(), which has no negative eigenvalues.",
            )
        return self.sum(lambda values: (values + alpha).log())

    def effective_dimension(self, alpha: float) -> Estimate[float]:
        """Σ λ / (λ + α) over the positive eigenvalues; negative ones count nothing.

        The number of directions that the data settle against a prior of precision
        ``alpha``.

        Raises
        ------
        ArgumentError
            When ``alpha`` is not positive.
        """
        if not alpha > 0:
            raise ArgumentError(
                found=f"alpha={alpha}.",
                why="Without a prior every positive eigenvalue counts fully.",
                instead="Give a positive alpha, in the eigenvalues' unit, like 1e-3.",
            )
        return self.sum(lambda values: values.clamp(min=0) / (values.abs() + alpha))

    def check(
        self,
        *,
        trace: Estimate[float] | None = None,
        frobenius: Estimate[float] | None = None,
    ) -> Agreement:
        """Compare the moments with estimates from elsewhere, like ``td.trace(H)``.

        Raises
        ------
        ArgumentError
            When there is nothing to compare with.
        """
        wanted = {"trace": trace, "frobenius": frobenius}
        given = {name: other for name, other in wanted.items() if other is not None}
        if not given:
            raise ArgumentError(
                found="check() without an estimate.",
                why="There is nothing to compare with.",
                instead="Give trace=td.trace(H), frobenius=td.frobenius_norm(H).",
            )
        mine = {"trace": self.trace, "frobenius": self.frobenius_norm}
        here = tuple(mine[name]() for name in given)
        return Agreement(tuple(given), here, tuple(given.values()))

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {
            name: value.tolist() if isinstance(value, Tensor) else value
            for name, value in found.items()
        }
        rules = [rule.to_dict() for rule in self.rules]
        return {**plain, "rules": rules, "outcome": self.outcome.name}

    def to_record(self) -> dict[str, Any]:
        """What a page draws of it: the bulk with one standard error, and outliers."""
        return {
            "grid": self.grid.tolist(),
            "density": self.density.tolist(),
            "low": (self.density - self.band).clamp(min=0).tolist(),
            "high": (self.density + self.band).tolist(),
            "outliers": self.outliers.tolist(),
            "probes": self.probes,
            "steps": self.steps,
        }

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("density", self.to_record())

    def __repr__(self) -> str:
        low, high = float(self.nodes.min()), float(self.nodes.max())
        outliers = f", {len(self.outliers)} outliers" if len(self.outliers) else ""
        return (
            f"SpectralDensity({self.probes} probes × {self.steps} steps{outliers} on "
            f"[{low:.4g}, {high:.4g}], {self.products} products). {self.outcome}"
        )

    @property
    def _scale(self) -> float:
        return float(self.nodes.abs().max()) or 1.0

    @property
    def _exact(self) -> bool:
        return self.outcome.name == EXACT.name

    @property
    def _known(self) -> Known:
        return Known(self.outliers, self.residuals)

    @cached_property
    def _cumulative(self) -> Cumulative:
        return Cumulative.of(
            self.rules, self._known, self.size, self.rounding, exact=self._exact
        )

    def _summed(self, function: Function) -> SpectralSum:
        return spectral_sum(function, self.rules, self._cumulative)

    def _root(
        self, total: float, error: float, freedom: int, q: float
    ) -> Estimate[float]:
        """The q-th root of a sum, whose error it divides by its slope."""
        value = total ** (1 / q)
        slope = value / (q * total) if total else 0.0
        return self._estimate(value, error * slope, freedom)

    def _estimate(self, value: float, error: float, freedom: int) -> Estimate[float]:
        return Estimate(
            value=value,
            error=0.0 if self._exact else error,
            probes=0 if self._exact else self.probes,
            products=self.products,
            seconds=self.seconds,
            seed=self.seed,
            outcome=self.outcome,
            bytes=self.bytes,
            freedom=freedom,
        )
