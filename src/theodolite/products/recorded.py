"""One batch's squared gradients, sample by sample, for the trace and diagonal of G.

    G_ii = Σ_n w_n Σ_c ((J_nᵀ S_n e_c)_i)²,   S_n S_nᵀ = ∇²ℓ_n

A backward pass with one column c for all samples gives every sample's part at the
outputs of the modules, as samples do not meet on the way: that is looked at, and where
they do meet, or a parameter is used in another way than a rule knows, random signs
r_n take the place of the columns: E[(Σ_n J_nᵀ S_n r_n)²] is the diagonal too.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation, ModelEvaluation
from theodolite.products.double_backward import nodes_behind, require_graph
from theodolite.products.fisher import require_likelihood
from theodolite.products.gauss_newton import require_normalised
from theodolite.products.likelihood import Likelihood
from theodolite.products.loss_curvature import outputs_of
from theodolite.products.recognised_loss import watched
from theodolite.products.sample_gradients import Rule, fewest_dimensions, rule_for


@dataclass(frozen=True)
class _Call:
    """What a module was called with, and where its output is in the graph."""

    inputs: Any
    edge: GradientEdge | None
    shape: torch.Size


@dataclass(frozen=True)
class _Use:
    """A parameter as the rule of the one module that uses it knows it."""

    rule: Rule
    key: str
    edge: GradientEdge


@final
class Recorded:
    """The graph of one batch's outputs, and how the parameters came into it.

    Parameters
    ----------
    leaves : sequence of Tensor
        The parameters; those that need gradients are measured.
    likelihood : Likelihood
        The loss over the outputs.
    uses : dict
        By position of the leaf; those missing have no rule.
    weight : float or Tensor
        What the batch weighs in the average.
    samples : int
        Samples in the batch.
    """

    def __init__(
        self,
        leaves: Sequence[Tensor],
        likelihood: Likelihood,
        uses: dict[int, _Use],
        weight: Weight,
        samples: int,
    ) -> None:
        self._likelihood, self.weight = likelihood, weight
        self._leaves, self._uses, self._samples = leaves, uses, samples
        self.passes = 0
        self._rest = [
            position
            for position, leaf in enumerate(leaves)
            if leaf.requires_grad and position not in uses
        ]
        self._part_samples()

    @property
    def _places(self) -> int:
        """Rows of outputs a sample has."""
        return max(1, len(self._likelihood.rows) // self._samples)

    @property
    def device(self) -> torch.device:
        """Where the outputs are."""
        return self._likelihood.rows.device

    @property
    def columns(self) -> int:
        """Backward passes that the exact value takes."""
        return self._places * self._likelihood.rank

    def exact(self, whole: bool) -> dict[int, Tensor]:
        """Squares by position, for all parameters that have a rule."""
        if not self._uses:
            return {}
        for column in range(self._likelihood.rank):
            rows = self._likelihood.column(column)
            for place in range(self._places):
                self._backward(self._alone(rows, place), whole, [])
        return self._taken(whole)

    def probe(
        self, generator: torch.Generator, whole: bool, known: bool
    ) -> dict[int, Tensor]:
        """One estimate of the squares by position; ``known`` ones are left out."""
        rows = self._likelihood.signed(generator)
        if known:
            return self._without_rules(rows, whole)
        found = self._backward(rows, whole, self._rest)
        return self._taken(whole) | found

    def _without_rules(self, rows: Tensor, whole: bool) -> dict[int, Tensor]:
        gradients = self._gradients(rows, [self._leaves[p] for p in self._rest])
        return _squared(self._rest, gradients, whole)

    def _backward(
        self, rows: Tensor, whole: bool, rest: Sequence[int]
    ) -> dict[int, Tensor]:
        """Give every rule its part of one backward pass; the rest are returned."""
        rules = {id(use.rule): use for use in self._uses.values()}
        edges = [use.edge for use in rules.values()]
        found = self._gradients(rows, [*edges, *(self._leaves[p] for p in rest)])
        for use, delta in zip(rules.values(), found, strict=False):
            if delta is not None:
                use.rule.add(delta, whole)
        return _squared(rest, found[len(edges) :], whole)

    def _taken(self, whole: bool) -> dict[int, Tensor]:
        rules = {id(use.rule): use.rule for use in self._uses.values()}
        totals = {key: rule.take(whole) for key, rule in rules.items()}
        return {
            position: totals[id(use.rule)][use.key]
            for position, use in self._uses.items()
            if use.key in totals[id(use.rule)]
        }

    def _gradients(self, rows: Tensor, inputs: Sequence[Any]) -> list[Tensor | None]:
        self.passes += 1
        outputs = self._likelihood.outputs
        seed = self._likelihood.as_outputs(rows)
        return list(
            torch.autograd.grad(
                outputs, inputs, seed, retain_graph=True, allow_unused=True
            )
        )

    def _alone(self, rows: Tensor, place: int) -> Tensor:
        """One place of every sample, the others zero."""
        if self._places == 1:
            return rows
        by_sample = rows.view(self._samples, self._places, -1)
        chosen = torch.zeros_like(by_sample)
        chosen[:, place] = by_sample[:, place]
        return chosen.view_as(rows)

    def _part_samples(self) -> None:
        """Give up rules where samples meet: every other one is left out, and looked at.

        Parameters that the outputs do not depend on are found on the way.
        """
        generator = torch.Generator(self._likelihood.rows.device).manual_seed(0)
        rows = self._likelihood.signed(generator)
        if len(rows) % self._samples:
            self._uses.clear()
        else:
            rows.view(self._samples, -1)[1::2] = 0
        uses = list(self._uses.items())
        inputs = [use.edge for _, use in uses]
        rest = [self._leaves[position] for position in self._rest]
        found = self._gradients(rows, [*inputs, *rest])
        unused = [delta is None for delta in found[len(uses) :]]
        for (position, _), delta in zip(uses, found, strict=False):
            if delta is not None and not _apart(delta, self._samples):
                del self._uses[position]
                self._rest.append(position)
        self.unused = [p for p, none in zip(self._rest, unused, strict=False) if none]
        self._rest = [p for p in self._rest if p not in self.unused]

    @property
    def complete(self) -> bool:
        """Whether every parameter that counts has a rule."""
        return not self._rest


def _apart(delta: Tensor, samples: int) -> bool:
    """Whether samples that were left out have no part in a gradient."""
    return not bool(delta.reshape(samples, -1)[1::2].count_nonzero())


def _squared(
    positions: Sequence[int], gradients: Sequence[Tensor | None], whole: bool
) -> dict[int, Tensor]:
    return {
        position: gradient.square() if whole else gradient.square().sum()
        for position, gradient in zip(positions, gradients, strict=True)
        if gradient is not None
    }


def record(evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch) -> Recorded:
    """Evaluate a batch, and watch how its modules use the parameters.

    Raises
    ------
    LossError
        When the loss is no likelihood that is known.
    """
    assert isinstance(evaluate, ModelEvaluation)
    owners = _owners(evaluate.model, leaves)
    with _watched_modules({module for module, _ in owners.values()}) as calls:
        output = evaluate.output(leaves, batch)
    seen = watched(evaluate, output, batch, outputs_of(output))
    require_graph(seen.mean)
    require_normalised(seen)
    found = seen.likelihood if seen.linear else None
    likelihood = require_likelihood(found, "trace without products")
    uses = _uses(owners, calls, batch.samples)
    once = _used_once(likelihood.outputs, [leaves[position] for position in uses])
    uses = {p: use for (p, use), one in zip(uses.items(), once, strict=True) if one}
    return Recorded(leaves, likelihood, uses, seen.weight, batch.samples)


def _owners(
    model: nn.Module, leaves: Sequence[Tensor]
) -> dict[int, tuple[nn.Module, str]]:
    """The only module that holds a leaf, by position, where its kind has a rule."""
    places = {id(leaf): p for p, leaf in enumerate(leaves) if leaf.requires_grad}
    held: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for key, tensor in module._parameters.items():
            if id(tensor) in places:
                held.setdefault(places[id(tensor)], []).append((module, key))
    return {
        position: found[0]
        for position, found in held.items()
        if len(found) == 1 and rule_for(found[0][0]) is not None
    }


@contextmanager
def _watched_modules(
    modules: set[nn.Module],
) -> Iterator[dict[nn.Module, list[_Call]]]:
    """Remember all calls of some modules, as long as the context lasts."""
    calls: dict[nn.Module, list[_Call]] = {module: [] for module in modules}

    def remember(module: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
        inputs = args[0] if args else kwargs.get("input", kwargs.get("x"))
        live = isinstance(result, Tensor) and result.requires_grad
        # taken now: an operation in place may follow, and move the tensor on
        edge = get_gradient_edge(result) if live else None
        shape = result.shape if isinstance(result, Tensor) else torch.Size()
        calls[module].append(_Call(inputs, edge, shape))

    with ExitStack() as stack:
        for module in modules:
            handle = module.register_forward_hook(
                remember, prepend=True, with_kwargs=True
            )
            stack.callback(handle.remove)
        yield calls


def _uses(
    owners: dict[int, tuple[nn.Module, str]],
    calls: dict[nn.Module, list[_Call]],
    samples: int,
) -> dict[int, _Use]:
    """The rules of modules that were called once, with samples first."""
    rules: dict[nn.Module, tuple[Rule, GradientEdge]] = {}
    for module in {module for module, _ in owners.values()}:
        make = rule_for(module)
        if make is not None and len(calls[module]) == 1:
            call = calls[module][0]
            if _samples_first(module, call, samples) and call.edge is not None:
                rules[module] = make(module, call.inputs, samples), call.edge
    return {
        position: _Use(rules[module][0], key, rules[module][1])
        for position, (module, key) in owners.items()
        if module in rules
    }


def _samples_first(module: nn.Module, call: _Call, samples: int) -> bool:
    shape = getattr(call.inputs, "shape", torch.Size())
    if len(shape) < fewest_dimensions(module) or len(call.shape) == 0:
        return False
    return shape[0] == call.shape[0] and shape[0] % samples == 0


def _used_once(outputs: Tensor, leaves: Sequence[Tensor]) -> list[bool]:
    """Whether the graph reaches each leaf from one operation only."""
    counts: dict[int, int] = {}
    for node in nodes_behind([outputs]):
        for after, _ in node.next_functions:
            variable = getattr(after, "variable", None)
            counts[id(variable)] = counts.get(id(variable), 0) + 1
    return [counts.get(id(leaf)) == 1 for leaf in leaves]
