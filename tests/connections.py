"""Two points to be connected, of landscapes of several kinds."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import theodolite as td
from dense import F64
from networks import MLP
from problems import normal, ready
from theodolite.maps.connect import connect
from theodolite.maps.paths.path import Path

METHODS = ("bezier", "polychain", "neb")
EVERY = ("straight", *METHODS)


@cache
def digits() -> tuple[td.Landscape, nn.Module]:
    land = td.builtin("digits-cnn", seed=0)
    other = td.builtin("digits-cnn", seed=1).model
    assert other is not None
    return land, other


@cache
def found(method: str) -> Path:
    land, other = digits()
    return connect(land, None, other, method, steps=17)


def few(samples: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Classes by the largest of the first three coordinates."""
    x = normal(samples, 4, dtype=F64, seed=seed)
    return x, x[:, :3].argmax(1)


@cache
def small(samples: int = 96, **settings: Any) -> tuple[td.Landscape, Tensor]:
    """A tiny classifier, and the same one with its hidden units in another order."""
    model = ready(lambda: MLP(4, 5, 3), F64)
    search = torch.optim.Adam(model.parameters(), lr=0.1)
    x, y = few(samples)
    for _ in range(30):
        search.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        search.step()
    model.zero_grad()
    land = td.Landscape(model, nn.CrossEntropyLoss(), (x, y), **settings)
    into, bias, out, last = land.parameters.split(land.point)
    turned = (into.roll(1, 0), bias.roll(1), out.roll(1, 1), last)
    return land, land.parameters.flatten(turned)
