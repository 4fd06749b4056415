"""Which batches keep what their products need, between products."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import final

import torch
from torch import Tensor, nn

from theodolite.batches import Batch, Batches
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct, Linearise
from theodolite.products.diagnosis import failures_explained
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import gradient_graph
from theodolite.products.memory import RetainedBytes, memory_guarded
from theodolite.stillness import held_still, undisturbed

Use = Callable[[BatchProduct, float], None]


@final
class ProductStore:
    """The products of all batches at one point, made ready once while they fit.

    What is kept, a gradient's graph for example, saves the forward pass and the first
    backward pass of every later product; batches that do not fit are made ready anew,
    one at a time.

    Parameters
    ----------
    evaluate : Evaluation
        Mean loss and weight of a batch.
    leaves : sequence of Tensor
        The parameters, each a leaf that requires its gradient.
    batches : Batches
        The data, in the same order in every pass.
    model : Module or None
        What is held still meanwhile.
    memory : int
        Bytes that may be kept in all.
    linearise : callable, optional
        Makes one batch ready: the graph of its gradient, by default.
    """

    def __init__(
        self,
        evaluate: Evaluation,
        leaves: Sequence[Tensor],
        batches: Batches,
        model: nn.Module | None,
        memory: int,
        linearise: Linearise = gradient_graph,
    ) -> None:
        self.leaves = list(leaves)
        self.memory = memory
        self.kept_bytes = 0
        self.largest_bytes = 0
        self._evaluate, self._batches, self._model = evaluate, batches, model
        self._linearise = linearise
        self._kept: dict[int, BatchProduct] = {}
        # found in the first pass; a batch that weighs nothing is passed over
        self._weights: dict[int, float] = {}
        self._count: int | None = None

    @property
    def kept(self) -> int:
        """Batches that are kept ready."""
        return len(self._kept)

    @property
    def streamed(self) -> int:
        """Batches that are made ready anew for every product."""
        return sum(weight != 0 for weight in self._weights.values()) - self.kept

    @property
    def engine(self) -> str:
        """The way products are computed, by its field name."""
        if self._count is None or self.streamed == 0:
            return "retained graph"
        return "retained graph in part" if self.kept else "double backward"

    def visit(self, use: Use) -> None:
        """Hand every batch that has a weight to ``use``, in order, with its weight.

        Raises
        ------
        SecondDerivativeError
            When a module of the model has no second derivative; it is named.
        MemoryLimitError
            When a single batch does not fit.
        """
        with (
            memory_guarded(self.memory),
            failures_explained(self._model, self._evaluate, self.leaves, self._batches),
        ):
            if self._quiet():
                self._visit_kept(use)
                return
            with ExitStack() as stack:
                # also for kept graphs: checkpointed parts run again in every product
                stack.enter_context(held_still(self._model))
                stack.enter_context(differentiable_twice(self._model))
                stack.enter_context(self._evaluate.at(self.leaves))
                visit = self._visit_kept if self._complete else self._visit_all
                visit(use)

    @property
    def _complete(self) -> bool:
        return self._count is not None and self.streamed == 0

    def _quiet(self) -> bool:
        """Whether products touch nothing but kept tensors: then nothing is held."""
        return (
            self._complete
            and undisturbed()
            and not any(product.runs_python for product in self._kept.values())
        )

    def _visit_kept(self, use: Use) -> None:
        for index, product in self._kept.items():
            use(product, self._weights[index])

    def _visit_all(self, use: Use) -> None:
        count = 0
        with torch.enable_grad(), closing(iter(self._batches)) as batches:
            for batch in batches:
                if self._weights.get(count) != 0:
                    product = self._kept.get(count) or self._ready(count, batch)
                    if weight := self._weights[count]:
                        use(product, weight)
                    # dropped before the next is made: one streamed batch at a time
                    del product
                count += 1
        self._count = count

    def _ready(self, index: int, batch: Batch) -> BatchProduct:
        room = self.kept_bytes + self.largest_bytes <= self.memory
        if room and index not in self._weights:
            return self._measured(index, batch)
        product = self._linearise(self._evaluate, self.leaves, batch)
        if index not in self._weights:
            self._weights[index] = float(product.weight)
        return product

    def _measured(self, index: int, batch: Batch) -> BatchProduct:
        """Make a batch ready, see what it holds, and keep it if that fits."""
        with RetainedBytes() as counter:
            product = self._linearise(self._evaluate, self.leaves, batch)
        self._weights[index] = float(product.weight)
        if self._weights[index]:
            product.inspect(hooked=counter.hooked)
            self._keep_if_it_fits(index, product, counter.alive())
        return product

    def _keep_if_it_fits(self, index: int, product: BatchProduct, size: int) -> None:
        self.largest_bytes = max(self.largest_bytes, size)
        if self.kept_bytes + size <= self.memory:
            self._kept[index] = product
            self.kept_bytes += size
