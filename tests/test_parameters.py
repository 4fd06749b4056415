"""Which parameters are surveyed, and where they stand in the flat vector."""

from functools import partial

import pytest
import torch
from torch import nn

import theodolite as td
from networks import MLP, Encoder, SelfAttention, Tied
from problems import PROBLEMS, normal, ready
from theodolite.errors import NoGradientError, ParameterError
from theodolite.parameters import Parameters

F64 = torch.float64


def landscape(model: nn.Module, **settings: object) -> td.Landscape:
    data = (torch.zeros(2, 4, dtype=F64), torch.zeros(2, dtype=torch.long))
    return td.Landscape(model, nn.CrossEntropyLoss(), data, **settings)


def test_tied_weights_are_counted_once_under_their_first_name() -> None:
    land = PROBLEMS["tied weights"](F64).landscape()
    assert land.parameters.names == ("embed.weight", "fc.weight", "fc.bias")
    assert land.size == 12 + 16 + 4


@pytest.mark.parametrize("alias", ["embed.weight", "out.weight", "out.*"])
def test_tied_weights_are_found_under_any_of_their_names(alias: str) -> None:
    case = PROBLEMS["tied weights"](F64)
    assert case.landscape(parameters=alias).parameters.names == ("embed.weight",)


def test_tied_layers_that_share_a_module_are_counted_once() -> None:
    shared = nn.Linear(4, 4)
    model = nn.Sequential(shared, nn.Tanh(), shared).double()
    assert landscape(model).size == 20


def test_frozen_parameters_are_left_out() -> None:
    land = PROBLEMS["frozen layer"](F64).landscape()
    assert land.parameters.names == ("fc2.weight", "fc2.bias")


def test_unused_parameters_have_rows_of_zeros() -> None:
    land = PROBLEMS["unused parameter"](F64).landscape()
    dense = land.hessian().dense()
    unused = land.layers["spare"]
    assert not dense[unused].any()
    assert not dense[:, unused].any()
    assert not land.gradient()[unused].any()
    assert dense.any()
    assert not land.hessian().block("spare").dense().any()


def test_a_block_of_unused_parameters_alone_has_no_gradient() -> None:
    land = PROBLEMS["unused parameter"](F64).landscape()
    with pytest.raises(NoGradientError, match="parameters that the forward pass uses"):
        land.hessian(layers="spare").dense()


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("fc2.*", ["fc2.weight", "fc2.bias"]),
        ("*.bias", ["fc1.bias", "fc2.bias"]),
        (["fc1.weight", "fc2.bias"], ["fc1.weight", "fc2.bias"]),
        ("fc?.weight", ["fc1.weight", "fc2.weight"]),
    ],
)
def test_patterns_choose(patterns: str | list[str], names: list[str]) -> None:
    land = landscape(ready(partial(MLP, 4, 5, 3), F64), parameters=patterns)
    assert list(land.parameters.names) == names


def test_the_point_is_the_models_parameters_in_order() -> None:
    model = ready(Encoder, F64)
    land = td.Landscape(model, nn.CrossEntropyLoss(), (torch.zeros(1), torch.zeros(1)))
    assert torch.equal(land.point, nn.utils.parameters_to_vector(model.parameters()))
    land.point.zero_()
    assert land.point.any()


@pytest.mark.parametrize("make", [Encoder, Tied, partial(SelfAttention, 7, 4, 7)])
def test_layers_are_contiguous_and_cover_the_vector(make: type[nn.Module]) -> None:
    model = ready(make, F64)
    places = list(landscape(model).layers.values())
    assert places[0].start == 0
    assert [place.stop for place in places[:-1]] == [p.start for p in places[1:]]
    assert places[-1].stop == landscape(model).size


def test_a_parameter_at_the_root_is_a_layer_of_its_own() -> None:
    model = nn.ParameterDict({"a": torch.zeros(2), "b": torch.zeros(3)})
    assert landscape(model).layers == {"a": slice(0, 2), "b": slice(2, 5)}


def test_flatten_and_split_are_inverses_for_mixed_types() -> None:
    tensors = [
        torch.randn(2, 3, dtype=F64),
        torch.randn(4).bfloat16(),
        torch.tensor(1.0),
    ]
    parameters = Parameters(["a.w", "a.b", "c"], tensors)
    assert parameters.dtype == F64
    back = parameters.split(parameters.flatten(tensors))
    for ours, theirs in zip(back, tensors, strict=True):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)


def test_flat_vectors_are_never_narrower_than_float32() -> None:
    assert Parameters(["w"], [torch.zeros(2).bfloat16()]).dtype == torch.float32


BLOCKED = ["mlp", "other norms", "tied weights", "frozen layer"]


@pytest.mark.parametrize("problem", BLOCKED)
@pytest.mark.parametrize("memory", [None, 0])
def test_a_block_is_the_principal_submatrix(problem: str, memory: int | None) -> None:
    land = PROBLEMS[problem](F64).landscape(memory=memory)
    whole = land.hessian()
    dense = whole.dense()
    for layer, place in land.layers.items():
        wanted = dense[place, place]
        for block in (land.hessian(layers=layer), whole.block(layer)):
            torch.testing.assert_close(block.dense(), wanted, rtol=0, atol=1e-12)


def test_a_block_of_several_layers_takes_them_in_the_models_order() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    chosen = ["head", "embed"]
    rows = torch.cat([torch.arange(land.size)[land.layers[n]] for n in chosen[::-1]])
    wanted = land.hessian().dense()[rows][:, rows]
    torch.testing.assert_close(land.hessian(layers=chosen).dense(), wanted)
    torch.testing.assert_close(land.hessian().block(chosen).dense(), wanted)


def test_a_block_of_a_block_is_a_block() -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape()
    block = land.hessian(layers=["embed", "head"])
    wanted = land.hessian(layers="head").dense()
    torch.testing.assert_close(block.block("head").dense(), wanted)
    with pytest.raises(ParameterError, match="No layer matches 'qkv'"):
        block.block("qkv")


def test_choosing_parameters_gives_the_principal_submatrix() -> None:
    case = PROBLEMS["mlp"](F64)
    whole = case.landscape()
    place = whole.layers["fc2"]
    part = case.landscape(parameters="fc2.*").hessian().dense()
    torch.testing.assert_close(part, whole.hessian().dense()[place, place])


def test_sparse_embedding_gradients_are_dense_vectors() -> None:
    case = PROBLEMS["tied weights"](F64)
    vector = normal(32, dtype=F64)
    wanted = case.landscape().gradient(), case.landscape().hessian() @ vector
    case.model.get_submodule("embed").sparse = True
    land = case.landscape()
    torch.testing.assert_close(land.gradient(), wanted[0])
    torch.testing.assert_close(land.hessian() @ vector, wanted[1])
