"""``theodolite doctor``: is everything here that is needed, and is it right."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import psutil
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from theodolite.landscape import Landscape
from theodolite.models.mlp import MLP
from theodolite.models.training import cache_folder
from theodolite.models.vit import ViT
from theodolite.products.differentiable_twice import differentiable_twice
from theodolite.products.memory import readable
from theodolite.stillness import held_still, seed_everything
from theodolite.version import __version__

_PACKAGES = ("numpy", "safetensors", "rich", "typer", "jinja2", "jaxtyping", "scipy")
# products in float64 are right to rounding; this is a hundred times that
_TOLERANCE = 1e-9


def run_doctor() -> int:
    """Print what is here and check the products; 0 when all is right, else 1."""
    console = Console(highlight=False)
    for name, value in facts():
        console.print(f"{name:<18} {value}")
    failures = 0
    for device in devices():
        for name, make in _CHECKS.items():
            error = product_error(make, device)
            good = error <= _TOLERANCE
            failures += not good
            verdict = "right" if good else "WRONG"
            line = f"{name} on {device}: {error:.1e} from the dense Hessian"
            console.print(f"{'product':<18} {verdict}: {line}")
    return 1 if failures else 0


def facts() -> Iterator[tuple[str, str]]:
    """Versions, machine, memory, cache."""
    yield "theodolite", __version__
    yield "torch", torch.__version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed"
    yield (
        "processor",
        f"{torch.get_num_threads()} threads of {psutil.cpu_count()} cores",
    )
    yield "free memory", readable(psutil.virtual_memory().available)
    for number in range(torch.cuda.device_count()):
        yield f"cuda:{number}", torch.cuda.get_device_name(number)
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")
    yield "C++ compiler", compiler or "none: products cannot be compiled on the CPU"
    yield "cache", str(cache_folder())


def devices() -> list[torch.device]:
    """The CPU, and every accelerator that has float64."""
    found = [torch.device("cpu")]
    return found + [torch.device("cuda", n) for n in range(torch.cuda.device_count())]


def _perceptron() -> nn.Module:
    return MLP((64, 6, 10))


def _transformer() -> nn.Module:
    return ViT(width=3, heads=1)


_CHECKS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": _perceptron,
    "attention": _transformer,
}


def product_error(make: Callable[[], nn.Module], device: torch.device) -> float:
    """The relative error of one product against torch's own dense Hessian."""
    with held_still(None):
        seed_everything(0)
        model = make().double().to(device)
        inputs = torch.randn(20, 1, 8, 8, dtype=torch.float64, device=device)
        labels = torch.randint(0, 10, (20,), device=device)
        vector = torch.randn(sum(w.numel() for w in model.parameters())).double()
    land = Landscape(model, nn.CrossEntropyLoss(), (inputs, labels), batch_size=7)

    def loss(point: Tensor) -> Tensor:
        weights = dict(
            zip(land.parameters.names, land.parameters.split(point), strict=True)
        )
        return functional.cross_entropy(
            functional_call(model, weights, (inputs,)), labels
        )

    with differentiable_twice(model):
        dense = torch.autograd.functional.hessian(loss, land.point)
    assert isinstance(dense, Tensor)
    expected = dense @ vector.to(device)
    difference = land.hessian() @ vector - expected
    return float(difference.norm() / expected.norm())
