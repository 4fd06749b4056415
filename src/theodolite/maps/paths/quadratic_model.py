"""What a landscape is like around a point: a quadratic, known on part of the space."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.landscape import Landscape
from theodolite.site.whole_spectrum import SMALL
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.vectors import combined, norm

# directions of a step, half of them around the mode, half around the gradient
_DIRECTIONS = 60


@final
@dataclass(frozen=True)
class QuadraticModel:
    """Gradient and curvature on a subspace that holds the gradient.

    Attributes
    ----------
    basis : Tensor
        Orthonormal rows ``(m, p)``.
    products : Tensor
        The Hessian's products with them ``(m, p)``.
    gradient : Tensor
        ``(p,)``.
    values : Tensor
        Ritz values ``(m,)``, ascending, float64.
    mixes : Tensor
        Ritz vectors in the basis ``(m, m)``, one a column.
    slopes : Tensor
        The gradient along each Ritz vector ``(m,)``.
    spent : int
        Products.
    """

    basis: Float[Tensor, "m p"]
    products: Float[Tensor, "m p"]
    gradient: Float[Tensor, " p"]
    values: Float[Tensor, " m"]
    mixes: Float[Tensor, "m m"]
    slopes: Float[Tensor, " m"]
    spent: int

    @property
    def mode(self) -> Float[Tensor, " p"]:
        """The direction that bends down most, of those that are known."""
        return combined(self.basis, self.mixes[:, :1])[0]

    def step(self, radius: float) -> Float[Tensor, " m"]:
        """Newton's step to an index-1 saddle, in the basis, no longer than a radius.

        Up along the lowest Ritz vector and down along all others, whatever their
        curvatures' signs; all are stiffened alike where the step would be too long.
        """
        signs = torch.ones_like(self.values)
        signs[0] = -1
        sizes = self.values.abs()
        # flat directions have no say where there is no slope either
        least = 1e-10 * float(sizes.max())

        def at(stiffening: float) -> Tensor:
            return -signs * self.slopes / (sizes + max(stiffening, least))

        low, high = 0.0, norm(self.slopes) / radius
        if norm(at(0.0)) > radius:
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (
                    (low, middle) if norm(at(middle)) < radius else (middle, high)
                )
        else:
            high = 0.0
        return self.mixes @ at(high)

    def move(self, step: Float[Tensor, " m"]) -> Float[Tensor, " p"]:
        """A step in the basis as one in parameters."""
        return combined(self.basis, step[:, None])[0]

    def change(self, step: Float[Tensor, " m"]) -> Float[Tensor, " p"]:
        """By how much the gradient changes over a step."""
        return combined(self.products, step[:, None])[0]


def quadratic_model(
    land: Landscape,
    point: Float[Tensor, " p"],
    gradient: Float[Tensor, " p"],
    mode: Float[Tensor, " p"],
    seed: int,
) -> QuadraticModel:
    """All directions of a small landscape; of a large one those of two Krylov spaces.

    One begins with the mode that bends down, as it was at the last point, one with the
    gradient.
    """
    hessian = land.hessian(point=point)
    size = land.size
    krylov = Krylov(mode, size if size <= SMALL else _DIRECTIONS, seed)
    krylov.grow(hessian, krylov.capacity // 2)
    krylov.inject(gradient if norm(gradient) > 0 else None)
    krylov.grow(hessian, krylov.capacity - krylov.dimension)
    ritz = krylov.ritz()
    along = (krylov.basis.double() @ gradient.double()).cpu()
    return QuadraticModel(
        basis=krylov.basis,
        products=krylov.products,
        gradient=gradient,
        values=ritz.values,
        mixes=ritz.mixes,
        slopes=ritz.mixes.T @ along,
        spent=hessian.products,
    )
