"""Blocks of a curvature times vectors, averaged in one pass over the batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from theodolite.averages import WeightedMean
from theodolite.parameters import Parameters
from theodolite.products.batch_product import BatchProduct
from theodolite.products.product_store import ProductStore


@dataclass(frozen=True)
class Part:
    """Some of a store's leaves, and the flat vector over them.

    Attributes
    ----------
    parameters : Parameters
        Names and shapes of these leaves alone.
    positions : sequence of int
        Where they stand among all leaves.
    """

    parameters: Parameters
    positions: Sequence[int]


@dataclass(frozen=True)
class Request:
    """Vectors over some leaves, to be multiplied into others.

    Attributes
    ----------
    columns, rows : Part
        Where the block goes from and to.
    block : Tensor
        The vectors, ``(n, k)``.
    """

    columns: Part
    rows: Part
    block: Tensor


def averaged_products(store: ProductStore, requests: Sequence[Request]) -> list[Tensor]:
    """What was requested, ``(m, k)`` each, by one visit of every batch."""
    given = [_stacked(request) for request in requests]
    means = [[WeightedMean() for _ in request.block.T] for request in requests]
    store.visit(partial(_add, requests, given, means))
    return [_side_by_side([mean.result() for mean in totals]) for totals in means]


def _add(
    requests: Sequence[Request],
    given: Sequence[Sequence[Tensor]],
    means: Sequence[Sequence[WeightedMean]],
    batch: BatchProduct,
    weight: float,
) -> None:
    """One batch's products, into the means."""
    for request, vectors, totals in zip(requests, given, means, strict=True):
        flatten = request.rows.parameters.flatten
        found = _multiplied(batch, request, vectors)
        for product, mean in zip(found, totals, strict=True):
            mean.add(flatten(product), weight)


def _stacked(request: Request) -> list[Tensor]:
    """The vectors in the leaves' shapes and types, stacked in front."""
    return request.columns.parameters.split_several(request.block.T.contiguous())


def _multiplied(
    batch: BatchProduct, request: Request, vectors: Sequence[Tensor]
) -> Sequence[Sequence[Tensor | None]]:
    columns, rows = request.columns.positions, request.rows.positions
    if request.block.shape[1] == 1:
        return [batch.product([vector[0] for vector in vectors], columns, rows)]
    return batch.block_product(vectors, columns, rows)


def _side_by_side(columns: list[Tensor]) -> Tensor:
    # each in one piece of memory, as the next product will want it
    return columns[0][:, None] if len(columns) == 1 else torch.stack(columns).T
