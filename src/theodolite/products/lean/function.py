"""Autograd functions that compute the derivatives that are asked for, and no others."""

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import Function

# a tracer's tensors are as good
_PLAIN = (Tensor, nn.Parameter, FakeTensor)


class LeanFunction(Function):
    """A function of tensors that draws no numbers and writes no buffers.

    Its inputs are no leaves, see :func:`no_leaf`: of leaves the engine does not say
    whether it wants their gradients.
    """

    @staticmethod
    def is_wanted(ctx: Any, position: int) -> bool:
        """Whether the running backward pass goes on through an input."""
        # tensors alone are counted: a missing bias is at the end
        if position >= len(ctx.next_functions):
            return False
        node, _ = ctx.next_functions[position]
        return node is not None and vars(torch._C)["_will_engine_execute_node"](node)


def no_leaf(tensor: Tensor) -> Tensor:
    """The same values, behind a node of the graph where they need gradients."""
    leaf = tensor.is_leaf and tensor.requires_grad
    return tensor.view_as(tensor) if leaf else tensor


def is_plain(*tensors: Any) -> bool:
    """Whether these are ordinary tensors of one type, outside of ``torch.func``."""
    known = all(type(tensor) in _PLAIN for tensor in tensors)
    transformed = vars(torch._C)["_functorch"].peek_interpreter_stack() is not None
    return (
        known
        and not transformed
        and len({tensor.dtype for tensor in tensors}) == 1
        and tensors[0].device.type in ("cpu", "cuda")
        and not tensors[0].is_complex()
    )


def is_lean(node: Any) -> bool:
    """Whether a node of a graph belongs to a lean function."""
    return issubclass(getattr(type(node), "_forward_cls", object), LeanFunction)
