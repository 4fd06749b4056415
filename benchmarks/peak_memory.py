"""Peak memory of one kind of run, in a process of its own.

python benchmarks/peak_memory.py mlp kept
python benchmarks/peak_memory.py mlp PyHessian DIR

Prints by how many MiB the largest resident set (``VmHWM``, which ``ru_maxrss`` reports
too, but with the parent process's in it) exceeds what was resident before: the model,
its data and all imports. NaN where there is no Linux to ask.
"""

import subprocess
import sys
import warnings
from pathlib import Path

import torch
from peers import PEERS
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import theodolite as td
from networks import LOSS, Pair, gradient, mlp, network

KINDS = ("gradient", "kept")
_SELF = Path("/proc/self")


def peak(name: str, kind: str, folder: str | None = None) -> float:
    """MiB, by a new process; ``folder`` is where peers are installed."""
    command = [sys.executable, __file__, name, kind, *([folder] if folder else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def _run(model: nn.Module, batch: Pair, kind: str) -> None:
    """Three in a row, of a gradient, our products or a peer's."""
    if kind == "gradient":
        for _ in range(3):
            gradient(model, [batch])
        return
    vector = torch.randn(sum(weight.numel() for weight in model.parameters()))
    if kind == "kept":
        hessian = td.Landscape(model, LOSS, batch).hessian(products="retained-graph")
        for _ in range(3):
            _ = hessian @ vector
        return
    [peer] = [peer for peer in PEERS if peer.name == kind]
    with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        product = peer.make(model, [batch])
        for _ in range(3):
            product(vector)


def _largest() -> float:
    """The largest resident set so far, in MiB."""
    lines = (_SELF / "status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**10


def _warm_up(*kinds: str) -> None:
    """Everything imported and every library's own memory taken, on a tiny network."""
    batch = torch.randn(4, 3), torch.zeros(4, dtype=torch.long)
    for kind in kinds:
        _run(mlp(3, 4, 2), batch, kind)


def main() -> None:
    _, name, kind, *folders = sys.argv
    sys.path += folders
    if not _SELF.exists():
        print("nan")
        return
    torch.set_num_threads(1)
    case = network(name)
    _warm_up(kind)
    # from here on the largest is counted anew
    (_SELF / "clear_refs").write_text("5")
    before = _largest()
    _run(case.model, case.batches[0], kind)
    print(_largest() - before)


if __name__ == "__main__":
    main()
