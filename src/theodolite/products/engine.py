"""The ways to multiply by a curvature, under the names that a caller gives."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from torch import nn

from theodolite.errors import ArgumentError
from theodolite.products.batch_product import Linearise
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.gradient_difference import GradientDifference
from theodolite.products.primitive.operations import PrimitiveOperations
from theodolite.products.traced import Tracing

AUTOMATIC = "auto"


@dataclass(frozen=True)
class Way:
    """One way to make a batch ready.

    Attributes
    ----------
    name : str
        What reports call it.
    linearise : callable
        Makes one batch ready.
    kernels : callable
        A context for the model in which that works.
    """

    name: str
    linearise: Linearise
    kernels: Callable[[nn.Module | None], AbstractContextManager[Any]] = (
        differentiable_twice
    )


@dataclass(frozen=True)
class Engine:
    """What the caller asked for.

    Attributes
    ----------
    name : str
        As it was typed.
    ways : tuple of Way
        The first one that is right here is used.
    keeps : bool
        Whether batches may be kept ready between products.
    """

    name: str
    ways: tuple[Way, ...]
    keeps: bool = True


def engine_named(name: str, inner: Linearise, is_hessian: bool = True) -> Engine:
    """The engine of that name around a curvature's own way to multiply.

    Differences of gradients are the Hessian's alone.

    Raises
    ------
    ArgumentError
        When there is none of that name.
    """
    plain = Way("double backward", inner)
    primitive = Way("double backward, primitive operations", inner, _primitive)
    differences = Way("gradient difference", GradientDifference, _any_kernels)
    engines = {
        AUTOMATIC: Engine(name, (plain, primitive)),
        "retained-graph": Engine(name, (plain, primitive)),
        "double-backward": Engine(name, (plain, primitive), keeps=False),
        "primitive-operations": Engine(name, (primitive,)),
        "traced": Engine(name, _both("traced", inner, compiled=False)),
        "compiled": Engine(name, _both("compiled", inner, compiled=True)),
        "gradient-difference": Engine(name, (differences,), keeps=False),
    }
    if not is_hessian:
        del engines["gradient-difference"]
    if name not in engines:
        raise ArgumentError(
            found=f"products={name!r}.",
            why="There is no such way to compute products.",
            instead=f"Give one of {', '.join(map(repr, engines))}.",
        )
    return engines[name]


def _any_kernels(model: nn.Module | None) -> AbstractContextManager[Any]:
    """First derivatives need no particular kernels."""
    del model
    return nullcontext()


@contextmanager
def _primitive(model: nn.Module | None) -> Iterator[None]:
    """Torch's fused operations taken apart."""
    with differentiable_twice(model), PrimitiveOperations():
        yield


def _both(name: str, inner: Linearise, compiled: bool) -> tuple[Way, Way]:
    """As it is, and with torch's fused operations taken apart."""
    return (
        Way(name, Tracing(inner, compiled)),
        Way(f"{name}, primitive operations", Tracing(inner, compiled), _primitive),
    )
