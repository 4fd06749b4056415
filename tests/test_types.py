"""Types that a model computes in, narrower or wider than its weights'."""

from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
from dense import relative
from networks import MLP
from problems import PROBLEMS, labels, normal, ready
from watch import nothing_changes

F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
CE = nn.CrossEntropyLoss()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]

WIDENED = [
    "mlp",
    "cnn with batch norm",
    "tied weights",
    "frozen layer",
    "scaled dot product",
    "class weights",
    "class weights, partial",
    "dict inputs",
]


class TestTypes:
    @pytest.mark.parametrize(
        ("problem", "dtype"),
        [*((problem, F32) for problem in WIDENED), ("class weights", BF16)],
    )
    def test_widened_products_are_the_wide_models(
        self, problem: str, dtype: torch.dtype
    ) -> None:
        narrow, wide = PROBLEMS[problem](dtype), PROBLEMS[problem](F64)
        # rounded weights, class weights and inputs are another problem
        wide.model.load_state_dict(narrow.model.state_dict())
        land = narrow.landscape()
        with nothing_changes(narrow.model):
            asked = land.hessian(dtype=F64)
            moved = land.to(F64)
            found, again = asked.dense(), moved.hessian().dense()
        assert asked.dtype == moved.dtype == F64
        assert torch.equal(found, again)
        if dtype == BF16:  # its inputs are rounded as well
            data = [batch_in(raw) for raw in narrow.batches]
            other = td.Landscape(
                wide.model, wide.loss, data, parameters=wide.parameters
            )
            wanted = other.hessian().dense()
        else:
            wanted = wide.hessian()
        assert relative(found, wanted) <= 1e-9
        assert relative(moved.gradient(), land.gradient()) <= 0.1

    @pytest.mark.parametrize("dtype", [F32, F64], ids=str)
    def test_half_precision_is_widened_to_what_was_asked(
        self, dtype: torch.dtype
    ) -> None:
        # its flat vectors are float32 already; its products are not
        model = ready(partial(MLP, 4, 5, 3), BF16)
        x, y = normal(20, 4, dtype=BF16), labels(3, 20)
        wide = td.Landscape(deepcopy(model).to(F64), CE, (x.double(), y))
        wanted = wide.hessian().dense()
        hessian = td.Landscape(model, CE, (x, y)).hessian(dtype=dtype)
        assert hessian.dtype == dtype
        assert relative(hessian.dense(), wanted) <= (1e-9 if dtype == F64 else 1e-5)
        v = normal(43, dtype=dtype)
        differences = td.Landscape(model, CE, (x, y)).hessian(
            dtype=dtype, products="gradient-difference"
        )
        assert relative(differences @ v, wanted @ v.double()) <= 1e-2

    def test_no_model_is_copied(self) -> None:
        land = PROBLEMS["mlp"](F32).landscape()
        for dtype in (F32, F64):
            hessian = land.hessian(dtype=dtype)
            # a loss that holds the model would not see a copy
            assert hessian.store._model is land.model
            assert hessian.dtype == dtype

    def test_tied_weights_stay_tied_and_counted_once(self) -> None:
        land = PROBLEMS["tied weights"](F32).landscape()
        wide = land.to(F64)
        assert wide.parameters.names == land.parameters.names
        assert wide.model is not None
        embed, out = (wide.model.get_parameter(f"{n}.weight") for n in ("embed", "out"))
        assert embed is out

    def test_a_point_may_be_given(self) -> None:
        narrow, wide = PROBLEMS["mlp"](F32), PROBLEMS["mlp"](F64)
        point = normal(43, dtype=F64, seed=8)
        found = narrow.landscape().hessian(dtype=F64, point=point).dense()
        assert relative(found, wide.hessian(point)) <= 1e-9

    def test_loaders_are_widened_batch_by_batch(self) -> None:
        model = ready(partial(MLP, 4, 5, 3), F32)
        x, y = normal(20, 4, dtype=F32), labels(3, 20)
        loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
        wide = td.Landscape(deepcopy(model).double(), CE, (x.double(), y))
        for memory in (None, 0):
            land = td.Landscape(model, CE, loader, memory=memory)
            found = land.hessian(dtype=F64).dense()
            assert relative(found, wide.hessian().dense()) <= 1e-9

    @pytest.mark.parametrize("dtype", [BF16, torch.float16], ids=str)
    def test_half_precision_multiplies_as_it_is_and_adds_up_in_single(
        self, dtype: torch.dtype
    ) -> None:
        model = ready(partial(MLP, 2, 2, 3), dtype)
        land = td.Landscape(
            model, CE, (normal(256, 2, dtype=dtype), labels(3, 256)), batch_size=4
        )
        seen: set[torch.dtype] = set()
        model.get_submodule("fc1").register_forward_hook(
            lambda module, args, output: seen.add(output.dtype)
        )
        hessian = land.hessian()
        v = normal(land.size, dtype=F32)
        found = hessian @ v
        assert seen == {dtype}
        assert found.dtype == hessian.dtype == land.gradient().dtype == F32
        # 64 batches added up in bfloat16 would be off by a tenth
        assert relative(found, land.hessian(dtype=F64) @ v) <= 0.01

    def test_single_precision_inside_a_double_model_is_rounding(self) -> None:
        noises: list[float] = []
        for seed, products in ((0, "auto"), (0, "primitive-operations"), (1, "auto")):
            data = (normal(20, 4, dtype=F64, seed=seed), labels(3, 20))
            land = td.Landscape(ready(single_inside, F64), CE, data)
            hessian = land.hessian(products=products)
            assert (hessian @ normal(land.size, dtype=F64)).any()
            check = hessian.check
            assert check is not None
            assert check.right
            noises.append(check.noise)
        # looked at where the asymmetry is more than float64 explains
        assert 1e-8 < max(noises) < 1e-5


