"""Everything theodolite refuses to do, and what to type instead.

::

    TheodoliteError
    ├── DataError               the data cannot be read as batches
    ├── ModelError              the model fails on its inputs
    ├── LossError               the loss cannot be measured
    │   ├── NonFiniteError      ... it, the weights or a product are NaN or infinite
    │   ├── RandomLossError     ... two evaluations differ
    │   └── NoGradientError     ... it does not depend on the parameters
    ├── ParameterError          no such parameter, layer or point
    ├── ProductError            a Hessian-vector product cannot be computed
    │   ├── SecondDerivativeError
    │   └── MemoryLimitError
    ├── ArgumentError           an argument outside its range, or of the wrong shape
    ├── TargetError             the command line cannot find what to survey
    ├── RunFolderError          a run folder cannot be written or read
    └── MissingPackageError     an optional package is not installed
"""

from collections.abc import Iterable
from difflib import get_close_matches


class TheodoliteError(Exception):
    """An error that says what was found, why it cannot work and what to do.

    Parameters
    ----------
    found : str
        What was met, with the offending value.
    why : str
        Why it cannot work.
    instead : str
        The exact argument, call or command that would.
    """

    def __init__(self, *, found: str, why: str, instead: str) -> None:
        super().__init__(found, why, instead)
        self.found, self.why, self.instead = found, why, instead

    def __str__(self) -> str:
        return f"{self.found} {self.why}\n→ {self.instead}"


class DataError(TheodoliteError):
    """The data cannot be read as batches of inputs and targets."""


class ModelError(TheodoliteError):
    """The model fails on its inputs."""


class LossError(TheodoliteError):
    """The loss cannot be measured."""


class NonFiniteError(LossError):
    """A weight, a loss or a product is NaN or infinite."""


class RandomLossError(LossError):
    """Two evaluations of the loss at the same point differ."""


class NoGradientError(LossError):
    """The loss does not depend on the chosen parameters."""


class ParameterError(TheodoliteError):
    """No such parameter, layer or point."""


class ProductError(TheodoliteError):
    """A Hessian-vector product cannot be computed."""


class SecondDerivativeError(ProductError):
    """An operation of the model has no second derivative."""


class MemoryLimitError(ProductError):
    """The memory at hand does not suffice."""


class ArgumentError(TheodoliteError):
    """An argument outside its range, or of the wrong shape."""


class TargetError(TheodoliteError):
    """The command line cannot find what to survey."""


class RunFolderError(TheodoliteError):
    """A run folder cannot be written or read."""


class MissingPackageError(TheodoliteError):
    """An optional package is not installed."""


def nearest_names(wanted: str, names: Iterable[str], count: int = 3) -> str:
    """Say which of ``names`` come closest to a mistyped one."""
    choices = list(names)
    close = get_close_matches(wanted.strip("*"), choices, n=count, cutoff=0.3)
    shown = close or choices[:count]
    return ", ".join(repr(name) for name in shown) or "none"
