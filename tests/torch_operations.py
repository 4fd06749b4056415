"""Operations of torch, each with inputs that bend: what derivatives are tested on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

WIDTH = 5
Shape = tuple[int, ...]
torch_weight_norm: Any = vars(torch)["_weight_norm"]


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


@dataclass(frozen=True)
class Operation:
    """An operation whose inputs all bend with a few numbers, and so does its loss."""

    call: Callable[..., Any]
    shapes: tuple[Shape, ...]

    def inputs(self, at: Tensor) -> list[Tensor]:
        return [
            normal(*shape, seed=3 * i)
            + normal(*shape, WIDTH, seed=3 * i + 1) @ at / 2
            + (normal(*shape, WIDTH, seed=3 * i + 2) @ at).square() / 6
            for i, shape in enumerate(self.shapes, 1)
        ]

    def loss(self, at: Tensor) -> Tensor:
        output = self.call(*self.inputs(at))
        weight = normal(*output.shape, seed=91)
        return (weight * output).sum() + (weight.flip(0) * output * output).mean()

    def gradient(self, at: Tensor) -> Tensor:
        at = at.clone().requires_grad_()
        return torch.autograd.grad(self.loss(at), at)[0]

    def slope(self, at: Tensor, along: Tensor, step: float = 3e-4) -> Tensor:
        """The derivative of torch's gradient, by central differences."""
        one, two = (
            self.gradient(at + k * step * along) - self.gradient(at - k * step * along)
            for k in (1, 2)
        )
        return (8 * one - two) / (12 * step)

    def bend(self, at: Tensor, along: Tensor, step: float = 1e-3) -> Tensor:
        """The second derivative of torch's gradient, by central differences."""
        one, two = (
            self.gradient(at + k * step * along) + self.gradient(at - k * step * along)
            for k in (1, 2)
        )
        return (16 * one - two - 30 * self.gradient(at)) / (12 * step**2)


def of_module(
    make: Callable[[], nn.Module],
    *shapes: Shape,
    prepare: Callable[..., Any] = lambda *inputs: inputs,
    train: bool = False,
) -> Operation:
    """A module as an operation of its inputs and its parameters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        module = make().double().train(train)
    weights = {name: tuple(w.shape) for name, w in module.named_parameters()}

    def call(*tensors: Tensor) -> Tensor:
        inputs, rest = tensors[: len(shapes)], tensors[len(shapes) :]
        named = dict(zip(weights, rest, strict=True))
        return joined(functional_call(module, named, prepare(*inputs)))

    return Operation(call, (*shapes, *weights.values()))


def joined(output: Any) -> Tensor:
    """All of a module's tensors in one."""
    if isinstance(output, Tensor):
        return output
    parts = [joined(part).flatten() for part in output if part is not None]
    return torch.cat(parts)


def positive(matrix: Tensor) -> Tensor:
    return matrix @ matrix.mT + torch.eye(matrix.shape[-1], dtype=matrix.dtype)


def op(call: Callable[..., Any], *shapes: Shape) -> Operation:
    return Operation(call, shapes)


TARGET = normal(3, 4, seed=7)
IDS = torch.tensor([1, 2, 2, 0, 3])
BAGS = torch.tensor([0, 0, 3, 4])
HALVES = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
HEADS = ((2, 3, 2), (2, 4, 2), (2, 4, 3))
attention = F.scaled_dot_product_attention
bag = partial(F.embedding_bag, IDS)
lengths = {
    "input_lengths": torch.tensor([5, 4]),
    "target_lengths": torch.tensor([2, 1]),
}

