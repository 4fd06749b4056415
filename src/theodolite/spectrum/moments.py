"""Trace, diagonal, layers' traces and Frobenius norm, all from the same products."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

from theodolite.budget import BudgetLike
from theodolite.errors import ArgumentError
from theodolite.estimate import Estimate
from theodolite.operators.curvature import Curvature
from theodolite.operators.matrix import as_operator
from theodolite.outcomes import Outcome
from theodolite.progress import ProgressLike
from theodolite.spectrum.effort import Effort
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.estimating.layer_rows import LayerTraces, layer_lengths
from theodolite.spectrum.estimating.probes import require_tolerances
from theodolite.spectrum.estimating.probing import Probing
from theodolite.spectrum.estimating.quantities import (
    DiagonalOf,
    FrobeniusOf,
    LayersOf,
    Quantity,
    TraceOf,
)
from theodolite.spectrum.krylov import Krylov


@final
@dataclass(frozen=True, repr=False)
class Moments:
    """What one run of probes tells about a matrix; each names what all have cost.

    Attributes
    ----------
    trace : Estimate
        The sum of the eigenvalues.
    diagonal : Estimate
        All entries of the diagonal, ``(p,)``.
    frobenius : Estimate
        The root of the sum of squares.
    layers : LayerTraces or None
        Every layer's trace, for the Hessian of a landscape.
    products : int
        Single-vector products spent.
    seconds : float
        Time spent.
    seed : int
        Of the probes.
    outcome : Outcome
        How it ended.
    """

    trace: Estimate[float]
    diagonal: Estimate[Tensor]
    frobenius: Estimate[float]
    layers: LayerTraces | None
    products: int
    seconds: float
    seed: int
    outcome: Outcome

    def to_dict(self) -> dict[str, Any]:
        """All fields, plain."""
        layers = None if self.layers is None else self.layers.to_dict()
        found = {
            name: getattr(self, name).to_dict()
            for name in ("trace", "diagonal", "frobenius")
        }
        return {
            **vars(self),
            **found,
            "layers": layers,
            "outcome": self.outcome.name,
        }

    def __repr__(self) -> str:
        entries = float(self.diagonal.value.norm()), float(self.diagonal.error.norm())
        norm = self.frobenius
        lines = [
            f"Moments: {self.products} products. {self.outcome}",
            f"  trace           {self.trace.value:.5g} ± {self.trace.error:.1g}",
            f"  ‖diagonal‖      {entries[0]:.5g} ± {entries[1]:.1g}",
            f"  Frobenius norm  {norm.value:.5g} ± {norm.error:.1g}",
        ]
        layers = [] if self.layers is None else repr(self.layers).split("\n")[1:]
        return "\n".join([*lines, *(["  traces of layers"] if layers else []), *layers])


def moments(
    operator: Any,
    *,
    trace: float | None = 0.02,
    diagonal: float | None = 0.1,
    frobenius: float | None = 0.05,
    layers: float | None = 0.02,
    method: str = "auto",
    seed: int = 0,
    budget: BudgetLike = None,
    progress: ProgressLike = False,
    deflate: EigenPairs | None = None,
    krylov: Krylov | None = None,
) -> Moments:
    """Trace, diagonal, layers' traces and Frobenius norm from the same products.

        tr H = Σ E[x],   diag H = E[x],   tr H[l, l] = Σ_{i∈l} E[x],   ‖H‖_F² = E[‖x‖²]
        x = z ⊙ H z,  z of random signs

    One product of a probe serves all, with the Gauss–Newton part or a Krylov space
    taken out as in :func:`theodolite.trace`. It ends when every tolerance is met, so
    that it costs what the hardest of them costs alone; ``None`` reads a quantity off
    the others' probes, with whatever error it then has. Memory 3 p numbers, 6 p with
    the Gauss–Newton part, and the Krylov space.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    trace, frobenius : float or None
        Half the 95 % interval asked for, relative to the value.
    diagonal : float or None
        Norm of all standard errors asked for, relative to the diagonal's.
    layers : float or None
        Half the widest 95 % interval, relative to the sum of all traces' sizes.
    method, seed, budget, progress, deflate, krylov
        As for :func:`theodolite.trace`.

    Raises
    ------
    ArgumentError
        When a tolerance is not positive, or none is given; for an unknown method.
    NonFiniteError
        When a product is NaN or infinite.

    References
    ----------
    As for :func:`theodolite.trace`, :func:`theodolite.diagonal` and
    :func:`theodolite.frobenius_norm`.
    """
    matrix = as_operator(operator)
    names = {"trace": trace, "diagonal": diagonal, "frobenius": frobenius}
    if isinstance(matrix, Curvature):
        names["layers"] = layers
    wanted = _wanted(names)
    with Effort(matrix, budget, 1000, progress, "probes") as effort:
        probing = Probing(
            matrix,
            wanted,
            effort,
            seed=seed,
            method=method,
            deflate=deflate,
            krylov=krylov,
            lengths=layer_lengths(matrix) if "layers" in names else (),
        )
        ended = probing.run()
        found = {name: probing.estimate(name, ended) for name in names}
        return Moments(
            trace=found["trace"],
            diagonal=found["diagonal"],
            frobenius=found["frobenius"],
            layers=_by_name(matrix, found.get("layers")),
            products=effort.products,
            seconds=effort.seconds,
            seed=seed,
            outcome=ended,
        )


_KINDS: dict[str, type[Quantity]] = {
    "trace": TraceOf,
    "diagonal": DiagonalOf,
    "frobenius": FrobeniusOf,
    "layers": LayersOf,
}


def _wanted(tolerances: Mapping[str, float | None]) -> dict[str, Quantity]:
    """Quantities with their tolerances; those without one are met by anything."""
    if all(tolerance is None for tolerance in tolerances.values()):
        raise ArgumentError(
            found="No tolerance at all.",
            why="Probes end when one is met.",
            instead="Give trace=0.02, diagonal=0.1, frobenius=0.05 or layers=0.02.",
        )
    for name, tolerance in tolerances.items():
        if tolerance is not None:
            require_tolerances(tolerance, 0.0, f"{name}=0.05")
    return {
        name: _KINDS[name](tolerance or 0.0, 0.0, idle=tolerance is None)
        for name, tolerance in tolerances.items()
    }


def _by_name(matrix: Any, found: Estimate[Tensor] | None) -> LayerTraces | None:
    if found is None:
        return None
    return LayerTraces.of(list(matrix.parameters.layers), found)
