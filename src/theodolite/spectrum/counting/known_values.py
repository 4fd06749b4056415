"""Eigenvalues that are known beside the probes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Known:
    """Single eigenvalues, and how far each may be off.

    Attributes
    ----------
    values : Tensor
        ``(k,)``, float64.
    residuals : Tensor
        ``‖H v − θ v‖`` of each, ``(k,)``.
    """

    values: Float[Tensor, " k"]
    residuals: Float[Tensor, " k"]


NO_VALUES = torch.zeros(0, dtype=torch.float64)
NOTHING_KNOWN = Known(NO_VALUES, NO_VALUES)
