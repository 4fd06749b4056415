"""Every estimator tells how far it is, lets the watcher go, and says what it held."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch

import theodolite as td
from dense import F64
from problems import PROBLEMS

# what takes no time worth telling of, or is told product by product by others
SILENT = {
    *("builtin", "maps", "merge_tree"),
    *("preconditioned", "preconditioner", "third_order"),
    *("gauss_newton_trace", "gauss_newton_diagonal"),
}
OPERATOR: dict[str, dict[str, Any]] = {
    "eigsh": {"k": 2},
    "power_iteration": {"budget": 30},
    "lanczos": {"steps": 5},
    "trace": {},
    "diagonal": {},
    "frobenius_norm": {},
    "moments": {},
    "spectral_density": {"probes": 2, "steps": 6},
    "solve": {"damping": 5.0, "b": torch.ones(43, dtype=F64)},
}
LANDSCAPE: dict[str, dict[str, Any]] = {
    "classify": {},
    "speed_limit": {},
    "stiffness": {},
    "escape_direction": {},
    "index": {"probes": 2, "steps": 6},
    "layer_eigenvalues": {},
    "layer_learning_rates": {},
    "layer_traces": {},
    "interactions": {},
    "expected_rise": {"sigma": 0.01, "budget": 3},
    "sharpness": {"steps": 2, "k": 2},
    "data_error": {},
    "survey": {"sigmas": (1e-3,)},
    "line": {"direction": "random", "steps": 3},
    "plane": {"steps": 3},
    "connect": {"a": None, "b": torch.linspace(-1, 1, 43, dtype=F64)},
    "align": {"model_b": torch.linspace(-1, 1, 43, dtype=F64)},
}
COSTED = sorted({*OPERATOR, "layer_eigenvalues", "interactions"} - {"moments"})
# all eigenvalues of so small a landscape come at once
AT_ONCE = {"classify", "stiffness"}


class Listening:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, float]] = []
        self.closed = 0

    def update(self, stage: str, done: float, left: float) -> None:
        self.told.append((stage, done, left))

    def close(self) -> None:
        self.closed += 1


def test_every_estimator_is_in_the_table() -> None:
    functions = {name for name in td.__all__ if name[0].islower()}
    assert functions == {*OPERATOR, *LANDSCAPE, *SILENT}


@pytest.mark.parametrize("name", [*OPERATOR, *LANDSCAPE])
def test_it_tells_how_far_it_is(name: str) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    given = land.hessian() if name in OPERATOR else land
    function: Callable[..., Any] = getattr(td, name)
    listener = Listening()
    settings = OPERATOR.get(name, LANDSCAPE.get(name, {}))
    found = function(given, **settings, progress=listener)
    if name not in AT_ONCE:
        assert listener.told
        assert listener.closed
    assert all(stage and 0 <= done <= 1 for stage, done, _ in listener.told)
    assert all(left >= 0 for _, _, left in listener.told)
    if name in COSTED:
        assert found.products >= 0
        assert found.seconds > 0
        assert found.bytes >= 0


@pytest.mark.parametrize("name", [*OPERATOR, *LANDSCAPE])
def test_silence_is_the_default(name: str) -> None:
    parameter = inspect.signature(getattr(td, name)).parameters["progress"]
    assert parameter.default is False
