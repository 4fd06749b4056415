"""A model comes back in another's order, with its own function."""

import json
import sys
from copy import deepcopy
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import theodolite as td
from permutable import CASES, Case, normal, scrambled
from theodolite.errors import (
    ArgumentError,
    MissingPackageError,
    ModelError,
    NonFiniteError,
    ParameterError,
    TheodoliteError,
)
from theodolite.maps.align import align
from theodolite.maps.alignment.answers import (
    in_double,
)
from theodolite.maps.alignment.finding import symmetry_of
from theodolite.maps.alignment.matching import Matching
from theodolite.maps.alignment.result import Alignment
from theodolite.models.digits import split_digits
from theodolite.models.mlp import MLP
from theodolite.models.training import train


@pytest.mark.parametrize("method", ["weights", "activations"])
@pytest.mark.parametrize("name", ["CNN", "ViT", "GPT", "Llama", "ResNet, group norm"])
def test_another_network_comes_nearer_and_keeps_its_function(
    name: str, method: str
) -> None:
    case = CASES[name]
    one, other = case.model(0), case.model(1)
    found = align(one, other, case.inputs, method=method)
    assert found.distance_after < found.distance_before
    assert found.deviation < 1e-5
    pairs = zip(one.parameters(), found.model.parameters(), strict=True)
    with torch.no_grad():
        apart = sum(float((a - b).double().square().sum()) for a, b in pairs) ** 0.5
    assert apart == pytest.approx(found.distance_after, rel=1e-6)


def test_narrow_networks_find_the_best_order_of_all() -> None:
    case = Case(lambda: MLP((3, 4, 2)), normal(5, 3).double(), {})
    one, other = (case.model(seed).double() for seed in (0, 1))
    found = align(one, other, case.inputs)
    weights = [units(model) for model in (one, other)]
    rest = (one.get_parameter("fc2.bias") - other.get_parameter("fc2.bias")).detach()
    best = min(
        float((weights[0] - weights[1][list(order)]).square().sum() + rest @ rest)
        for order in permutations(range(4))
    )
    assert found.distance_after == pytest.approx(best**0.5, rel=1e-12)


def units(model: nn.Module) -> Tensor:
    """One row for each hidden unit of a perceptron: all its weights."""
    named = {name: weight.detach() for name, weight in model.named_parameters()}
    return torch.cat(
        [named["fc1.weight"], named["fc1.bias"][:, None], named["fc2.weight"].T], 1
    )


def test_alignment_lowers_the_barrier_between_two_trainings() -> None:
    data, _ = split_digits()
    models = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            models.append(MLP((64, 512, 10), nn.ReLU))
        train(models[-1], data, epochs=3, seed=seed)
    land = td.Landscape(models[0], nn.CrossEntropyLoss(), data)
    for method in ("weights", "activations"):
        found = align(land, models[1], method=method)
        assert barrier(land, found.model) < 0.2 * barrier(land, models[1])


def barrier(land: td.Landscape, model: nn.Module) -> float:
    """How far the straight line rises above the higher end."""
    end = land.parameters.flatten(model.parameters())
    shares = torch.linspace(0, 1, 9).tolist()
    losses = [land.loss(torch.lerp(land.point, end.detach(), s)) for s in shares]
    return max(losses) - max(losses[0], losses[-1])


@pytest.mark.parametrize("method", ["weights", "activations"])
def test_both_models_and_torch_are_as_they_were(method: str) -> None:
    case = CASES["ResNet"]
    one, other = case.model(0).train(), case.model(1)
    one(case.inputs).sum().backward()
    hidden = one.get_parameter("head.weight").grad
    before = [deepcopy(m.state_dict()) for m in (one, other)]
    state = torch.get_rng_state()
    found = align(one, other, case.inputs, method=method)
    for model, kept in zip((one, other), before, strict=True):
        assert all(torch.equal(kept[n], t) for n, t in model.state_dict().items())
    assert one.training
    assert not other.training
    assert not found.model.training
    assert one.get_parameter("head.weight").grad is hidden
    assert torch.equal(state, torch.get_rng_state())
    assert {id(w) for w in found.model.parameters()}.isdisjoint(
        id(w) for w in other.parameters()
    )


