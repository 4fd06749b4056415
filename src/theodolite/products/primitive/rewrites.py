"""A table of torch functions and what is run in their place."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, final

import torch
from torch import Tensor

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
