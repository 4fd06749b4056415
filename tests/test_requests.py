"""What a user may ask for: dropout, batch norm, other types, wrappers, adapters."""

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import theodolite as td
from networks import CNN, MLP
from problems import PROBLEMS, labels, normal, ready
from theodolite.errors import ProductError, RandomLossError, SecondDerivativeError
from theodolite.operators.layer_blocks import escaped
from theodolite.products.double_backward import GradientGraph, nodes_behind
from watch import everything, nothing_changes, random_state

F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
CE = nn.CrossEntropyLoss()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


def uneven(*shape: int, dtype: torch.dtype = F64) -> list[tuple[Tensor, Tensor]]:
    x, y = normal(20, *shape, dtype=dtype), labels(3, 20)
    return list(zip(x.split([8, 8, 4]), y.split([8, 8, 4]), strict=True))


def by_name(model: nn.Module, flat: Tensor) -> dict[str, Tensor]:
    weights = dict(model.named_parameters())
    pieces = flat.split([weight.numel() for weight in weights.values()])
    return {n: p.view_as(w) for (n, w), p in zip(weights.items(), pieces, strict=True)}


def dense(average: Callable[[Tensor], Tensor], point: Tensor) -> Tensor:
    return torch.autograd.functional.hessian(average, point)


class Dropping(MLP):
    """Dropout between two layers, computed again in the backward pass if wanted."""

    def __init__(self, again: bool = False) -> None:
        super().__init__(4, 5, 3)
        self.drop, self.again = nn.Dropout(0.4), again

    def hidden(self, x: Tensor) -> Tensor:
        return self.drop(torch.tanh(self.fc1(x)))

    def forward(self, x: Tensor) -> Tensor:
        if self.again:
            return self.fc2(checkpoint(self.hidden, x, use_reentrant=False))
        return self.fc2(self.hidden(x))


def masked_loss(flat: Tensor, model: nn.Module, data: Any, seed: int) -> Tensor:
    """The average over all samples, with the masks of every batch drawn by hand."""
    weights, total = by_name(model, flat), torch.zeros((), dtype=F64)
    for number, (x, y) in enumerate(data):
        torch.manual_seed(seed + number)
        mask = torch.empty(len(x), 5, dtype=F64).bernoulli_(0.6) / 0.6
        hidden = torch.tanh(F.linear(x, weights["fc1.weight"], weights["fc1.bias"]))
        output = F.linear(mask * hidden, weights["fc2.weight"], weights["fc2.bias"])
        total = total + F.cross_entropy(output, y, reduction="sum")
    return total / 20


