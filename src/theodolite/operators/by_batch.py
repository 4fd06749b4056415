"""Each batch's own curvature times vectors, before they are averaged."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from theodolite.operators.averaged import products_of, stacked
from theodolite.operators.curvature import Curvature
from theodolite.products.batch_product import BatchProduct


def each_product(
    matrix: Curvature,
    block: Float[Tensor, "p k"],
    use: Callable[[Float[Tensor, "k p"], float], None],
) -> None:
    """Hand ``(A_b V)ᵀ`` of every batch that has a weight to ``use``, with its weight.

    Costs what the products of the average cost, and is counted as they are.
    """
    request = matrix.request(block.to(matrix.device, matrix.dtype))
    vectors = stacked(request)

    def hand_over(batch: BatchProduct, weight: float) -> None:
        use(products_of(batch, request, vectors), weight)

    matrix.store.visit(hand_over)
    matrix.products += block.shape[1]
