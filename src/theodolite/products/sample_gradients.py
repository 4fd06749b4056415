"""Squares of every sample's gradient, layer by layer, without those gradients.

Each rule knows how one kind of module uses its parameters. It is given the module's
input once, and then gradients by the module's output, of which each sample's part
depends on that sample alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

# numbers in one slice of samples' gradients
_SLICE = 1 << 22

Squares = dict[str, Tensor]


class Rule(ABC):
    """Sums of squares of samples' gradients by the parameters of one module.

    Parameters
    ----------
    module : Module
        Whose parameters they are.
    inputs : Tensor
        What it was called with, samples first, perhaps several rows a sample.
    samples : int
        Samples in the batch.
    """

    def __init__(self, module: Any, inputs: Tensor, samples: int) -> None:
        self.module, self.samples = module, samples
        self._total: Squares = {}
        self._prepare(inputs.detach())

    @abstractmethod
    def _prepare(self, inputs: Tensor) -> None:
        """Take in what depends on the input alone."""

    @abstractmethod
    def squares(self, delta: Tensor, whole: bool) -> Squares:
        """Σ over samples of the squared gradient, by parameter.

        Parameters
        ----------
        delta : Tensor
            The gradient by the module's output.
        whole : bool
            Each entry's sum, shaped like the parameter; else that of all entries.
        """

    def add(self, delta: Tensor, whole: bool) -> None:
        """Remember the squares for one gradient by the output, to be summed."""
        for key, found in self.squares(delta, whole).items():
            known = self._total.get(key)
            self._total[key] = found if known is None else known.add_(found)

    def take(self, whole: bool) -> Squares:
        """The sums of all that was added, and forget them."""
        del whole
        total, self._total = self._total, {}
        return total


def wide(tensor: Tensor) -> Tensor:
    """In float32 at least: squares leave the range of narrow types."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


@final
class _Matrices(Rule):
    """Weights used as matrices: each sample's gradient is Δ Aᵀ over its places.

    A is ``(n, g, i, t)`` for groups g and places t, Δ likewise with outputs o.
    """

    def _prepare(self, inputs: Tensor) -> None:
        self._inputs = _columns(self.module, wide(inputs), self.samples)
        self._gram: Tensor | None = None
        self._spread: Tensor | None = None

    @property
    def _alone(self) -> bool:
        """Whether each sample is in one place only: its gradient has rank one."""
        return self._inputs.shape[3] == 1

    def add(self, delta: Tensor, whole: bool) -> None:
        """Where samples have one place, only the squares of Δ have to be summed."""
        if not self._alone:
            super().add(delta, whole)
            return
        squares = self._split(delta).square()
        known = self._spread
        self._spread = squares if known is None else known.add_(squares)

    def take(self, whole: bool) -> Squares:
        """The sums of all that was added, and forget them."""
        if self._spread is None:
            return super().take(whole)
        spread, self._spread = self._spread, None
        return self._from_squares(spread, whole)

    def squares(self, delta: Tensor, whole: bool) -> Squares:
        """By weight and bias."""
        split = self._split(delta)
        if self._alone:
            return self._from_squares(split.square(), whole)
        found = {"weight": self._entries(split) if whole else self._sum(split)}
        if self.module.bias is not None:
            bias = split.sum(3).square_()
            found["bias"] = bias.sum(0).reshape(-1) if whole else bias.sum()
        return found

    def _split(self, delta: Tensor) -> Float[Tensor, "n g o t"]:
        groups = self._inputs.shape[1]
        return _places(self.module, wide(delta), self.samples, groups)

    def _from_squares(self, spread: Tensor, whole: bool) -> Squares:
        """Out of Σ Δ², where the gradient's entries are products."""
        known, spread = self._inputs.square()[..., 0], spread[..., 0]
        if whole:
            found = torch.einsum("ngo,ngi->goi", spread, known)
            found = found.reshape(self.module.weight.shape)
        else:
            found = (spread.sum(2) * known.sum(2)).sum()
        if self.module.bias is None:
            return {"weight": found}
        bias = spread.sum(0).reshape(-1) if whole else spread.sum()
        return {"weight": found, "bias": bias}

    def _sum(self, delta: Tensor) -> Tensor:
        """Σ ‖Δ Aᵀ‖², by whichever of both sizes is smaller."""
        _, _, width, places = self._inputs.shape
        if places >= width:
            return sum_of(part.square_().sum() for part in self._products(delta))
        if self._gram is None:
            self._gram = self._inputs.mT @ self._inputs
        return (self._gram * (delta.mT @ delta)).sum()

    def _entries(self, delta: Tensor) -> Tensor:
        total = sum_of(part.square_().sum(0) for part in self._products(delta))
        return total.reshape(self.module.weight.shape)

    def _products(self, delta: Tensor) -> Iterator[Tensor]:
        """Samples' gradients ``(n, g, o, i)``, some samples at a time."""
        each = delta[0, :, :, 0].numel() * self._inputs.shape[2]
        step = max(1, _SLICE // each)
        for start in range(0, len(delta), step):
            at = slice(start, start + step)
            yield delta[at] @ self._inputs[at].mT


def sum_of(parts: Iterator[Tensor]) -> Tensor:
    """The sum of at least one tensor."""
    total = next(parts).clone()
    for part in parts:
        total += part
    return total


def _columns(module: Any, inputs: Tensor, samples: int) -> Float[Tensor, "n g i t"]:
    """What the weight's rows are multiplied with, at every place."""
    if isinstance(module, nn.Linear):
        return inputs.reshape(samples, 1, -1, inputs.shape[-1]).mT
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padding = module._reversed_padding_repeated_twice
    windows = functional.pad(inputs, padding, mode=mode)
    sizes = module.kernel_size, module.stride, module.dilation
    for axis, (size, stride, step) in enumerate(zip(*sizes, strict=True), start=2):
        windows = windows.unfold(axis, (size - 1) * step + 1, stride)[..., ::step]
    dims = len(module.kernel_size)
    rows, _, *places = windows.shape[: 2 + dims]
    # rows, channels, places, kernel -> rows, channels, kernel, places
    order = [0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims)]
    ordered = windows.permute(order).reshape(
        samples, rows // samples, module.groups, -1, torch.Size(places).numel()
    )
    return _places_last(ordered)


