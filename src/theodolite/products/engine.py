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
from theodolite.products.lean.layout import indifferent_to_layout
from theodolite.products.lean.operations import (
    LeanOperations,
    has_lean_operations,
    has_planar_convolutions,
)
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
    faithful : bool
        Whether the loss is certainly what it is without that context.
    """

    name: str
    linearise: Linearise
    kernels: Callable[[nn.Module | None], AbstractContextManager[Any]] = (
        differentiable_twice
    )
    faithful: bool = True


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


def engine_named(
    name: str, inner: Linearise, model: nn.Module | None, is_hessian: bool = True
) -> Engine:
    """The engine of that name around a curvature's own way to multiply.

    Differences of gradients are the Hessian's alone.

    Raises
    ------
    ArgumentError
        When there is none of that name.
    """
    plain = _ways("double backward", inner, model)
    traced, compiled = Tracing(inner), Tracing(inner, compiled=True)
    differences = Way("gradient difference", GradientDifference, _any_kernels)
    engines = {
        AUTOMATIC: Engine(name, plain),
        "retained-graph": Engine(name, plain),
        "double-backward": Engine(name, plain, keeps=False),
        "primitive-operations": Engine(name, plain[-1:]),
        "traced": Engine(name, _ways("traced", traced, model)),
        "compiled": Engine(name, _ways("compiled", compiled, model)),
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


def _ways(name: str, linearise: Linearise, model: nn.Module | None) -> tuple[Way, ...]:
    """The fastest first; torch's fused operations taken apart last."""
    ways = [
        Way(name, linearise),
        Way(f"{name}, primitive operations", linearise, _primitive),
    ]
    if has_lean_operations(model):
        ways.insert(0, Way(f"{name}, lean operations", linearise, _lean))
    if has_planar_convolutions(model):
        watched = indifferent_to_layout(linearise)
        fastest = Way(f"{name}, channels last", watched, _channels_last, False)
        ways.insert(0, fastest)
    return tuple(ways)


def _any_kernels(model: nn.Module | None) -> AbstractContextManager[Any]:
    """First derivatives need no particular kernels."""
    del model
    return nullcontext()


@contextmanager
def _primitive(model: nn.Module | None) -> Iterator[None]:
    """Torch's fused operations taken apart."""
    with differentiable_twice(model), PrimitiveOperations():
        yield


@contextmanager
def _lean(model: nn.Module | None) -> Iterator[None]:
    """Operations with cheaper second derivatives."""
    with differentiable_twice(model), LeanOperations():
        yield


@contextmanager
def _channels_last(model: nn.Module | None) -> Iterator[None]:
    """The same, in the memory format that convolutions are fast in."""
    with differentiable_twice(model), LeanOperations(channels_last=True):
        yield
