"""Peak memory of one kind of run, in a process of its own.

python benchmarks/peak_memory.py mlp kept

Prints by how many MiB the largest resident set (``VmHWM``, which ``ru_maxrss`` reports
too, but with the parent process's in it) exceeds what was resident before: the model,
its data and all imports. NaN where there is no Linux to ask.
"""

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

import theodolite as td
from networks import LOSS, Pair, gradient, mlp, network

KINDS = ("gradient", "kept")
_SELF = Path("/proc/self")


def peak(name: str, kind: str) -> float:
    """MiB, by a new process."""
    command = [sys.executable, __file__, name, kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _run(model: nn.Module, batch: Pair, kind: str) -> None:
    """Three in a row."""
    if kind == "gradient":
        for _ in range(3):
            gradient(model, [batch])
        return
    hessian = td.Landscape(model, LOSS, batch).hessian(products="retained-graph")
    vector = torch.randn(hessian.shape[0])
    for _ in range(3):
        _ = hessian @ vector


def _largest() -> float:
    """The largest resident set so far, in MiB."""
    lines = (_SELF / "status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**10


def _warm_up() -> None:
    """Everything imported and every library's own memory taken, on a tiny network."""
    batch = torch.randn(4, 3), torch.zeros(4, dtype=torch.long)
    for kind in KINDS:
        _run(mlp(3, 4, 2), batch, kind)


def main() -> None:
    _, name, kind = sys.argv
    if not _SELF.exists():
        print("nan")
        return
    torch.set_num_threads(1)
    case = network(name)
    _warm_up()
    # from here on the largest is counted anew
    (_SELF / "clear_refs").write_text("5")
    before = _largest()
    _run(case.model, case.batches[0], kind)
    print(_largest() - before)


if __name__ == "__main__":
    main()
