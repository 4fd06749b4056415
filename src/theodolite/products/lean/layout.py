"""Channels last in memory, for models to which the order of numbers there is nothing.

Two things depend on it that a loss need not show: what a random mask falls on, and
whether a write through a view reaches what was viewed. Both are watched on every batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.errors import ProductError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct, Linearise

# tensors that stood in for views, with those they were taken of, and their versions;
# None while nobody watches, as when a checkpoint computes again
_copies: list[tuple[Tensor, int]] | None = None


def copied_view(source: Tensor, view: Tensor) -> Tensor:
    """Remember that a tensor stands in for a view of another."""
    if _copies is not None:
        _copies.extend((tensor, tensor._version) for tensor in (source, view))
    return view


def indifferent_to_layout(inner: Linearise) -> Linearise:
    """The same, refused where the model draws numbers or writes through a view.

    Raises
    ------
    ProductError
        By what is returned, then.
    """

    def linearise(
        evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> BatchProduct:
        global _copies
        _copies = copies = []
        try:
            evaluate.draw_anew(batch)
            before = torch.get_rng_state()
            product = inner(evaluate, leaves, batch)
        finally:
            _copies = None
        deed = _deed(before, copies)
        if deed:
            raise ProductError(
                found=f"The model {deed}, with channels last in memory.",
                why="The order of numbers there matters to it: it would be another "
                "model.",
                instead='Give products="primitive-operations".',
            )
        return product

    return linearise


def _deed(before: Tensor, copies: Sequence[tuple[Tensor, int]]) -> str:
    """What depends on the layout and was done since a random state."""
    if not torch.equal(before, torch.get_rng_state()):
        return "draws random numbers"
    written = any(tensor._version != version for tensor, version in copies)
    return "writes through a view" if written else ""
