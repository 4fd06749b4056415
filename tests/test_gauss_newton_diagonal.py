"""Trace and diagonal of the Gauss–Newton matrix against the dense one."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import theodolite as td
from dense import relative
from output_losses import LIKELIHOODS, OTHERS
from problems import PROBLEMS, labels, normal, ready
from theodolite.errors import ArgumentError, LossError
from theodolite.site.gauss_newton_diagonal import (
    gauss_newton_diagonal,
    gauss_newton_trace,
)
from watch import nothing_changes

F64 = torch.float64
SAMPLES = 5


class Classifier(nn.Module):
    """Layers, and whatever they give summed up to three logits."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.layers(x).flatten(1).sin()
        return self.head(torch.stack([z.sum(1), z.square().mean(1)], 1))


class Flattened(nn.Module):
    """A linear layer over all rows of all samples at once."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x).mul_(2).relu_()


class Again(nn.Module):
    """Computed once more in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(lambda x: self.fc(x).tanh(), x, use_reentrant=False)


Made = tuple[Callable[[], nn.Module], tuple[int, ...]]
EXACT: dict[str, Made] = {
    "linear": (lambda: nn.Linear(3, 4), (3,)),
    "linear, no bias": (lambda: nn.Linear(3, 4, bias=False), (3,)),
    "linear over few places": (lambda: nn.Linear(6, 2), (3, 6)),
    "linear over many places": (lambda: nn.Linear(2, 3), (2, 4, 2)),
    "linear over flattened rows": (Flattened, (4, 3)),
    "followed in place": (InPlace, (3,)),
    "checkpointed": (Again, (3,)),
    "conv 1d, dilated": (
        lambda: nn.Conv1d(2, 3, 2, dilation=2, padding="same"),
        (2, 6),
    ),
    "conv 2d, strided": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 5, 4)),
    "conv 2d, grouped": (
        lambda: nn.Conv2d(4, 6, (2, 1), groups=2, bias=False),
        (4, 3, 2),
    ),
    "conv 2d, circular": (
        lambda: nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"),
        (2, 4, 4),
    ),
    "conv 2d, one place": (lambda: nn.Conv2d(2, 3, 2), (2, 2, 2)),
    "conv 3d": (lambda: nn.Conv3d(1, 2, 2, stride=(1, 2, 1)), (1, 3, 4, 3)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(3), (3,)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(2), (2, 3, 3)),
    "layer norm": (lambda: nn.LayerNorm((2, 3)), (4, 2, 3)),
    "RMS norm": (lambda: nn.RMSNorm(3), (2, 3)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (4, 3)),
    "instance norm": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 3, 3)),
}
TABLES: dict[str, Callable[[], nn.Module]] = {
    "embedding": lambda: nn.Embedding(4, 3),
    "embedding with padding": lambda: nn.Embedding(4, 3, padding_idx=1),
}


def land_of(
    make: Callable[[], nn.Module], x: Tensor, cut: int = 3, **settings: Any
) -> td.Landscape:
    model = ready(lambda: Classifier(make()), F64)
    data = (x, labels(3, len(x)))
    return td.Landscape(model, nn.CrossEntropyLoss(), data, batch_size=cut, **settings)


def assert_exact(land: td.Landscape) -> None:
    wanted = land.gauss_newton().dense().diagonal()
    diagonal, trace = gauss_newton_diagonal(land), gauss_newton_trace(land)
    assert relative(diagonal.value, wanted) <= 1e-10
    assert not diagonal.error.any()
    assert diagonal.outcome.name == trace.total.outcome.name == "exact"
    assert float(trace) == pytest.approx(float(wanted.sum()), rel=1e-10)
    for layer, at in land.layers.items():
        row = trace.layers[layer]
        assert row.value == pytest.approx(float(wanted[at].sum()), rel=1e-10, abs=1e-14)
        assert row.error == 0


@pytest.mark.parametrize("kind", EXACT)
def test_every_layer_kind_is_exact(kind: str) -> None:
    make, shape = EXACT[kind]
    assert_exact(land_of(make, normal(SAMPLES, *shape, dtype=F64)))


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_exact(kind: str) -> None:
    land = land_of(TABLES[kind], labels(4, SAMPLES, 6))
    assert_exact(land)


def test_a_batch_of_one_sample_is_exact() -> None:
    assert_exact(land_of(lambda: nn.Linear(3, 4), normal(3, 2, 3, dtype=F64), cut=1))


@pytest.mark.parametrize("loss", [n for n in LIKELIHOODS if n != "masked by hand"])
def test_every_likelihood_is_exact(loss: str) -> None:
    assert_exact(LIKELIHOODS[loss].landscape(F64))


PREDICTING = [
    "linear regression",
    "mlp",
    "cnn with batch norm",
    "other norms",
    "frozen layer",
    "unused parameter",
    "chosen by pattern",
    "class weights",
    "tuple inputs",
]


@pytest.mark.parametrize("problem", PREDICTING)
def test_every_problem_of_known_layers_is_exact(problem: str) -> None:
    assert_exact(PROBLEMS[problem](F64).landscape())


def test_single_precision_is_as_good_as_it_can_be() -> None:
    wanted = PROBLEMS["cnn with batch norm"](F64).landscape().gauss_newton().dense()
    land = PROBLEMS["cnn with batch norm"](torch.float32).landscape()
    assert relative(gauss_newton_diagonal(land).value, wanted.diagonal()) <= 1e-5


def test_chosen_layers_alone() -> None:
    land = PROBLEMS["cnn with batch norm"](F64).landscape()
    wanted = land.gauss_newton("head").dense().diagonal()
    assert relative(gauss_newton_diagonal(land, "head").value, wanted) <= 1e-12
    assert list(gauss_newton_trace(land, "head").layers) == ["head"]


