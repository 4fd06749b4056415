"""Find the negative log-likelihood inside a user's loss.

The loss is called under a watch that sees torch's own losses being called, whether as
modules, as functions, by ``functools.partial`` or from inside a function that reshapes
and averages.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation
from theodolite.products.likelihood import (
    Bernoulli,
    Categorical,
    Gaussian,
    Likelihood,
    classes_last,
)


@dataclass(frozen=True)
class Watched:
    """A loss that was called, and what it called.

    Attributes
    ----------
    mean : Tensor
        The batch's mean loss, with its graph.
    weight : float or Tensor
        What the batch weighs.
    likelihood : Likelihood or None
        The only one of torch's losses that was called, where the mean loss is a
        weighted sum of its terms and of nothing else.
    linear : bool
        Whether the likelihood's outputs are the model's, but for linear operations
        like reshaping and choosing.
    unnormalised : bool
        Whether it was ``nll_loss`` of what are no log-probabilities.
    """

    mean: Tensor
    weight: Weight
    likelihood: Likelihood | None = None
    linear: bool = False
    unnormalised: bool = False


def watched(
    evaluate: Evaluation, output: Any, batch: Batch, given: Collection[Tensor]
) -> Watched:
    """The mean loss of an output, and the likelihood inside it.

    ``given`` are the tensors of the output that need their gradients.
    """
    with _Watch() as watch:
        mean, weight = evaluate.average(output, batch)
    plain = Watched(mean, weight)
    if len(watch.calls) != 1:
        return plain
    call = watch.calls[0]
    shares = _shares(mean, call)
    if shares is None or not call.outputs.requires_grad:
        return plain
    linear = _linear(call.outputs, given)
    if call.function is functional.nll_loss and not _normalised(call.outputs):
        return Watched(mean, weight, linear=linear, unnormalised=True)
    found = _MAKERS[call.function](call.outputs, call.settings, shares)
    return Watched(mean, weight, found, linear)


@dataclass(frozen=True)
class _Call:
    """One call of a loss of torch's."""

    function: Callable[..., Tensor]
    settings: Mapping[str, Any]
    result: Tensor

    @property
    def outputs(self) -> Tensor:
        return self.settings["input"]


@final
class _Watch(TorchFunctionMode):
    """Remember every call of a loss that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Make the call, and remember it."""
        result = func(*args, **(kwargs or {}))
        if func in _MAKERS:
            bound = signature(func).bind(*args, **(kwargs or {}))
            bound.apply_defaults()
            self.calls.append(_Call(func, bound.arguments, result))
        return result


def _shares(mean: Tensor, call: _Call) -> Tensor | None:
    """How much each term of a loss counts in the mean, if it is a sum of them."""
    if not call.result.requires_grad or not _linear(mean, [call.result], _AVERAGING):
        return None
    return torch.autograd.grad(mean, call.result, retain_graph=True)[0]


_SHAPING = (
    "Alias|AsStrided|Cat|Clone|Expand|Flatten|Index|IndexSelect|MaskedSelect|Movedim|"
    "Narrow|Permute|ReshapeAlias|Select|Slice|Split|SplitWithSizes|Squeeze|Stack|"
    "Swapaxes|T|ToCopy|Transpose|Unbind|Unflatten|UnsafeView|Unsqueeze|View|ViewAs"
)
_AVERAGING = f"{_SHAPING}|Div|MaskedFill|Mean|Mul|SWhere|Sum|Where"


def _linear(end: Tensor, starts: Collection[Tensor], known: str = _SHAPING) -> bool:
    """Whether only known operations lie between a tensor and those it starts from."""
    stops = {(start.grad_fn, start.output_nr) for start in starts}
    ahead: list[tuple[Any, int]] = [(end.grad_fn, end.output_nr)]
    seen: set[tuple[Any, int]] = set()
    while ahead:
        edge = ahead.pop()
        if edge in stops or edge in seen:
            continue
        seen.add(edge)
        node = edge[0]
        kind = re.fullmatch(f"({known})Backward[0-9]*", type(node).__name__)
        if kind is None:
            return False
        before = [edge for edge in node.next_functions if edge[0] is not None]
        if kind[1] in ("Mul", "Div") and len(before) != 1:
            return False
        ahead.extend(before)
    return True