class RootMeanSquare(nn.Module):
    """A norm in float32, as language models have it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        z = x.float()
        z = z * torch.rsqrt(z.square().mean(-1, keepdim=True) + 1e-6)
        return self.weight * z.to(x.dtype)


def single_inside() -> nn.Module:
    first = (nn.Linear(4, 8), RootMeanSquare())
    second = (nn.Linear(8, 8), nn.SiLU(), RootMeanSquare())
    return nn.Sequential(*first, *second, nn.Linear(8, 3))


def batch_in(raw: Any) -> Any:
    """A raw batch with its floating-point tensors in float64."""
    if isinstance(raw, Tensor):
        return raw.double() if raw.is_floating_point() else raw
    if isinstance(raw, dict):
        return {key: batch_in(value) for key, value in raw.items()}
    return tuple(batch_in(part) for part in raw)


class Cast(MLP):
    """Matrix products in bfloat16, whoever calls."""

    def __init__(self) -> None:
        super().__init__(4, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", BF16):
            return super().forward(x).float()


class TestAutocast:
    @pytest.mark.parametrize(
        "products", ["auto", "double-backward", "primitive-operations", "traced"]
    )
    def test_the_models_own_is_measured_and_its_noise_is_stated(
        self, products: str
    ) -> None:
        data = (normal(20, 4, dtype=F32), labels(3, 20))
        land = td.Landscape(ready(Cast, F32), CE, data)
        hessian = land.hessian(products=products)
        found = hessian.dense()
        plain = td.Landscape(ready(partial(MLP, 4, 5, 3), F32), CE, data)
        exact = plain.hessian(dtype=F64).dense()
        assert 1e-4 < relative(found, exact) <= 0.02
        assert relative(found, found.T) <= 0.02
        check = hessian.check
        assert check is not None
        assert check.right
        assert 1e-3 < check.noise < 0.05
        assert hessian.resolution == check.noise

    def test_the_callers_has_no_effect(self) -> None:
        land = PROBLEMS["mlp"](F32).landscape()
        wanted = land.hessian().dense()
        with torch.autocast("cpu", BF16):
            assert torch.equal(land.hessian().dense(), wanted)
            traced = land.hessian(products="traced").dense()
        assert relative(traced, wanted) <= 1e-6
