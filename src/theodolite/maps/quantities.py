"""What is measured at every point of a map beside the loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, nearest_names
from theodolite.landscape import Landscape
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.vectors import norm

LOSS, TEST = "loss", "test "


@final
@dataclass(frozen=True)
class OfOutput:
    """A number of the model's output and the target, averaged over samples.

    Attributes
    ----------
    function : callable
        ``function(output, target)``: the mean over a batch, or ``(sum, count)``.
    """

    function: Callable[[Any, Any], Any]


@final
@dataclass(frozen=True)
class AtPoint:
    """A number of the landscape around a point, on a coarser grid.

    Attributes
    ----------
    function : callable
        ``function(land, point)``, a float.
    every : int
        Measured at every so-manieth row and column, counted from the centre.
    """

    function: Callable[[Landscape, Float[Tensor, " p"]], float]
    every: int = 5


Quantity = OfOutput | AtPoint
# names of ours, or functions of (output, target) by names of the user's own
QuantityLike = str | Sequence[str] | Mapping[str, Any]


def error_rate(output: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Misclassified and counted targets: classes along the output's second dimension.

    Negative targets are left out, as ``ignore_index=-100`` leaves them out of a loss.

    Raises
    ------
    ArgumentError
        When output and target are no logits and classes.
    """
    fits = (
        isinstance(output, Tensor)
        and isinstance(target, Tensor)
        and not target.is_floating_point()
        and output.ndim == target.ndim + 1
    )
    if not fits:
        raise ArgumentError(
            found="The error rate of outputs and targets that are no logits and "
            "class numbers.",
            why="A prediction is right where its largest logit is the target's class.",
            instead='Give a function: quantities={"error": f}, with f(output, target) '
            "the mean over a batch, or (sum, count).",
        )
    counted = target >= 0
    wrong = (output.argmax(1) != target) & counted
    return wrong.sum().to(output.dtype), counted.sum()


def gradient_norm(land: Landscape, point: Float[Tensor, " p"]) -> float:
    """The norm of the loss's gradient at a point."""
    return norm(land.gradient(point))


def largest_eigenvalue(land: Landscape, point: Float[Tensor, " p"]) -> float:
    """The Hessian's largest eigenvalue at a point, to about 1 %."""
    return float(eigsh(land.hessian(point=point), 1, tol=1e-2).values[0])


KNOWN: dict[str, Quantity] = {
    "error": OfOutput(error_rate),
    "gradient_norm": AtPoint(gradient_norm),
    "largest_eigenvalue": AtPoint(largest_eigenvalue),
}


def as_quantities(given: QuantityLike) -> dict[str, Quantity]:
    """Quantities by name, out of what users give.

    Raises
    ------
    ArgumentError
        When a name is unknown or taken, or a value is no function.
    """
    if isinstance(given, str):
        given = (given,)
    if not isinstance(given, Mapping):
        return {name: _known(name) for name in given}
    return {name: _as_quantity(name, value) for name, value in given.items()}


def _known(name: str) -> Quantity:
    if name not in KNOWN:
        raise ArgumentError(
            found=f"No quantity is called {name!r}.",
            why=f"There are {', '.join(KNOWN)}; the loss is always measured.",
            instead=f"Did you mean {nearest_names(name, KNOWN, 1)}? Your own is given "
            'as a function: quantities={"mine": f}, f(output, target).',
        )
    return KNOWN[name]


def _as_quantity(name: str, value: Any) -> Quantity:
    if name == LOSS or name.startswith(TEST):
        raise ArgumentError(
            found=f"A quantity called {name!r}.",
            why="The map has one of that name already.",
            instead="Give it another name.",
        )
    if isinstance(value, (OfOutput, AtPoint)):
        return value
    if isinstance(value, str):
        return _known(value)
    if not callable(value):
        raise ArgumentError(
            found=f"A {type(value).__name__} as the quantity {name!r}.",
            why="A quantity is computed at every point.",
            instead="Give a function of (output, target), or "
            "theodolite.maps.AtPoint(f) with f(land, point).",
        )
    return OfOutput(value)