def test_small_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    land = land_of(*(EXACT["conv 2d, strided"][0], normal(SAMPLES, 2, 5, 4, dtype=F64)))
    whole = gauss_newton_diagonal(land).value
    monkeypatch.setattr("theodolite.products.sample_gradients._SLICE", 1)
    torch.testing.assert_close(gauss_newton_diagonal(land).value, whole)


class TimeFirst(nn.Module):
    """The layer sees as many times as there are samples, in front of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.transpose(0, 1)).transpose(0, 1)


class Places(nn.Module):
    """A table of places, as long as there are samples."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Embedding(SAMPLES, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.places(torch.arange(SAMPLES))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.fc(x).tanh())


class Beside(nn.Module):
    """The weight is used by the module, and once more without it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) + F.linear(x.square(), self.fc.weight)


RANDOM: dict[str, Made] = {
    "time first": (TimeFirst, (SAMPLES, 3)),
    "a table of places": (Places, (SAMPLES, 3)),
    "used twice": (Twice, (3,)),
    "used beside its module": (Beside, (3,)),
    "recurrent": (lambda: nn.RNN(3, 2, batch_first=True), (4, 3)),
    "samples meet": (lambda: nn.BatchNorm1d(3, track_running_stats=False), (3,)),
}


class First(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.before, self.inner = nn.Linear(3, 3), inner

    def forward(self, x: Tensor) -> Tensor:
        result = self.inner(self.before(x))
        return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("kind", RANDOM)
def test_what_has_no_rule_is_estimated_with_its_error(kind: str) -> None:
    make, shape = RANDOM[kind]
    land = land_of(lambda: First(make()), normal(SAMPLES, *shape, dtype=F64), SAMPLES)
    wanted = land.gauss_newton().dense().diagonal()
    for seed in range(3):
        diagonal = gauss_newton_diagonal(land, probes=200, seed=seed)
        gap = (diagonal.value - wanted).abs()
        # many entries: five errors, and what 200 draws of a square can miss
        assert (gap <= 5 * diagonal.error + 1e-12).all()
        total = gauss_newton_trace(land, probes=200, seed=seed).total
        assert total.error > 0
        assert abs(total.value - float(wanted.sum())) <= 4 * total.error
    assert gauss_newton_trace(land).layers["head"].error == 0


@pytest.mark.parametrize("problem", ["cnn with batch norm", "tied weights", "lstm"])
def test_random_signs_are_within_four_errors(problem: str) -> None:
    land = PROBLEMS[problem](F64).landscape()
    wanted = float(land.gauss_newton().dense().trace())
    found = [gauss_newton_trace(land, probes=25, seed=s).total for s in range(20)]
    gaps = torch.tensor([(e.value - wanted) / e.error for e in found])
    assert float(gaps.abs().max()) <= 4
    # the stated errors are neither too small nor too large: 1 ± 4 √(2/20)
    assert 0.2 < float(gaps.square().mean()) < 2.3


def test_many_columns_are_probed_unless_asked_for() -> None:
    land = LIKELIHOODS["squared error"].landscape(F64)
    assert gauss_newton_trace(land).total.error == 0
    assert gauss_newton_trace(land, probes=12).total.probes == 12
    wide = td.Landscape(
        ready(partial(nn.Linear, 3, 40), F64),
        nn.CrossEntropyLoss(),
        (normal(6, 3, dtype=F64), labels(40, 6)),
    )
    wanted = float(wide.gauss_newton().dense().trace())
    drawn, exact = gauss_newton_trace(wide), gauss_newton_trace(wide, probes="exact")
    assert 0 < drawn.total.error < 0.1 * wanted
    assert abs(float(drawn) - wanted) <= 4 * drawn.total.error
    assert float(exact) == pytest.approx(wanted, rel=1e-12)
    assert exact.total.error == 0


@pytest.mark.parametrize("problem", ["cnn with batch norm", "checkpointed", "lstm"])
def test_the_model_is_untouched(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    land = case.landscape()
    hooks = [len(m._forward_hooks) for m in case.model.modules()]
    with nothing_changes(case.model):
        gauss_newton_trace(land)
        gauss_newton_diagonal(land)
    assert [len(m._forward_hooks) for m in case.model.modules()] == hooks


class Breaking(nn.Module):
    """Fails once it is told to."""

    broken = False

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.broken:
            raise ZeroDivisionError
        return self.fc(x)


def test_the_model_is_untouched_after_an_error() -> None:
    land = land_of(Breaking, normal(SAMPLES, 3, dtype=F64))
    land.loss()
    model: Any = land.model
    model.layers[0].broken = True
    with nothing_changes(model), pytest.raises(td.TheodoliteError, match="ZeroDiv"):
        gauss_newton_trace(land)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_cannot_be_measured_is_refused() -> None:
    land = OTHERS["smooth L1"].landscape(F64)
    with pytest.raises(LossError, match="gauss_newton"):
        gauss_newton_trace(land)
    with pytest.raises(LossError, match="gauss_newton"):
        gauss_newton_diagonal(OTHERS["not linear before"].landscape(F64))
    with pytest.raises(ArgumentError, match="probes=1"):
        gauss_newton_trace(land, probes=1)
    function = td.Landscape.from_function(lambda w: w.square().sum(), torch.ones(2))
    with pytest.raises(ArgumentError, match="hessian"):
        gauss_newton_trace(function)


def test_it_prints_and_becomes_plain() -> None:
    trace = gauss_newton_trace(PROBLEMS["mlp"](F64).landscape())
    assert "fc1" in repr(trace)
    assert set(trace.to_dict()["layers"]) == {"fc1", "fc2"}
