"""Embeddings in primitive operations.

The forward derivative of torch's own knows no padding row, and its bags of embeddings
have no second derivative.
"""

from typing import Any

import torch
from torch import Tensor

from theodolite.products.rewriting import Rewrites, widened

rewrites = Rewrites()


@rewrites(torch.embedding)
def embedding(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of a matrix, of which one has no derivative."""
    if padding_idx < 0 or scale_grad_by_freq or sparse:
        return NotImplemented
    rows = torch.embedding(weight, indices)
    padding = (indices == padding_idx).unsqueeze(-1)
    return torch.where(padding, rows.detach(), rows)


@rewrites(torch.embedding_bag)
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Any:
    """The sum (mode 0), the mean (1) or the maximum (2) of bags of rows.

    Beside it, as torch's own: each row's bag, each bag's size, and the rows that are
    its maxima.
    """
    if scale_grad_by_freq or sparse:
        return NotImplemented
    starts = offsets[:-1] if include_last_offset else offsets
    bags = _bags(indices, starts)
    counted = _counted(indices, padding_idx, len(weight))
    rows = widened(torch.embedding(weight, indices))
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    sizes = torch.zeros_like(starts).index_add(0, bags, counted.to(starts.dtype))
    if mode == 2:
        chosen = _first_maxima(rows.detach(), bags, counted, len(starts))
        # the row behind the last one is the maximum of an empty bag
        result = torch.cat([rows, rows.new_zeros(1, rows.shape[1])]).gather(0, chosen)
        return result.to(weight.dtype), bags, sizes, _row_numbers(indices, chosen)
    rows = torch.where(counted.unsqueeze(-1), rows, 0)
    result = rows.new_zeros(len(starts), rows.shape[1]).index_add(0, bags, rows)
    if mode == 1:
        result = result / sizes.clamp_min(1).unsqueeze(-1)
    return result.to(weight.dtype), bags, sizes, sizes.new_empty(0)


def _bags(indices: Tensor, starts: Tensor) -> Tensor:
    """Which bag each index lies in; of bags that start together the last one."""
    places = torch.arange(len(indices), device=indices.device, dtype=starts.dtype)
    return torch.searchsorted(starts, places, right=True) - 1


def _counted(indices: Tensor, padding_idx: int | None, rows: int) -> Tensor:
    if padding_idx is None:
        return torch.ones_like(indices, dtype=torch.bool)
    return indices != padding_idx % rows


def _first_maxima(values: Tensor, bags: Tensor, counted: Tensor, count: int) -> Tensor:
    """For each bag and column the place of its maximum, the first of equal ones."""
    bag = bags.unsqueeze(-1).expand_as(values)
    values = torch.where(counted.unsqueeze(-1), values, -torch.inf)
    lowest = values.new_full((count, values.shape[1]), -torch.inf)
    top = lowest.scatter_reduce(0, bag, values, "amax")
    is_top = (values == top.gather(0, bag)) & counted.unsqueeze(-1)
    places = torch.arange(len(values), device=values.device).unsqueeze(-1)
    places = torch.where(is_top, places, len(values))
    none = torch.full_like(top, len(values), dtype=torch.long)
    return none.scatter_reduce(0, bag, places, "amin")


def _row_numbers(indices: Tensor, places: Tensor) -> Tensor:
    return torch.cat([indices, indices.new_full((1,), -1)])[places]