def _places(
    module: Any, delta: Tensor, samples: int, groups: int
) -> Float[Tensor, "n g o t"]:
    """A gradient by the output, arranged like the input's columns."""
    if isinstance(module, nn.Linear):
        return delta.reshape(samples, 1, -1, delta.shape[-1]).mT
    rows, channels = delta.shape[:2]
    shape = samples, rows // samples, groups, channels // groups, -1
    return _places_last(delta.reshape(shape))


def _places_last(rows: Tensor) -> Tensor:
    """``(n, k, g, i, t)`` with the k rows of a sample as further places."""
    samples, _, groups, width, _ = rows.shape
    if rows.shape[1] == 1:
        return rows[:, 0]
    return rows.permute(0, 2, 3, 1, 4).reshape(samples, groups, width, -1)


@final
class _Scales(Rule):
    """Factors and shifts of normalised inputs, one for each channel or feature."""

    def _prepare(self, inputs: Tensor) -> None:
        self._normalised = normalised(self.module, wide(inputs))

    def squares(self, delta: Tensor, whole: bool) -> Squares:
        """By weight and bias."""
        delta = wide(delta)
        found = {"weight": self._by_sample(delta * self._normalised)}
        if getattr(self.module, "bias", None) is not None:
            found["bias"] = self._by_sample(delta)
        squares = {key: part.square_() for key, part in found.items()}
        return {k: part.sum(0) if whole else part.sum() for k, part in squares.items()}

    def _by_sample(self, rows: Tensor) -> Tensor:
        """Summed over each sample's places, shaped like the parameter."""
        shape = self.module.weight.shape
        if isinstance(self.module, (nn.LayerNorm, nn.RMSNorm)):
            return rows.reshape(self.samples, -1, *shape).sum(1)
        return rows.reshape(self.samples, -1, *shape, rows[0, 0].numel()).sum((1, 3))


def normalised(module: Any, inputs: Tensor) -> Tensor:
    """What a norm multiplies by its weight."""
    if isinstance(module, nn.LayerNorm):
        return functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.RMSNorm):
        return functional.rms_norm(inputs, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.GroupNorm):
        return functional.group_norm(inputs, module.num_groups, eps=module.eps)
    mean, variance = module.running_mean, module.running_var
    kept: tuple[Any, Any] = None, None
    if not module.training and mean is not None and variance is not None:
        kept = mean.to(inputs), variance.to(inputs)
    fixed = kept[0] is not None
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return functional.instance_norm(
            inputs, *kept, use_input_stats=not fixed, eps=module.eps
        )
    return functional.batch_norm(inputs, *kept, training=not fixed, eps=module.eps)


@final
class _Rows(Rule):
    """A table of which each sample uses some rows."""

    def _prepare(self, inputs: Tensor) -> None:
        size = self.module.num_embeddings
        flat = inputs.reshape(self.samples, -1)
        owner = torch.arange(self.samples, device=flat.device)[:, None]
        keys, self._slot = (flat + owner * size).reshape(-1).unique(return_inverse=True)
        self._token = keys % size
        padding = self.module.padding_idx
        self._used = (self._token != (-1 if padding is None else padding))[:, None]

    def squares(self, delta: Tensor, whole: bool) -> Squares:
        """By weight."""
        rows = wide(delta).reshape(-1, delta.shape[-1])
        sums = rows.new_zeros(len(self._token), rows.shape[1])
        squares = sums.index_add_(0, self._slot, rows).square_() * self._used
        if not whole:
            return {"weight": squares.sum()}
        table = torch.zeros_like(self.module.weight, dtype=rows.dtype)
        return {"weight": table.index_add_(0, self._token, squares)}


_Norms = (
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_RULES: Mapping[type, Callable[..., Rule]] = {
    **dict.fromkeys((nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d), _Matrices),
    **dict.fromkeys(_Norms, _Scales),
    nn.Embedding: _Rows,
}


def rule_for(module: nn.Module) -> Callable[[Any, Tensor, int], Rule] | None:
    """How a module uses its parameters, if that is known."""
    if getattr(module, "scale_grad_by_freq", False):
        return None
    for kind, rule in _RULES.items():
        # a class that computes something else is another kind
        if isinstance(module, kind) and type(module).forward is kind.forward:
            return rule
    return None


def fewest_dimensions(module: Any) -> int:
    """Dimensions of an input that has samples in front."""
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return 3
    return 1 if isinstance(module, nn.Embedding) else max(2, module.weight.ndim)
