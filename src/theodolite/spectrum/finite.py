"""Products that are not numbers have no spectrum."""

import torch
from torch import Tensor

from theodolite.errors import NonFiniteError


def require_finite(samples: Tensor) -> Tensor:
    """Refuse NaN, which would spread into every mean.

    Raises
    ------
    NonFiniteError
        When one of the samples is NaN or infinite.
    """
    if not bool(torch.isfinite(samples).all()):
        raise NonFiniteError(
            found="A Hessian-vector product is NaN or infinite.",
            why="Its inner products are meaningless.",
            instead="Measure in a wider type (model.double()).",
        )
    return samples
