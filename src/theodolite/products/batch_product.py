"""What one batch's curvature can do: multiply."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from theodolite.averages import Weight
from theodolite.batches import Batch
from theodolite.evaluation import Evaluation


class BatchProduct(ABC):
    """A symmetric matrix over the leaves, of one batch, ready to multiply.

    Attributes
    ----------
    weight : float or Tensor
        What the batch weighs in the average.
    runs_python : bool
        Whether a product may call Python code of the model, which could draw random
        numbers or write buffers.
    error : float
        The relative error that products state of themselves, beside rounding.
    nodes : int
        Of the graph that a product goes through; zero where there is none.
    rounding : float
        That of the narrowest type that a product computes in, which a model may choose
        itself; zero where it is not known.
    """

    weight: Weight
    runs_python: bool = True
    error: float = 0.0
    nodes: int = 0
    rounding: float = 0.0

    @abstractmethod
    def inspect(self, hooked: bool) -> None:
        """Look once at what was made, before it is kept.

        Parameters
        ----------
        hooked : bool
            Whether saved tensors were packed by hooks while it was made.

        Raises
        ------
        RuntimeError
            When products would lack a part.
        """

    @abstractmethod
    def product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> list[Tensor | None]:
        """A block of the matrix times one vector.

        Parameters
        ----------
        vectors : sequence of Tensor
            One for each column, shaped like its leaf.
        columns, rows : sequence of int
            Positions of the leaves that the block goes from and to.

        Returns
        -------
        list of Tensor or None
            One for each row; ``None`` stands for zeros.
        """

    def block_product(
        self, vectors: Sequence[Tensor], columns: Sequence[int], rows: Sequence[int]
    ) -> Iterator[Sequence[Tensor | None]]:
        """The same for several vectors, stacked along a dimension put in front.

        One after the other: parts may be views of far larger tensors, which should be
        gone before the next come.

        Yields
        ------
        list
            For each vector what :meth:`product` returns.
        """
        for k in range(vectors[0].shape[0]):
            yield self.product([vector[k] for vector in vectors], columns, rows)


# how a batch's product is made ready
Linearise = Callable[[Evaluation, Sequence[Tensor], Batch], BatchProduct]
