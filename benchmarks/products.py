"""What one Hessian-vector product costs, in gradients.

python benchmarks/products.py [--write]

One thread, everything in one process, the kinds interleaved, medians of ratios. The
gradient is torch's own: forward, loss, ``torch.autograd.grad``. ``--write`` puts the
table into benchmarks/products.md.
"""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional

import theodolite as td
from theodolite.models.cnn import CNN
from theodolite.models.mlp import MLP
from theodolite.models.vit import ViT

ROUNDS = 41

Case = tuple[nn.Module, Tensor, Tensor]


def cases() -> dict[str, Case]:
    """Name to model, inputs and labels."""
    torch.manual_seed(0)
    images, labels = torch.randn(256, 1, 8, 8), torch.randint(0, 10, (256,))
    wide = torch.randn(256, 256)
    return {
        "MLP 256-512-512-10, ReLU, 256 samples": (
            MLP((256, 512, 512, 10), nn.ReLU),
            wide,
            labels,
        ),
        "digits-mlp, 256 samples": (MLP((64, 24, 24, 10)), images, labels),
        "digits-cnn (eval), 256 samples": (CNN().eval(), images, labels),
        "digits-vit, 256 samples": (ViT(), images, labels),
    }


def timed(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def ratios(model: nn.Module, inputs: Tensor, labels: Tensor) -> dict[str, list[float]]:
    """Product by gradient, for graphs kept and graphs built anew."""
    weights = list(model.parameters())

    def gradient() -> object:
        return torch.autograd.grad(
            functional.cross_entropy(model(inputs), labels), weights
        )

    kept = td.Landscape(model, nn.CrossEntropyLoss(), (inputs, labels)).hessian()
    anew = td.Landscape(
        model, nn.CrossEntropyLoss(), (inputs, labels), memory=0
    ).hessian()
    vector = torch.randn(kept.shape[0])
    for call in (gradient, lambda: kept @ vector, lambda: anew @ vector):
        for _ in range(3):
            call()
    found: dict[str, list[float]] = {"kept": [], "anew": []}
    for _ in range(ROUNDS):
        unit = timed(gradient)
        found["kept"].append(timed(lambda: kept @ vector) / unit)
        found["anew"].append(timed(lambda: anew @ vector) / unit)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    lines = [
        "# What one product costs",
        "",
        "One Hessian–vector product divided by one gradient, CPU time, one thread, "
        f"medians of {ROUNDS} interleaved ratios (quartiles in brackets), by",
        "",
        "    python benchmarks/products.py --write",
        "",
        f"on torch {torch.__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, theodolite {td.__version__}.",
        "",
        "| network | parameters | graph kept | graph built anew |",
        "|---|---:|---:|---:|",
    ]
    for name, case in cases().items():
        size = sum(weight.numel() for weight in case[0].parameters())
        found = ratios(*case)
        cells = [shown(found[kind]) for kind in ("kept", "anew")]
        lines.append(f"| {name} | {size:,} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    lines += [
        "",
        "Arithmetic of a dense layer alone: a gradient is 6 operations a weight and "
        "sample, a product on a kept graph 12, less in the first layer, which has no "
        "gradient by its inputs: 1.75 for the first row, and one gradient more where "
        "the graph is built anew.",
    ]
    if write:
        Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


def shown(values: list[float]) -> str:
    low, high = sorted(values)[len(values) // 4], sorted(values)[3 * len(values) // 4]
    return f"{median(values):.2f} ({low:.2f} – {high:.2f})"


if __name__ == "__main__":
    main()