@pytest.mark.parametrize("again", [False, True], ids=["plain", "checkpointed"])
class TestDropout:
    @pytest.fixture
    def model(self, again: bool) -> nn.Module:
        return ready(partial(Dropping, again), F64).train()

    @pytest.fixture
    def wanted(self, model: nn.Module) -> Tensor:
        data = uneven(4)
        with torch.random.fork_rng(devices=[]):
            point = torch.cat([w.detach().flatten() for w in model.parameters()])
            return dense(partial(masked_loss, model=model, data=data, seed=7), point)

    @pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
    @pytest.mark.parametrize(
        "products", ["auto", "double-backward", "primitive-operations", "traced"]
    )
    def test_a_seed_makes_one_operator(
        self, model: nn.Module, wanted: Tensor, products: str, memory: Any, again: bool
    ) -> None:
        land = td.Landscape(model, CE, uneven(4), seed=7, memory=memory)
        hessian, v = land.hessian(products=products), normal(land.size, dtype=F64)
        if again and products == "traced":
            # a program draws the mask of the second pass anew, and the check sees it
            with pytest.raises(ProductError, match="not symmetric"):
                hessian @ v
            return
        with nothing_changes(model):
            found = hessian.dense()
            assert torch.equal(hessian @ v, hessian @ v)
        assert relative(found, wanted) <= 1e-12
        assert relative(found, found.T) <= 1e-12

    def test_all_measurements_see_the_same_masks(
        self, model: nn.Module, wanted: Tensor
    ) -> None:
        data = uneven(4)
        land = td.Landscape(model, CE, data, seed=7)
        v = normal(land.size, dtype=F64)
        differences = land.hessian(products="gradient-difference") @ v
        assert relative(differences, wanted @ v) <= 1e-6
        with torch.random.fork_rng(devices=[]):
            value = float(masked_loss(land.point, model, data, 7))
        assert land.loss() == pytest.approx(value, rel=1e-12)
        step = 1e-5 * normal(land.size, dtype=F64)
        slope = land.loss(land.point + step) - land.loss(land.point - step)
        assert slope / 2 == pytest.approx(float(land.gradient() @ step), rel=1e-6)
        gauss_newton = land.gauss_newton().dense()
        assert float(torch.linalg.eigvalsh(gauss_newton)[0]) >= -1e-12
        if not getattr(model, "again", False):
            diagonal = td.gauss_newton_diagonal(land).value
            assert relative(diagonal, gauss_newton.diagonal()) <= 1e-9
        assert td.eigsh(land.hessian(), 1, tol=1e-8).values[0] == pytest.approx(
            float(torch.linalg.eigvalsh(wanted)[-1])
        )

    def test_another_seed_is_another_operator(self, model: nn.Module) -> None:
        one, other = (
            td.Landscape(model, CE, uneven(4), seed=seed).hessian().dense()
            for seed in (7, 8)
        )
        assert relative(other, one) > 1e-2

    def test_the_global_random_state_has_no_say(self, model: nn.Module) -> None:
        land = td.Landscape(model, CE, uneven(4), seed=7, memory=0)
        hessian, v = land.hessian(), torch.ones(land.size)
        before, first = random_state(), hessian @ v
        assert random_state() == before
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)
            assert torch.equal(hessian @ v, first)

    def test_without_a_seed_it_is_refused_with_the_advice(
        self, model: nn.Module
    ) -> None:
        with pytest.raises(RandomLossError, match=r"drop \(Dropout\)[\s\S]*seed=0"):
            td.Landscape(model, CE, uneven(4)).hessian()


class TestBatchStatistics:
    @pytest.fixture
    def model(self) -> nn.Module:
        return ready(CNN, F64).train()

    @pytest.fixture
    def wanted(self, model: nn.Module) -> Tensor:
        data = uneven(2, 4, 4)

        def average(flat: Tensor) -> Tensor:
            buffers = {name: b.clone() for name, b in model.named_buffers()}
            state = by_name(model, flat) | buffers
            means = [
                F.cross_entropy(functional_call(model, state, (x,)), y) for x, y in data
            ]
            return (8 * means[0] + 8 * means[1] + 4 * means[2]) / 20

        point = torch.cat([w.detach().flatten() for w in model.parameters()])
        return dense(average, point)

    @pytest.mark.parametrize(
        ("products", "memory"),
        [("auto", None), ("auto", 0), ("primitive-operations", None), ("traced", None)],
    )
    def test_on_request_every_batch_has_its_own(
        self, model: nn.Module, wanted: Tensor, products: str, memory: Any
    ) -> None:
        land = td.Landscape(
            model, CE, uneven(2, 4, 4), batch_statistics=True, memory=memory
        )
        with nothing_changes(model):
            found = land.hessian(products=products).dense()
        assert relative(found, wanted) <= 1e-9

    def test_eigenvalues_and_surveys_work(
        self, model: nn.Module, wanted: Tensor
    ) -> None:
        land = td.Landscape(model, CE, uneven(2, 4, 4), batch_statistics=True)
        values = torch.linalg.eigvalsh(wanted).flip(0)
        measure = td.survey  # imported here, and rich draws a number when it is
        with nothing_changes(model):
            pairs = td.eigsh(land.hessian(), 2, tol=1e-6)
            survey = measure(land, 0.5)
        torch.testing.assert_close(pairs.values, values[:2])
        assert "speed limit" in str(survey)

    def test_without_the_request_it_is_refused_with_the_advice(
        self, model: nn.Module
    ) -> None:
        land = td.Landscape(model, CE, uneven(2, 4, 4))
        with (
            nothing_changes(model),
            pytest.raises(
                RandomLossError,
                match=r"norm \(BatchNorm2d\)[\s\S]*batch_statistics=True",
            ),
        ):
            land.hessian()


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

    def test_the_same_type_copies_nothing(self) -> None:
        land = PROBLEMS["mlp"](F32).landscape()
        assert land.hessian(dtype=F32).store._model is land.model
        assert land.hessian(dtype=F64).store._model is not land.model

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


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A process group of one."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def whole() -> tuple[nn.Module, tuple[Tensor, Tensor], Tensor]:
    model = ready(partial(MLP, 4, 5, 3), F64)
    data = (normal(20, 4, dtype=F64), labels(3, 20))
    return model, data, td.Landscape(model, CE, data).hessian().dense()


