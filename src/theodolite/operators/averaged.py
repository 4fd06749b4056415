"""Blocks of a curvature times vectors, averaged in one pass over the batches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
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
    given = [stacked(request) for request in requests]
    means = [WeightedMean() for _ in requests]

    def add(batch: BatchProduct, weight: float) -> None:
        for request, vectors, mean in zip(requests, given, means, strict=True):
            mean.add(products_of(batch, request, vectors), weight)

    store.visit(add)
    # each in one piece of memory, as the next product will want it
    return [mean.result().T for mean in means]


def stacked(request: Request) -> list[Tensor]:
    """The vectors in the leaves' shapes and types, stacked in front."""
    return request.columns.parameters.split_several(request.block.T.contiguous())


def products_of(
    batch: BatchProduct, request: Request, vectors: Sequence[Tensor]
) -> Float[Tensor, "k m"]:
    """One batch's products with stacked vectors."""
    columns, rows = request.columns.positions, request.rows.positions
    into, count = request.rows.parameters, request.block.shape[1]
    if count == 1:
        alone = [vector[0] for vector in vectors]
        return into.flatten(batch.product(alone, columns, rows))[None]
    # made beforehand: small pieces between large ones would scatter the memory
    found = torch.empty(count, into.size, dtype=into.dtype, device=into.device)
    products = batch.block_product(vectors, columns, rows)
    for row, product in zip(found, products, strict=True):
        row.copy_(into.flatten(product))
    return found