def test_permutations_say_which_unit_stands_where() -> None:
    case = CASES["MLP"]
    one, other = case.model(0), case.model(1)
    found = align(one, other, case.inputs)
    weight = other.get_parameter("fc1.weight")[found.permutations["fc1"]]
    assert torch.equal(weight, found.model.get_parameter("fc1.weight"))
    assert [g.name for g in found.groups] == list(found.permutations) == ["fc1", "fc2"]


def test_heads_move_as_wholes_and_are_ordered_inside() -> None:
    case = CASES["ViT"]
    one, other = case.model(0), case.model(1)
    found = align(one, other, case.inputs)
    front = "blocks.0.attn.qkv"
    heads = found.permutations[f"{front}: 3 blocks"]
    inside = found.permutations[f"{front}: within 3 blocks [48:72]"]
    assert inside.shape == (3, 8)
    stream = found.permutations["patches"]
    old = other.get_parameter(f"{front}.weight")[48:].view(3, 8, 24)
    new = torch.stack([old[h][rows] for h, rows in zip(heads, inside, strict=True)])
    aligned = found.model.get_parameter(f"{front}.weight")[48:].view(3, 8, 24)
    assert torch.equal(new[..., stream], aligned)


def test_what_was_matched_in_place_is_what_the_orders_say() -> None:
    case = CASES["GPT"]
    models = [in_double(case.model(seed), case.inputs)[0] for seed in (0, 1)]
    symmetry = symmetry_of(models[0], case.inputs)
    ours, theirs = (
        {n: w.detach() for n, w in model.named_parameters()} for model in models
    )
    matching = Matching(symmetry.by_root, symmetry.seats, ours, theirs)
    before = matching.likeness
    assert all(matching.improve(group) for group in symmetry.groups)
    arranged = symmetry.arranged(theirs, matching.orders)
    likeness = sum(float((ours[n] * arranged[n]).sum()) for n in ours)
    assert matching.likeness == pytest.approx(likeness, rel=1e-12)
    assert likeness > before


def test_the_same_seed_gives_the_same_order() -> None:
    case = CASES["ResNet"]
    one, other = case.model(0), case.model(1)
    first, again = (align(one, other, case.inputs, seed=3) for _ in range(2))
    for name, order in first.permutations.items():
        assert torch.equal(order, again.permutations[name])


def test_more_starts_never_end_further_away() -> None:
    case = CASES["ResNet"]
    one, other = case.model(0), case.model(1)
    few, many = (align(one, other, case.inputs, starts=n) for n in (1, 6))
    assert many.distance_after <= few.distance_after + 1e-9


def test_a_landscape_brings_its_data_and_its_places() -> None:
    case = CASES["MLP"]
    one, other = case.model(0), case.model(1)
    loss, data = nn.CrossEntropyLoss(), (case.inputs, torch.arange(9) % 3)
    land = td.Landscape(one, loss, data)
    by_model = align(one, other, case.inputs)
    flat = land.parameters.flatten(w.detach() for w in other.parameters())
    for what in (other, other.state_dict(), flat, td.Landscape(other, loss, data)):
        found = align(land, what)
        assert found.distance_after == by_model.distance_after
    state = align(one, other.state_dict(), case.inputs)
    assert state.distance_after == by_model.distance_after


def test_a_point_without_the_statistics_of_its_units_is_refused() -> None:
    case = CASES["CNN"]
    land = td.Landscape(
        case.model(), nn.CrossEntropyLoss(), (case.inputs, torch.arange(3))
    )
    assert align(land, case.model(1).state_dict()).distance_after > 0
    with pytest.raises(ArgumentError, match=r"norm1\.running_mean.*\n.*state_dict"):
        align(land, land.point)


def test_what_is_frozen_and_shared_stays() -> None:
    case = CASES["GPT"]
    one, other = case.model(0), case.model(1)
    with torch.no_grad():
        other.get_parameter("tokens.weight").copy_(one.get_parameter("tokens.weight"))
    for model in (one, other):
        model.get_parameter("tokens.weight").requires_grad_(False)
    found = align(one, other, case.inputs)
    assert torch.equal(
        found.model.get_parameter("tokens.weight"), one.get_parameter("tokens.weight")
    )
    assert "tokens.weight" in " ".join(found.notes)
    assert "block.fc1" in found.permutations


def test_a_frozen_network_that_differs_is_aligned_all_the_same() -> None:
    case = CASES["MLP"]
    one = case.model().requires_grad_(False)
    other = scrambled(one, case.inputs).requires_grad_(False)
    assert align(one, other, case.inputs).distance_after < 1e-6


