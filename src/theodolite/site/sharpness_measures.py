"""What sharpness measures found: each with its error, and what rescaling does to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

from theodolite.estimate import Estimate
from theodolite.outcomes import Outcome, converged, out_of_budget
from theodolite.site.expected_rise import Rise
from theodolite.site.worst_rise import Climbs
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.enclosure import rounding_of


@dataclass(frozen=True, repr=False)
class Measure:
    """One measure of sharpness.

    Attributes
    ----------
    value : float
        What was found.
    error : float
        One standard error of random probes, the residual of an eigenvalue, or zero
        where neither is in it. NaN where only a lower bound is known.
    low, high : float
        Where the true number lies: with 95 % confidence for random probes, by the
        residual for eigenvalues; from the value to infinity for a lower bound.
    predicted : float or None
        What the quadratic around the point says, for rises of the loss.
    invariant : bool
        Whether it stays what it is when a layer before a ReLU is multiplied by a
        number and the layer behind it divided: the network then computes the same.
    outcome : Outcome
        How it ended.
    """

    value: float
    error: float
    low: float
    high: float
    predicted: float | None
    invariant: bool
    outcome: Outcome

    def __float__(self) -> float:
        return self.value

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {**vars(self), "outcome": self.outcome.name}

    def __repr__(self) -> str:
        kept = "unchanged" if self.invariant else "changed"
        return f"{self.value:.6g}, {self.where} ({kept} by rescaling). {self.outcome}"

    @property
    def where(self) -> str:
        """Where the true number lies, in words."""
        if not isfinite(self.high):
            return "at least" if isfinite(self.low) else "not known"
        if self.low == self.high:
            return "exact"
        return f"{self.low:.5g} to {self.high:.5g}"


@dataclass(frozen=True, repr=False)
class Sharpness:
    """How sharp a place is, by every measure in use.

    Attributes
    ----------
    largest_eigenvalue, trace, frobenius_norm : Measure
        Of the Hessian.
    expected_rise : Measure
        Mean rise of the loss under Gaussian noise of ``sigma`` on every parameter.
    worst_rise : Measure
        Highest rise found within ``‖δ‖ ≤ rho``.
    adaptive_eigenvalue : Measure
        The largest eigenvalue by relative changes, of ``D H D`` with D = diag ``|θ|``.
    adaptive_worst_rise : Measure
        Highest rise found within ``‖δ / |θ|‖ ≤ adaptive_rho``.
    fisher_rao : Measure or None
        θᵀGθ with the Gauss–Newton matrix G: the squared Fisher–Rao norm for
        likelihoods. ``None`` where there is no G; ``missing`` says why.
    missing : str
        Why there is no Fisher–Rao norm; empty where there is one.
    sigma, rho, adaptive_rho : float
        Standard deviation, radius, and radius of relative changes.
    loss, gradient_norm : float
        At the point.
    products, gradients, losses : int
        Products, and passes over the data beside them.
    seconds, bytes, seed
        What it cost, and the seed of everything random.
    """

    largest_eigenvalue: Measure
    trace: Measure
    frobenius_norm: Measure
    expected_rise: Measure
    worst_rise: Measure
    adaptive_eigenvalue: Measure
    adaptive_worst_rise: Measure
    fisher_rao: Measure | None
    missing: str
    sigma: float
    rho: float
    adaptive_rho: float
    loss: float
    gradient_norm: float
    products: int
    gradients: int
    losses: int
    seconds: float
    bytes: int
    seed: int

    @property
    def measures(self) -> dict[str, Measure]:
        """All of them by name."""
        found = {name: getattr(self, name) for name in NAMES}
        return {name: one for name, one in found.items() if one is not None}

    @property
    def outcome(self) -> Outcome:
        """The worst ending of all."""
        endings = [one.outcome for one in self.measures.values()]
        return next((one for one in endings if not one.good), endings[0])

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        plain = {name: value for name, value in vars(self).items() if name not in NAMES}
        nested = {name: one.to_dict() for name, one in self.measures.items()}
        return {**nested, **plain, "outcome": self.outcome.name}

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"Sharpness: loss {self.loss:.4g}, |gradient| {self.gradient_norm:.3g} "
            f"({self.products} products, {self.gradients} gradients, {self.losses} "
            f"losses)"
        )
        heads = ("value", "true number", "quadratic says", "rescaled layers")
        yield _row("", *heads)
        for name, one in self.measures.items():
            predicted = "" if one.predicted is None else f"{one.predicted:.5g}"
            kept = "keep it" if one.invariant else "change it"
            mark = "" if one.outcome.good else f"  {one.outcome}"
            yield (
                _row(self._title(name), f"{one.value:.5g}", one.where, predicted, kept)
                + mark
            )
        if self.missing:
            yield _row(NAMES["fisher_rao"], "—") + f"  {self.missing}"

    def _title(self, name: str) -> str:
        sizes = {
            "expected_rise": f", σ = {self.sigma:.3g}",
            "worst_rise": f", ρ = {self.rho:.3g}",
            "adaptive_worst_rise": f", ρ = {self.adaptive_rho:.3g}",
        }
        return NAMES[name] + sizes.get(name, "")


NAMES = {
    "largest_eigenvalue": "largest eigenvalue",
    "trace": "trace",
    "frobenius_norm": "Frobenius norm",
    "expected_rise": "mean rise",
    "worst_rise": "worst rise",
    "adaptive_eigenvalue": "… of relative changes",
    "adaptive_worst_rise": "worst relative rise",
    "fisher_rao": "Fisher–Rao norm²",
}


def _row(name: str, *cells: str) -> str:
    widths = (12, 27, 16, 15)
    columns = zip(cells, widths, strict=False)
    padded = (f"{cell:<{width}}" for cell, width in columns)
    return f"  {name:<32}" + "".join(padded).rstrip()


def of_eigenvalue(pairs: EigenPairs, *, invariant: bool) -> Measure:
    """The largest eigenvalue: a Ritz value is never above it."""
    value, dtype = float(pairs.values[0]), pairs.vectors.dtype
    rounding = rounding_of(value, dtype)
    error = float(pairs.residuals[0]) + rounding
    # the residual tells that an eigenvalue is near, and not that none is above
    high = max(value + error, float(pairs.high[0]))
    return Measure(value, error, value - rounding, high, None, invariant, pairs.outcome)


def of_estimate(estimate: Estimate[float]) -> Measure:
    """A number from random probes."""
    low, high = estimate.interval()
    return Measure(
        estimate.value, estimate.error, low, high, None, False, estimate.outcome
    )


def of_rise(rise: Rise) -> Measure:
    """The measured mean rise, its prediction beside it."""
    low, high = rise.measured.interval()
    return Measure(
        rise.measured.value,
        rise.measured.error,
        low,
        high,
        rise.predicted.value,
        False,
        rise.measured.outcome,
    )


def of_climbs(found: Climbs, predicted: float, *, invariant: bool) -> Measure:
    """The highest rise found: a lower bound of the highest there is."""
    outcome = converged("Every climb has ended where a step gains nothing more")
    if found.unfinished:
        cut = " and ".join(found.unfinished)
        outcome = out_of_budget(f"climbs from {cut} went on", "Raise steps or budget")
    none = float("nan")
    highest = found.highest
    return Measure(highest, none, highest, float("inf"), predicted, invariant, outcome)
