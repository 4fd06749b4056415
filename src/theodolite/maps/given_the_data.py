"""Which layers are given the data themselves, in which no parameter has a say."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

# by how much parameters are moved to see what hangs on them, at most
_MOVED = 2.0**-5
# entries of an input that are compared
_SAMPLE = 4096

# one sample a call; none where the input is no ordinary tensor
Calls = dict[nn.Module, list[Tensor | None]]


def given_the_data(
    modules: Sequence[nn.Module],
    leaves: Sequence[Tensor],
    evaluate: Callable[[], object],
) -> list[nn.Module]:
    """Those that are used once, and given the same after the parameters have moved.

    Without gradients, which a model that never needed any might not bear, and in which
    what passes through ``argmax`` would not show.

    Parameters
    ----------
    modules : sequence of Module
        Those that are asked about.
    leaves : sequence of Tensor
        What stands in the place of the parameters; it is moved a little meanwhile.
    evaluate : callable
        Passes one batch through the model.
    """
    if not modules:
        return []
    before = _inputs(modules, evaluate)
    kept = [leaf.clone() for leaf in leaves]
    try:
        for leaf in leaves:
            # unevenly, so that a norm behind them does not divide it out again
            share = torch.linspace(0.5, 1, leaf.numel(), device=leaf.device)
            leaf.mul_(1 + _MOVED * share.reshape(leaf.shape).to(leaf.dtype))
        after = _inputs(modules, evaluate)
    finally:
        for leaf, value in zip(leaves, kept, strict=True):
            leaf.copy_(value)
    return [m for m in modules if _same_once(before[m], after[m])]


def _inputs(modules: Sequence[nn.Module], evaluate: Callable[[], object]) -> Calls:
    """A sample of what each module is given, call by call."""
    calls: Calls = {module: [] for module in modules}

    def note(module: nn.Module, given: tuple[Any, ...]) -> None:
        ordinary = len(given) == 1 and is_ordinary(given[0])
        calls[module].append(_sample(given[0]) if ordinary else None)

    hooks = [module.register_forward_pre_hook(note) for module in modules]
    try:
        evaluate()
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _sample(x: Tensor) -> Tensor:
    flat = x.detach().reshape(-1)
    return flat[:: max(1, len(flat) // _SAMPLE)].clone()


def _same_once(before: list[Tensor | None], after: list[Tensor | None]) -> bool:
    if len(before) != 1 or len(after) != 1:
        return False
    first, second = before[0], after[0]
    return first is not None and second is not None and torch.equal(first, second)


def is_ordinary(x: Any) -> bool:
    """Whether a value is a plain tensor that nothing is differentiated by."""
    return (
        type(x) is Tensor
        and x.layout == torch.strided
        and not x.requires_grad
        # inside torch.func, or with a tangent, its numbers are not all there is to it
        and vars(torch._C)["_functorch"].peek_interpreter_stack() is None
        and forward_ad._current_level < 0
    )
