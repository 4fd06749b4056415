"""The loss as a function of chosen parameters over chosen data."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.averages import WeightedMean, require_samples
from theodolite.batches import Batch, Batches
from theodolite.errors import ArgumentError, ParameterError
from theodolite.evaluation import (
    Evaluation,
    FunctionEvaluation,
    ModelEvaluation,
    require_plain_module,
    unwrapped,
)
from theodolite.footing import (
    require_finite_loss,
    require_finite_weights,
    require_firm_footing,
)
from theodolite.operators.curvature import Curvature
from theodolite.parameters import Parameters, Patterns, choose_parameters, layer_of
from theodolite.products.batch_product import Linearise
from theodolite.products.diagnosis import gradient_explained
from theodolite.products.double_backward import gradient_graph, require_graph
from theodolite.products.memory import (
    MemorySize,
    default_memory,
    memory_guarded,
    memory_in_bytes,
)
from theodolite.products.product_store import ProductStore
from theodolite.stillness import held_still


def require_landscape(land: object) -> None:
    """Refuse what is no landscape, like the model itself.

    Raises
    ------
    ArgumentError
        Saying how a landscape is made.
    """
    if not isinstance(land, Landscape):
        raise ArgumentError(
            found=f"A {type(land).__name__} where a Landscape is wanted.",
            why="A place is measured over a model, its loss and its data together.",
            instead="Make one first: land = theodolite.Landscape(model, loss, data).",
        )


@final
class Landscape:
    """The average loss of a model over data, as a function of its parameters.

    The value is the average over **samples**, however the batches are cut. The model
    is measured in the mode it is in (``eval()`` or ``train()``), never written to, and
    comes back untouched after every call, also after an error or Ctrl-C.

    Parameters
    ----------
    model : Module
        Called as ``model(inputs)``, ``model(*tuple)`` or ``model(**dict)``.
    loss : callable
        ``loss(output, target)``: the mean over a batch as a scalar, or a pair
        ``(sum, count)`` for tokens, masks and weights. A dict batch is its own target.
    data
        ``(inputs, targets)``, a DataLoader, or a list of batches.
    parameters : str or sequence of str
        Which parameters, by fnmatch patterns over their names; frozen ones are left
        out, tied ones counted once.
    test
        Held-out data in any of the same forms; becomes :attr:`test`.
    batch_size : int, optional
        Cut ``(inputs, targets)`` into batches of this size. Right for losses that are
        averages over samples; it bounds the memory.
    memory : int or str, optional
        What kept graphs and collated data may hold, like ``"8GiB"``; half of what is
        free by default.
    name : str, optional
        What reports call it; the model's class by default.

    Raises
    ------
    DataError, ParameterError
        When the data or the pattern cannot be used; see each error's own advice.

    Examples
    --------
    >>> import theodolite as td, torch
    >>> land = td.Landscape.from_function(lambda w: w[0]**2 - w[1]**2, torch.zeros(2))
    >>> land.hessian().dense().diagonal().tolist()
    [2.0, -2.0]
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        data: Any,
        *,
        parameters: Patterns = "*",
        test: Any = None,
        batch_size: int | None = None,
        memory: MemorySize | None = None,
        name: str | None = None,
    ) -> None:
        require_plain_module(model)
        self.model: nn.Module | None = unwrapped(model)
        chosen = choose_parameters(self.model, parameters)
        self._tensors: list[Tensor] = list(chosen.values())
        self.parameters = Parameters(list(chosen), self._tensors)
        self.name = name or type(self.model).__name__
        self.loss_name = getattr(loss, "__name__", type(loss).__name__)
        self._evaluate: Evaluation = ModelEvaluation(self.model, loss, list(chosen))
        self._memory = memory_in_bytes(memory) if memory is not None else None
        self._batches = Batches(data, self.device, batch_size, self.memory // 2)
        self._firm: object = None
        self.test: Landscape | None = None
        if test is not None:
            self.test = Landscape(
                model,
                loss,
                test,
                parameters=parameters,
                batch_size=batch_size,
                memory=memory,
                name=f"{self.name} (test)",
            )

    @classmethod
    def from_function(
        cls,
        function: Callable[[Tensor], Any],
        point: Float[Tensor, " p"],
        *,
        name: str | None = None,
    ) -> "Landscape":
        """The landscape of any scalar torch function of one flat tensor.

        Parameters
        ----------
        function : callable
            Takes a tensor ``(p,)`` and returns a scalar.
        point : Tensor
            Where it is measured, shape ``(p,)``.
        name : str, optional
            What reports call it.

        Raises
        ------
        ParameterError
            When the point is not a flat floating-point tensor.
        """
        if point.ndim != 1 or not point.is_floating_point() or point.numel() == 0:
            raise ParameterError(
                found=f"A point of shape {tuple(point.shape)} and type {point.dtype}.",
                why="A function landscape is measured over one flat float tensor.",
                instead="Give torch.tensor([1.0, 0.0]), or point.flatten().float().",
            )
        land = object.__new__(cls)
        land.model = None
        land._tensors = [point.detach().clone()]
        land.parameters = Parameters(["point"], land._tensors)
        land.name = name or getattr(function, "__name__", "function").strip("<>")
        land.loss_name = land.name
        land._evaluate = FunctionEvaluation(function)
        land._memory = None
        land._batches = Batches((None, None), land.device, None, 0)
        land._firm = None
        land.test = None
        return land

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
        self._require_firm_footing()
        total, weights = 0.0, 0.0
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
                    total += weight * value
                    weights += weight
        require_samples(weights)
        return total / weights

    def gradient(self, point: Float[Tensor, " p"] | None = None) -> Float[Tensor, " p"]:
        """The gradient of the average loss, ``(p,)``, in loss per parameter unit.

        Raises
        ------
        NoGradientError
            When the loss does not depend on the chosen parameters.
        NonFiniteError
            When the loss where the model is, is NaN or infinite.
        """
        self._require_firm_footing()
        average = WeightedMean()
        leaves = [leaf.requires_grad_() for leaf in self._leaves(point)]
        with (
            self._measuring(leaves),
            gradient_explained(),
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
                    average.add(self.parameters.flatten(pieces), weight)
        return average.result()

    def hessian(
        self,
        layers: Patterns | None = None,
        *,
        point: Float[Tensor, " p"] | None = None,
    ) -> Curvature:
        """The Hessian at a point, as an operator to multiply with.

        Parameters
        ----------
        layers : str or sequence of str, optional
            Only the principal block of these layers (names or fnmatch patterns).
        point : Tensor, optional
            Where; the model's current parameters by default. Later changes of the
            chosen parameters do not change the operator.
        """
        return self._curvature("Hessian", gradient_graph, layers, point)

    def _curvature(
        self,
        name: str,
        linearise: Linearise,
        layers: Patterns | None,
        point: Tensor | None,
    ) -> Curvature:
        """An operator out of a way to multiply one batch."""
        self._require_firm_footing()
        leaves = [leaf.clone() for leaf in self._leaves(point)]
        whole = self.parameters
        chosen = range(len(leaves)) if layers is None else whole.within(layers)
        for position in chosen:
            leaves[position].requires_grad_()
        store = ProductStore(
            self._evaluate, leaves, self._batches, self.model, self.memory, linearise
        )
        return Curvature(store, whole, list(chosen), name)

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

    @property
    def samples(self) -> int:
        """Samples in all batches; one for a function."""
        return sum(self.batch_sizes)

    @cached_property
    def batch_sizes(self) -> list[int]:
        """Samples in each batch, counted in one pass over the data."""
        with self._measuring(), closing(iter(self._batches)) as batches:
            return [batch.samples for batch in batches]

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
                require_firm_footing(self._evaluate, leaves, self._batches, self.model)
            self._firm = modes

    def __repr__(self) -> str:
        return (
            f"Landscape({self.name}, {self.size} parameters in {len(self.layers)} "
            f"layers, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )
