"""A product written down as a list of tensor operations, in two parts.

What does not depend on the vector, the primal part, is computed once and kept; what
does, the tangent part, is all that a product has to do. This is the linearisation of
Griewank and Walther, "Evaluating Derivatives", 2008, section 3.
"""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, fx

_ATEN = torch.ops.aten


@final
class Program:
    """A traced function, linear in its last arguments, split into two parts.

    Parameters
    ----------
    function : callable
        ``function(fixed, vectors)`` returns ``(weight, results)``: a number or a
        tensor that does not depend on the vectors, and tensors that are linear in
        them.
    fixed, vectors : sequence of Tensor
        Arguments of the shapes to come; their values are not read.

    Raises
    ------
    Exception
        Whatever the function raises when it needs its arguments' values, as for a
        result whose shape depends on them.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Tensor], Sequence[Tensor]], Any],
        fixed: Sequence[Tensor],
        vectors: Sequence[Tensor],
    ) -> None:
        graph = _traced(function, list(fixed), list(vectors))
        self.primal, self.tangent = split(graph, len(fixed), len(vectors))

    def keep(self, fixed: Sequence[Tensor]) -> tuple[Any, list[Tensor]]:
        """The weight, and what the tangent part needs at some fixed arguments."""
        with torch.no_grad():
            weight, kept = self.primal(*fixed)
        return weight, list(kept)


def _traced(function: Any, fixed: list[Tensor], vectors: list[Tensor]) -> Any:
    # imported here: it takes seconds
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    def trace(function: Any, *arguments: Any) -> Any:
        # tensors without values: nothing about the data can leak into the program
        make = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)
        return make(*arguments)

    def flat(fixed: list[Tensor], vectors: list[Tensor]) -> list[Any]:
        weight, results = function(fixed, vectors)
        return [weight, *results]

    graph = trace(flat, fixed, vectors)
    if any(_writes(node) for node in graph.graph.nodes):
        graph = trace(functionalize(graph), fixed, vectors)
    return graph


def split(
    module: fx.GraphModule, fixed: int, vectors: int
) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The primal and the tangent part of a traced function.

    Parameters
    ----------
    module : GraphModule
        Takes ``fixed + vectors`` tensors and returns ``[weight, *results]``.
    fixed, vectors : int
        How many of each.

    Returns
    -------
    GraphModule
        ``primal(*fixed) -> (weight, kept)``.
    GraphModule
        ``tangent(*kept, *vectors) -> results``.
    """
    nodes = list(module.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    bent = set(inputs[fixed : fixed + vectors])
    for node in nodes:
        if any(argument in bent for argument in node.all_input_nodes):
            bent.add(node)
    [output] = [node for node in nodes if node.op == "output"]
    weight, *results = output.args[0]
    bent.discard(output)
    users = [node for node in nodes if node in bent]
    needed = dict.fromkeys(
        argument
        for node in users
        for argument in node.all_input_nodes
        if argument not in bent
    )
    needed |= dict.fromkeys(result for result in results if isinstance(result, fx.Node))
    kept = [node for node in needed if node not in bent]
    primal = _part(module, inputs[:fixed], nodes, bent, (weight, kept))
    rest = set(nodes) - bent
    start = [*kept, *inputs[fixed : fixed + vectors]]
    return primal, _part(module, start, nodes, rest, results)


def _part(
    module: fx.GraphModule,
    inputs: Sequence[fx.Node],
    nodes: Sequence[fx.Node],
    without: set[fx.Node],
    results: Any,
) -> fx.GraphModule:
    """Some nodes of a graph as a graph of their own."""
    graph, copies = fx.Graph(), {}
    for number, node in enumerate(inputs):
        copies[node] = graph.placeholder(f"input_{number}")
        copies[node].meta = dict(node.meta)
    for node in nodes:
        left_out = node in without or node in copies
        if not left_out and node.op not in ("placeholder", "output"):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(fx.map_arg(results, copies.__getitem__))
    graph.eliminate_dead_code()
    return fx.GraphModule(module, graph)


def with_sums_in_place(module: fx.GraphModule) -> fx.GraphModule:
    """The same, where a sum of two matrix products writes the second onto the first.

    Saves a pass over memory and a tensor for each; a tangent's weight gradients are
    all of this form.
    """
    graph = _copy(module)
    for node in list(graph.nodes):
        if node.target is not _ATEN.add.Tensor or len(node.args) != 2 or node.kwargs:
            continue
        total, product = node.args
        if not (_is_fresh_product(product) and _is_fresh_product(total)):
            continue
        with graph.inserting_before(node):
            fused = graph.call_function(
                _ATEN.addmm_.default, (total, *product.args), {}
            )
        node.replace_all_uses_with(fused)
        graph.erase_node(node)
        graph.erase_node(product)
    return fx.GraphModule(module, graph)


def _copy(module: fx.GraphModule) -> fx.Graph:
    graph = fx.Graph()
    output = graph.graph_copy(module.graph, {})
    graph.output(output)
    return graph


def _is_fresh_product(node: Any) -> bool:
    """Whether nobody else sees the matrix that a node makes."""
    targets = (_ATEN.mm.default, _ATEN.addmm_.default)
    return isinstance(node, fx.Node) and node.target in targets and len(node.users) == 1


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def stacked(
    module: fx.GraphModule, kept: Sequence[Tensor], vectors: Sequence[Tensor]
) -> Any:
    """The tangent part for several vectors at once.

    Parameters
    ----------
    module : GraphModule
        ``tangent(*kept, *vectors)``.
    kept : sequence of Tensor
        As for one vector.
    vectors : sequence of Tensor
        Stacked along a dimension put in front.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = _copy(module)
    for node in graph.nodes:
        # a view of one tensor may not be a view of several
        if node.target in (_ATEN.view.default, _ATEN._unsafe_view.default):
            node.target = _ATEN.reshape.default
    free = fx.GraphModule(module, graph)
    places = (*[None] * len(kept), *[0] * len(vectors))
    several = torch.vmap(free, in_dims=places)
    make = make_fx(several, tracing_mode="fake", _allow_non_fake_inputs=True)
    return make(*kept, *vectors)
