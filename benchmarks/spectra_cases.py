"""The trained networks whose spectra are measured, and what is known of them."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from known_spectra import trained
from torch import Tensor, nn

import theodolite as td
from networks import LOSS, Pair, network
from theodolite.models.digits import split_digits

# products that the largest eigenvalues may cost where they are looked for in float64
_PATIENCE = 20_000


@dataclass(frozen=True)
class Case:
    """A network at a point, in float32, and its Hessian's spectrum in float64.

    Attributes
    ----------
    name : str
        What tables call it.
    model, loss, batch
        All data are one batch.
    values : Tensor or None
        All eigenvalues, descending, where they are on file.
    """

    name: str
    model: nn.Module
    loss: nn.Module
    batch: Pair
    values: Tensor | None = None

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def land(self) -> td.Landscape:
        """A landscape that nothing was asked of yet."""
        return td.Landscape(self.model, self.loss, self.batch)

    @cached_property
    def wide(self) -> td.Landscape:
        """The same point in float64."""
        return self.land.to(torch.float64)

    @cached_property
    def dense(self) -> Tensor:
        """The whole Hessian by our products in float64; for small networks."""
        return self.wide.hessian().dense()

    @cached_property
    def diagonal(self) -> Tensor:
        """The Hessian's diagonal in float64."""
        if self.values is None:
            return self.dense.diagonal()
        return trained.known(self.name).diagonal

    @cached_property
    def frobenius(self) -> float:
        """The root of the sum of the squares of all entries."""
        matrix = self.dense if self.values is None else self.values
        return float(matrix.norm())

    @cached_property
    def largest(self) -> Tensor:
        """The ten largest eigenvalues, descending."""
        if self.values is not None:
            return self.values[:10]
        pairs = td.eigsh(self.wide.hessian(), 10, tol=1e-8, budget=_PATIENCE)
        _require(pairs.converged, f"The ten largest of {self.name}: {pairs.outcome}")
        return pairs.values

    @cached_property
    def smallest(self) -> float:
        """The smallest eigenvalue."""
        if self.values is not None:
            return float(self.values[-1])
        found = td.eigsh(self.wide.hessian(), 1, "SA", tol=1e-6, budget=_PATIENCE)
        _require(found.converged, f"The smallest of {self.name}: {found.outcome}")
        return float(found.values[0])

    def residuals(self, values: Tensor, vectors: Tensor) -> Tensor:
        """``‖Hv − θv‖ / |θ|`` in float64, of vectors made unit ones."""
        unit = vectors.double() / vectors.double().norm(dim=0)
        apart = self.wide.hessian() @ unit - unit * values
        return apart.norm(dim=0) / values.abs()

    def nearby(self, steps: int = 5, rate: float = 1e-3) -> "Case":
        """After some more steps of Adam on all data."""
        model = deepcopy(self.model)
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(steps):
            optimizer.zero_grad()
            self.loss(model(self.batch[0]), self.batch[1]).backward()
            optimizer.step()
        return Case(f"{self.name}, later", model, self.loss, self.batch)


def _require(good: bool, message: str) -> None:
    if not good:
        raise RuntimeError(message)


def _known(name: str) -> Case:
    kind = torch.float32
    return Case(
        name,
        trained.model(name, kind),
        trained.NETWORKS[name][1],
        trained.data(name, kind),
        trained.known(name).values,
    )


def _builtin(name: str) -> Case:
    train, _ = split_digits()
    model: Any = td.builtin(name).model
    return Case(name, model, nn.CrossEntropyLoss(), train)


def _untrained(name: str) -> Case:
    case = network("gpt")
    return Case(name, case.model, LOSS, case.batches[0])


CASES: dict[str, Callable[[], Case]] = {
    **{name: partial(_known, name) for name in trained.NAMES},
    "digits-mlp": partial(_builtin, "digits-mlp"),
    "digits-cnn": partial(_builtin, "digits-cnn"),
    "large-gpt": partial(_untrained, "large-gpt"),
}
# those with all eigenvalues on file, and those small enough to be written out
KNOWN = tuple(trained.NAMES)
SMALL = (*KNOWN, "digits-mlp", "digits-cnn")
