"""Who goes where, so that the sum of profits is largest."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from theodolite.errors import MissingPackageError


def assignment(profits: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """For each row the column that it is given, no column twice.

    Among equally good assignments, one that leaves more where it is.

    Raises
    ------
    MissingPackageError
        When SciPy is not installed.

    References
    ----------
    Crouse, "On implementing 2D rectangular assignment algorithms", 2016,
    doi:10.1109/TAES.2016.140952, in SciPy.
    """
    size = len(profits)
    # far below what decides, far above rounding
    bonus = 1e-10 * (float(np.abs(profits).max(initial=0.0)) or 1.0)
    _, columns = solver()(profits + bonus * np.eye(size), maximize=True)
    return np.asarray(columns, dtype=np.int64)


def solver() -> Callable[..., Any]:
    """SciPy's, imported when it is needed.

    Raises
    ------
    MissingPackageError
        When SciPy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise MissingPackageError(
            found="SciPy is not installed.",
            why="align() matches units through scipy.optimize.linear_sum_assignment.",
            instead="pip install 'theodolite[align]'",
        ) from error
    return linear_sum_assignment
