"""The loss as a function of chosen parameters over chosen data, and its gradient."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    closing,
    contextmanager,
    nullcontext,
)
from copy import copy
from functools import cached_property
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.averages import WeightedMean, require_samples
from theodolite.batches import Batch, Batches
from theodolite.errors import ArgumentError, NoGradientError
from theodolite.evaluation import Evaluation
from theodolite.footing import (
    require_finite_loss,
    require_finite_weights,
    require_firm_footing,
    require_nothing_hidden,
)
from theodolite.parameters import Parameters, Patterns, layer_of
from theodolite.products.diagnosis import gradient_explained
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.double_backward import require_graph
from theodolite.products.memory import default_memory, memory_guarded
from theodolite.sampling import chosen_samples
from theodolite.stillness import held_still

# the kind that it was, also of a part of the data
AnySurface = TypeVar("AnySurface", bound="Surface")


class Surface:
    """Value and gradient of a loss, wherever its parameters are put.

    Parameters
    ----------
    model : Module or None
        What is held still meanwhile.
    evaluate : Evaluation
        Mean loss and weight of a batch.
    tensors : dict
        The chosen parameters by name, in the flat vector's order.
    batches : Batches
        The data.
    memory : int or None
        Bytes that kept graphs and data may hold; half of what is free by default.
    batch_statistics : bool
        Whether batch norm may couple the samples of each of several batches.
    """

    def __init__(
        self,
        model: nn.Module | None,
        evaluate: Evaluation,
        tensors: dict[str, Tensor],
        batches: Batches,
        memory: int | None = None,
        batch_statistics: bool = False,
    ) -> None:
        self.model = model
        self._tensors = list(tensors.values())
        self.parameters = Parameters(list(tensors), self._tensors)
        self._evaluate, self._batches = evaluate, batches
        self._memory, self._batch_statistics = memory, batch_statistics
        self._firm: object = None
        self._reentrant = False

    @property
    def size(self) -> int:
        """Number of chosen parameters, each counted once."""
        return self.parameters.size

    @property
    def layers(self) -> dict[str, slice]:
        """Layer name to its slice of the flat vector."""
        return self.parameters.layers

    def parameters_of(self, layer: str) -> list[Tensor]:
        """The model's own parameter tensors that make up one layer."""
        owned = [layer_of(name) == layer for name in self.parameters.names]
        return [t for t, own in zip(self._tensors, owned, strict=True) if own]

    @property
    def device(self) -> torch.device:
        """Where the flat vectors live."""
        return self.parameters.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the flat vectors."""
        return self.parameters.dtype

    @property
    def point(self) -> Float[Tensor, " p"]:
        """A copy of the current parameters as one flat vector ``(p,)``."""
        return self.parameters.flatten(tensor.detach() for tensor in self._tensors)

    @property
    def memory(self) -> int:
        """Bytes that kept graphs and data may hold."""
        return default_memory(self.device) if self._memory is None else self._memory

    def loss(self, point: Float[Tensor, " p"] | None = None) -> float:
        """The average loss over all samples, at a point or where the model is.

        Away from the model the value is returned as it is, NaN and infinity included.

        Raises
        ------
        NonFiniteError, RandomLossError, LossError, ModelError
            When the loss where the model is cannot be measured.
        """
        losses = self.losses(point)
        total = sum(weight for _, weight in losses)
        require_samples(total)
        return sum(weight * value for value, weight in losses) / total

    def losses(
        self, point: Float[Tensor, " p"] | None = None
    ) -> list[tuple[float, float]]:
        """Mean loss and weight of every batch that has a weight, in order.

        Raises
        ------
        NonFiniteError, RandomLossError, LossError, ModelError
            When the loss where the model is cannot be measured.
        """
        self._require_firm_footing()
        found: list[tuple[float, float]] = []
        leaves = self._leaves(point)
        with (
            self._measuring(leaves),
            # on, for models that differentiate by their inputs; by weights it is not
            torch.enable_grad(),
            closing(iter(self._batches)) as batches,
        ):
            for number, batch in enumerate(batches):
                mean, counted = self._evaluate(leaves, batch)
                if weight := float(counted):
                    value = float(mean.detach())
                    if point is None:
                        require_finite_loss(value, number)
                    found.append((value, weight))
        return found

    def gradient(self, point: Float[Tensor, " p"] | None = None) -> Float[Tensor, " p"]:
        """The gradient of the average loss, ``(p,)``, in loss per parameter unit.

        Raises
        ------
        NoGradientError
            When the loss does not depend on the chosen parameters.
        NonFiniteError
            When the loss where the model is, is NaN or infinite.
        """
        average = WeightedMean()
        self.each_gradient(average.add, point)
        return average.result()

    def each_gradient(
        self,
        use: Callable[[Float[Tensor, " p"], float], None],
        point: Float[Tensor, " p"] | None = None,
    ) -> None:
        """Hand every batch's mean gradient to ``use``, in order, with its weight.

        Batches that weigh nothing are passed over.

        Raises
        ------
        NoGradientError
            When the loss does not depend on the chosen parameters.
        NonFiniteError
            When the loss where the model is, is NaN or infinite.
        """
        self._require_firm_footing()
        given = 0

        def count(gradient: Tensor, weight: float) -> None:
            nonlocal given
            given += 1
            use(gradient, weight)

        try:
            self._gradients(count, point, nullcontext())
        except NoGradientError:
            if given:
                raise
            # a model that differentiates by its inputs differentiates attention twice
            self._gradients(use, point, differentiable_twice(self.model))

    def _gradients(
        self,
        use: Callable[[Tensor, float], None],
        point: Tensor | None,
        kernels: AbstractContextManager[Any],
    ) -> None:
        leaves = [leaf.requires_grad_() for leaf in self._leaves(point)]
        self._require_nothing_hidden(leaves)
        with (
            self._measuring(leaves),
            gradient_explained(),
            kernels,
            torch.enable_grad(),
            closing(iter(self._batches)) as batches,
        ):
            for number, batch in enumerate(batches):
                mean, counted = self._evaluate(leaves, batch)
                if weight := float(counted):
                    if point is None:
                        require_finite_loss(float(mean.detach()), number)
                    require_graph(mean)
                    pieces = torch.autograd.grad(mean, leaves, allow_unused=True)
                    use(self.parameters.flatten(pieces), weight)

    def each_output(self, use: Callable[[Any, Batch], None]) -> None:
        """Hand the model's output for every batch to ``use``, without gradients.

        The output of a function landscape is its point.
        """
        self._require_firm_footing()
        leaves = self._leaves(None)
        with (
            self._measuring(),
            torch.enable_grad(),
            closing(iter(self._batches)) as batches,
        ):
            for batch in batches:
                use(self._evaluate.output(leaves, batch), batch)

    def each_batch(
        self,
        use: Callable[[Evaluation, list[Tensor], Batch], None],
        layers: Patterns | None = None,
    ) -> None:
        """Hand every batch to ``use``, with leaves in the place of the parameters.

        Those of ``layers`` (all by default) require their gradients.
        """
        self._require_firm_footing()
        leaves = self._leaves(None)
        every = range(len(leaves))
        for position in every if layers is None else self.parameters.within(layers):
            leaves[position].requires_grad_()
        self._require_nothing_hidden(leaves)
        with (
            self._measuring(leaves),
            gradient_explained(),
            torch.enable_grad(),
            closing(iter(self._batches)) as batches,
        ):
            for batch in batches:
                use(self._evaluate, leaves, batch)

    @contextmanager
    def held_at(self, leaves: Sequence[Tensor]) -> Iterator[Evaluation]:
        """Hold the model still with tensors in the place of its chosen parameters.

        They may be written to between two evaluations, and so may the buffers, which
        are copies inside.
        """
        self._require_firm_footing()
        # on, for models that differentiate by their inputs; by weights it is not
        with self._measuring(leaves), torch.enable_grad():
            yield self._evaluate

    def in_type(self, dtype: torch.dtype) -> "Surface":
        """The same in another floating-point type."""
        evaluate = self._evaluate.in_type(dtype)
        named = zip(self.parameters.names, self._tensors, strict=True)
        return Surface(
            getattr(evaluate, "model", None),
            evaluate,
            {name: tensor.detach().to(dtype) for name, tensor in named},
            self._batches.in_type(dtype),
            self._memory,
            self._batch_statistics,
        )

    @property
    def evaluation(self) -> Evaluation:
        """How a batch is evaluated at given parameters."""
        return self._evaluate

    @property
    def samples(self) -> int:
        """Samples in all batches; one for a function."""
        return sum(self.batch_sizes)

    @cached_property
    def batch_sizes(self) -> list[int]:
        """Samples in each batch, counted in one pass over the data."""
        with self._measuring(), closing(iter(self._batches)) as batches:
            return [batch.samples for batch in batches]

    def sample(self: AnySurface, n: int, *, seed: int = 0) -> AnySurface:
        """The same landscape over a random part of its samples.

        Drawn without replacement, every sample as likely as any other, whatever the
        order of the data and however uneven its batches; a larger ``n`` with the same
        seed holds the smaller one's samples. Batches keep their order and lose rows.
        A DataLoader over data too large to keep is read through a subset of its
        dataset, where it visits each sample once; other streams, and batches whose
        rows cannot be told apart, give whole batches, until there are ``n`` samples or
        more. Costs one pass over the data, and a copy of what was drawn.

        Misleads where batches are whole and their samples alike: sorted data.

        Parameters
        ----------
        n : int
            How many samples.
        seed : int
            Of the draw.

        Raises
        ------
        ArgumentError
            When there are not so many, or for the landscape of a function.
        """
        sizes = self.batch_sizes
        if self.model is None or not 1 <= n <= sum(sizes):
            raise ArgumentError(
                found=f"A sample of {n}.",
                why="A function has no samples."
                if self.model is None
                else f"This landscape has {sum(sizes)} samples.",
                instead="Give a number from 1 to land.samples, of a landscape over "
                "data.",
            )
        return self.over(chosen_samples(self._batches, sizes, n, seed))

    def be_elsewhere(self, evaluate: Evaluation, point: Float[Tensor, " p"]) -> None:
        """Stand at another point; only for a copy that is nobody's yet.

        The model stays where it is, and so does a loss that holds it.
        """
        self._evaluate = evaluate
        self._tensors = self.parameters.split(point.detach().clone())
        self._firm = None

    def over(self: AnySurface, batches: Batches) -> AnySurface:
        """The same landscape over other batches."""
        other = copy(self)
        other._batches, other._firm = batches, None
        vars(other).pop("batch_sizes", None)
        return other

    @property
    def batches(self) -> Batches:
        """The data, in the same order in every pass."""
        return self._batches

    def _leaves(self, point: Tensor | None) -> list[Tensor]:
        if point is None:
            return self.parameters.split(self.point)
        # a copy, so that not even a forward pass that writes its weights reaches it
        copy = point.detach().to(dtype=self.dtype, device=self.device, copy=True)
        return self.parameters.split(copy)

    @contextmanager
    def _measuring(self, leaves: Sequence[Tensor] = ()) -> Iterator[None]:
        """Hold the model still at a point, and turn out-of-memory into advice."""
        at_point = self._evaluate.at(leaves or self._leaves(None))
        with memory_guarded(self._memory), held_still(self.model), at_point:
            yield

    def _require_firm_footing(self) -> None:
        """Check the weights, and once for each mode that there is a loss at all."""
        modes = [] if self.model is None else [m.training for m in self.model.modules()]
        leaves = self._leaves(None)
        require_finite_weights(dict(zip(self.parameters.names, leaves, strict=True)))
        if self._firm != modes:
            with self._measuring(leaves):
                self._reentrant = require_firm_footing(
                    self._evaluate,
                    leaves,
                    self._batches,
                    self.model,
                    self._batch_statistics,
                )
            self._firm = modes

    def _require_nothing_hidden(self, leaves: Sequence[Tensor]) -> None:
        """Look for what reentrant checkpoints hide, where there are any."""
        if self._reentrant:
            named = dict(zip(self.parameters.names, leaves, strict=True))
            with self._measuring(leaves):
                require_nothing_hidden(self._evaluate, named, self._batches)
