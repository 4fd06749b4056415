"""Wrappers, checkpoints, adapters, attention: whatever people train."""

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

import theodolite as td
from dense import dense, relative
from networks import MLP
from problems import PROBLEMS, labels, normal, ready
from theodolite.errors import SecondDerivativeError
from watch import everything, nothing_changes

F32, F64, BF16 = torch.float32, torch.float64, torch.bfloat16
CE = nn.CrossEntropyLoss()

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
]


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

    @pytest.mark.filterwarnings("ignore")
    def test_sharded_parameters_are_refused(self, alone: None) -> None:
        from torch.distributed.fsdp import fully_shard

        model, data, _ = whole()
        mesh = torch.distributed.init_device_mesh("cpu", (1,))
        with pytest.raises(td.TheodoliteError, match="unsharded copy"):
            td.Landscape(fully_shard(model, mesh=mesh), CE, data)

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

    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
    @pytest.mark.parametrize("use", HIDING)
    def test_nor_where_no_input_needs_a_gradient(self, use: str) -> None:
        model = ready(partial(Again, True), F64)
        land = td.Landscape(model, CE, (normal(20, 4, dtype=F64), labels(3, 20)))
        assert land.loss() > 0
        refused = pytest.raises(td.TheodoliteError, match="use_reentrant=False")
        with nothing_changes(model), refused:
            HIDING[use](land)

    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
    def test_what_comes_after_a_reentrant_one_is_measured(self) -> None:
        data = (normal(20, 4, dtype=F64), labels(3, 20))
        found = [
            td.Landscape(
                ready(partial(Again, reentrant), F64), CE, data, parameters="fc2.*"
            )
            for reentrant in (True, False)
        ]
        one, other = (land.hessian().dense() for land in found)
        assert relative(one, other) <= 1e-12

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
