"""Recurrent networks step by step, in primitive operations.

torch's oneDNN kernel (an LSTM in float32 on a CPU) has no forward derivative, cuDNN's
kernels have no second one. Packed sequences stay as they are.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from theodolite.products.rewriting import Rewrites

rewrites = Rewrites()

_State = tuple[Tensor, ...]
# the weights of one direction of one layer: input, state, their biases, projection
_Weights = tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]
# what a cell does with the input's share, the state and the weights
_Cell = Callable[[Tensor, _State, _Weights], _State]


@rewrites(torch.lstm)
def lstm(
    input: Tensor, hx: Sequence[Tensor] | Tensor, params: Any, *settings: Any
) -> Any:
    """Long short-term memory: the outputs, the last states, the last cells."""
    if isinstance(hx, Tensor):  # the batch sizes of a packed sequence
        return NotImplemented
    return _network(_lstm, input, tuple(hx), params, *settings)


def _one_state(
    cell: _Cell, input: Tensor, hx: Tensor, params: Any, *settings: Any
) -> Any:
    """A network whose state is one tensor: the outputs and the last states."""
    if isinstance(params, Tensor):  # a packed sequence: the state comes third
        return NotImplemented
    return _network(cell, input, (hx,), params, *settings)


def _network(
    cell: _Cell,
    input: Tensor,
    states: _State,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """All layers, each the input of the next; states are (layers, batch, width)."""
    ways = 2 if bidirectional else 1
    size = len(params) // (num_layers * ways)
    outputs = input.transpose(0, 1) if batch_first else input
    last: list[_State] = []
    for layer in range(num_layers):
        if layer and train and dropout:
            outputs = torch.dropout(outputs, dropout, True)
        both = []
        for way in range(ways):
            index = layer * ways + way
            weights = _weights(params[index * size : (index + 1) * size], has_biases)
            state = tuple(part[index] for part in states)
            steps, state = _direction(cell, outputs, state, weights, way == 1)
            both.append(steps)
            last.append(state)
        outputs = torch.cat(both, -1)
    final = (torch.stack(parts) for parts in zip(*last, strict=True))
    return (outputs.transpose(0, 1) if batch_first else outputs), *final


def _weights(params: Sequence[Tensor], has_biases: bool) -> _Weights:
    biases = params[2:4] if has_biases else (None, None)
    projection = params[-1] if len(params) % 2 else None
    return params[0], params[1], biases[0], biases[1], projection


def _direction(
    cell: _Cell, input: Tensor, state: _State, weights: _Weights, backward: bool
) -> tuple[Tensor, _State]:
    """One layer in one direction of time: the states at all steps, and the last."""
    shares = F.linear(input, weights[0], weights[2]).unbind(0)
    outputs = []
    for share in reversed(shares) if backward else shares:
        state = cell(share, state, weights)
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if backward else outputs), state


def _lstm(share: Tensor, state: _State, weights: _Weights) -> _State:
    _, recurrent, _, bias, projection = weights
    i, f, g, o = (share + F.linear(state[0], recurrent, bias)).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h if projection is None else F.linear(h, projection)), c


def _gru(share: Tensor, state: _State, weights: _Weights) -> _State:
    reset, update, new = share.chunk(3, -1)
    by_state = F.linear(state[0], weights[1], weights[3]).chunk(3, -1)
    reset, update = (reset + by_state[0]).sigmoid(), (update + by_state[1]).sigmoid()
    new = (new + reset * by_state[2]).tanh()
    return (new + update * (state[0] - new),)


def _rnn(
    nonlinearity: Callable[[Tensor], Tensor],
    share: Tensor,
    state: _State,
    weights: _Weights,
) -> _State:
    return (nonlinearity(share + F.linear(state[0], weights[1], weights[3])),)


_ONE_STATE: dict[str, _Cell] = {
    "gru": _gru,
    "rnn_tanh": partial(_rnn, torch.tanh),
    "rnn_relu": partial(_rnn, torch.relu),
}
for _name, _cell in _ONE_STATE.items():
    rewrites(getattr(torch, _name))(partial(_one_state, _cell))


def _step(
    cell: _Cell,
    input: Tensor,
    hx: Any,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Any:
    """One step of a network given by itself, as ``nn.LSTMCell`` does."""
    alone = isinstance(hx, Tensor)
    share = F.linear(input, w_ih, b_ih)
    weights = (w_ih, w_hh, b_ih, b_hh, None)
    after = cell(share, (hx,) if alone else tuple(hx), weights)
    return after[0] if alone else after


for _name, _cell in {"lstm": _lstm, **_ONE_STATE}.items():
    rewrites(getattr(torch, f"{_name}_cell"))(partial(_step, _cell))
