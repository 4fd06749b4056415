"""The loss landscape of a model over data, and its curvatures."""

from collections.abc import Callable
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from theodolite.batches import Batches
from theodolite.errors import ArgumentError, ParameterError
from theodolite.evaluation import (
    FunctionEvaluation,
    ModelEvaluation,
    require_plain_module,
    unwrapped,
)
from theodolite.operators.curvature import Curvature
from theodolite.operators.predictions import PredictionHessian, output_gradient
from theodolite.parameters import Patterns, choose_parameters
from theodolite.products.batch_product import Linearise
from theodolite.products.choice import Choice
from theodolite.products.double_backward import GradientGraph, gradient_graph
from theodolite.products.engine import AUTOMATIC, engine_named
from theodolite.products.fisher import FisherProducts
from theodolite.products.gauss_newton import gauss_newton_product
from theodolite.products.loss_curvature import require_predictions
from theodolite.products.memory import MemorySize, default_memory, memory_in_bytes
from theodolite.products.product_store import ProductStore
from theodolite.surface import Surface


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
class Landscape(Surface):
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
    seed : int, optional
        Freeze what the model draws (dropout in training mode): a batch draws the same
        numbers in every pass. Without it a random loss is refused.
    batch_statistics : bool
        Allow batch norm in training mode over several batches. The landscape then
        depends on how they are cut.
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
        seed: int | None = None,
        batch_statistics: bool = False,
        name: str | None = None,
    ) -> None:
        require_plain_module(model)
        inner = unwrapped(model)
        chosen: dict[str, Tensor] = dict(choose_parameters(inner, parameters))
        device = next(iter(chosen.values())).device
        limit = None if memory is None else memory_in_bytes(memory)
        keep = (default_memory(device) if limit is None else limit) // 2
        super().__init__(
            inner,
            ModelEvaluation(inner, loss, list(chosen), seed),
            chosen,
            Batches(data, device, batch_size, keep),
            limit,
            batch_statistics,
        )
        self.name = name or type(inner).__name__
        self.loss_name = getattr(loss, "__name__", type(loss).__name__)
        self.test: Landscape | None = None
        if test is not None:
            self.test = Landscape(
                model,
                loss,
                test,
                parameters=parameters,
                batch_size=batch_size,
                memory=memory,
                seed=seed,
                batch_statistics=batch_statistics,
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
        title = name or getattr(function, "__name__", "function").strip("<>")
        return cls._of(
            Surface(
                None,
                FunctionEvaluation(function),
                {"point": point.detach().clone()},
                Batches((None, None), point.device, None, 0),
            ),
            title,
            title,
        )

    @classmethod
    def _of(cls, surface: Surface, name: str, loss_name: str) -> "Landscape":
        """A landscape around a surface that is made already."""
        land = object.__new__(cls)
        vars(land).update(vars(surface))
        land.name, land.loss_name, land.test = name, loss_name, None
        return land

    def to(self, dtype: torch.dtype) -> "Landscape":
        """The same landscape in another floating-point type.

        What float32 rounds away, for products, losses and gradients alike, float64
        shows. The model stays as it is; memory: its tensors and the data once more.

        Parameters
        ----------
        dtype : torch.dtype
            Of weights, buffers, data and the loss's own tensors.
        """
        return self._of(self.in_type(dtype), self.name, self.loss_name)

    def hessian(
        self,
        layers: Patterns | None = None,
        *,
        point: Float[Tensor, " p"] | None = None,
        products: str = AUTOMATIC,
        dtype: torch.dtype | None = None,
    ) -> Curvature:
        """The Hessian at a point, as an operator to multiply with.

        The first product checks itself on the first batch, for about three products:
        it has to be symmetric and, where that can tell, to say what a difference of
        two gradients says. ``hessian.check`` tells what was found.

        Parameters
        ----------
        layers : str or sequence of str, optional
            Only the principal block of these layers (names or fnmatch patterns).
        point : Tensor, optional
            Where; the model's current parameters by default. Later changes of the
            chosen parameters do not change the operator.
        products : str
            How they are computed. ``"auto"`` and ``"retained-graph"`` keep the
            gradient's graph where it fits, ``"double-backward"`` keeps nothing; both
            take torch's fused operations apart where those are wrong or have no
            second derivative, as ``"primitive-operations"`` always does. ``"traced"``
            and ``"compiled"`` write the product down once, for long runs (seconds, or
            up to a minute, before the first). ``"gradient-difference"`` needs first
            derivatives alone, and measures a smoothed curvature across kinks.
        dtype : torch.dtype, optional
            Compute in another type than the model's (:meth:`to`).

        Raises
        ------
        ArgumentError
            When ``products`` names no way.
        """
        if dtype is not None and {dtype} != {*self.parameters.dtypes}:
            return self.to(dtype).hessian(layers, point=point, products=products)
        found = self._curvature("Hessian", gradient_graph, layers, point, products)
        # differences of gradients bend across kinks; no part of that is known
        if point is None and self.model and products != "gradient-difference":
            from theodolite.site.gauss_newton_part import gauss_newton_part

            found.split = gauss_newton_part(self, layers, found.store.leaves)
        return found

    def gauss_newton(
        self,
        layers: Patterns | None = None,
        *,
        point: Float[Tensor, " p"] | None = None,
        products: str = AUTOMATIC,
    ) -> Curvature:
        """The Gauss–Newton matrix at a point, as an operator to multiply with.

            G = mean of Jᵀ H_L J

        J is the Jacobian of the model's output by the parameters, H_L the Hessian of
        the mean loss by the output: the Hessian without the curvature of the model
        itself, H = G + R. No eigenvalue is negative where the loss is convex in the
        output, as cross-entropy and squared error are; others, like Dice, can make
        some. One product costs 1.3 to 2 gradients where graphs are kept. For
        ``nll_loss``, G is that of ``log_softmax`` and ``nll_loss`` together. A penalty
        that the loss takes of the weights themselves is no part of it.

        Parameters
        ----------
        layers : str or sequence of str, optional
            Only the principal block of these layers (names or fnmatch patterns).
        point : Tensor, optional
            Where; the model's current parameters by default.
        products : str
            As for :meth:`hessian`, without ``"gradient-difference"``.

        Raises
        ------
        ArgumentError
            For the landscape of a function, which has no outputs.
        LossError
            At the first product, when the model computes its loss itself.

        References
        ----------
        Schraudolph, "Fast curvature matrix-vector products for second-order gradient
        descent", 2002, doi:10.1162/08997660260028683.
        """
        require_predictions(self._evaluate, "Gauss–Newton matrix")
        return self._curvature(
            "Gauss–Newton", gauss_newton_product, layers, point, products
        )

    def fisher(
        self,
        layers: Patterns | None = None,
        *,
        seed: int = 0,
        samples: int = 1,
        empirical: bool = False,
        point: Float[Tensor, " p"] | None = None,
    ) -> Curvature:
        """The Fisher information at a point, as an operator to multiply with.

            F = mean of g gᵀ,   g = ∇ −log p(y | x)

        Over targets drawn from the model's own distribution, once for all products of
        the operator; its mean over seeds is the Gauss–Newton matrix. A target is one
        class (of a sample, a token or a pixel), one binary label, or for squared error
        one sample's row, normal around the output. With ``empirical`` the true targets
        are taken: then F is no curvature, and far from a fit it is unlike any. Ignored
        targets count nothing, weighted ones as if they were there so often. Costs as
        :meth:`gauss_newton`.

        Parameters
        ----------
        layers : str or sequence of str, optional
            Only the principal block of these layers (names or fnmatch patterns).
        seed : int
            Of the drawn targets.
        samples : int
            Targets drawn for each output.
        empirical : bool
            Whether the true targets are taken.
        point : Tensor, optional
            Where; the model's current parameters by default.

        Raises
        ------
        ArgumentError
            For the landscape of a function, or fewer samples than one.
        LossError
            At the first product, when no likelihood is found in the loss:
            cross-entropy, squared error, or binary cross-entropy of logits.

        References
        ----------
        Kunstner, Balles and Hennig, "Limitations of the empirical Fisher approximation
        for natural gradient descent", 2019, arXiv:1905.12558.
        """
        require_predictions(self._evaluate, "Fisher information")
        linearise = FisherProducts(seed, samples, empirical)
        return self._curvature("Fisher", linearise, layers, point)

    def _curvature(
        self,
        name: str,
        linearise: Linearise,
        layers: Patterns | None,
        point: Tensor | None,
        products: str = AUTOMATIC,
    ) -> Curvature:
        """An operator out of a way to multiply one batch."""
        is_hessian = linearise is gradient_graph
        engine = engine_named(products, linearise, self.model, is_hessian)
        self._require_firm_footing()
        leaves = [leaf.clone() for leaf in self._leaves(point)]
        whole = self.parameters
        chosen = range(len(leaves)) if layers is None else whole.within(layers)
        for position in chosen:
            leaves[position].requires_grad_()
        self._require_nothing_hidden(leaves)
        store = ProductStore(
            self._evaluate,
            leaves,
            self._batches,
            self.model,
            self.memory,
            Choice(engine, is_hessian),
        )
        return Curvature(store, whole, list(chosen), name)

    def prediction_hessian(self) -> PredictionHessian:
        """The Hessian of the average loss by the model's outputs, as an operator.

        Over all outputs as one flat vector, in the order of the data. A product
        differentiates through the loss alone; memory is a few times all outputs.

        Raises
        ------
        ModelError
            When the model's output is not one tensor.
        """
        found: list[GradientGraph] = []
        self.each_output(
            lambda output, batch: found.append(
                output_gradient(self._evaluate, output, batch)
            )
        )
        return PredictionHessian(found)

    def __repr__(self) -> str:
        return (
            f"Landscape({self.name}, {self.size} parameters in {len(self.layers)} "
            f"layers, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )
