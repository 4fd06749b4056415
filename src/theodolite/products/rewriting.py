"""Other functions in place of some of torch's: the table, and the mode with it."""

from collections.abc import Callable, Mapping
from functools import cache, wraps
from types import FunctionType
from typing import Any, TypeVar, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DOORS = {
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
}

# a tensor's other methods end in a call of themselves, to be handled once more;
# torch.autograd, as checkpointed parts run forward again inside a derivative
_COMPOSITES = {"torch.nn.functional", "torch.functional", "torch.autograd"}

_Function = TypeVar("_Function", bound=Callable[..., Any])


@final
class Rewrites(dict[Callable[..., Any], Callable[..., Any]]):
    """Which function stands in for which of torch's; a decorator fills it.

    The keys are the built-in functions behind ``torch.nn.functional``: its checks and
    warnings then remain torch's own. A stand-in has the arguments of the original,
    and answers ``NotImplemented`` where the original is right.
    """

    def __call__(
        self, *originals: Callable[..., Any]
    ) -> Callable[[_Function], _Function]:
        """Let the decorated function stand in for some of torch's."""

        def entered(stand_in: _Function) -> _Function:
            self.update(dict.fromkeys(originals, stand_in))
            return stand_in

        return entered


def widened(tensor: Tensor) -> Tensor:
    """Half precision as float32, in which torch's fused operations compute."""
    low = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.float() if low else tensor


def autocast(
    dtype: torch.dtype | None, *devices: str
) -> Callable[[_Function], _Function]:
    """What autocast does to torch's operation on some kinds of device.

    Without a dtype, what the user asked for; the stand-in itself runs without autocast.
    """

    def decorate(stand_in: _Function) -> Any:
        @wraps(stand_in)
        def inside(input: Tensor, *args: Any, **kwargs: Any) -> Any:
            kind = input.device.type
            if kind not in devices or not torch.is_autocast_enabled(kind):
                return stand_in(input, *args, **kwargs)
            into = dtype or torch.get_autocast_dtype(kind)
            args = tuple(_cast(value, into) for value in (input, *args))
            kwargs = {name: _cast(value, into) for name, value in kwargs.items()}
            with torch.autocast(kind, enabled=False):
                return stand_in(*args, **kwargs)

        return inside

    return decorate


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """As autocast: doubles and what is no floating point number stay."""
    kept = not isinstance(value, Tensor) or value.dtype == torch.float64
    return value if kept or not value.is_floating_point() else value.to(dtype)


class Rewriting(TorchFunctionMode):
    """Run other functions in place of torch's, for as long as the context lasts.

    It covers what is called through ``torch``, ``torch.nn.functional`` or a tensor's
    methods while it is on, not ``torch.ops.aten``, not scripted or compiled code, and
    not what a checkpoint computes again after it is off.

    Parameters
    ----------
    rewrites : mapping
        Functions of torch to what is run in their place.
    """

    def __init__(self, rewrites: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self._rewrites = rewrites

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run what stands in for the function, or the function itself."""
        kwargs = kwargs or {}
        stand_in = self._rewrites.get(func)
        if stand_in is not None and "out" not in kwargs:
            result = stand_in(*args, **kwargs)
            if result is not NotImplemented:
                return result
        elif isinstance(func, FunctionType) and (inside := _without_door(func)):
            with self:
                return inside(*args, **kwargs)
        return func(*args, **kwargs)


@cache
def _without_door(func: FunctionType) -> FunctionType | None:
    """A composite without its first question, which is whether a mode is on.

    A mode is off while it handles a function, and would miss what the function calls.
    Put on again, it would be asked about the same function for ever.
    """
    known = func.__module__ in _COMPOSITES or func is Tensor.norm
    if not known or _DOORS.isdisjoint(func.__code__.co_names):
        return None
    scope = {**func.__globals__, **dict.fromkeys(_DOORS, _never)}
    inside = FunctionType(
        func.__code__, scope, func.__name__, func.__defaults__, func.__closure__
    )
    inside.__kwdefaults__ = func.__kwdefaults__
    return inside


def _never(*args: Any) -> bool:
    return False
