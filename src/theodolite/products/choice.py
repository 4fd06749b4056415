"""Which way of multiplying is right here: tried in order, checked, remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from theodolite.batches import Batch
from theodolite.errors import LossError, ModelError, ProductError, TheodoliteError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.check import Check, Examination, difference_that_tells
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.engine import Engine, Way
from theodolite.products.gradient_difference import GradientDifference
from theodolite.products.memory import RetainedBytes, is_out_of_memory

# a model may work in one way and not in another
_REFUSALS = (RuntimeError, NotImplementedError, ProductError, ModelError, LossError)


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
        refusals: list[tuple[Way, Exception]] = []
        tried: list[_Tried] = []
        self.checks.clear()
        for way in self.engine.ways:
            try:
                one = self._tried(way, evaluate, leaves, batch, model)
            except _REFUSALS as error:
                if is_out_of_memory(error):
                    raise
                refusals.append((way, error))
                said = str(error).strip().partition("\n")[0]
                self.checks.append(Check(way.name, right=False, note=said))
                continue
            if one.check is None:
                return one.product, 0
            tried.append(one)
            self.checks.append(one.check)
            if one.check.right and not one.check.noise:
                break
        if not tried:
            # torch's own says what is wrong with the model
            raise min(
                refusals, key=lambda pair: pair[0].kernels is not differentiable_twice
            )[1]
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
        if not way.faithful:
            _require_same_loss(way, evaluate, leaves, batch, model)
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


def _most_telling(refusals: Sequence[tuple[Way, Exception]]) -> Exception:
    """What torch's own operations say is wrong with the model, if they were asked."""
    own = [error for way, error in refusals if way.kernels is differentiable_twice]
    return [*own, refusals[0][1]][0]


def _require_same_loss(
    way: Way,
    evaluate: Evaluation,
    leaves: Sequence[Tensor],
    batch: Batch,
    model: nn.Module | None,
) -> None:
    """Refuse a way under whose kernels the model computes something else.

    Raises
    ------
    ProductError
        When the mean loss of the batch is not what it is under torch's own.
    """
    losses = []
    for kernels in (differentiable_twice, way.kernels):
        with kernels(model):
            losses.append(float(evaluate(leaves, batch)[0].detach()))
    plain, other = losses
    resolution = max(torch.finfo(leaf.dtype).eps for leaf in leaves)
    if abs(other - plain) > 1000 * resolution * max(abs(plain), 1e-2):
        raise ProductError(
            found=f"The loss is {other:.6g} in place of {plain:.6g}.",
            why="The model depends on how its numbers lie in memory.",
            instead='Give products="primitive-operations".',
        )


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