class TestWrappers:
    def test_data_parallel_training_is_not_disturbed(self, alone: None) -> None:
        model, (x, y), wanted = whole()
        wrapped = nn.parallel.DistributedDataParallel(model)
        F.cross_entropy(wrapped(x), y).backward()
        land = td.Landscape(wrapped, CE, (x, y))
        assert land.model is model
        with nothing_changes(wrapped):
            assert torch.equal(land.hessian().dense(), wanted)
        # reduction still works
        F.cross_entropy(wrapped(x), y).backward()
        assert relative(2 * land.gradient(), flat_gradient(model)) <= 1e-12

    @pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
    def test_compiled_modules_are_taken_as_they_were_written(self) -> None:
        model, data, wanted = whole()
        outside = torch.compile(model, backend="eager")
        in_place, in_part = deepcopy(model), deepcopy(model)
        in_place.compile(backend="eager")
        in_part.fc1 = torch.compile(in_part.get_submodule("fc1"), backend="eager")
        for compiled in (outside, in_place, in_part):
            compiled(data[0])
            land = td.Landscape(compiled, CE, data)
            assert relative(land.hessian().dense(), wanted) <= 1e-12
            assert relative(land.gradient(), flat_gradient_of(model, data)) <= 1e-12


def flat_gradient(model: nn.Module) -> Tensor:
    return torch.cat(
        [w.grad.flatten() for w in model.parameters() if w.grad is not None]
    )


def flat_gradient_of(model: nn.Module, data: tuple[Tensor, Tensor]) -> Tensor:
    loss = F.cross_entropy(model(data[0]), data[1])
    found = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([gradient.flatten() for gradient in found])


