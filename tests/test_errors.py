"""What cannot be measured is refused, with what was found, why, and what to do."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from refused import (
    CE,
    PAIR,
    REFUSED,
    Reentrant,
    Segments,
    between,
    mlp,
    with_dropout,
)
from theodolite import errors
from theodolite.budget import seconds_of
from theodolite.errors import (
    ArgumentError,
    ProductError,
    TheodoliteError,
    nearest_names,
)
from theodolite.seeding import generator
from watch import nothing_changes


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_it_is_refused_with_advice_and_the_model_untouched(case: str) -> None:
    build, kind, texts = REFUSED[case]
    model, use = build()
    with (
        nothing_changes(None if case == "lazy module" else model),
        pytest.raises(TheodoliteError) as caught,
    ):
        use()
    assert type(caught.value) is kind
    message = str(caught.value)
    for text in texts:
        assert text in message
    assert caught.value.found
    assert caught.value.why
    assert caught.value.instead
    assert (
        message == f"{caught.value.found} {caught.value.why}\n→ {caught.value.instead}"
    )


def test_weights_that_became_nan_later_are_refused_too() -> None:
    model = mlp()
    landscape = td.Landscape(model, CE, PAIR)
    landscape.loss()
    with torch.no_grad():
        model.fc1.bias[0] = float("nan")
    for use in (landscape.loss, landscape.gradient, landscape.hessian):
        with pytest.raises(errors.NonFiniteError, match=r"fc1\.bias"):
            use()


def test_a_change_of_mode_is_looked_at_again() -> None:
    model = with_dropout().eval()
    landscape = td.Landscape(model, CE, PAIR)
    landscape.loss()
    model.train()
    with pytest.raises(errors.RandomLossError, match="Dropout"):
        landscape.loss()


def test_dropout_without_chance_is_no_dropout() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.0))
    assert td.Landscape(model, CE, PAIR).loss() > 0


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_gradient_that_autograd_refuses_is_explained() -> None:
    landscape = td.Landscape(between(Reentrant(3, 3)), CE, PAIR)
    with pytest.raises(errors.NoGradientError, match="use_reentrant=False"):
        landscape.gradient()


def test_a_layer_behind_what_has_no_second_derivative_is_no_obstacle() -> None:
    landscape = td.Landscape(between(Segments()), CE, PAIR, parameters="2.*")
    assert (landscape.hessian() @ torch.ones(12)).any()


@pytest.mark.parametrize("wrong", [(42,), (44,), (43, 1)])
def test_a_point_of_the_wrong_shape_is_refused(wrong: tuple[int, ...]) -> None:
    landscape = td.Landscape(mlp(), CE, PAIR)
    for use in (
        landscape.loss,
        landscape.gradient,
        lambda point: landscape.hessian(point=point),
    ):
        with pytest.raises((errors.ArgumentError, TypeError)):
            use(torch.zeros(wrong))


def test_a_layer_that_is_not_there_is_refused_with_the_nearest() -> None:
    landscape = td.Landscape(mlp(), CE, PAIR)
    with pytest.raises(errors.ParameterError, match="Near: 'fc1'"):
        landscape.hessian(layers="fc_1")


def test_running_out_of_memory_is_explained() -> None:
    def greedy(output: Tensor, target: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")  # noqa: TRY003, EM101

    with pytest.raises(errors.MemoryLimitError, match="smaller batches"):
        td.Landscape(mlp(), greedy, PAIR).loss()


@pytest.mark.parametrize("text", ["", "10", "-3s", "0s", "1.2.3s", "3 weeks"])
def test_a_budget_in_words_is_a_positive_time(text: str) -> None:
    with pytest.raises(errors.ArgumentError, match='"60s"'):
        seconds_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2min", 120), ("1h", 3600), ("1.5 m", 90)]
)
def test_times_have_units(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_every_error_is_in_the_tree_at_the_top() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, TheodoliteError)
    ]
    assert all(kind.__name__ in str(errors.__doc__) for kind in kinds)


def test_the_nearest_name_comes_first() -> None:
    assert nearest_names("conv1.weigth", ["fc.bias", "conv1.weight"]).startswith(
        "'conv1.weight'"
    )
    assert nearest_names("zzz", []) == "none"


def test_inference_mode_is_named() -> None:
    with (
        torch.inference_mode(),
        pytest.raises(errors.NoGradientError, match="inference_mode"),
    ):
        td.speed_limit(td.Landscape(mlp(), CE, PAIR))


@pytest.mark.parametrize("seed", [None, "a", 1.5, 2**70])
def test_a_seed_that_is_no_number_is_named(seed: Any) -> None:
    with pytest.raises(ArgumentError, match="seed="):
        generator(seed)


def test_any_whole_number_is_a_seed() -> None:
    first, second = (generator(seed) for seed in (3, np.int64(3)))
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))


ESTIMATORS = [td.trace, td.diagonal, td.frobenius_norm, td.eigsh, td.spectral_density]


@pytest.mark.parametrize("estimate", ESTIMATORS)
@pytest.mark.parametrize("kind", [torch.tensor, np.array])
def test_matrices_that_are_no_hessians_are_refused(estimate: Any, kind: Any) -> None:
    with pytest.raises(ProductError, match="not symmetric"):
        estimate(kind([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ArgumentError, match="complex"):
        estimate(kind([[2, 1j], [-1j, 2]]))


def test_read_only_and_empty_matrices_are_no_surprise() -> None:
    fixed = np.eye(3)
    fixed.flags.writeable = False
    assert td.trace(fixed).value == 3
    with pytest.raises(ArgumentError, match="k=1"):
        td.eigsh(torch.zeros(0, 0), 1)


def test_an_array_behind_the_operator_is_answered_with_what_to_type() -> None:
    hessian = td.builtin("saddle").hessian()
    with pytest.raises(ArgumentError, match="from_numpy"):
        hessian @ np.ones(2)


def test_sizes_below_zero_are_refused() -> None:
    land = td.builtin("saddle")
    with pytest.raises(ArgumentError, match="memory=-5"):
        td.Landscape(mlp(), CE, PAIR, memory=-5)
    with pytest.raises(ArgumentError, match="tolerance=-1"):
        td.index(land, tolerance=-1)
