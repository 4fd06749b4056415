"""Which batches keep the graph of their gradient between products."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import final

import torch
from torch import Tensor, nn

from theodolite.batches import Batch, Batches
from theodolite.evaluation import Evaluation
from theodolite.products.diagnosis import failures_explained
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import (
    GradientGraph,
    gradient_graph,
    require_whole_graph,
)
from theodolite.products.memory import RetainedBytes, memory_guarded
from theodolite.stillness import held_still


@final
class GraphStore:
    """The gradient graphs of all batches at one point, kept while they fit.

    A kept graph saves the forward pass and the first backward pass of every later
    product; batches that do not fit are built anew, one at a time.

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
        Bytes that kept graphs may hold in all.
    """

    def __init__(
        self,
        evaluate: Evaluation,
        leaves: Sequence[Tensor],
        batches: Batches,
        model: nn.Module | None,
        memory: int,
    ) -> None:
        self.leaves = list(leaves)
        self.memory = memory
        self.kept_bytes = 0
        self.largest_bytes = 0
        self._evaluate, self._batches, self._model = evaluate, batches, model
        self._kept: dict[int, GradientGraph] = {}
        self._count: int | None = None

    @property
    def kept(self) -> int:
        """Batches whose graph is kept."""
        return len(self._kept)

    @property
    def streamed(self) -> int:
        """Batches whose graph is built anew for every product."""
        return (self._count or 0) - self.kept

    @property
    def engine(self) -> str:
        """The way products are computed, by its field name."""
        if self._count is None or self.streamed == 0:
            return "retained graph"
        return "retained graph in part" if self.kept else "double backward"

    def visit(self, use: Callable[[GradientGraph], None]) -> None:
        """Hand the graph of every batch that has a weight to ``use``, in order.

        Raises
        ------
        SecondDerivativeError
            When a module of the model has no second derivative; it is named.
        MemoryLimitError
            When the graph of a single batch does not fit.
        """
        with (
            memory_guarded(self.memory),
            failures_explained(self._model, self._evaluate, self.leaves, self._batches),
            # also for kept graphs: checkpointed parts run again in every backward pass
            held_still(self._model),
            differentiable_twice(self._model),
            self._evaluate.at(self.leaves),
        ):
            if self._count is not None and self.streamed == 0:
                for graph in self._kept.values():
                    use(graph)
            else:
                self._visit_all(use)

    def _visit_all(self, use: Callable[[GradientGraph], None]) -> None:
        count = 0
        with torch.enable_grad(), closing(iter(self._batches)) as batches:
            for batch in batches:
                graph = self._kept.get(count) or self._built(count, batch)
                if graph is not None:
                    use(graph)
                # dropped before the next is built: one streamed graph at a time
                del graph
                count += 1
        self._count = count

    def _built(self, index: int, batch: Batch) -> GradientGraph | None:
        if self._count is None and self.kept_bytes + self.largest_bytes <= self.memory:
            return self._measured(index, batch)
        return gradient_graph(self._evaluate, self.leaves, batch)

    def _measured(self, index: int, batch: Batch) -> GradientGraph | None:
        """Build a graph, see what it holds, and keep it if that fits."""
        with RetainedBytes() as counter:
            graph = gradient_graph(self._evaluate, self.leaves, batch)
        if graph is not None and self._count is None and not self._kept:
            require_whole_graph(graph.gradients)
        size = counter.alive()
        self.largest_bytes = max(self.largest_bytes, size)
        if graph is not None and self.kept_bytes + size <= self.memory:
            self._kept[index] = graph
            self.kept_bytes += size
        return graph