OPERATIONS: dict[str, Operation] = {
    "layer norm": op(lambda x, w, b: F.layer_norm(x, (4,), w, b), (3, 4), (4,), (4,)),
    "layer norm, two axes": op(lambda x: F.layer_norm(x, (2, 3)), (2, 2, 3)),
    "torch.layer_norm": op(lambda x: torch.layer_norm(x, [4], eps=0.1), (3, 4)),
    "rms norm": op(lambda x, w: F.rms_norm(x, (4,), w), (3, 4), (4,)),
    "group norm": op(lambda x, w, b: F.group_norm(x, 2, w, b), (2, 4, 3), (4,), (4,)),
    "instance norm": op(
        lambda x, w, b: F.instance_norm(x, weight=w, bias=b), (2, 3, 4), (3,), (3,)
    ),
    "batch norm": op(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        *((4, 3, 2), (3,), (3,)),
    ),
    "batch norm, eval": op(
        lambda x, w: F.batch_norm(x, TARGET[0, :3], TARGET[1, :3].exp(), w),
        *((4, 3, 2), (3,)),
    ),
    "weight norm": op(torch_weight_norm, (3, 4), (3, 1)),
    "weight norm, columns": op(partial(torch_weight_norm, dim=1), (3, 4), (1, 4)),
    "weight norm, whole": op(
        lambda v, g: torch_weight_norm(v, g.sum(), -1), (3, 4), (1,)
    ),
    "squared error": op(lambda x: F.mse_loss(x, TARGET), (3, 4)),
    "squared error, both": op(F.mse_loss, (3, 4), (3, 4)),
    "squared errors": op(lambda x: F.mse_loss(x, TARGET, reduction="none"), (3, 4)),
    "weighted squared error": op(
        lambda x: F.mse_loss(x, TARGET, weight=TARGET.exp()), (3, 4)
    ),
    "huber": op(lambda x: F.huber_loss(x, TARGET, delta=0.7), (3, 4)),
    "smooth l1": op(lambda x: F.smooth_l1_loss(x, TARGET, beta=0.7), (3, 4)),
    "soft margin": op(lambda x: F.soft_margin_loss(x, TARGET.sign()), (3, 4)),
    "multi margin": op(
        lambda x: F.multi_margin_loss(x, IDS[:3], p=2, weight=TARGET[0].exp()), (3, 4)
    ),
    "multi label margin": op(
        lambda x: F.multilabel_margin_loss(x, torch.tensor([[3, 0, -1, 1]] * 3)), (3, 4)
    ),
    "ctc": op(
        lambda x: F.ctc_loss(
            x.log_softmax(-1), torch.tensor([[1, 1], [2, 0]]), **lengths
        ),
        (5, 2, 3),
    ),
    "silu": op(F.silu, (3, 4)),
    "silu, in place": op(lambda x: F.silu(x * 1, inplace=True), (3, 4)),
    "mish": op(F.mish, (3, 4)),
    "mish, in place": op(lambda x: F.mish(x * 1, inplace=True), (3, 4)),
    "glu": op(partial(F.glu, dim=0), (4, 3)),
    "hard sigmoid": op(lambda x: F.hardsigmoid(3 * x), (3, 4)),
    "hard sigmoid, in place": op(lambda x: F.hardsigmoid(3 * x, inplace=True), (3, 4)),
    "rrelu": op(F.rrelu, (3, 4)),
    "embedding": op(lambda w: F.embedding(IDS, w, padding_idx=-2), (4, 3)),
    "bag sum": op(partial(bag, offsets=BAGS, mode="sum"), (4, 3)),
    "bag mean": op(partial(bag, offsets=BAGS, padding_idx=2), (4, 3)),
    "bag max": op(partial(bag, offsets=BAGS, mode="max", padding_idx=-4), (4, 3)),
    "bag, last offset": op(
        partial(bag, offsets=BAGS, mode="max", include_last_offset=True), (4, 3)
    ),
    "bag, weighted": op(
        lambda w, s: bag(w, BAGS, mode="sum", per_sample_weights=s), (4, 3), (5,)
    ),
    "bag, rows": op(lambda w: F.embedding_bag(IDS[:4].view(2, 2), w), (4, 3)),
    "attention": op(attention, *HEADS),
    "attention, causal": op(partial(attention, is_causal=True, scale=0.3), *HEADS),
    "attention, masked": op(partial(attention, attn_mask=HALVES), *HEADS),
    "attention, float mask": op(
        lambda q, k, v, m: attention(q, k, v, m.masked_fill(~HALVES, -torch.inf)),
        *(*HEADS, (3, 4)),
    ),
    "attention, grouped": op(
        partial(attention, enable_gqa=True), (4, 3, 2), (2, 3, 2), (2, 3, 2)
    ),
    "cdist": op(torch.cdist, (3, 4), (2, 4)),
    "cdist to itself": op(lambda x: torch.cdist(x, x), (3, 4)),
    "cdist, p=3": op(partial(torch.cdist, p=3.0), (3, 4), (2, 4)),
    "cdist by products": op(
        partial(torch.cdist, compute_mode="use_mm_for_euclid_dist"), (3, 4), (2, 4)
    ),
    "pdist": op(F.pdist, (4, 3)),
    "norm": op(lambda x: x.norm(dim=1, keepdim=True), (3, 4)),
    "norm of all": op(torch.linalg.vector_norm, (3, 4)),
    "normalized zero": op(lambda x: F.normalize(torch.cat([x, 0 * x])), (3, 4)),
    "cosine to zero": op(
        lambda x, y: F.cosine_similarity(torch.cat([x, 0 * x]), y), (1, 4), (2, 4)
    ),
    "det": op(torch.det, (2, 3, 3)),
    "slogdet": op(lambda x: x.slogdet().logabsdet, (2, 3, 3)),
    "logdet": op(lambda x: torch.logdet(positive(x)), (3, 3)),
    "solve": op(lambda a, b: torch.linalg.solve(positive(a), b), (3, 3), (3, 2)),
    "solve, vector": op(lambda a, b: torch.linalg.solve(positive(a), b), (3, 3), (3,)),
    "cholesky inverse": op(
        lambda x: torch.cholesky_inverse(torch.linalg.cholesky(positive(x))), (3, 3)
    ),
    "householder product": op(torch.linalg.householder_product, (4, 3), (3,)),
    "grid sample": op(
        lambda x, g: F.grid_sample(x, (0.4 * g).tanh(), align_corners=False),
        *((1, 2, 4, 3), (1, 2, 2, 2)),
    ),
    "grid sample, volume": op(
        lambda x, g: F.grid_sample(x, (0.4 * g).tanh(), align_corners=True),
        *((1, 1, 3, 4, 3), (1, 2, 1, 2, 3)),
    ),
    "multi-head attention": of_module(
        partial(nn.MultiheadAttention, 4, 2), (3, 1, 4), prepare=lambda x: (x, x, x)
    ),
    "multi-head attention, no weights": of_module(
        partial(nn.MultiheadAttention, 4, 2),
        *((3, 1, 4),),
        prepare=lambda x: (x, x, x, None, False),
    ),
    "transformer encoder layer": of_module(
        partial(nn.TransformerEncoderLayer, 4, 2, 3, 0.0), (2, 1, 4), train=True
    ),
    "transformer encoder layer, eval": of_module(
        partial(nn.TransformerEncoderLayer, 4, 2, 3, batch_first=True), (1, 2, 4)
    ),
    "lstm": of_module(partial(nn.LSTM, 2, 2), (3, 1, 2)),
    "lstm, projected": of_module(partial(nn.LSTM, 2, 3, proj_size=2), (2, 1, 2)),
    "lstm, both ways": of_module(
        partial(nn.LSTM, 2, 2, 2, bidirectional=True, batch_first=True), (1, 2, 2)
    ),
    "gru": of_module(partial(nn.GRU, 2, 2, bias=False), (3, 1, 2)),
    "rnn": of_module(partial(nn.RNN, 2, 2, 2), (2, 1, 2)),
    "rnn, relu": of_module(partial(nn.RNN, 2, 2, nonlinearity="relu"), (2, 1, 2)),
    "lstm cell": of_module(partial(nn.LSTMCell, 2, 2), (1, 2)),
    "gru cell": of_module(partial(nn.GRUCell, 2, 2), (1, 2)),
    "rnn cell": of_module(partial(nn.RNNCell, 2, 2), (1, 2)),
    "linear with weight norm": of_module(
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), (2, 3)
    ),
    "max pool": op(partial(F.max_pool2d, kernel_size=2), (1, 2, 4, 4)),
    "einsum": op(partial(torch.einsum, "ij,jk->ik"), (3, 4), (4, 2)),
}
