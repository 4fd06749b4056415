"""The built-in landscapes: their data, their training, their cache."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

import theodolite as td
from theodolite.errors import TargetError
from theodolite.models.catalogue import CATALOGUE
from theodolite.models.digits import digits, split_digits
from theodolite.models.mlp import MLP
from theodolite.models.training import cache_folder, trained
from watch import nothing_changes

NETWORKS = ["digits-mlp", "digits-cnn", "digits-vit"]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder()


def quick(seed: int = 0, make: Callable[[], nn.Module] | None = None) -> nn.Module:
    """A network that is trained in a fraction of a second."""
    (inputs, labels), _ = split_digits()
    make = make or partial(MLP, (64, 8, 10))
    data = (inputs[:128], labels[:128])
    return trained("quick", make, data, epochs=2, seed=seed)


def weights(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def test_the_digits_are_those_of_scikit_learn() -> None:
    theirs = load_digits()
    images, labels = digits()
    np.testing.assert_array_equal(16 * images[:, 0].numpy(), theirs.images)
    np.testing.assert_array_equal(labels.numpy(), theirs.target)


def test_training_and_test_digits_share_no_row() -> None:
    train, test = split_digits()
    assert (len(train[0]), len(test[0])) == (1437, 360)
    images, labels = digits()
    rows = torch.cat([train[0], test[0]]).flatten(1)
    assert torch.equal(rows.sort(0).values, images.flatten(1).sort(0).values)
    assert torch.equal(
        torch.cat([train[1], test[1]]).sort().values, labels.sort().values
    )
    again = split_digits()
    assert torch.equal(again[0][0], train[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_built_in_network_has_learned_its_digits(name: str) -> None:
    land = td.builtin(name)
    assert land.model is not None
    assert not any(module.training for module in land.model.modules())
    assert all(weight.grad is None for weight in land.model.parameters())
    inputs, labels = split_digits()[1]
    with torch.no_grad():
        accuracy = (land.model(inputs).argmax(1) == labels).float().mean()
    assert float(accuracy) >= 0.93
    assert land.loss() < 0.2
    assert land.test is not None
    with torch.no_grad():
        wanted = F.cross_entropy(land.model(inputs), labels)
    assert land.test.loss() == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("name", CATALOGUE)
def test_building_touches_no_random_state(name: str) -> None:
    td.builtin(name)
    with nothing_changes(None):
        td.builtin(name, seed=0)


def test_training_touches_no_random_state(own_cache: Path) -> None:
    with nothing_changes(None):
        quick()


def test_training_is_the_same_for_the_same_seed(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = quick(seed=0), quick(seed=1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(own_cache / "elsewhere"))
    torch.rand(7)
    assert torch.equal(weights(quick(seed=0)), weights(first))
    assert not torch.equal(weights(first), weights(other))


def test_the_second_time_the_weights_come_from_the_cache(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = quick()
    [file] = own_cache.iterdir()
    assert file.suffix == ".safetensors"
    monkeypatch.setattr("theodolite.models.training.train", None)
    assert torch.equal(weights(quick()), weights(first))
    assert not quick().training


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def of_another_network(file: Path) -> None:
    """The first layer fits and the second does not."""
    other = quick(make=partial(MLP, (64, 8, 5, 10)), seed=7)
    file.write_bytes((file.parent / file.name.replace("-0-", "-7-")).read_bytes())
    assert other is not None


@pytest.mark.parametrize("damage", [cut_short, of_another_network])
def test_a_damaged_cache_is_trained_anew_to_the_same_weights(
    own_cache: Path, damage: Callable[[Path], None]
) -> None:
    first = quick()
    [file] = own_cache.iterdir()
    damage(file)
    with pytest.warns(UserWarning, match="training anew"):
        again = quick()
    assert torch.equal(weights(again), weights(first))
    assert torch.equal(weights(quick()), weights(first))


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.warns(RuntimeWarning, match="cannot be kept"):
        model = quick()
    assert not model.training
    assert weights(model).isfinite().all()


def test_an_interrupted_write_leaves_nothing_behind(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("theodolite.models.training.save_file", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        quick()
    assert list(own_cache.iterdir()) == []


def test_a_name_that_is_not_there_is_answered_with_the_nearest() -> None:
    with pytest.raises(TargetError, match="Did you mean 'digits-mlp'"):
        td.builtin("digit-mlp")


def test_linear_regression_and_the_saddle_are_as_described() -> None:
    bowl = td.builtin("linear-regression")
    assert bowl.size == 2
    assert td.eigsh(bowl.hessian(), 2).values.min() > 0
    saddle = td.builtin("saddle")
    assert saddle.hessian().dense().tolist() == [[6, 0], [0, -2]]
    assert td.builtin("linear-regression", seed=1).loss() != bowl.loss()


@pytest.fixture(scope="module")
def digits_hessian() -> Tensor:
    """The dense float64 Hessian of digits-mlp, at the float32 weights."""
    land = td.builtin("digits-mlp")
    assert land.model is not None
    model = MLP((64, 24, 24, 10)).double().eval()
    model.load_state_dict(land.model.state_dict())
    inputs, labels = split_digits()[0]
    wide = td.Landscape(model, nn.CrossEntropyLoss(), (inputs.double(), labels))
    return wide.hessian().dense()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_ten_largest_eigenvalues_are_right_at_defaults(
    digits_hessian: Tensor, seed: int
) -> None:
    pairs = td.eigsh(td.builtin("digits-mlp").hessian(), 10, seed=seed)
    true = torch.linalg.eigvalsh(digits_hessian).flip(0)[:10]
    assert pairs.converged
    torch.testing.assert_close(pairs.values, true, rtol=1e-3, atol=0)


@pytest.mark.parametrize("deflated", [False, True], ids=["plain", "deflated"])
def test_the_trace_is_within_three_of_its_errors(
    digits_hessian: Tensor, deflated: bool
) -> None:
    true = float(digits_hessian.trace())
    matrix = digits_hessian.float()
    pairs = td.eigsh(matrix, 10) if deflated else None
    traces = [td.trace(matrix, seed=s, deflate=pairs) for s in range(50)]
    assert sum(abs(t.value - true) <= 3 * t.error for t in traces) >= 48
    hessian = td.builtin("digits-mlp").hessian()
    for seed in (0, 1):
        ours = td.trace(hessian, seed=seed, deflate=pairs, budget=60)
        assert abs(ours.value - true) <= 4 * ours.error