class Again(nn.Module):
    """A first block that is computed again in the backward pass."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(4, 5), nn.LayerNorm(5)
        self.fc2, self.reentrant = nn.Linear(5, 3), reentrant

    def block(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.fc1(x)))

    def forward(self, x: Tensor) -> Tensor:
        hidden = checkpoint(self.block, x, use_reentrant=self.reentrant)
        return self.fc2(hidden)


HIDING: dict[str, Callable[[td.Landscape], Any]] = {
    "gradient": lambda land: land.gradient(),
    "hessian": lambda land: td.eigsh(land.hessian(), 1),
    "differences": lambda land: land.hessian(products="gradient-difference").dense(),
    "gauss_newton": lambda land: land.gauss_newton().dense(),
    "fisher": lambda land: land.fisher().dense(),
    "gauss_newton_trace": td.gauss_newton_trace,
}


class TestCheckpoints:
    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
    @pytest.mark.parametrize("use", HIDING)
    def test_parameters_that_a_reentrant_one_hides_are_not_taken_for_unused(
        self, use: str
    ) -> None:
        # inputs that require gradients, as adapters behind frozen embeddings want it:
        # autograd.grad then passes the block's parameters by, and says nothing
        model = ready(partial(Again, True), F64)
        data = (normal(20, 4, dtype=F64).requires_grad_(), labels(3, 20))
        land = td.Landscape(model, CE, data)
        refused = pytest.raises(td.TheodoliteError, match="use_reentrant=False")
        with nothing_changes(model), refused:
            HIDING[use](land)

    @pytest.mark.parametrize("memory", [None, 0], ids=["kept", "streamed"])
    def test_primitive_operations_are_primitive_when_computed_again(
        self, memory: Any
    ) -> None:
        model = ready(partial(Again, False), F64)
        data = (normal(20, 4, dtype=F64), labels(3, 20))
        land = td.Landscape(model, CE, data, memory=memory)
        wanted = land.hessian(products="double-backward").dense()
        found = land.hessian(products="primitive-operations").dense()
        assert relative(found, wanted) <= 1e-12


class Adapter(nn.Module):
    """A frozen linear layer with a trainable low-rank part beside it."""

    def __init__(self, inner: nn.Linear, rank: int) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(False)
        self.down = nn.Linear(inner.in_features, rank, bias=False)
        self.up = nn.Linear(rank, inner.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + 2 * self.up(self.down(x))


class TestAdapters:
    def test_they_alone_are_surveyed_whatever_the_base_is_stored_in(self) -> None:
        def make() -> nn.Module:
            base = MLP(4, 5, 3).requires_grad_(False)
            base.fc1 = Adapter(base.fc1, 2)
            return base

        model = ready(make, F32)
        model.get_submodule("fc1.inner").to(BF16).to(F32)
        land = td.Landscape(model, CE, (normal(20, 4, dtype=F32), labels(3, 20)))
        assert land.parameters.names == ("fc1.down.weight", "fc1.up.weight")
        wide = deepcopy(model).double()
        x, y = normal(20, 4, dtype=F64), labels(3, 20)
        names = list(land.parameters.names)

        def average(flat: Tensor) -> Tensor:
            pieces = flat.split([8, 10])
            shapes = [wide.get_parameter(name).shape for name in names]
            state = {
                n: p.view(s) for n, p, s in zip(names, pieces, shapes, strict=True)
            }
            return F.cross_entropy(functional_call(wide, state, (x,)), y)

        wanted = dense(average, land.point.double())
        assert relative(land.hessian(dtype=F64).dense(), wanted) <= 1e-9
        assert relative(land.hessian().dense(), wanted) <= 1e-5

    @pytest.mark.filterwarnings("ignore")
    def test_peft_models_are_measured_as_they_are(self) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        transformers = pytest.importorskip("transformers")
        peft = pytest.importorskip("peft")
        model = adapted(transformers, peft)
        ids = labels(17, 6, 5)
        data = [{"input_ids": part, "labels": part} for part in ids.split([4, 2])]

        def land() -> td.Landscape:
            return td.Landscape(model, token_loss, data, seed=0)

        assert all("lora" in name for name in land().parameters.names)
        model.train()
        with nothing_changes(model):
            wanted = land().hessian().dense()
        assert wanted.any()
        for products in ("double-backward", "primitive-operations"):
            found = land().hessian(products=products).dense()
            assert relative(found, wanted) <= 1e-5
        checkpointing = model.gradient_checkpointing_enable
        model.enable_input_require_grads()
        checkpointing(gradient_checkpointing_kwargs={"use_reentrant": False})
        assert relative(land().hessian().dense(), wanted) <= 1e-5
        checkpointing(gradient_checkpointing_kwargs={"use_reentrant": True})
        with pytest.raises(SecondDerivativeError, match="use_reentrant=False"):
            land().hessian().dense()


def adapted(transformers: Any, peft: Any) -> Any:
    """A tiny language model with low-rank adapters that are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=17,
            hidden_size=8,
            intermediate_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=16,
        )
        lora = peft.LoraConfig(
            r=2,
            target_modules=["q_proj", "v_proj"],
            task_type="CAUSAL_LM",
            lora_dropout=0.1,
        )
        model = peft.get_peft_model(transformers.LlamaForCausalLM(config), lora)
        for weight in model.parameters():
            if weight.requires_grad:
                weight.data.normal_(0, 0.3)
    return model


def token_loss(output: Any, batch: Any) -> tuple[Tensor, int]:
    count = batch["labels"][:, 1:].numel()
    return output.loss * count, count


