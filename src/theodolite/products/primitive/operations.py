"""Derivatives of every order, by operations that have them.

The one place where it is known which of torch's fused operations have wrong, missing
or unbatched higher derivatives, and how they are written in primitive ones. Measured
on torch 2.13, in float64 against central differences:

==============================  ==================================================
torch's own operation           without this mode
==============================  ==================================================
layer, instance, batch norm     silently wrong: forward derivatives derived again,
                                third reverse derivative
weight norm                     silently wrong: second reverse derivative
det, slogdet, logdet, solve,    silently wrong: forward derivatives derived again
Householder product
inverse of a Cholesky factor    silently wrong: first forward derivative
embedding with a padding row    silently wrong: the row moves in forward derivatives
norm of a zero vector, cosine   second derivative NaN
of one
attention, bags of embeddings,  no second derivative
CTC, cdist, pdist, margin
losses, hard sigmoid
squared error, Huber, soft      no forward derivative of the gradient
margin
grid_sample, LSTM (float32)     no forward derivative
SiLU, Mish, GLU, RReLU          not in every form of forward mode or ``vmap``
group norm                      no batched reverse derivative
==============================  ==================================================

Still silently wrong inside: forward derivatives of ``scatter_reduce`` by products, and
of ``triangular_solve``; those derived again of ``linalg.solve_ex``, ``tensorsolve``,
``eigvals``, and of norms called as ``torch.native_...`` or ``torch.ops.aten...``; NaN
in the third reverse derivative of ``logcumsumexp`` and in the gradient of ``eigh``'s
forward derivative. Still refused: ``segment_reduce``; in forward mode ``index_reduce``,
``conv_tbc``, ``ormqr``, ``igamma``, ``zeta`` and bicubic ``grid_sample``; packed
sequences, sparse or renormalised embeddings and random RReLU as torch refuses them.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, final

from torch import Tensor
from torch.overrides import TorchFunctionMode

from theodolite.products.primitive import (
    activations,
    attention,
    ctc,
    distances,
    embeddings,
    linalg,
    losses,
    norms,
    recurrent,
    sampling,
)

_REWRITES: dict[Any, Callable[..., Any]] = {
    **activations.rewrites,
    **attention.rewrites,
    **ctc.rewrites,
    **distances.rewrites,
    **embeddings.rewrites,
    **linalg.rewrites,
    **losses.rewrites,
    **norms.rewrites,
    **recurrent.rewrites,
    **sampling.rewrites,
}

_DOORS = {
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
}

# a tensor's other methods end in a call of themselves, to be handled once more;
# torch.autograd, as checkpointed parts run forward again inside a derivative
_COMPOSITES = {"torch.nn.functional", "torch.functional", "torch.autograd"}


@final
class PrimitiveOperations(TorchFunctionMode):
    """Run primitive operations in place of torch's fused ones.

    Values and first derivatives stay what they were, up to rounding; every further
    derivative is right: reverse over reverse, ``jvp(grad)``, ``jvp(jvp)``, batched or
    under ``vmap``, and of third order.

    Costs a few microseconds for each call of a torch function, and memory: norms and
    losses hold their intermediate results, attention its whole matrix of scores. The
    determinant of a singular matrix loses its derivative.

    It covers what is called through ``torch``, ``torch.nn.functional`` or a tensor's
    methods while it is on, not ``torch.ops.aten``, not scripted or compiled code, and
    not what a checkpoint computes again after it is off.

    Examples
    --------
    >>> with PrimitiveOperations():
    ...     loss = F.mse_loss(model(inputs), targets)
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run what stands in for the function, or the function itself."""
        kwargs = kwargs or {}
        stand_in = _REWRITES.get(func)
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
