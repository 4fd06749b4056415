"""The table of operations, and how the Hessian through one is measured."""

from typing import Any

from torch import Tensor

import theodolite as td
from operations.activations import ACTIVATIONS
from operations.functions import FUNCTIONS
from operations.losses import LOSSES
from operations.norms import NORMS
from operations.row import Problem, Row
from operations.sequences import SEQUENCES
from operations.slopes import SLOPES
from operations.spatial import SPATIAL
from operations.tensors import TENSORS
from operations.wrapped import WRAPPED

TABLE: dict[str, Row] = (
    ACTIVATIONS | NORMS | SPATIAL | SEQUENCES | TENSORS | LOSSES
) | (FUNCTIONS | SLOPES | WRAPPED)


def measured_hessian(problem: Problem, **settings: Any) -> Tensor:
    """Theodolite's dense Hessian; ``settings`` go to ``hessian()``."""
    data = (problem.inputs, problem.target)
    land = td.Landscape(problem.model, problem.loss, data)
    return land.hessian(**settings).dense()
