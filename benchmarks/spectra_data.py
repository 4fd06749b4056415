"""How often the data's own error holds what all data say, over drawn data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from spectra_tables import Setting, Table, middle, percent, short
from torch import Tensor, nn

import theodolite as td

_POPULATION, _SAMPLES = 20_000, 500
_NAMES = ("loss", "gradient_norm", "largest_eigenvalue", "trace")
# steps of descent to where the gradient is no longer large
_STEPS = 30
# they go along the first of the data, and data sets are drawn from the rest
_PARTS = slice(0, 1000), slice(1000, None)

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Population:
    """A network at a point, its loss, and far more data than it is measured on."""

    model: nn.Module
    loss: nn.Module
    data: Pair

    def land(self, chosen: Tensor | None = None) -> td.Landscape:
        """The landscape over some of the data, all by default."""
        inputs, targets = self.data
        if chosen is not None:
            inputs, targets = inputs[chosen], targets[chosen]
        return td.Landscape(self.model, self.loss, (inputs, targets))

    def truth(self) -> dict[str, float]:
        """Every number on all data."""
        land = self.land()
        hessian = land.hessian().dense()
        return {
            "loss": land.loss(),
            "gradient_norm": float(land.gradient().norm()),
            "largest_eigenvalue": float(torch.linalg.eigvalsh(hessian)[-1]),
            "trace": float(hessian.trace()),
        }


def _inputs(generator: torch.Generator) -> Tensor:
    scales = torch.tensor([1.6, 1.0, 0.7, 0.5], dtype=torch.float64)
    shape = (_POPULATION, 4)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scales


def _classes(hidden: int) -> Population:
    """Three classes, which half of the inputs tell."""
    generator = torch.Generator().manual_seed(0)
    inputs = _inputs(generator)
    drawn = torch.randint(0, 3, (_POPULATION,), generator=generator)
    told = torch.rand(_POPULATION, generator=generator) < 0.5
    labels = torch.where(told, inputs[:, :3].argmax(1), drawn)
    layers = [nn.Linear(4, 3)]
    if hidden:
        layers = [nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 3)]
    return _fitted(nn.Sequential(*layers), nn.CrossEntropyLoss(), (inputs, labels))


def _line() -> Population:
    generator = torch.Generator().manual_seed(0)
    inputs = _inputs(generator)
    noise = torch.randn(_POPULATION, 1, generator=generator, dtype=torch.float64)
    targets = inputs.sum(1, keepdim=True) + noise
    return _fitted(nn.Linear(4, 1), nn.MSELoss(), (inputs, targets))


def _fitted(model: nn.Module, loss: nn.Module, data: Pair) -> Population:
    """After some steps of descent."""
    torch.manual_seed(0)
    model = model.double()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    few, rest = ([part[rows] for part in data] for rows in _PARTS)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss(model(few[0]), few[1]).backward()
        optimizer.step()
    return Population(model, loss, (rest[0], rest[1]))


_POPULATIONS: dict[str, Callable[[], Population]] = {
    "linear regression": _line,
    "softmax regression": partial(_classes, 0),
    "tanh network, 4-8-3": partial(_classes, 8),
}


def data_coverage(setting: Setting) -> Table:
    """How often `td.data_error` holds the population's number."""
    rows: list[tuple[str, ...]] = []
    for name, make in _POPULATIONS.items():
        rows += _held(name, make(), setting.draws)
    text = (
        f"Share of {setting.draws} data sets of {_SAMPLES} samples, drawn from "
        f"{_POPULATION - 1000:,}, whose 95 % interval by `td.data_error` at its "
        "defaults contains the value on all of them. *Error said* is its median, "
        "*true* the standard deviation over the data sets, *bias* their mean's, before "
        "and after it is taken off, all relative to the true value."
    )
    columns = ("", "covered", "error said", "true", "bias", "bias, corrected")
    return Table("Coverage of the data's own error", text, columns, rows)


def _held(name: str, whole: Population, draws: int) -> list[tuple[str, ...]]:
    truth, generator = whole.truth(), torch.Generator().manual_seed(1)
    found = []
    for seed in range(draws):
        chosen = torch.randperm(len(whole.data[0]), generator=generator)[:_SAMPLES]
        found.append(td.data_error(whole.land(chosen), quantities=_NAMES, seed=seed))
    rows: list[tuple[str, ...]] = []
    for quantity in _NAMES:
        of, true = [one[quantity] for one in found], truth[quantity]
        inside = sum(row.low <= true <= row.high for row in of) / draws
        values = torch.tensor([row.value for row in of], dtype=torch.float64)
        better = torch.tensor([row.corrected for row in of], dtype=torch.float64)
        rows.append(
            (
                f"{name}, {quantity.replace('_', ' ')}",
                percent(inside),
                short(middle([row.error for row in of]) / true),
                short(float(values.std()) / true),
                short(float(values.mean()) / true - 1),
                short(float(better.mean()) / true - 1),
            )
        )
    return rows
