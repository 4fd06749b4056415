"""Runs of every kind as the report takes them, small and made by hand."""

import copy
from typing import Any

import torch

import theodolite as td
from surveys import survey_on_file
from theodolite.maps.page_record import line_record, plane_record

Run = dict[str, Any]
RECORD = {
    "theodolite": "0.1.0",
    "landscape": {"name": "net", "parameters": 10, "samples": 50, "loss": "MSE"},
}
F64 = torch.float64


def survey_run(name: str = "first", steeper: float = 1.0) -> Run:
    """The survey on file, its largest eigenvalue so many times as large."""
    found = survey_on_file()
    limit = found["measurements"]["speed_limit"]["value"]
    for key in ("eigenvalue", "residual"):
        limit[key] *= steeper
    for key in ("value", "low", "high"):
        limit[key] /= steeper
    return {"kind": "survey", "name": name, **found}


def plane_run(name: str = "map", lift: float = 0.0, shift: float = 0.0) -> Run:
    """A bowl whose lowest point lies beside the centre."""
    land = td.Landscape.from_function(
        lambda w: ((w - shift) ** 2).sum() + lift, torch.zeros(3, dtype=F64)
    )
    axes = torch.eye(3, dtype=F64)[:2]
    found = td.plane(land, directions=axes, span=1.0, steps=9, rtol=None)
    return {"kind": "plane", "name": name, "run": RECORD, "plane": plane_record(found)}


def line_run(name: str = "line") -> Run:
    """A line over a pass between two minima, at 0 and at 1."""
    land = td.Landscape.from_function(
        lambda w: 16 * (w[0] * (w[0] - 1)) ** 2 + w[1] ** 2, torch.zeros(2, dtype=F64)
    )
    end = torch.tensor([1.0, 0.0], dtype=F64)
    found = td.line(land, b=end, steps=21)
    return {"kind": "line", "name": name, "run": RECORD, "line": line_record(found)}


def barrier(value: float, error: float = 0.01) -> Run:
    return {
        "value": value,
        "error": error,
        "resolution": 0.0,
        "t": 0.5,
        "loss": 0.1 + value,
        "end": 0.1,
        "groups": 40,
    }


def way(height: float, error: float = 0.01) -> Run:
    return {
        "method": "straight",
        "t": [0.0, 0.5, 1.0],
        "distance": [0.0, 1.0, 2.0],
        "loss": [0.1, 0.1 + height, 0.05],
        "test_loss": [0.2, 0.25 + height, 0.2],
        "barrier": barrier(height, error),
        "test_barrier": barrier(height, error),
        "straight_barrier": 0.8,
        "length": 2.0,
        "straight_length": 2.0,
        "batch_norm": "frozen",
        "gradients": 0.0,
        "seconds": 0.1,
        "outcome": "converged",
    }


def connect_run(name: str = "connect") -> Run:
    paths = {"straight": way(0.8), "bezier": way(0.0)}
    run = {**RECORD, "between": ["a", "b"], "paths": paths, "alignment": None}
    return {"kind": "connect", "name": name, "run": run}


def measure(value: float, invariant: bool = False) -> Run:
    ends = {"low": value - 0.1, "high": value + 0.1}
    return {"value": value, "error": 0.05, **ends, "invariant": invariant}


def checkpoint(name: str, top: float, trace: float) -> Run:
    pair = {"residual": 0.01, "converged": True}
    return {
        "name": name,
        "loss": 0.1,
        "test_loss": 0.1 + 0.01 * top,
        "error": "nan",
        "test_error": "nan",
        "norm": 3.0,
        "eigenvalues": {
            "pairs": [{"value": top, "low": top - 0.01, "high": top + 0.01, **pair}]
        },
        "lowest": {"pairs": [{"value": -0.2, "low": -0.3, "high": -0.1, **pair}]},
        "sharpness": {
            "largest_eigenvalue": measure(top),
            "trace": measure(trace),
            "worst_rise": {**measure(0.3), "high": "inf"},
            "adaptive_eigenvalue": measure(top / 4, invariant=True),
            "fisher_rao": None,
        },
    }


def compare_run(name: str = "compare") -> Run:
    rows = [checkpoint("sgd", 2.0, 9.0), checkpoint("adam", 6.0, 8.0)]
    run = {
        **RECORD,
        "rows": rows,
        "paths": [{"between": ["sgd", "adam"], **way(0.5)}],
        "distances": [{"between": ["sgd", "adam"], "distance": 2.0}],
        "batch_norm": "frozen",
        "seconds": 1.0,
    }
    return {"kind": "compare", "name": name, "run": run}


def every_kind() -> list[Run]:
    kinds = (survey_run, plane_run, line_run, connect_run, compare_run)
    return [copy.deepcopy(make()) for make in kinds]