def test_buffers_that_no_checkpoint_carries_stay() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 2)
            scale = torch.arange(1.0, 7.0)
            self.register_buffer("scale", scale, persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc2(self.scale * self.fc1(x))

    found = align(Scaled(), Scaled(), normal(5, 4))
    assert not found.groups
    assert "scale" in " ".join(found.notes)
    assert "No units" in str(found)


def test_tied_weights_stay_tied() -> None:
    case = CASES["GPT"]
    found = align(case.model(0), case.model(1), case.inputs)
    model = found.model
    assert model.get_parameter("head.weight") is model.get_parameter("tokens.weight")


def test_low_precision_is_matched_in_float64() -> None:
    case = CASES["MLP"]
    one = case.model().bfloat16()
    found = align(one, scrambled(one, case.inputs.bfloat16()), case.inputs.bfloat16())
    assert found.distance_after == 0


def test_the_result_tells_and_saves_itself() -> None:
    case = CASES["CNN"]
    found = align(case.model(0), case.model(1), case.inputs)
    assert isinstance(found, Alignment)
    assert f"{found.moved} of 24 units moved in 2 groups" in repr(found)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["permutations"]["conv1"] == found.permutations["conv1"].tolist()
    assert plain["groups"][0]["axes"][0] == "conv1.weight[0]"
    assert "model" not in plain


def test_sweeps_that_run_out_say_so() -> None:
    case = CASES["ResNet"]
    found = align(case.model(0), case.model(1), case.inputs, sweeps=1)
    assert found.outcome.name == "budget"
    assert "Raise sweeps" in str(found.outcome)


def broken(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        model.get_parameter("fc2.weight")[0, 0] = float("nan")
    return model


BAD: dict[str, tuple[type[TheodoliteError], str, Any]] = {
    "other shapes": (ParameterError, "has shape", lambda: MLP((6, 16, 11, 3))),
    "other layers": (ParameterError, "one of the two", lambda: nn.Linear(6, 3)),
    "other state": (ParameterError, "does not fit", lambda: {"a": torch.ones(1)}),
    "no model": (ArgumentError, "second model", lambda: torch.ones(3)),
    "NaN": (NonFiniteError, "fc2.weight", lambda: broken(CASES["MLP"].model())),
}


@pytest.mark.parametrize("case", BAD.values(), ids=list(BAD))
def test_models_that_do_not_match_are_refused(case: Any) -> None:
    error, words, make = case
    with pytest.raises(error, match=words):
        align(CASES["MLP"].model(), make(), CASES["MLP"].inputs)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "magic"}, 'method="weights"'),
        ({"starts": 0}, "starts=1"),
        ({"sweeps": 0}, "sweeps=1"),
        ({"seed": 2**70}, "seed=0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: Any, words: str) -> None:
    case = CASES["MLP"]
    with pytest.raises(ArgumentError, match=words):
        align(case.model(), case.model(), case.inputs, **settings)


def test_models_alone_do_not_show_their_units() -> None:
    case = CASES["MLP"]
    with pytest.raises(ArgumentError, match="one batch of inputs"):
        align(case.model(), case.model())
    land = td.Landscape.from_function(lambda w: w.sum(), torch.ones(2))
    with pytest.raises(ArgumentError, match="landscape of a function"):
        align(land, case.model(), case.inputs)


def test_models_that_cannot_be_copied_are_refused() -> None:
    model = CASES["MLP"].model()
    model.kept = model.get_parameter("fc1.weight") * 2
    with pytest.raises(ModelError, match=r"copy\.deepcopy"):
        align(model, CASES["MLP"].model(1), CASES["MLP"].inputs)


def test_a_missing_scipy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    case = CASES["MLP"]
    with pytest.raises(MissingPackageError, match=r"theodolite\[align\]"):
        align(case.model(), case.model(1), case.inputs)


def test_progress_is_told_and_ends() -> None:
    told: list[str] = []

    class Watcher:
        def update(self, stage: str, done: float, left: float) -> None:
            assert 0 <= done <= 1
            told.append(stage)

        def close(self) -> None:
            told.append("closed")

    case = CASES["MLP"]
    align(case.model(0), case.model(1), case.inputs, progress=Watcher())
    assert told[0] == "finding symmetries"
    assert told[-1] == "closed"