def _normalised(outputs: Tensor) -> bool:
    """Whether these are logarithms of probabilities."""
    sums = classes_last(outputs.detach()).logsumexp(-1)
    return bool((sums.abs() < 8 * torch.finfo(sums.dtype).eps ** 0.5).all())


def _plain(settings: Mapping[str, Any]) -> bool:
    """Whether no argument is used that torch has given up."""
    return settings.get("size_average") is None and settings.get("reduce") is None


def _terms(shares: Tensor, settings: Mapping[str, Any], total: Any) -> Any:
    """What each term counts, the loss's own division by ``total`` included."""
    shares = shares.detach().reshape(-1)
    return shares / total if settings["reduction"] == "mean" else shares


def _categorical(
    outputs: Tensor, settings: Mapping[str, Any], shares: Tensor
) -> Likelihood | None:
    target = settings["target"]
    if not _plain(settings):
        return None
    if target.is_floating_point():
        return _of_shares(outputs, settings, shares)
    return _of_classes(outputs, settings, shares)


def _of_classes(
    outputs: Tensor, settings: Mapping[str, Any], shares: Tensor
) -> Likelihood:
    """Cross-entropy of class numbers."""
    target = settings["target"].reshape(-1)
    counted = target != settings["ignore_index"]
    target = torch.where(counted, target, 0)
    classes = outputs.shape[0 if outputs.ndim == 1 else 1]
    weight = settings["weight"]
    weight = outputs.new_ones(classes) if weight is None else weight.detach()
    own = torch.where(counted, weight[target], 0)
    smoothing = settings.get("label_smoothing", 0.0)
    sharp = (1 - smoothing) * own
    rest = torch.where(counted, smoothing * weight.mean(), 0)
    total = sharp + rest
    hit, spread = (part / (total + (total == 0)) for part in (sharp, rest))

    def expected(at: slice) -> Tensor:
        even = spread[at, None] * (weight / weight.sum())
        return even.scatter_add_(1, target[at, None], hit[at, None].to(even.dtype))

    return Categorical(outputs, total * _terms(shares, settings, own.sum()), expected)


def _of_shares(
    outputs: Tensor, settings: Mapping[str, Any], shares: Tensor
) -> Likelihood:
    """Cross-entropy of probabilities."""
    classes = outputs.shape[0 if outputs.ndim == 1 else 1]
    target = classes_last(settings["target"].detach()).reshape(-1, classes)
    smoothing = settings.get("label_smoothing", 0.0)
    weight = settings["weight"]
    mixed = target * (1 - smoothing) + smoothing / classes
    mixed = mixed if weight is None else mixed * weight.detach()
    total = mixed.sum(1)
    mixed = mixed / (total + (total == 0))[:, None]
    weights = total * _terms(shares, settings, len(target))
    return Categorical(outputs, weights, lambda at: mixed[at])


def _bernoulli(
    outputs: Tensor, settings: Mapping[str, Any], shares: Tensor
) -> Likelihood | None:
    if not _plain(settings):
        return None
    target = settings["target"].detach()
    weight, positive = settings["weight"], settings["pos_weight"]
    one = target if positive is None else positive.detach() * target
    total = one + (1 - target)
    share = one / (total + (total == 0))
    total = total if weight is None else total * weight.detach()
    terms = _terms(shares, settings, outputs.numel())
    weights = total.expand_as(outputs).reshape(-1) * terms
    return Bernoulli(outputs, weights, share.expand_as(outputs).reshape(-1))


def _gaussian(
    outputs: Tensor, settings: Mapping[str, Any], shares: Tensor
) -> Likelihood | None:
    target = settings["target"]
    plain = _plain(settings) and settings.get("weight") is None
    if not plain or target.shape != outputs.shape or target.requires_grad:
        return None
    if settings["reduction"] == "none":
        return None
    samples = outputs.shape[0] if outputs.ndim else 1
    width = outputs.numel() // max(1, samples)
    each = _terms(shares, settings, outputs.numel()) * width
    return Gaussian(outputs, each.expand(samples), target)


_MAKERS: Mapping[Any, Callable[..., Likelihood | None]] = {
    functional.cross_entropy: _categorical,
    functional.nll_loss: _categorical,
    functional.binary_cross_entropy_with_logits: _bernoulli,
    functional.mse_loss: _gaussian,
}