class TestAttention:
    def test_the_default_kernel_gives_the_reference(self) -> None:
        case = PROBLEMS["scaled dot product"](F32)
        wanted = PROBLEMS["scaled dot product"](F64).hessian()
        assert relative(case.landscape().hessian().dense(), wanted) <= 1e-5

    @pytest.mark.parametrize("products", ["auto", "gradient-difference"])
    @pytest.mark.parametrize(
        "kernel", [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH], ids=str
    )
    def test_the_callers_choice_of_kernel_is_given_back(
        self, kernel: SDPBackend, products: str
    ) -> None:
        land = PROBLEMS["scaled dot product"](F32).landscape()
        hessian, v = land.hessian(products=products), normal(land.size, dtype=F32)
        wanted = land.hessian() @ v
        with sdpa_kernel(kernel):
            before = everything(land.model)
            found = hessian @ v
            assert everything(land.model) == before
        assert relative(found, wanted) <= 1e-2

    def test_differences_run_under_the_kernel_that_the_caller_chose(self) -> None:
        land = PROBLEMS["scaled dot product"](F32).landscape()
        under: dict[str, list[bool]] = {}
        for products in ("gradient-difference", "retained-graph"):
            seen = under[products] = []
            assert land.model is not None
            handle = land.model.register_forward_hook(
                lambda *_, seen=seen: seen.append(
                    torch.backends.cuda.flash_sdp_enabled()
                )
            )
            hessian = land.hessian(products=products)
            seen.clear()
            with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
                hessian @ torch.ones(land.size)
            handle.remove()
        assert all(under["gradient-difference"])
        assert not any(under["retained-graph"])


def executed(gradients: list[Tensor], multiply: Callable[[], Any]) -> int:
    """Nodes of a kept graph that a product runs through."""
    count = 0

    def one_more(*_: Any) -> None:
        nonlocal count
        count += 1

    handles = [node.register_hook(one_more) for node in nodes_behind(gradients)]
    multiply()
    for handle in handles:
        handle.remove()
    return count


class TestManyLayers:
    """Thirty of them, each with a block of its own."""

    @pytest.fixture
    def land(self) -> td.Landscape:
        layers = [
            part for _ in range(29) for part in (nn.Linear(3, 3, bias=False), nn.Tanh())
        ]
        model = ready(lambda: nn.Sequential(*layers, nn.Linear(3, 3)), F64)
        with torch.no_grad():
            for layer in layers[::2]:
                layer.get_parameter("weight").add_(torch.eye(3))
        return td.Landscape(model, CE, (normal(8, 3, dtype=F64), labels(3, 8)))

    def test_every_layers_eigenvalue_is_its_dense_blocks(
        self, land: td.Landscape
    ) -> None:
        matrix = land.hessian().dense()
        found = td.layer_eigenvalues(land)
        assert len(found) == 30
        assert found.outcome.good
        for layer, place in land.layers.items():
            values = torch.linalg.eigvalsh(matrix[place, place])
            # where nothing bends upward, the largest of many that are almost zero
            scale = max(float(values[-1].abs()), 1e-2 * float(values.abs().max()))
            assert abs(found[layer].value - float(values[-1])) <= 1e-3 * scale
        # no more than the whole block, and one at least
        sizes = [place.stop - place.start for place in land.layers.values()]
        assert 30 <= found.products <= sum(sizes) + 30

    def test_a_blocks_product_runs_through_what_its_layer_needs_alone(
        self, land: td.Landscape
    ) -> None:
        hessian = land.hessian()
        hessian @ torch.ones(land.size)
        [product] = hessian.store._kept.values()
        assert isinstance(product, GradientGraph)
        gradients = [g for g in product.gradients if g is not None]
        everything = executed(gradients, lambda: hessian @ torch.ones(land.size))
        blocks = [hessian.block(escaped(layer)) for layer in land.layers]
        work = [
            executed(gradients, lambda b=b: b @ torch.ones(b.shape[0])) for b in blocks
        ]
        assert work[-1] < work[0] / 10
        assert sum(work) <= len(work) * everything / 2
