"""Recurrent layers, attention in its forms, embeddings."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from operations.row import F64, Apply, Readout, Row, classified, on_series, training
from problems import labels, normal


class First(nn.Module):
    """The first of what a layer answers."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Packed(nn.Module):
    """Series of different lengths."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(2, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.tensor([4, 2, 3, 1, 4])
        packed = pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        return pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]


class Unrolled(nn.Module):
    """A cell in a loop."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        state: Any = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state[0] if isinstance(state, tuple) else state


class Attention(nn.Module):
    """Queries, keys and values of two heads, and what is done with them."""

    def __init__(self, attend: Callable[..., Tensor], shared: bool = False) -> None:
        super().__init__()
        self.attend, self.heads = attend, 1 if shared else 2
        self.qkv = nn.Linear(2, 4 + 4 * self.heads, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).split([4, 2 * self.heads, 2 * self.heads], -1)
        q, k, v = (part.unflatten(-1, (-1, 2)).transpose(1, 2) for part in (q, k, v))
        return self.attend(q, k, v).transpose(1, 2)


class Multihead(nn.Module):
    def __init__(self, need_weights: bool = False, **settings: Any) -> None:
        super().__init__()
        self.need_weights = need_weights
        self.layer = nn.MultiheadAttention(2, 2, batch_first=True, **settings)

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.arange(4) >= torch.tensor([4, 3, 4, 2, 3])[:, None]
        settings: dict[str, Any] = {"need_weights": self.need_weights}
        return self.layer(x, x, x, key_padding_mask=mask, **settings)[0]


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(
            3, 1, 1, dropout=0, batch_first=True, bias=False
        )
        self.layer.self_attn.requires_grad_(False)  # to have fewer parameters

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=x.dtype)
        return self.layer(x, x.flip(0), tgt_mask=mask)


def softmax_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def by_hand(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(-1) @ v


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k = F.elu(q) + 1, F.elu(k) + 1
    context = torch.einsum("bhtd,bhte->bhde", k, v)
    return torch.einsum("bhtd,bhde->bhte", q, context) / (q @ k.sum(2)[..., None])


EARLIER = torch.ones(4, 4, dtype=torch.bool).tril()
BIAS = -0.3 * (torch.arange(4.0)[:, None] - torch.arange(4.0)).abs().double()


def sdpa(**settings: Any) -> Row:
    shared = settings.get("enable_gqa", False)
    attend = partial(F.scaled_dot_product_attention, **settings)
    return on_series(lambda: Attention(attend, shared), 2)


def recurrent(make: Callable[..., nn.Module], **settings: Any) -> Row:
    return on_series(lambda: First(make(2, 2, batch_first=True, **settings)), 2)


def encoder(prepare: Any = lambda model: None, **settings: Any) -> Row:
    options: dict[str, Any] = {"dropout": 0.0, "batch_first": True} | settings
    return classified(
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(3, 1, 2, **options), Readout()
        ),
        lambda: normal(5, 4, 3, dtype=F64),
        samples=5,
        prepare=prepare,
    )


def on_tokens(make: Callable[[], nn.Module], samples: int = 11) -> Row:
    """Three of five tokens each."""
    return classified(
        lambda: nn.Sequential(make(), nn.Tanh(), nn.Linear(4, 3), Readout()),
        lambda: labels(5, samples, 3),
        samples=samples,
    )


def embedded(**settings: Any) -> Row:
    return on_tokens(
        lambda: nn.Sequential(
            nn.Embedding(5, 4, **settings), Apply(lambda x: x.square().sum(1))
        )
    )


def bag(**settings: Any) -> Row:
    return on_tokens(partial(nn.EmbeddingBag, 5, 4, **settings))


SEQUENCES: dict[str, Row] = {
    "RNN": recurrent(nn.RNN),
    "RNN with ReLU": recurrent(nn.RNN, nonlinearity="relu"),
    "LSTM": recurrent(nn.LSTM),
    "LSTM projected": recurrent(nn.LSTM, proj_size=1),
    "GRU": recurrent(nn.GRU),
    "GRU of two layers": recurrent(nn.GRU, num_layers=2, bias=False),
    "RNN in both directions": recurrent(nn.RNN, bidirectional=True),
    "LSTM in training mode": on_series(
        lambda: First(nn.LSTM(2, 2, batch_first=True)), 2, prepare=training
    ),
    "packed series": on_series(Packed, 2),
    "RNN cell": on_series(lambda: Unrolled(nn.RNNCell(2, 2)), 2),
    "LSTM cell": on_series(lambda: Unrolled(nn.LSTMCell(2, 2)), 2),
    "GRU cell": on_series(lambda: Unrolled(nn.GRUCell(2, 2)), 2),
    "scaled dot product": sdpa(),
    "scaled dot product, causal": sdpa(is_causal=True),
    "scaled dot product, masked": sdpa(attn_mask=EARLIER),
    "scaled dot product, biased": sdpa(attn_mask=BIAS),
    "scaled dot product, grouped queries": sdpa(enable_gqa=True),
    "attention by hand": on_series(lambda: Attention(by_hand), 2),
    "linear attention": on_series(lambda: Attention(linear_attention), 2),
    "MultiheadAttention": on_series(Multihead, 2),
    "MultiheadAttention with its weights": on_series(partial(Multihead, True), 2),
    "MultiheadAttention with a bias for keys": on_series(
        partial(Multihead, add_bias_kv=True), 2
    ),
    "TransformerEncoderLayer": encoder(),
    "TransformerEncoderLayer, norm first": encoder(
        norm_first=True, activation="gelu", bias=False
    ),
    "TransformerEncoderLayer in training mode": encoder(training, bias=False),
    "TransformerDecoderLayer": on_series(Decoder, 3),
    "Embedding": embedded(),
    "Embedding with padding": embedded(padding_idx=1),
    "Embedding scaled by frequency": embedded(scale_grad_by_freq=True).denied(),
    "Embedding, sparse": embedded(sparse=True),
    "Embedding with a norm not reached": embedded(max_norm=50.0),
    "Embedding with a norm exceeded": embedded(max_norm=1.0).denied(),
    "EmbeddingBag": bag(),
    "EmbeddingBag, summed": bag(mode="sum"),
    "EmbeddingBag, maximum": bag(mode="max"),
    "one-hot tokens": on_tokens(
        lambda: nn.Sequential(
            Apply(lambda x: F.one_hot(x, 5).to(F64).sum(1)), nn.Linear(5, 4)
        )
    ),
}
