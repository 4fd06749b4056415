"""Attention in primitive operations.

torch's fast kernels (flash, memory-efficient, cuDNN) have first derivatives alone.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from theodolite.products.rewriting import Rewrites, autocast, widened

rewrites = Rewrites()


@rewrites(F.scaled_dot_product_attention)
@autocast(None, "cpu", "cuda")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Softmax of the scaled scores, times the values.

    Each head holds its whole matrix of scores, as torch's MATH kernel does.
    """
    if query.is_nested or (is_causal and attn_mask is not None):
        return NotImplemented
    if enable_gqa:
        heads = query.shape[-3]
        key, value = (
            t.repeat_interleave(heads // t.shape[-3], -3) for t in (key, value)
        )
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = widened(query) * scale @ widened(key).mT
    if is_causal:
        past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device)
        weights = scores.masked_fill(~past.tril(), -torch.inf).softmax(-1)
    else:
        weights = _masked_softmax(scores, attn_mask)
    if dropout_p > 0:
        weights = torch.dropout(weights, dropout_p, True)
    return (weights @ widened(value)).to(query.dtype)


def _masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """The softmax of each row; zeros where nothing may be attended to."""
    if mask is None:
        return scores.softmax(-1)
    if mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, -torch.inf)
    else:
        scores = scores + mask
    empty = (scores == -torch.inf).all(-1, keepdim=True)
    return scores.masked_fill(empty, 0).softmax(-1).masked_fill(empty, 0)
