"""Derivatives of every order, by operations that have them.

The one place where it is known which of torch's fused operations have wrong, missing
or unbatched higher derivatives, and how they are written in primitive ones. Measured
on torch 2.13, in float64 against central differences:

==============================  ==================================================
torch's own operation           without this mode
==============================  ==================================================
layer, instance, batch norm     silently wrong: forward derivatives derived again,
                                third reverse derivative
weight norm                     silently wrong: second reverse derivative
det, slogdet, logdet, solve,    silently wrong: forward derivatives derived again
Householder product
inverse of a Cholesky factor    silently wrong: first forward derivative
embedding with a padding row    silently wrong: the row moves in forward derivatives
norm of a zero vector, cosine   second derivative NaN
of one
attention, bags of embeddings,  no second derivative
CTC, cdist, pdist, margin
losses, hard sigmoid
squared error, Huber, soft      no forward derivative of the gradient
margin
grid_sample, LSTM (float32)     no forward derivative
SiLU, Mish, GLU, RReLU          not in every form of forward mode or ``vmap``
group norm                      no batched reverse derivative
==============================  ==================================================

Still silently wrong inside: forward derivatives of ``scatter_reduce`` by products, and
of ``triangular_solve``; those derived again of ``linalg.solve_ex``, ``tensorsolve``,
``eigvals``, and of norms called as ``torch.native_...`` or ``torch.ops.aten...``; NaN
in the third reverse derivative of ``logcumsumexp`` and in the gradient of ``eigh``'s
forward derivative. Still refused: ``segment_reduce``; in forward mode ``index_reduce``,
``conv_tbc``, ``ormqr``, ``igamma``, ``zeta`` and bicubic ``grid_sample``; packed
sequences, sparse or renormalised embeddings and random RReLU as torch refuses them.
"""

from collections.abc import Callable
from typing import Any, final

from theodolite.products.primitive import (
    activations,
    attention,
    ctc,
    distances,
    embeddings,
    linalg,
    losses,
    norms,
    recurrent,
    sampling,
)
from theodolite.products.rewriting import Rewriting

_REWRITES: dict[Any, Callable[..., Any]] = {
    **activations.rewrites,
    **attention.rewrites,
    **ctc.rewrites,
    **distances.rewrites,
    **embeddings.rewrites,
    **linalg.rewrites,
    **losses.rewrites,
    **norms.rewrites,
    **recurrent.rewrites,
    **sampling.rewrites,
}


@final
class PrimitiveOperations(Rewriting):
    """Run primitive operations in place of torch's fused ones.

    Values and first derivatives stay what they were, up to rounding; every further
    derivative is right: reverse over reverse, ``jvp(grad)``, ``jvp(jvp)``, batched or
    under ``vmap``, and of third order.

    Costs a few microseconds for each call of a torch function, and memory: norms and
    losses hold their intermediate results, attention its whole matrix of scores. The
    determinant of a singular matrix loses its derivative.

    Examples
    --------
    >>> with PrimitiveOperations():
    ...     loss = F.mse_loss(model(inputs), targets)
    """

    def __init__(self) -> None:
        super().__init__(_REWRITES)
