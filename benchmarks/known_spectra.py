"""The whole Hessian spectra of four small trained networks, for tests and benchmarks.

python benchmarks/known_spectra.py [--only mlp,cnn] [--write]

Trains them, writes their Hessians out in float64 by torch's own double backward, one
row a product and without theodolite, and prints what the spectra look like. ``--write``
keeps weights, eigenvalues, diagonals and a few moments in
tests/samples/trained.safetensors, which tests/trained.py reads. A few minutes on one
thread.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.func import functional_call, jacrev

sys.path.append(str(Path(__file__).parent.parent / "tests"))
trained: Any = import_module("trained")

Stored = dict[str, Tensor]
# rate and number of Adam's steps, all data at once; the rate falls to zero
_RECIPES = {
    "mlp": (3e-3, 150),
    "cnn": (3e-3, 100),
    "gpt": (1e-2, 200),
    "deep linear": (3e-3, 600),
}
_ROWS = 64


def fitted(name: str) -> nn.Module:
    """The network after a short training in float32, in ``eval()`` mode."""
    make, loss, batch = trained.NETWORKS[name]
    rate, steps = _RECIPES[name]
    torch.manual_seed(0)
    model, (inputs, targets) = make(), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def dense_hessian(model: nn.Module, loss: nn.Module, batch: Any) -> Tensor:
    """All second derivatives ``(p, p)`` of the average loss, some rows at a time."""
    weights = list(model.parameters())
    size = sum(weight.numel() for weight in weights)
    value = loss(model(batch[0]), batch[1])
    parts = torch.autograd.grad(value, weights, create_graph=True)
    gradient = torch.cat([part.flatten() for part in parts])
    rows = [
        _pulled_back(gradient, weights, start, min(_ROWS, size - start))
        for start in range(0, size, _ROWS)
    ]
    return torch.cat(rows)


def _pulled_back(
    gradient: Tensor, weights: list[nn.Parameter], start: int, count: int
) -> Tensor:
    """So many rows of the Hessian from the gradient's graph."""
    units = torch.zeros(count, len(gradient), dtype=gradient.dtype)
    units[torch.arange(count), start + torch.arange(count)] = 1.0
    parts = torch.autograd.grad(
        gradient, weights, units, retain_graph=True, is_grads_batched=True
    )
    return torch.cat([part.flatten(1) for part in parts], 1)


def gauss_newton_trace(model: nn.Module, loss: nn.Module, batch: Any) -> float:
    """The trace of Σ JᵀSJ, sample by sample: J of its outputs, S of its loss."""
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    inputs, targets = batch
    share = 1 / len(inputs)

    def outputs(values: dict[str, Tensor], sample: Tensor) -> Tensor:
        return functional_call(model, values, (sample[None],))[0]

    total = 0.0
    for sample, target in zip(inputs, targets, strict=True):
        made = outputs(weights, sample)
        curvature: Any = torch.autograd.functional.hessian(
            lambda out, target=target: loss(out[None], target[None]), made
        )
        count = made.numel()
        jacobians = jacrev(outputs)(weights, sample)
        flat = torch.cat([part.reshape(count, -1) for part in jacobians.values()], 1)
        pulled = curvature.reshape(count, count) @ flat
        total += share * float((flat * pulled).sum())
    return total


def surveyed(name: str) -> tuple[Stored, str]:
    """What is kept of one network, and a line about it."""
    narrow = fitted(name)
    kept = {f"model/{key}": part.clone() for key, part in narrow.state_dict().items()}
    model, loss, batch = narrow.double(), trained.NETWORKS[name][1], trained.data(name)
    hessian = dense_hessian(model, loss, batch)
    asymmetry = float((hessian - hessian.T).norm() / hessian.norm())
    hessian = (hessian + hessian.T) / 2
    values = torch.linalg.eigvalsh(hessian).flip(0)
    product = hessian @ (probe := trained.probe(len(hessian)))
    kept |= {
        "values": values.contiguous(),
        "diagonal": hessian.diagonal().contiguous(),
        "gauss_newton_trace": _number(gauss_newton_trace(model, loss, batch)),
        "quadratic": _number(float(probe @ product)),
        "square": _number(float(product @ product)),
    }
    value = float(loss(model(batch[0]), batch[1]).detach())
    return kept, f"{name}: loss {value:.4f}, asymmetry {asymmetry:.1e}, {_about(kept)}"


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _about(kept: Stored) -> str:
    values = kept["values"]
    top = ", ".join(f"{value:.4g}" for value in values[:12].tolist())
    bottom = ", ".join(f"{value:.3g}" for value in values[-3:].tolist())
    trace, norm = float(values.sum()), float(values.norm())
    return (
        f"p {len(values)}, top {top}; bottom {bottom}; trace {trace:.5g} "
        f"(Gauss–Newton {float(kept['gauss_newton_trace']):.5g}), norm {norm:.5g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(trained.NAMES), metavar="NAMES")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    if chosen.write and chosen.only != parser.get_default("only"):
        parser.error("--write takes all networks")
    torch.set_num_threads(1)
    stored: Stored = {}
    for name in chosen.only.split(","):
        kept, line = surveyed(name)
        stored |= {f"{name}/{key}": part for key, part in kept.items()}
        print(line, flush=True)
    if chosen.write:
        save_file(stored, trained.SAMPLE)


if __name__ == "__main__":
    main()
