"""Every way to compute products is right, checks itself, and says what it is."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations

import theodolite as td
from dense import relative
from networks import MLP
from problems import PROBLEMS, dense_reference, labels, normal
from refused import Reversal, between
from theodolite.errors import ArgumentError, NonFiniteError, ProductError
from theodolite.products import hastening
from watch import nothing_changes

F32, F64 = torch.float32, torch.float64
# how far each may be from the dense reference, in float64
ENGINES = {
    "retained-graph": 1e-9,
    "double-backward": 1e-9,
    "primitive-operations": 1e-9,
    "traced": 1e-9,
    "gradient-difference": 1e-4,
}

pytestmark = [
    # what torch says to those who use its tracer, and its transforms
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.filterwarnings("ignore:.*batching rule:UserWarning"),
]


# tracing takes its time
TRACED = {"cnn with batch norm", "scaled dot product", "tied weights", "class weights"}
CASES = [
    (problem, engine, memory)
    for problem in PROBLEMS
    for engine in ENGINES
    for memory in (None, 0)
    if engine != "traced" or (problem in TRACED and memory == 0)
]


@pytest.mark.parametrize(("problem", "engine", "memory"), CASES)
def test_every_engine_equals_the_dense_reference_and_leaves_no_trace(
    problem: str, engine: str, memory: Any
) -> None:
    case = PROBLEMS[problem](F64)
    wanted = dense_reference(problem)
    vectors = normal(len(wanted), 9, dtype=F64)
    hessian = case.landscape(memory=memory).hessian(products=engine)
    with nothing_changes(case.model):
        one, several = hessian @ vectors[:, 0], hessian @ vectors
    assert relative(one, wanted @ vectors[:, 0]) <= ENGINES[engine]
    assert relative(several, wanted @ vectors) <= ENGINES[engine]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_block_is_the_principal_submatrix_for_every_engine(engine: str) -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    place = land.layers["fc2"]
    hessian = land.hessian(products=engine)
    wanted = hessian.dense()[place, place]
    assert relative(hessian.block("fc2").dense(), wanted) <= ENGINES[engine]
    assert (
        relative(land.hessian("fc2", products=engine).dense(), wanted)
        <= (ENGINES[engine])
    )


def test_gauss_newton_products_are_traced_too() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    wanted = land.gauss_newton().dense()
    assert relative(land.gauss_newton(products="traced").dense(), wanted) <= 1e-12
    with pytest.raises(ArgumentError, match="gradient-difference"):
        land.gauss_newton(products="gradient-difference")


def test_compiled_products_equal_the_others() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    hessian = land.hessian(products="compiled")
    vectors = normal(land.size, 9, dtype=F64)
    assert relative(hessian @ vectors, land.hessian() @ vectors) <= 1e-12
    assert hessian.engine == "compiled"


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor

    def fail(*_: Any) -> Any:
        raise RuntimeError("no C++ compiler")  # noqa: EM101, TRY003

    monkeypatch.setattr(torch._inductor, "compile", fail)
    hessian = PROBLEMS["mlp"](F64).landscape().hessian(products="compiled")
    with pytest.raises(ProductError, match=r"no C\+\+ compiler.*\n.*traced"):
        hessian @ torch.ones(hessian.shape[0])


def test_an_engine_that_is_not_there_is_refused_with_those_that_are() -> None:
    land = PROBLEMS["mlp"](F64).landscape()
    with pytest.raises(ArgumentError, match=r"'retrained'.*\n.*'retained-graph'"):
        land.hessian(products="retrained")


def test_what_looks_at_values_is_not_traced_and_said_so() -> None:
    class Switch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.tanh() if x.sum().item() > -1e9 else x

    land = td.Landscape(between(Switch()), nn.CrossEntropyLoss(), batch())
    assert land.hessian().dense().any()
    with pytest.raises(ProductError, match=r"cannot be traced.*\n.*retained-graph"):
        land.hessian(products="traced").dense()


def batch(dtype: torch.dtype = F32) -> tuple[Tensor, Tensor]:
    return normal(8, 4, dtype=dtype), labels(3, 8)


class TestTheCheck:
    def test_a_right_product_passes_with_its_numbers(self) -> None:
        hessian = PROBLEMS["mlp"](F64).landscape().hessian()
        assert hessian.check is None
        hessian @ torch.ones(hessian.shape[0])
        check = hessian.check
        assert check is not None
        assert check.right
        assert check.asymmetry is not None
        assert check.asymmetry <= 1e-13
        assert check.difference is not None
        assert 0 < check.difference <= 1e-7

    def test_it_is_made_once(self) -> None:
        case = PROBLEMS["mlp"](F64)
        passes = forward_passes(case.model)
        hessian = case.landscape().hessian()
        vector = torch.ones(hessian.shape[0])
        hessian @ vector
        first = next(passes)
        # four batches made ready, footing, kinks and a difference of four gradients
        assert first <= 4 + 2 + 2 + 4
        hessian @ vector
        assert next(passes) == first

    def test_a_wrong_operation_is_taken_apart_and_said_so(self) -> None:
        model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 3)))
        hessian = td.Landscape(model, nn.CrossEntropyLoss(), batch()).hessian()
        dense = hessian.dense()
        assert relative(dense, dense.T) <= 1e-6
        assert hessian.engine == "retained graph, primitive operations"
        first, second = hessian.store.choice.checks
        assert not first.right
        assert second.right

    def test_no_second_derivative_is_taken_apart_too(self) -> None:
        model = nn.Sequential(nn.Linear(4, 3), nn.Hardsigmoid(), nn.Linear(3, 3))
        hessian = td.Landscape(model, nn.CrossEntropyLoss(), batch()).hessian()
        assert hessian.dense().any()
        assert "hardsigmoid" in hessian.store.choice.checks[0].note

    def test_kinks_are_named_where_they_silence_the_difference(self) -> None:
        land = PROBLEMS["cnn with batch norm"](F32).landscape()
        hessian = land.hessian()
        hessian @ torch.ones(land.size)
        check = hessian.check
        assert check is not None
        assert check.difference is None
        assert "across kinks (relu)" in str(check)

    def test_nan_in_every_way_is_shown_as_nan(self) -> None:
        land = td.Landscape.from_function(lambda w: (w**2).sum().sqrt(), torch.zeros(3))
        assert torch.isnan(land.hessian() @ torch.ones(3)).all()
        with pytest.raises(NonFiniteError):
            td.eigsh(land.hessian(), 1)


def forward_passes(model: nn.Module) -> Iterator[int]:
    """How often the model has run so far, each time it is asked."""
    count = 0

    def more(*_: Any) -> None:
        nonlocal count
        count += 1

    model.register_forward_pre_hook(more)
    while True:
        yield count


def certain(dtype: torch.dtype) -> td.Landscape:
    """A classifier that has learnt its data by heart, and is surer than it should."""
    x, y = normal(60, 4, dtype=F32), labels(3, 60)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MLP(4, 30, 3)
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.zero_grad()
    with torch.no_grad():
        for weight in model.fc2.parameters():
            weight *= 2
    return td.Landscape(model.to(dtype), nn.CrossEntropyLoss(), (x.to(dtype), y))


def test_certain_classifiers_keep_their_digits_in_float32() -> None:
    vector = normal(243, dtype=F64)
    wanted = certain(F64).hessian(products="primitive-operations") @ vector
    assert certain(F64).loss() < 1e-5
    # torch's own cross-entropy subtracts probabilities from one
    torchs = certain(F64).hessian(products="double-backward") @ vector
    assert relative(torchs, wanted) <= 1e-9
    hessian = certain(F32).hessian()
    assert relative(hessian @ vector, wanted) <= 1e-5
    assert "primitive" in hessian.engine
    plain, primitive = hessian.store.choice.checks
    assert plain.noise > 100 * primitive.noise


class TestGradientDifference:
    def test_it_is_labelled_where_kinks_smooth_it(self) -> None:
        land = PROBLEMS["cnn with batch norm"](F32).landscape()
        hessian = land.hessian(products="gradient-difference")
        hessian @ torch.ones(land.size)
        assert "smoothed across kinks (relu)" in hessian.engine

    def test_it_knows_its_error_where_the_loss_is_smooth(self) -> None:
        case = PROBLEMS["mlp"](F32)
        hessian = case.landscape().hessian(products="gradient-difference")
        exact = case.landscape().hessian().dense()
        found = hessian.dense()
        assert relative(found, exact) <= 1e-3
        assert relative(found, exact) <= hessian.store.error <= 0.1
        assert hessian.resolution == hessian.store.error

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_its_step_does_not_depend_on_the_vectors_length(self, scale: float) -> None:
        case = PROBLEMS["mlp"](F32)
        vector = normal(43, dtype=F32)
        hessian = case.landscape().hessian(products="gradient-difference")
        wanted = scale * (case.landscape().hessian() @ vector)
        assert relative(hessian @ (scale * vector), wanted) <= 1e-3

    def test_zero_has_no_slope(self) -> None:
        land = PROBLEMS["mlp"](F32).landscape()
        hessian = land.hessian(products="gradient-difference")
        assert not (hessian @ torch.zeros(land.size)).any()

    def test_half_precision_is_refused(self) -> None:
        model = MLP(4, 5, 3).bfloat16()
        land = td.Landscape(model, nn.CrossEntropyLoss(), batch(torch.bfloat16))
        with pytest.raises(ProductError, match="bfloat16"):
            land.hessian(products="gradient-difference") @ torch.ones(land.size)

    def test_it_takes_the_slope_of_whatever_is_called_gradient(self) -> None:
        data = batch(F64)
        model = between(Reversal()).double()
        land = td.Landscape(model, nn.CrossEntropyLoss(), data)
        with pytest.raises(ProductError, match="gradient-difference"):
            land.hessian().dense()
        assert land.hessian(products="gradient-difference").dense().any()

    def test_it_runs_under_the_fast_attention_kernel(self) -> None:
        land = PROBLEMS["scaled dot product"](F32).landscape()
        vector = normal(land.size, dtype=F32)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            found = land.hessian(products="gradient-difference") @ vector
        assert relative(found, land.hessian() @ vector) <= 1e-2


class TestHastening:
    @pytest.fixture(autouse=True)
    def _every_run_is_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hastening, "_SECONDS", 0.0)
        monkeypatch.setattr(hastening, "_SECONDS_PER_NODE", 0.0)

    def test_a_long_run_is_compiled_once_and_stays_right(self) -> None:
        land = PROBLEMS["mlp"](F64).landscape()
        hessian = land.hessian()
        hessian.store.patience = 0.0
        vector = normal(land.size, dtype=F64)
        first = hessian @ vector
        assert hessian.store.hastening is None
        second = hessian @ vector
        tried = hessian.store.hastening
        assert tried is not None
        assert relative(second, first) <= 1e-12
        assert tried.adopted == hessian.engine.endswith("compiled")
        hessian @ vector
        assert hessian.store.hastening is tried

    def test_a_compiler_that_fails_is_noted_and_nothing_is_lost(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise OSError("no compiler")  # noqa: EM101, TRY003

        monkeypatch.setattr("theodolite.products.traced.compiled", fail)
        hessian = PROBLEMS["mlp"](F64).landscape().hessian()
        hessian.store.patience = 0.0
        vector = torch.ones(hessian.shape[0], dtype=F64)
        assert torch.equal(hessian @ vector, hessian @ vector)
        assert hessian.store.hastening is not None
        assert "no compiler" in hessian.store.hastening.note

    def test_a_fixed_engine_stays(self) -> None:
        hessian = PROBLEMS["mlp"](F64).landscape().hessian(products="retained-graph")
        hessian.store.patience = 0.0
        for _ in range(3):
            hessian @ torch.ones(hessian.shape[0])
        assert hessian.store.hastening is None
