"""The groups of units that are found can be permuted, and nothing else is moved."""

from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from permutable import CASES, Case, Recurrent, normal
from theodolite.errors import ModelError
from theodolite.maps.alignment.answers import (
    answers,
    deviation,
    in_double,
    tensors_of,
    with_tensors,
)
from theodolite.maps.alignment.finding import shuffled, symmetry_of
from theodolite.maps.alignment.symmetry import Symmetry
from theodolite.maps.alignment.unit_groups import UnitGroup, unit_groups


def found(model: nn.Module, inputs: Any, **settings: Any) -> Symmetry:
    return symmetry_of(*in_double(model, inputs), **settings)


def groups(model: nn.Module, inputs: Any) -> list[UnitGroup]:
    named = dict(model.named_parameters())
    return list(unit_groups(found(model, inputs), named))


def axes(model: nn.Module, inputs: Any) -> list[set[str]]:
    return [{*group.axes} for group in groups(model, inputs)]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_groups_have_the_sizes_of_the_architecture(case: Case) -> None:
    sizes = Counter((g.blocks, g.size) for g in groups(case.model(), case.inputs))
    assert dict(sizes) == case.groups


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_random_permutations_of_all_groups_keep_the_function(case: Case) -> None:
    model, inputs = in_double(case.model(), case.inputs)
    symmetry = symmetry_of(model, inputs)
    random = np.random.default_rng(5)
    orders = shuffled(symmetry, symmetry.groups, random)
    other = with_tensors(model, symmetry.arranged(tensors_of(model), orders))
    assert not symmetry.notes
    assert deviation(answers(model, inputs), answers(other, inputs)) < 1e-12
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(one, permuted) for one, permuted in pairs)


def test_a_residual_stage_is_one_group_through_all_its_blocks() -> None:
    case = CASES["ResNet"]
    stream = groups(case.model(), case.inputs)[0]
    assert stream.name == "stem"
    assert {
        *("stem.weight[0]", "norm.running_var[0]", "blocks.0.conv1.weight[1]"),
        *("blocks.0.conv2.weight[0]", "blocks.1.short.0.weight[1]"),
    } <= {*stream.axes}


def test_queries_and_keys_share_an_order_and_values_have_another() -> None:
    case = CASES["GPT"]
    model = case.model()
    symmetry = found(model, case.inputs)
    named = unit_groups(symmetry, dict(model.named_parameters()))
    inside = [roots for group, roots in named.items() if group.blocks == 4]
    rows = [
        sorted(
            int(row)
            for root in roots
            for seat in symmetry.seats[root]
            if seat.tensor == "block.attn.weight"
            for row in seat.positions.ravel()
        )
        for roots in inside
    ]
    assert rows == [list(range(32)), list(range(32, 48))]


class Middle(nn.Module):
    """Something happens between two layers."""

    def __init__(self, between: Any) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.between = between

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(self.between(torch.tanh(self.fc2(self.fc1(x)))))


def shifted(x: Tensor) -> Tensor:
    return x + x.roll(1, -1)


def through_numpy(x: Tensor) -> Tensor:
    return torch.from_numpy(x.detach().numpy() * np.arange(8))


def in_place(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y[:, 2] = x[:, 5]
    return x + y


@pytest.mark.parametrize(
    "between",
    [
        shifted,
        in_place,
        through_numpy,
        lambda x: torch.fft.rfft(x).abs().repeat(1, 2)[:, :8],
        lambda x: x.sort(-1).values,
        lambda x: x * torch.arange(8),
        lambda x: x.cumsum(-1),
        lambda x: x[:, [3, 1, 2, 0, 4, 5, 6, 7]],
        lambda x: x.as_strided((4, 8), (8, 1)),
    ],
)
def test_units_whose_places_count_stay(between: Any) -> None:
    assert axes(Middle(between), normal(4, 5)) == [
        {"fc1.weight[0]", "fc1.bias[0]", "fc2.weight[1]"}
    ]


def test_an_operation_that_is_not_known_is_named() -> None:
    symmetry = found(Middle(lambda x: x.sort(-1).values), normal(4, 5))
    assert symmetry.notes == ["Pinned what these operations touch: sort."]


def test_what_nobody_watched_is_found_out_by_permuting_it() -> None:
    symmetry = found(Middle(through_numpy), normal(4, 5))
    assert "changed the outputs" in " ".join(symmetry.notes)


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x.view(-1, 2, 4).flip(1).flatten(1),
        lambda x: x.view(-1, 2, 4).cumsum(1).flatten(1),
    ],
)
def test_blocks_whose_places_count_are_permuted_inside(between: Any) -> None:
    sizes = [(g.blocks, g.size) for g in groups(Middle(between), normal(4, 5))]
    assert (1, 8) in sizes
    assert (1, 4) in sizes


