"""Asks the viewer's own numerics, and planes to ask about."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from theodolite.maps.page_record import packed
from theodolite.maps.track import metric_of

VIEWER = Path(__file__).parents[1] / "viewer"
DRIVER = """
const { answer } = require(process.argv[1]);
const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(answer(asked)));
"""
F64 = torch.float64
Ask = Callable[[Sequence[dict[str, Any]]], list[Any]]


def asking(folder: Path) -> Ask:
    """Bundle the numerics into a folder, to be asked in node; skip without node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on the PATH, so the viewer cannot be asked")
    esbuild = VIEWER / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists():
        pytest.skip("viewer/node_modules is missing: run `npm ci` in viewer/")
    bundle = folder / "numerics.cjs"
    command = [esbuild, "numerics.ts", "--bundle", "--format=cjs", "--platform=node"]
    subprocess.run(
        [*command, "--log-level=error", f"--outfile={bundle}"],
        cwd=VIEWER,
        check=True,
        timeout=60,
    )

    def ask(cases: Sequence[dict[str, Any]]) -> list[Any]:
        done = subprocess.run(
            [node, "-e", DRIVER, str(bundle)],
            input=json.dumps(list(cases)),
            capture_output=True,
            check=True,
            text=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return ask


def numbers(values: Any) -> Tensor:
    """Plain numbers, or the words for those that JSON cannot spell."""
    spell = np.vectorize(float, otypes=[float])
    return torch.from_numpy(spell(np.asarray(values, dtype=object)))


@dataclass(frozen=True)
class Sheet:
    """A plane that was measured somewhere else."""

    x: Tensor
    y: Tensor
    loss: Tensor
    directions: Tensor

    @property
    def record(self) -> dict[str, Any]:
        """What of it the viewer needs."""
        field = {
            "x": None,
            "y": None,
            "values": packed(self.loss, "f8"),
            "measured": None,
            "error": 0.0,
        }
        return {
            "x": packed(self.x, "f8"),
            "y": packed(self.y, "f8"),
            "fields": {"loss": field},
            "metric": metric_of(self.directions).tolist(),
            "tracks": [],
            "basins": None,
        }


def grid(n: int, low: float, high: float, uneven: bool = False) -> Tensor:
    nodes = torch.linspace(0, 1, n, dtype=F64)
    if uneven:
        nodes = (1 - torch.cos(pi * nodes)) / 2
    return low + (high - low) * nodes


def sheet(
    f: Callable[[Tensor, Tensor], Tensor],
    span: float,
    n: int = 31,
    m: int = 27,
    *,
    uneven: bool = False,
    directions: Sequence[Sequence[float]] = ((1, 0), (0, 1)),
) -> Sheet:
    x, y = grid(n, -span, span, uneven), grid(m, -span, span, uneven)
    loss = f(x[:, None], y[None]) + torch.zeros(n, m, dtype=F64)
    return Sheet(x, y, loss, torch.tensor(directions, dtype=F64))


def himmelblau(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def rugged(x: Tensor, y: Tensor) -> Tensor:
    return torch.sin(3 * x + 1) * torch.cos(2 * y) + 0.2 * (x**2 + y**2) + 0.1 * x * y


def with_holes(whole: Sheet) -> Sheet:
    loss = whole.loss.clone()
    loss[20, 13] = nan
    loss[3, 3] = inf
    loss[3, 20] = -inf
    return Sheet(whole.x, whole.y, loss, whole.directions)


OBLIQUE = ((1.0, 2, 0, 1), (1.5, 2, 1, 1))
SHEETS = {
    "bowl": sheet(lambda x, y: 2 * x**2 + y**2 / 2 + 0.3, 2.0),
    "oblique bowl": sheet(
        lambda x, y: 4 * x**2 + 3 * x * y + 2 * y**2, 2.0, 9, 11, directions=OBLIQUE
    ),
    "long directions": sheet(
        lambda x, y: 4e4 * x**2 + 300 * x * y + 2 * y**2,
        0.02,
        9,
        11,
        directions=((100.0, 0), (30, 1.0)),
    ),
    "saddle": sheet(lambda x, y: (1 + x) ** 3 - y**2, 1.5),
    "valley": sheet(lambda x, y: 10 * x**2 + 1e-3 * y**2, 1.0),
    "gully": sheet(lambda x, y: (x + 0.7 * y) ** 2, 1.0),
    "Himmelblau": sheet(himmelblau, 5.0, 61, 61),
    "rugged": sheet(rugged, 2.0, uneven=True, directions=OBLIQUE),
    "rugged with holes": with_holes(sheet(rugged, 2.0)),
    "checks": sheet(lambda x, y: torch.sin(23 * x + 1) * torch.sin(19 * y - 2), 1.0),
    "slope": sheet(lambda x, y: x + 0 * y, 1.0),
    "flat": sheet(lambda x, y: 0 * x + 0 * y + 0.7, 1.0, 11, 11),
    "half a map": sheet(lambda x, y: torch.log(x + 0.2) + y**2, 1.0),
    "two nodes": sheet(lambda x, y: x**2 + x * y, 1.0, 2, 2),
    "three nodes": sheet(lambda x, y: x**2 + x * y + 2 * y**2, 1.0, 3, 4),
}


def settings(rate: float, method: str = "descent", **other: float) -> dict[str, Any]:
    plain = {"momentum": 0.0, "noise": 0.3, "seed": 1, "steps": 40}
    return {"method": method, "rate": rate, **plain, **other}


def spelled(values: Any) -> Any:
    """As both JSON and JavaScript understand numbers."""
    if isinstance(values, list):
        return [spelled(value) for value in values]
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return words.get(str(values), values)
