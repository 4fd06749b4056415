"""The curvature in coordinates that a diagonal preconditioner has rescaled."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError
from theodolite.operators.matrix import as_operator
from theodolite.operators.operator import Operator
from theodolite.operators.scaled import Scaled


def preconditioned(operator: Any, diagonal: Float[Tensor, " p"]) -> Operator:
    """D^−½ A D^−½, which has the eigenvalues of D⁻¹ A and is symmetric.

        D^−½ A D^−½ w = λ w   ⇔   D⁻¹ A u = λ u,  u = D^−½ w

    One product each. With ``diagonal=td.preconditioner(land, adam)`` it is the
    curvature that Adam feels: steps of η D⁻¹ ∇f diverge along u where λ exceeds 2/η;
    with Adam's averaged gradients where it exceeds 2(1 + β₁)/((1 − β₁) η), that is
    38/η for β₁ = 0.9. The limit holds as long as D stands still.

    Parameters
    ----------
    operator
        ``land.hessian()``, a symmetric tensor ``(p, p)``, or any object with a shape
        and ``@``.
    diagonal : Tensor
        The diagonal of D, ``(p,)``, positive.

    Raises
    ------
    ArgumentError
        When the shape does not fit, or an entry is not positive and finite.

    References
    ----------
    Cohen et al., "Adaptive gradient methods at the edge of stability", 2022,
    arXiv:2207.14484.
    """
    matrix = as_operator(operator)
    if diagonal.shape != (matrix.shape[0],):
        raise ArgumentError(
            found=f"A diagonal of shape {tuple(diagonal.shape)}.",
            why=f"The operator is {matrix.shape[0]} × {matrix.shape[0]}.",
            instead=f"Give one number for each parameter, ({matrix.shape[0]},).",
        )
    wide = diagonal.detach().double()
    bad = ~(torch.isfinite(wide) & (wide > 0))
    if bool(bad.any()):
        raise ArgumentError(
            found=f"{int(bad.sum())} of {len(wide)} entries of the diagonal are not "
            f"positive; one is {float(wide[bad][0]):g}.",
            why="Its inverse square root has to exist.",
            instead="Add a small number, as the eps of an optimiser does.",
        )
    return Scaled(matrix, wide.rsqrt())
