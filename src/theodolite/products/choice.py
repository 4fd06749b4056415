"""Which way of multiplying is right here: tried in order, checked, remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from theodolite.batches import Batch
from theodolite.errors import ProductError, TheodoliteError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.check import Check, Examination, difference_that_tells
from theodolite.products.engine import Engine, Way
from theodolite.products.gradient_difference import GradientDifference
from theodolite.products.memory import RetainedBytes, is_out_of_memory


@final
class Choice:
    """The first of an engine's ways that is right on the first batch.

    Parameters
    ----------
    engine : Engine
        What the caller asked for.
    differs : bool
        Whether the products are those of the loss's Hessian, so that a difference of
        gradients has to agree.

    Attributes
    ----------
    way : Way or None
        What was chosen; ``None`` before the first product.
    check : Check or None
        What it was found to be.
    checks : list of Check
        One for each way that was tried.
    """

    def __init__(self, engine: Engine, differs: bool) -> None:
        self.engine, self._differs = engine, differs
        self.way: Way | None = None
        self.check: Check | None = None
        self.checks: list[Check] = []

    def first(
        self,
        evaluate: Evaluation,
        leaves: Sequence[Tensor],
        batch: Batch,
        model: nn.Module | None,
    ) -> tuple[BatchProduct, int]:
        """Make the first batch ready in the first way that is right, and its bytes.

        A batch that weighs nothing chooses nothing.

        Raises
        ------
        ProductError
            When no way is right; with what was found.
        RuntimeError
            What autograd says, when no way works at all.
        """
        refusal: Exception | None = None
        tried: list[_Tried] = []
        self.checks.clear()
        for way in self.engine.ways:
            try:
                one = self._tried(way, evaluate, leaves, batch, model)
            except (RuntimeError, NotImplementedError, ProductError) as error:
                if is_out_of_memory(error):
                    raise
                refusal = refusal or error
                said = str(error).strip().partition("\n")[0]
                self.checks.append(Check(way.name, right=False, note=said))
                continue
            if one.check is None:
                return one.product, 0
            tried.append(one)
            self.checks.append(one.check)
            if one.check.right and not one.check.noise:
                break
        if refusal is not None and not tried:
            raise refusal
        chosen = self._best(tried)
        self.way, self.check = chosen.way, chosen.check
        return chosen.product, chosen.size

    def _best(self, tried: Sequence["_Tried"]) -> "_Tried":
        """The right way that rounding moves least.

        What is NaN in every way is shown as it is; what is wrong in every way is not.
        """
        right = [one for one in tried if one.check is not None and one.check.right]
        if right:
            return min(right, key=lambda one: one.check.noise if one.check else 0.0)
        if any(check.asymmetry is not None for check in self.checks):
            raise self._nothing_right()
        return tried[0]

    def _tried(
        self,
        way: Way,
        evaluate: Evaluation,
        leaves: Sequence[Tensor],
        batch: Batch,
        model: nn.Module | None,
    ) -> "_Tried":
        with way.kernels(model):
            with RetainedBytes() as counter:
                product = way.linearise(evaluate, leaves, batch)
            if not float(product.weight):
                return _Tried(way, product, 0, None)
            product.inspect(hooked=counter.hooked)
            size = counter.alive()
            examination = _examination(way, product, evaluate, leaves, batch)
            if isinstance(product, GradientDifference):
                check = examination.check_difference(way.name, product)
                return _Tried(way, product, size, check)
            other, note = None, ""
            if self._differs:
                other, note = difference_that_tells(evaluate, leaves, batch)
            check = examination.check(way.name, other, note)
            return _Tried(way, product, size, check)

    def _nothing_right(self) -> ProductError:
        """No way to multiply agrees with what it has to agree with."""
        return ProductError(
            found="No product is right here. "
            + "; ".join(f"{check.engine}: {_wrong(check)}" for check in self.checks)
            + ".",
            why="Either an operation's second derivative is wrong, or the gradient is "
            "not that of the loss: a custom autograd function, a hook, .detach() "
            "or a straight-through estimator in the model.",
            instead="Replace that operation; or take the slope of the gradient as it "
            'is, with products="gradient-difference".',
        )


@dataclass(frozen=True)
class _Tried:
    """The first batch, made ready in one way; no check where it weighs nothing."""

    way: Way
    product: BatchProduct
    size: int
    check: Check | None


def _examination(
    way: Way,
    product: BatchProduct,
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batch: Batch,
) -> Examination:
    def nearby(moved: Sequence[Tensor]) -> BatchProduct:
        with evaluate.at(moved):
            return way.linearise(evaluate, moved, batch)

    def wide() -> Examination | None:
        if all(leaf.dtype == torch.float64 for leaf in leaves):
            return None
        copies = [leaf.detach().double() for leaf in leaves]
        for copy, leaf in zip(copies, leaves, strict=True):
            copy.requires_grad_(leaf.requires_grad)
        try:
            other = evaluate.in_type(torch.float64)
            same = batch.in_type(torch.float64)
            with other.at(copies):
                exact = way.linearise(other, copies, same)
                return Examination(exact, copies, nearby, lambda: None)
        except (RuntimeError, TypeError, TheodoliteError):
            # a model may insist on its own type
            return None

    return Examination(product, leaves, nearby, wide)


def _wrong(check: Check) -> str:
    """What a check that failed has found."""
    if check.difference is not None:
        return f"{check.difference:.0%} from a difference of gradients"
    if check.asymmetry is not None:
        return f"not symmetric ({check.asymmetry:.0e})"
    return check.note
