"""Other libraries' products of the same Hessian: how they are made, and whether right.

They live in a folder of their own, so that they leave this project's environment as it
is.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import theodolite as td
from networks import LOSS, Pair

Multiply = Callable[[Tensor], Tensor]
Make = Callable[[nn.Module, list[Pair]], Multiply]

FOLDER = "peers"
INSTALL = (
    f"pip install --no-deps --target {FOLDER} -c constraints.txt "
    "hessian-eigenthings==1.0.0a5 curvlinops-for-pytorch==3.0.1 pyhessian==0.1 "
    "backpack-for-pytorch==1.7.1 einconv==0.1.0 einops==0.8.2 linear_operator==0.6.1 "
    "opt-einsum==3.4.0 tqdm==4.70.1"
)
# what rounding explains between two right products in float64
_RIGHT = 1e-8


@dataclass(frozen=True)
class Peer:
    """One library.

    Attributes
    ----------
    name : str
        Of its package.
    module : str
        What is imported.
    make : callable
        Its product with a model's Hessian over some batches.
    keeps : bool
        Whether it keeps the graph of a single batch.
    """

    name: str
    module: str
    make: Make
    keeps: bool = False

    @property
    def installed(self) -> bool:
        """Whether it can be imported."""
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        """As its package says."""
        return version(self.name)


@dataclass(frozen=True)
class Verdict:
    """Whether a peer's product is right here.

    Attributes
    ----------
    right : bool
        Whether it is the product in float64, to rounding.
    note : str
        What is wrong, or what it takes.
    product : callable or None
        ``None`` where it raises.
    """

    right: bool
    note: str
    product: Multiply | None


def _hessian_eigenthings(model: nn.Module, batches: list[Pair]) -> Multiply:
    library: Any = import_module("hessian_eigenthings")
    return library.HessianOperator(model, batches, library.supervised_loss(LOSS)).matvec


def _curvlinops(model: nn.Module, batches: list[Pair]) -> Multiply:
    library: Any = import_module("curvlinops")
    operator = library.HessianLinearOperator(
        model,
        LOSS,
        list(model.parameters()),
        batches,
        check_deterministic=False,
        num_data=sum(len(labels) for _, labels in batches),
    )
    return lambda vector: operator @ vector


def _pyhessian(model: nn.Module, batches: list[Pair]) -> Multiply:
    library: Any = import_module("pyhessian")
    multiply: Any = import_module("pyhessian.utils").hessian_vector_product
    alone = len(batches) == 1
    data = {"data": batches[0]} if alone else {"dataloader": batches}
    made = library.hessian(model, LOSS, cuda=False, **data)
    shapes = [weight.shape for weight in model.parameters()]
    sizes = [shape.numel() for shape in shapes]

    def product(vector: Tensor) -> Tensor:
        pieces = vector.split(sizes)
        v = [w.view(shape) for w, shape in zip(pieces, shapes, strict=True)]
        if alone:
            found = multiply(made.gradsH, made.params, v)
        else:
            _, found = made.dataloader_hv_product(v)
        return torch.cat([part.flatten() for part in found])

    return product


PEERS = (
    Peer("hessian-eigenthings", "hessian_eigenthings", _hessian_eigenthings),
    Peer("curvlinops-for-pytorch", "curvlinops", _curvlinops),
    Peer("PyHessian", "pyhessian", _pyhessian, keeps=True),
)


def found_in(folder: str | None) -> list[Peer]:
    """The peers that can be imported, those in a folder among them."""
    if folder is not None:
        sys.path.append(folder)
    return [peer for peer in PEERS if peer.installed]


@contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _math() -> AbstractContextManager[Any]:
    return sdpa_kernel(SDPBackend.MATH)


# contexts to try, and what a reader is told of them
_KERNELS: tuple[tuple[Callable[[], AbstractContextManager[Any]], str], ...] = (
    (nullcontext, ""),
    (_math, "raises outside sdpa_kernel(MATH)"),
)


@dataclass(frozen=True)
class _Truth:
    """Our own product in float64.

    Attributes
    ----------
    model, batches
        In float64.
    vector, product : Tensor
        What is multiplied, and what comes out.
    """

    model: nn.Module
    batches: list[Pair]
    vector: Tensor
    product: Tensor

    def distance(self, peer: Peer) -> float:
        """That of a peer's product, relative."""
        theirs = peer.make(deepcopy(self.model), self.batches)(self.vector)
        return float((theirs - self.product).norm() / self.product.norm())


def _truth(model: nn.Module, batches: list[Pair]) -> _Truth:
    wide = deepcopy(model).double()
    pairs = [
        (inputs.double() if inputs.is_floating_point() else inputs, labels)
        for inputs, labels in batches
    ]
    hessian = td.Landscape(wide, LOSS, pairs).hessian(products="retained-graph")
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(hessian.shape[0], generator=generator, dtype=torch.float64)
    return _Truth(wide, pairs, vector, hessian @ vector)


def judged(
    peers: Sequence[Peer], model: nn.Module, batches: list[Pair]
) -> dict[str, Verdict]:
    """The peers' products, checked in float64 on two of the batches at most."""
    if not peers:
        return {}
    truth = _truth(model, batches[:2])
    return {peer.name: _judged(peer, model, batches, truth) for peer in peers}


def _judged(
    peer: Peer, model: nn.Module, batches: list[Pair], truth: _Truth
) -> Verdict:
    refusal = ""
    for kernels, note in _KERNELS:
        try:
            with kernels(), _silent():
                apart = truth.distance(peer)
                product = peer.make(deepcopy(model), batches)
        except (RuntimeError, NotImplementedError) as error:
            refusal = refusal or f"raises {type(error).__name__}"
            continue
        right = apart < _RIGHT
        wrong = "" if right else f"wrong by {apart:.1%}"
        note = "; ".join(part for part in (wrong, note) if part)
        return Verdict(right, note, partial(_within, kernels, product))
    return Verdict(False, refusal, None)


def _within(
    kernels: Callable[[], AbstractContextManager[Any]],
    product: Multiply,
    vector: Tensor,
) -> Tensor:
    with kernels(), _silent():
        return product(vector)