def test_units_on_either_side_of_a_cut_are_two_groups() -> None:
    model = Middle(lambda x: torch.cat([x[:, 3:], 2 * x[:, :3]], 1))
    sizes = sorted(g.size for g in groups(model, normal(4, 5)))
    assert sizes == [3, 5, 8]


CHAINS: dict[str, tuple[list[nn.Module], list[int]]] = {
    "channel shuffle": ([nn.Conv2d(3, 12, 1), nn.ChannelShuffle(3)], [3, 4]),
    "pixel shuffle": ([nn.Conv2d(3, 16, 1), nn.PixelShuffle(2)], [4]),
    "pixel unshuffle": ([nn.Conv2d(3, 4, 1), nn.PixelUnshuffle(2)], [4]),
    "instance norm": ([nn.Conv2d(3, 6, 1), nn.InstanceNorm2d(6, affine=True)], [6]),
    "layer norm": ([nn.Conv2d(3, 6, 1), nn.LayerNorm([6, 4, 4])], [6]),
    "PReLU": ([nn.Conv2d(3, 6, 1), nn.PReLU(6)], [6]),
    "places": (
        [nn.Conv2d(3, 6, 1), nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1)],
        [6],
    ),
    "pooling": ([nn.Conv2d(3, 6, 1), nn.AdaptiveMaxPool2d(2), nn.Dropout()], [6]),
    "softmax": ([nn.Conv2d(3, 6, 1), nn.Softmax(1), nn.LogSigmoid()], [6]),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=list(CHAINS))
def test_channels_pass_through_layers_of_all_kinds(chain: Any) -> None:
    layers, sizes = chain
    model = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))
    model(normal(4, 3, 4, 4))
    symmetry = found(model, normal(4, 3, 4, 4))
    assert sorted(group.size for group in symmetry.groups) == sizes
    assert not symmetry.notes


def test_forward_passes_in_inference_mode_are_watched() -> None:
    class Inferring(Middle):
        @torch.inference_mode()
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)

    assert len(groups(Inferring(torch.relu), normal(4, 5))) == 2


class Aliased(Middle):
    """A weight is used as a plain tensor that shares its memory."""

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(torch.tanh(self.fc1(x) @ self.fc2.weight.data[:, :8].T))


def test_weights_reached_by_their_memory_are_known_or_stay() -> None:
    model = Aliased(None)
    symmetry = found(model, normal(4, 5))
    assert all(group.size == 8 for group in symmetry.groups)
    assert not any("changed" in note for note in symmetry.notes)


def test_parameters_that_are_not_used_stay_and_are_named() -> None:
    model = nn.ModuleDict({"used": Middle(torch.relu), "spare": nn.Linear(2, 8)})
    model.forward = model["used"].forward
    assert "spare.weight" in " ".join(found(model, normal(4, 5)).notes)


def test_a_single_step_does_not_show_recurrent_units() -> None:
    symmetry = found(Recurrent(), normal(5, 1, 2))
    assert not symmetry.groups
    assert "Longer sequences" in " ".join(symmetry.notes)


def test_held_tensors_stay_where_they_change() -> None:
    case = CASES["MLP"]
    symmetry = found(case.model(), case.inputs, held=["fc2.bias"])
    assert [group.size for group in symmetry.groups] == [16]
    model = case.model()
    nn.init.constant_(model.get_parameter("fc2.bias"), 2.0)
    assert len(found(model, case.inputs, held=["fc2.bias"]).groups) == 2


def test_the_same_memory_under_two_names_is_one_parameter() -> None:
    case = CASES["GPT"]
    stream = groups(case.model(), case.inputs)[0]
    assert "tokens.weight[1]" in stream.axes
    assert not any(axis.startswith("head") for axis in stream.axes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_layer_is_watched_uncompiled() -> None:
    model = Middle(torch.compile(nn.Tanh(), backend="eager"))
    assert len(groups(model, normal(4, 5))) == 2


def test_models_that_differentiate_by_their_inputs_are_watched() -> None:
    class Force(Middle):
        def forward(self, x: Tensor) -> Tensor:
            x = x.detach().requires_grad_()
            energy = super().forward(x).sum()
            return torch.autograd.grad(energy, x, create_graph=True)[0]

    symmetry = found(Force(torch.tanh), normal(4, 5))
    assert not any("changed" in note for note in symmetry.notes)


def test_watching_leaves_the_model_and_torch_as_they_were() -> None:
    case = CASES["ResNet"]
    model = case.model().double().train()
    before, state = deepcopy(model.state_dict()), torch.get_rng_state()
    symmetry_of(model, case.inputs.double())
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert torch.backends.mha.get_fastpath_enabled()


def test_a_model_that_fails_says_what_it_was_called_with() -> None:
    with pytest.raises(ModelError, match="its operations were watched"):
        found(Middle(torch.relu), normal(4, 6))


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> None:
        del x


def test_an_answer_without_tensors_is_refused() -> None:
    with pytest.raises(ModelError, match="without a tensor"):
        answers(Nothing(), normal(4, 5))
