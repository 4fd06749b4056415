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

# tensors that stood in for views, with those they were taken of, and their versions
_copies: list[tuple[Tensor, int]] = []


def copied_view(source: Tensor, view: Tensor) -> Tensor:
    """Remember that a tensor stands in for a view of another."""
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
        _copies.clear()
        try:
            evaluate.draw_anew(batch)
            before = torch.get_rng_state()
            product = inner(evaluate, leaves, batch)
            deed = _deed(before)
        finally:
            _copies.clear()
        if deed:
            raise ProductError(
                found=f"The model {deed}, with channels last in memory.",
                why="The order of numbers there matters to it: it would be another "
                "model.",
                instead='Give products="primitive-operations".',
            )
        return product

    return linearise


def _deed(before: Tensor) -> str:
    """What the model did since a random state that depends on the layout."""
    if not torch.equal(before, torch.get_rng_state()):
        return "draws random numbers"
    written = any(tensor._version != version for tensor, version in _copies)
    return "writes through a view" if written else ""
