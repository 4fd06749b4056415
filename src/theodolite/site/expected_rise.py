"""How much the loss rises when every parameter is shaken."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import hypot, isfinite, nan
from typing import Any, overload

from theodolite.budget import BudgetLike, as_budget
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.landscape import Landscape, require_landscape
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike, as_watcher
from theodolite.site.shaking import FEWEST, Shaking
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.trace import trace as trace_of


@dataclass(frozen=True, repr=False)
class Rise:
    """The expected rise of the loss under noise, predicted and measured.

    Attributes
    ----------
    predicted : Estimate
        ½ σ² tr H, in units of the loss.
    measured : Estimate
        The mean of ``½ (f(θ + δ) + f(θ − δ)) − f(θ)`` over pairs, in the same units.
    sigma : float
        Standard deviation of the noise on each parameter, in parameter units.
    """

    predicted: Estimate[float]
    measured: Estimate[float]
    sigma: float

    @property
    def agrees(self) -> bool:
        """Whether the two differ by at most 10 % or three combined errors."""
        if not isfinite(self.predicted.error + self.measured.error):
            return False
        difference = abs(self.predicted.value - self.measured.value)
        errors = hypot(self.predicted.error, self.measured.error)
        return difference <= max(3 * errors, 0.1 * abs(self.predicted.value))

    @property
    def outcome(self) -> Outcome:
        """How the measurement ended, or the prediction where that did not converge."""
        endings = (self.measured.outcome, self.predicted.outcome)
        return next((one for one in endings if not one.good), endings[0])

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        return {
            "sigma": self.sigma,
            "predicted": self.predicted.to_dict(),
            "measured": self.measured.to_dict(),
        }

    def __repr__(self) -> str:
        return (
            f"Rise under σ = {self.sigma:g}: predicted {self.predicted.value:.4g} ± "
            f"{self.predicted.error:.2g}, measured {self.measured.value:.4g} ± "
            f"{self.measured.error:.2g} ({self.measured.probes} pairs)"
            + ("" if self.outcome.good else f". {self.outcome}")
        )


@dataclass(frozen=True, repr=False)
class Rises:
    """The expected rise under noise of several sizes, along the same directions.

    Their errors are not independent: noise that finds much at one size finds much at
    its neighbours.

    Attributes
    ----------
    rows : tuple of Rise
        One a size, ascending.
    """

    rows: tuple[Rise, ...]

    @property
    def holds_up_to(self) -> float | None:
        """The largest size up to which every prediction agrees; ``None`` without."""
        held = None
        for rise in self.rows:
            if not rise.agrees:
                break
            held = rise.sigma
        return held

    @property
    def outcome(self) -> Outcome:
        """The worst ending of all."""
        endings = [rise.outcome for rise in self.rows]
        return next((one for one in endings if not one.good), endings[0])

    def __iter__(self) -> Iterator[Rise]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> Rise:
        return self.rows[position]

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        rows = [{**rise.to_dict(), "agrees": rise.agrees} for rise in self.rows]
        return {"rows": rows, "holds_up_to": self.holds_up_to}

    def to_record(self, loss: float = nan) -> dict[str, Any]:
        """What a page draws of them, beside the loss itself where it is known."""
        rows = [
            {
                "sigma": rise.sigma,
                "predicted": _with_error(rise.predicted),
                "measured": _with_error(rise.measured),
            }
            for rise in self.rows
        ]
        return {"rows": rows, "loss": loss, "holds_up_to": self.holds_up_to}

    def _repr_html_(self) -> str:
        from theodolite.report.notebook import chart

        return chart("rise", self.to_record())

    def __repr__(self) -> str:
        held = self.holds_up_to
        told = "at no σ that was tried" if held is None else f"up to σ = {held:g}"
        marks = {True: "", False: "  ✗"}
        rows = (f"  {rise!r}{marks[rise.agrees]}" for rise in self.rows)
        return "\n".join([f"Rises: ½ σ² tr H holds {told}.", *rows])


def _with_error(estimate: Estimate[float]) -> dict[str, float]:
    return {"value": estimate.value, "error": estimate.error}


@overload
def expected_rise(
    land: Landscape,
    sigma: float,
    *,
    rtol: float = ...,
    seed: int = ...,
    budget: BudgetLike = ...,
    trace: Estimate[float] | None = ...,
    deflate: EigenPairs | None = ...,
    progress: ProgressLike = ...,
) -> Rise: ...
@overload
def expected_rise(
    land: Landscape,
    sigma: Sequence[float],
    *,
    rtol: float = ...,
    seed: int = ...,
    budget: BudgetLike = ...,
    trace: Estimate[float] | None = ...,
    deflate: EigenPairs | None = ...,
    progress: ProgressLike = ...,
) -> Rises: ...


def expected_rise(
    land: Landscape,
    sigma: float | Sequence[float],
    *,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    trace: Estimate[float] | None = None,
    deflate: EigenPairs | None = None,
    progress: ProgressLike = False,
) -> Rise | Rises:
    """The rise of the loss under Gaussian noise on every parameter.

        E[f(θ + δ)] − f(θ) ≈ ½ σ² tr H,   δ ~ N(0, σ² I)

    Predicted from the trace, and measured by pairs ``θ ± δ``, in which the slope
    cancels. Each pair costs two passes over the data. Where the two part, the
    quadratic picture of the landscape has ended. For several σ the trace and the
    directions of the noise are shared, and ``holds_up_to`` says where that is.

    On networks with kinks (ReLU) the measured rise exceeds the predicted one already
    at small σ: the Hessian does not see what bends at kinks.

    Parameters
    ----------
    land : Landscape
        Measured where it is.
    sigma : float or sequence of float
        Standard deviation of the noise, in parameter units; several are measured in
        ascending order.
    rtol : float
        Standard error of the measurement, relative to it.
    seed : int
        Of noise and probes. A row of several is what its σ alone would give.
    budget : int or str, optional
        Pairs for each σ (200 by default, 12 at least), or a time for all like
        ``"30s"``.
    trace : Estimate, optional
        The trace where it is known already.
    deflate : EigenPairs, optional
        Large eigenpairs of the Hessian where they are known already, like
        ``td.eigsh(land.hessian(), 10)``: what they explain of the noise is no error,
        so that fewer pairs are needed.
    progress : bool or Watcher
        Whether to show a bar, or whom to tell.

    Returns
    -------
    Rise or Rises
        Rises for a sequence.

    Raises
    ------
    ArgumentError
        When a ``sigma`` is not positive, or there is none.
    TheodoliteError
        As :meth:`Landscape.loss` raises.

    References
    ----------
    A second-order expansion; as a measure of flatness: Keskar et al., "On large-batch
    training for deep learning", 2017, arXiv:1609.04836.
    """
    require_landscape(land)
    sigmas = _sizes(sigma)
    watcher, limit = as_watcher(progress), as_budget(budget, 200)
    most = int(limit.room(0)) if limit.products is not None else FEWEST
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        watcher.update("noise", min(1.0, done / (most * len(sigmas))), float("inf"))

    try:
        if trace is None:
            trace = trace_of(land.hessian(), seed=seed, deflate=deflate)
        rises = rises_of(
            land,
            sigmas,
            trace,
            rtol=rtol,
            seed=seed,
            budget=limit,
            deflate=deflate,
            after_pair=tell,
        )
    finally:
        watcher.close()
    return rises[0] if isinstance(sigma, (int, float)) else rises


def rises_of(
    land: Landscape,
    sigmas: Sequence[float],
    trace: Estimate[float],
    *,
    rtol: float = 0.05,
    seed: int = 0,
    budget: BudgetLike = None,
    deflate: EigenPairs | None = None,
    after_pair: Callable[[], None] = lambda: None,
) -> Rises:
    """The same for several sizes around a trace at hand."""
    shaking = Shaking(land, sigmas, seed, deflate)
    measured = shaking.run(rtol, as_budget(budget, 200), after_pair)
    rows = (
        Rise(_predicted(trace, sigma), rise, sigma)
        for sigma, rise in zip(sigmas, measured, strict=True)
    )
    return Rises(tuple(rows))


def _sizes(sigma: float | Sequence[float]) -> list[float]:
    if isinstance(sigma, (int, float)):
        sigmas = [float(sigma)]
    else:
        sigmas = sorted(map(float, sigma))
    if not sigmas or not all(0 < one < float("inf") for one in sigmas):
        raise ArgumentError(
            found=f"sigma={sigma}.",
            why="Noise has a positive, finite size.",
            instead="Give a standard deviation like 1e-2, or several.",
        )
    return sigmas


def _predicted(trace: Estimate[float], sigma: float) -> Estimate[float]:
    half = sigma**2 / 2
    return replace(trace, value=half * trace.value, error=half * trace.error)
