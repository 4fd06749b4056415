"""Each batch's own curvature times vectors, before they are averaged."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

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
    parameters, places = matrix.parameters, matrix.positions
    columns = block.to(matrix.device, matrix.dtype).T.contiguous()
    vectors = parameters.split_several(columns)

    def hand_over(batch: BatchProduct, weight: float) -> None:
        found = columns.new_empty(columns.shape)
        if len(columns) == 1:
            products = [batch.product([v[0] for v in vectors], places, places)]
        else:
            products = batch.block_product(vectors, places, places)
        for row, product in zip(found, products, strict=True):
            row.copy_(parameters.flatten(product))
        use(found, weight)

    matrix.store.visit(hand_over)
    matrix.products += block.shape[1]
