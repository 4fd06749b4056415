"""Which batches keep what their products need, between products."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import final

import torch
from torch import Tensor, nn

from theodolite.batches import Batch, Batches
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct
from theodolite.products.choice import Choice
from theodolite.products.diagnosis import failures_explained
from theodolite.products.engine import AUTOMATIC, Way
from theodolite.products.hastening import Hastening, hastened, is_long
from theodolite.products.memory import RetainedBytes, memory_guarded
from theodolite.products.traced import Tracing
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
    choice : Choice
        How batches are made ready.
    """

    def __init__(
        self,
        evaluate: Evaluation,
        leaves: Sequence[Tensor],
        batches: Batches,
        model: nn.Module | None,
        memory: int,
        choice: Choice,
    ) -> None:
        self.leaves = list(leaves)
        self.memory = memory
        self.choice = choice
        self.kept_bytes = 0
        self.largest_bytes = 0
        # the relative error that products state of themselves; mostly zero
        self.error = 0.0
        # seconds of products before compiling them is considered
        self.patience = 60.0
        self.hastening: Hastening | None = None
        self._seconds = 0.0
        self._evaluate, self._batches, self._model = evaluate, batches, model
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
        way = self.choice.way
        name = "double backward" if way is None else way.name
        if self.choice.check is not None and "smoothed" in self.choice.check.note:
            return f"{name}, {self.choice.check.note}"
        if self.streamed and not self.kept:
            return name
        retained = name.replace("double backward", "retained graph")
        return f"{retained}, in part" if self.streamed else retained

    def visit(self, use: Use) -> None:
        """Hand every batch that has a weight to ``use``, in order, with its weight.

        Raises
        ------
        SecondDerivativeError
            When a module of the model has no second derivative; it is named.
        ProductError
            When products are wrong, and no other way is right.
        MemoryLimitError
            When a single batch does not fit.
        """
        with (
            memory_guarded(self.memory),
            failures_explained(self._model, self._evaluate, self.leaves, self._batches),
        ):
            if self._grown_long():
                with held_still(self._model), self._evaluate.at(self.leaves):
                    self._hasten()
            began = time.perf_counter()
            if self._quiet():
                self._visit_kept(use)
            else:
                self._visit_held(use)
            self._seconds += time.perf_counter() - began

    def _visit_held(self, use: Use) -> None:
        # also for kept graphs: checkpointed parts run again in every product
        with held_still(self._model), self._evaluate.at(self.leaves):
            if self._complete and self.choice.way is not None:
                with self.choice.way.kernels(self._model):
                    self._visit_kept(use)
            else:
                self._visit_all(use)

    def _grown_long(self) -> bool:
        """Whether it is time to compile; asked once, and of whole graphs alone."""
        if self.hastening is not None or self.choice.engine.name != AUTOMATIC:
            return False
        # both may have to be held for a while
        room = 2 * self.kept_bytes <= self.memory
        if not (room and self._complete and self._kept):
            return False
        nodes = max(product.nodes for product in self._kept.values())
        return is_long(self._seconds, nodes, self.patience)

    def _hasten(self) -> None:
        assert self.choice.way is not None
        way = Way(
            f"{self.choice.way.name}, compiled",
            Tracing(self.choice.way.linearise, compiled=True),
            self.choice.way.kernels,
        )

        def compile_all() -> dict[int, BatchProduct]:
            return {
                index: way.linearise(self._evaluate, self.leaves, batch)
                for index, batch in enumerate(self._batches)
                if index in self._kept
            }

        with torch.enable_grad(), way.kernels(self._model):
            self.hastening, kept = hastened(self._kept, compile_all, self.leaves)
        if self.hastening.adopted:
            self.choice.way, self._kept = way, dict(kept)

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
                    self._visit_one(count, batch, use)
                count += 1
        self._count = count

    def _visit_one(self, index: int, batch: Batch, use: Use) -> None:
        """Hand over one batch; forgotten afterwards, unless it is kept."""
        if self.choice.way is None:
            self._choose(index, batch)
        if self._weights.get(index) != 0 and self.choice.way is not None:
            with self.choice.way.kernels(self._model):
                product = self._kept.get(index) or self._ready(index, batch)
                if weight := self._weights[index]:
                    use(product, weight)
            self.error = max(self.error, product.error)

    def _choose(self, index: int, batch: Batch) -> None:
        """See on a batch which way is right, unless it weighs nothing."""
        product, size = self.choice.first(
            self._evaluate, self.leaves, batch, self._model
        )
        self.error = 0.0 if self.choice.check is None else self.choice.check.noise
        self._keep_if_it_fits(index, product, size)

    def _ready(self, index: int, batch: Batch) -> BatchProduct:
        room = self._allowed and self.kept_bytes + self.largest_bytes <= self.memory
        if room and index not in self._weights:
            return self._measured(index, batch)
        assert self.choice.way is not None
        product = self.choice.way.linearise(self._evaluate, self.leaves, batch)
        self._weights.setdefault(index, float(product.weight))
        return product

    def _measured(self, index: int, batch: Batch) -> BatchProduct:
        """Make a batch ready, see what it holds, and keep it if that fits."""
        assert self.choice.way is not None
        with RetainedBytes() as counter:
            product = self.choice.way.linearise(self._evaluate, self.leaves, batch)
        if float(product.weight):
            product.inspect(hooked=counter.hooked)
        self._keep_if_it_fits(index, product, counter.alive())
        return product

    @property
    def _allowed(self) -> bool:
        return self.choice.engine.keeps

    def _keep_if_it_fits(self, index: int, product: BatchProduct, size: int) -> None:
        self._weights[index] = float(product.weight)
        self.largest_bytes = max(self.largest_bytes, size)
        fits = self.kept_bytes + size <= self.memory
        if self._allowed and fits and self._weights[index]:
            self._kept[index] = product
            self.kept_bytes += size
