"""What is measured at every point of a map beside the loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.averages import class_weight, mean_and_weight, reduction_of
from theodolite.batches import Batch
from theodolite.errors import ArgumentError, LossError, nearest_names
from theodolite.landscape import Landscape
from theodolite.maps.axis_hessian import ENTRIES, AxisHessian
from theodolite.spectrum.eigsh import eigsh
from theodolite.spectrum.vectors import norm

LOSS, TEST = "loss", "test "
# what the arrays of a map are called beside its quantities
_TAKEN = ("at", "t", "x", "y", "points", "losses", "start", "center")
_TAKEN += ("direction", "directions")
# what the names of quantities along the axes end in
_ENDINGS = tuple(f" {entry}" for entries in ENTRIES.values() for entry in entries)


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

    def average(
        self, name: str, output: Any, batch: Batch
    ) -> tuple[Tensor, float | Tensor]:
        """The mean over a batch, and the batch's weight.

        Raises
        ------
        ArgumentError
            When the function gives no number.
        """
        weighed = class_weight(self.function, batch.target) is not None
        known = weighed or reduction_of(self.function) is not None
        function = self.function if known else self._number
        try:
            return mean_and_weight(function, output, batch)
        except LossError as error:
            raise ArgumentError(
                found=f"The quantity {name!r}, measured as losses are: {error.found}",
                why="A quantity is one number at every point.",
                instead="Return a float tensor, the mean over the batch, or the pair "
                "(sum, count).",
            ) from error

    def _number(self, output: Any, target: Any) -> Any:
        """What the function gives; plain numbers as tensors."""
        value = self.function(output, target)
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return _as_tensor(value[0]), value[1]
        return _as_tensor(value)


def _as_tensor(value: Any) -> Any:
    plain = isinstance(value, (int, float))
    return torch.tensor(float(value), dtype=torch.float64) if plain else value


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

    def parts(self, name: str, axes: int) -> tuple[str, ...]:
        """What its numbers are called: there is one, whatever the axes."""
        del axes
        return (name,)

    def numbers(
        self, land: Landscape, point: Float[Tensor, " p"], axes: Float[Tensor, "k p"]
    ) -> list[float]:
        """What the function gives at a point.

        Raises
        ------
        ArgumentError
            When it gives no number.
        """
        del axes
        value = self.function(land, point)
        try:
            return [float(value)]
        except (TypeError, ValueError, RuntimeError) as error:
            raise ArgumentError(
                found=f"A {type(value).__name__} as a quantity at a point.",
                why="It is one number at every point.",
                instead="Let the function given to AtPoint return a float.",
            ) from error


# measured on a coarser grid, around each of its points
AtNodes = AtPoint | AxisHessian
Quantity = OfOutput | AtNodes
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
    "hessian": AxisHessian(),
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
    if not isinstance(given, (Mapping, Sequence)):
        raise ArgumentError(
            found=f"A {type(given).__name__} as quantities.",
            why="Each quantity has a name.",
            instead='Give names like ("error",), or functions by name: '
            '{"mine": f} with f(output, target).',
        )
    if not isinstance(given, Mapping):
        return {name: _known(name) for name in given}
    return {name: _as_quantity(name, value) for name, value in given.items()}


def _known(name: Any) -> Quantity:
    if not isinstance(name, str):
        raise ArgumentError(
            found=f"A {type(name).__name__} as a quantity without a name.",
            why="The map shows each under its name.",
            instead='Give it by name: quantities={"mine": f}.',
        )
    if name not in KNOWN:
        raise ArgumentError(
            found=f"No quantity is called {name!r}.",
            why=f"There are {', '.join(KNOWN)}; the loss is always measured.",
            instead=f"Did you mean {nearest_names(name, KNOWN, 1)}? Your own is given "
            'as a function: quantities={"mine": f}, f(output, target).',
        )
    return KNOWN[name]


def _as_quantity(name: Any, value: Any) -> Quantity:
    _require_free(name)
    if isinstance(value, AtNodes) and (
        not isinstance(value.every, int) or value.every < 1
    ):
        raise ArgumentError(
            found=f"The quantity {name!r} with every={value.every!r}.",
            why="It is measured at every so-manieth row and column.",
            instead="Give a whole number from 1 on.",
        )
    if isinstance(value, Quantity):
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


def _require_free(name: Any) -> None:
    """Refuse names that mean something else, here or in a map's files."""
    taken = (
        not isinstance(name, str)
        or name in {"", LOSS, *_TAKEN}
        or name.startswith((TEST, "track."))
        or name.endswith((".measured", *_ENDINGS))
    )
    if taken:
        raise ArgumentError(
            found=f"A quantity called {name!r}.",
            why="The map has one of that name already, or needs it in its files.",
            instead="Give it another name.",
        )
