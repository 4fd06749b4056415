"""A product traced once for each shape of batch, its primal part kept.

The tangent part runs as it is, or compiled by inductor where a run is long enough to
repay the compilation (seconds to a minute).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import torch
from torch import Tensor

from theodolite.averages import Weight
from theodolite.batches import Batch, mapped, tensors_in
from theodolite.errors import ProductError
from theodolite.evaluation import Evaluation
from theodolite.products.batch_product import BatchProduct, Linearise
from theodolite.products.memory import default_memory, is_out_of_memory
from theodolite.products.program import Program, stacked, with_sums_in_place

# vectors that are multiplied together, and how much faster that has to be
TOGETHER = 8
_GAIN = 0.95
# seconds that a measurement of it takes at least
_PROBED = 0.02

Multiply = Callable[..., Sequence[Tensor]]


@final
class Tracing:
    """Make batches ready by a program that is traced once for each shape.

    Parameters
    ----------
    inner : callable
        What is traced: any other way to multiply one batch.
    compiled : bool
        Whether inductor compiles the tangent part.
    """

    def __init__(self, inner: Linearise, compiled: bool = False) -> None:
        self._inner, self._compiled = inner, compiled
        self._shared: dict[object, _Shared] = {}

    def __call__(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> "TracedProduct":
        """One batch, with all that does not depend on the vector computed."""
        try:
            return self._ready(evaluate, leaves, batch)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # the evaluation takes every failure for the model's own
            cause = error.__cause__ or error
            raise ProductError(
                found="The product cannot be traced: "
                f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}",
                why="A program is written down without values; a model or a loss that "
                "looks at them (.item(), .numpy(), if x > 0) has none.",
                instead='Give products="retained-graph".',
            ) from error

    def _ready(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> "TracedProduct":
        key = _shape_of(batch)
        if key not in self._shared:
            self._shared[key] = self._trace(evaluate, leaves, batch)
        shared = self._shared[key]
        # the primal part draws as the model did
        evaluate.draw_anew(batch)
        weight, kept = shared.program.keep([*leaves, *tensors_in_batch(batch)])
        return TracedProduct(shared, kept, weight)

    def _trace(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> "_Shared":
        wanted = [leaf.requires_grad for leaf in leaves]
        columns = [position for position, want in enumerate(wanted) if want]
        rows: list[int] = []

        def multiply(fixed: Sequence[Tensor], vectors: Sequence[Tensor]) -> Any:
            at = [
                leaf.detach().requires_grad_(want)
                for leaf, want in zip(fixed, wanted, strict=False)
            ]
            with evaluate.at(at):
                product = self._inner(evaluate, at, _with(batch, fixed[len(at) :]))
                found = product.product(vectors, columns, columns)
            bent = {
                column: result
                for column, result in zip(columns, found, strict=True)
                if result is not None
            }
            rows.extend(bent)
            return product.weight, list(bent.values())

        fixed = [*leaves, *tensors_in_batch(batch)]
        vectors = [leaves[column].detach() for column in columns]
        program = Program(multiply, [tensor.detach() for tensor in fixed], vectors)
        return _Shared(program, list(leaves), columns, rows, self._compiled)


@final
class _Shared:
    """What all batches of one shape have in common."""

    def __init__(
        self,
        program: Program,
        leaves: Sequence[Tensor],
        columns: Sequence[int],
        rows: Sequence[int],
        compiled: bool,
    ) -> None:
        self.program, self.leaves = program, leaves
        self.columns, self.rows = columns, rows
        self._compiled = compiled
        # by the kept tensors' shapes, which may depend on the data
        self._single: dict[object, Multiply] = {}
        self._several: dict[object, Multiply] = {}
        self.faster_together: bool | None = None

    def multiply(
        self, shapes: object, kept: Sequence[Tensor], vectors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """The tangent part for one vector."""
        if shapes not in self._single:
            module, arguments = self.program.tangent, [*kept, *vectors]
            # another shape is not worth another compilation
            code = compiled if self._compiled and not self._single else _in_place
            self._single[shapes] = code(module, arguments)
        return self._single[shapes](*kept, *vectors)

    def multiply_together(
        self, shapes: object, kept: Sequence[Tensor], vectors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """The tangent part for :data:`TOGETHER` vectors, stacked."""
        if shapes not in self._several:
            first = not self._several
            module = stacked(self.program.tangent, kept, vectors)
            arguments = [*kept, *vectors]
            code = compiled if self._compiled and first else _as_it_is
            self._several[shapes] = code(module, arguments)
        return self._several[shapes](*kept, *vectors)

    def probe(
        self, shapes: object, kept: Sequence[Tensor], vectors: Sequence[Tensor]
    ) -> None:
        """Measure once whether vectors are multiplied faster together."""
        held = sum(tensor.numel() * tensor.element_size() for tensor in kept)
        if 2 * TOGETHER * held > default_memory(vectors[0].device):
            self.faster_together = False
            return
        one = [vector[0] for vector in vectors]
        try:
            together = _fastest(lambda: self.multiply_together(shapes, kept, vectors))
        except (RuntimeError, ValueError, NotImplementedError):
            # an operation without a rule for several at once
            self.faster_together = False
            return
        alone = _fastest(lambda: self.multiply(shapes, kept, one))
        self.faster_together = together < _GAIN * TOGETHER * alone


@final
class TracedProduct(BatchProduct):
    """One batch's kept values, and the program that multiplies with them."""

    runs_python = False

    def __init__(self, shared: _Shared, kept: list[Tensor], weight: Weight) -> None:
        self._shared, self._values, self.weight = shared, kept, weight
        self._shapes = tuple(tensor.shape for tensor in kept)
        types = {tensor.dtype for tensor in kept if tensor.is_floating_point()}
        self.rounding = max((torch.finfo(dtype).eps for dtype in types), default=0.0)

    def inspect(self, hooked: bool) -> None:
        """Nothing to see: no code of the model is left in a program."""

    def product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """A block times one vector, padded with zeros to the whole."""
        with torch.no_grad():
            padded = self._padded((), vectors, columns)
            found = self._shared.multiply(self._shapes, self._values, padded)
        return self._chosen(found, rows)

    def block_product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> Iterator[Sequence[Tensor | None]]:
        """A block times several vectors, some at a time where that is faster."""
        count = vectors[0].shape[0]
        whole = count - count % TOGETHER
        for start in range(0, whole, TOGETHER):
            chunk = [vector[start : start + TOGETHER] for vector in vectors]
            yield from self._some(chunk, columns, rows)
        rest = [vector[whole:] for vector in vectors]
        yield from super().block_product(rest, columns, rows)

    def _some(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> Iterator[Sequence[Tensor | None]]:
        """As many vectors as are multiplied together."""
        with torch.no_grad():
            padded = self._padded((TOGETHER,), vectors, columns)
            if self._shared.faster_together is None:
                self._shared.probe(self._shapes, self._values, padded)
        if not self._shared.faster_together:
            yield from super().block_product(vectors, columns, rows)
            return
        with torch.no_grad():
            found = self._shared.multiply_together(self._shapes, self._values, padded)
        stack = self._chosen(found, rows)
        for k in range(TOGETHER):
            yield [r if r is None else r[k] for r in stack]

    def _padded(
        self, front: tuple[int, ...], vectors: Sequence[Tensor], columns: Sequence[int]
    ) -> list[Tensor]:
        given = dict(zip(columns, vectors, strict=True))
        leaves = self._shared.leaves
        return [
            given[column]
            if column in given
            else leaves[column].new_zeros((*front, *leaves[column].shape))
            for column in self._shared.columns
        ]

    def _chosen(
        self, found: Sequence[Tensor], rows: Sequence[int]
    ) -> list[Tensor | None]:
        results = dict(zip(self._shared.rows, found, strict=True))
        return [results.get(row) for row in rows]


def _fastest(call: Callable[[], object]) -> float:
    """Seconds of the fastest call after one to warm up; of many where it is short."""
    call()
    times: list[float] = []
    while len(times) < 2 or sum(times) < _PROBED:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def _in_place(module: Any, inputs: Sequence[Tensor]) -> Multiply:
    del inputs
    ready: Any = with_sums_in_place(module)
    return ready


def _as_it_is(module: Any, inputs: Sequence[Tensor]) -> Multiply:
    del inputs
    return module


def compiled(module: Any, inputs: Sequence[Tensor]) -> Multiply:
    """A program in inductor's machine code; its first call takes up to a minute.

    Raises
    ------
    ProductError
        When there is no compiler, or it fails.
    """
    import torch._inductor

    try:
        with torch.no_grad():
            ready: Any = torch._inductor.compile(module, list(inputs))
            ready(*inputs)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ProductError(
            found=f"The compilation failed: {type(error).__name__}: "
            f"{str(error).strip().partition(chr(10))[0]}",
            why="Compiled products need inductor and a C++ compiler on the CPU.",
            instead='Give products="traced", or leave it out; theodolite doctor names '
            "the compiler.",
        ) from error
    return ready


def tensors_in_batch(batch: Batch) -> list[Tensor]:
    """Inputs and target, in a fixed order."""
    return [*tensors_in(batch.inputs), *tensors_in(batch.target)]


def _with(batch: Batch, tensors: Sequence[Tensor]) -> Batch:
    """The batch with its tensors replaced, each object once."""
    if batch.inputs is batch.target:
        half = iter(tensors[: len(tensors) // 2])
        both = mapped(batch.inputs, lambda _: next(half))
        return Batch(both, both, batch.number)
    rest = iter(tensors)
    inputs = mapped(batch.inputs, lambda _: next(rest))
    return Batch(inputs, mapped(batch.target, lambda _: next(rest)), batch.number)


def _shape_of(batch: Batch) -> object:
    """All about a batch but its tensors' values."""

    def described(tensor: Tensor) -> str:
        return f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()} {tensor.device}"

    return repr(mapped((batch.inputs, batch.target), described))
