"""One call of one of torch's operations, as the rules for axes see it."""

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor

from theodolite.batches import tensors_in
from theodolite.maps.alignment.axes import Layout, NoRuleError
from theodolite.maps.alignment.relations import broadcast
from theodolite.maps.alignment.unit_sets import UnitSets


@final
class Call:
    """An operation, its arguments by name, their layouts, and what came out.

    Parameters
    ----------
    sets : UnitSets
        What the axes run over.
    function : OpOverload
        The operation.
    args, kwargs
        As it was called.
    output : Any
        What it returned.
    layouts : dict
        Those of the tensors that went in, by ``id``, as they were before the call.
    new : set
        ``id`` of parameters among them that no operation has met before.
    """

    def __init__(
        self,
        sets: UnitSets,
        function: Any,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        output: Any,
        layouts: dict[int, Layout],
        new: set[int],
    ) -> None:
        self.sets, self.function = sets, function
        self.name = str(function.overloadpacket).removeprefix("aten.")
        schema = function._schema.arguments
        given = dict(zip((a.name for a in schema), args, strict=False)) | kwargs
        self.arguments = {
            argument.name: given.get(argument.name, argument.default_value)
            for argument in schema
        }
        self.written = self._written(schema)
        self.inputs = list(tensors_in(list(self.arguments.values())))
        self.outputs = list(tensors_in(output))
        self.layout_by_id, self._new = layouts, new

    def _written(self, schema: Sequence[Any]) -> set[int]:
        """``id`` of the tensors whose entries are overwritten."""
        if torch.Tag.inplace_view in self.function.tags:
            return set()
        names = [a.name for a in schema if a.alias_info and a.alias_info.is_write]
        return {
            id(tensor) for name in names for tensor in tensors_in(self.arguments[name])
        }

    def __getitem__(self, name: str) -> Any:
        if name not in self.arguments:
            raise NoRuleError
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or what stands for one that the operation does not have."""
        return self.arguments.get(name, default)

    def layout(self, name: str = "self") -> Layout:
        """The layout of a tensor argument."""
        value = self[name]
        if not isinstance(value, Tensor):
            raise NoRuleError
        return self.layout_of(value)

    def layout_of(self, tensor: Tensor) -> Layout:
        """The layout of a tensor among the arguments."""
        return self.layout_by_id[id(tensor)]

    def layouts(self, name: str = "tensors") -> list[Layout]:
        """The layouts of a list of tensors."""
        return [self.layout_of(tensor) for tensor in self[name]]

    def optional(self, name: str) -> list[Layout]:
        """The layout of a tensor argument that may be missing."""
        return [self.layout(name)] if isinstance(self.get(name), Tensor) else []

    def dim(self, name: str = "dim", of: str = "self") -> int:
        """One dimension, counted from the front."""
        return self[name] % max(1, self[of].ndim)

    def dims(self, name: str = "dim", of: str = "self") -> list[int]:
        """Several dimensions; all of them where none are given."""
        rank = self[of].ndim
        given = self.get(name)
        if given is None or given == []:
            return list(range(rank))
        several = [given] if isinstance(given, int) else given
        return [dim % max(1, rank) for dim in several]

    def unused(self, name: str) -> bool:
        """Whether a tensor argument is a parameter that is used for the first time."""
        return id(self[name]) in self._new

    def lay_out(self, name: str, layout: Layout) -> None:
        """Let a tensor argument have another layout from now on."""
        self.layout_by_id[id(self[name])] = layout

    @property
    def shape(self) -> torch.Size:
        """Of the first output."""
        return self.outputs[0].shape

    def broadcast(self) -> Layout:
        """All tensor arguments entry by entry."""
        return broadcast(self.sets, [self.layout_of(tensor) for tensor in self.inputs])


# layouts of the outputs in order, or one for them all
Result = Layout | list[Layout]
Rule = Callable[[Call], Result]

RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Let a function be the rule for operations of these names."""

    def kept(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return kept
