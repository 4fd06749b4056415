"""With primitive operations every derivative of every order is right.

The reference is always torch itself without the mode: its values, its gradients, and
central differences of its gradients.
"""

import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F

from theodolite.products.primitive.operations import PrimitiveOperations
from torch_operations import (
    BAGS,
    IDS,
    OPERATIONS,
    WIDTH,
    Operation,
    Shape,
    attention,
    normal,
    torch_weight_norm,
)

# torch's own forward derivatives are scripts
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

POINT = normal(WIDTH, seed=11) * 0.3
ALONG = normal(3, WIDTH, seed=12)
ALONG = ALONG / ALONG.norm(dim=1, keepdim=True)

every_operation = pytest.mark.parametrize("name", OPERATIONS)


def far(found: Tensor, expected: Tensor) -> float:
    """The relative distance; NaN counts as infinitely far."""
    distance = (found - expected).norm() / expected.norm().clamp_min(1e-3)
    return distance.nan_to_num(torch.inf).item()


def product(operation: Operation, along: Tensor) -> Tensor:
    return jvp(grad(operation.loss), (POINT,), (along,))[1]


@every_operation
def test_values_and_gradients_are_torchs(name: str) -> None:
    operation = OPERATIONS[name]
    with PrimitiveOperations():
        value, gradient = operation.loss(POINT), operation.gradient(POINT)
    assert far(value, operation.loss(POINT)) < 1e-9
    # torch's hard sigmoid holds 1/6 in single precision
    tolerance = 1e-7 if name.startswith("hard sigmoid") else 1e-9
    assert far(gradient, operation.gradient(POINT)) < tolerance


@every_operation
def test_second_derivatives_are_the_slope_of_the_gradient(name: str) -> None:
    operation = OPERATIONS[name]
    expected = operation.slope(POINT, ALONG[0])
    with PrimitiveOperations():
        at = POINT.clone().requires_grad_()
        gradient = torch.autograd.grad(operation.loss(at), at, create_graph=True)[0]
        reverse = torch.autograd.grad(gradient, at, ALONG[0])[0]
        forward = product(operation, ALONG[0])
        mixed = grad(lambda at: jvp(operation.loss, (at,), (ALONG[0],))[1])(POINT)
    assert far(reverse, expected) < 1e-6
    assert far(forward, expected) < 1e-6
    assert far(mixed, expected) < 1e-6


@every_operation
def test_batched_second_derivatives_are_the_single_ones(name: str) -> None:
    operation = OPERATIONS[name]
    expected = torch.stack([operation.slope(POINT, along) for along in ALONG])
    with PrimitiveOperations():
        at = POINT.clone().requires_grad_()
        gradient = torch.autograd.grad(operation.loss(at), at, create_graph=True)[0]
        reverse = torch.autograd.grad(gradient, at, ALONG, is_grads_batched=True)[0]
        forward = vmap(partial(product, operation), randomness="same")(ALONG)
    assert far(reverse, expected) < 1e-6
    assert far(forward, expected) < 1e-6


@every_operation
def test_third_derivatives_are_the_bend_of_the_gradient(name: str) -> None:
    operation, along = OPERATIONS[name], ALONG[0]
    expected = operation.bend(POINT, along)
    with PrimitiveOperations():
        at = POINT.clone().requires_grad_()
        gradient = torch.autograd.grad(operation.loss(at), at, create_graph=True)[0]
        row = torch.autograd.grad(gradient, at, along, create_graph=True)[0]
        reverse = torch.autograd.grad(row @ along, at)[0]
        forward = jvp(
            lambda at: jvp(grad(operation.loss), (at,), (along,))[1], (POINT,), (along,)
        )[1]
    # differences of the second order keep six digits
    assert (reverse - expected).norm() < 1e-5 * (1 + expected.norm())
    assert far(forward, reverse) < 1e-9


@every_operation
def test_the_curvature_along_a_line_needs_no_gradient(name: str) -> None:
    operation, along = OPERATIONS[name], ALONG[0]
    expected = along @ operation.slope(POINT, along)
    with PrimitiveOperations():
        found = jvp(
            lambda at: jvp(operation.loss, (at,), (along,))[1], (POINT,), (along,)
        )[1]
    assert abs(found - expected) < 1e-6 * (1 + abs(expected))


LOW_PRECISION: dict[str, tuple[Callable[..., Any], Shape]] = {
    "layer norm": (lambda x: F.layer_norm(x, (4,)), (3, 4)),
    "group norm": (lambda x: F.group_norm(x, 2), (2, 4, 3)),
    "instance norm": (F.instance_norm, (2, 3, 4)),
    "batch norm": (
        lambda x: F.batch_norm(x, None, None, training=True),
        (5, 3),
    ),
    "weight norm": (lambda v: torch_weight_norm(v, v[:, :1]), (3, 4)),
    "squared error": (lambda x: F.mse_loss(x, 2 * x), (3, 4)),
    "huber": (lambda x: F.huber_loss(x, 2 * x), (3, 4)),
    "soft margin": (lambda x: F.soft_margin_loss(x, torch.ones(3, 4)), (3, 4)),
    "silu": (F.silu, (3, 4)),
    "glu": (F.glu, (3, 4)),
    "bag": (lambda w: F.embedding_bag(IDS, w, BAGS), (4, 3)),
    "attention": (lambda x: attention(x, x, x, is_causal=True), (2, 3, 4)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", LOW_PRECISION)
def test_low_precision_stays_and_is_not_less_precise(
    name: str, dtype: torch.dtype
) -> None:
    call, shape = LOW_PRECISION[name]
    if name == "bag" and dtype == torch.float16:
        pytest.skip("torch has no such kernel on a CPU")
    inputs = normal(*shape, dtype=dtype)
    expected = call(inputs)
    with PrimitiveOperations():
        found = call(inputs)
    assert found.dtype == expected.dtype
    assert far(found.double(), expected.double()) < 2 * torch.finfo(dtype).eps


def test_norms_of_half_precision_compute_in_single() -> None:
    inputs = normal(4, 256, dtype=torch.bfloat16) + 30
    exact = F.layer_norm(inputs.double(), (256,))
    with PrimitiveOperations():
        found = F.layer_norm(inputs, (256,))
    assert far(found.double(), exact) < torch.finfo(torch.bfloat16).eps


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.mse_loss(x @ x, x @ x + 1),
        lambda x: F.huber_loss(x @ x, x @ x + 1),
        lambda x: torch.cdist(x @ x, x),
        lambda x: attention(x, x, x),
        lambda x: F.layer_norm(x @ x, (4,)),
        lambda x: F.silu(x @ x),
        lambda x: torch.linalg.solve(x @ x, x),
    ],
)
def test_autocast_casts_as_torchs_own(call: Callable[[Tensor], Tensor]) -> None:
    inputs = normal(4, 4, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        expected = call(inputs)
        with PrimitiveOperations():
            found = call(inputs)
    assert found.dtype == expected.dtype
    assert far(found.double(), expected.double()) < 2e-2


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (nn.BatchNorm1d, (5, 3)),
        (nn.BatchNorm2d, (4, 3, 2, 2)),
        (partial(nn.InstanceNorm1d, track_running_stats=True), (2, 3, 4)),
    ],
)
def test_running_statistics_move_as_torch_moves_them(
    kind: Callable[..., nn.Module], shape: Shape, momentum: float | None
) -> None:
    ours, theirs = (kind(3, momentum=momentum).double() for _ in range(2))
    for seed in range(3):
        inputs = normal(*shape, seed=seed)
        expected = theirs(inputs)
        with PrimitiveOperations():
            found = ours(inputs)
        assert far(found, expected) < 1e-12
    for name, buffer in theirs.named_buffers():
        assert torch.equal(ours.get_buffer(name), buffer), name
    assert far(ours.eval()(inputs), theirs.eval()(inputs)) < 1e-12


def test_running_statistics_move_inside_a_transform() -> None:
    inputs, mean, var = normal(5, 3), torch.zeros(3).double(), torch.ones(3).double()

    def loss(scale: Tensor) -> Tensor:
        return F.batch_norm(scale * inputs, mean, var, training=True)[0].sum()

    with PrimitiveOperations():
        jvp(grad(loss), (torch.tensor(1.0),), (torch.tensor(1.0),))
    assert far(mean, 0.1 * inputs.mean(0)) < 1e-6
    assert far(var, 0.9 + 0.1 * inputs.var(0)) < 1e-6


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_single_precision_networks_have_forward_derivatives(
    kind: Callable[..., nn.Module],
) -> None:
    network = kind(2, 3)
    names = [name for name, _ in network.named_parameters()]
    weights = tuple(weight.detach() for weight in network.parameters())
    inputs = normal(3, 1, 2, dtype=torch.float32)

    def loss(*weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        return functional_call(network, named, (inputs,))[0].square().sum()

    count = tuple(range(len(weights)))
    with PrimitiveOperations():
        forward = jvp(grad(loss, count), weights, weights)[1]
    leaves = tuple(weight.clone().requires_grad_() for weight in weights)
    gradients = torch.autograd.grad(loss(*leaves), leaves, create_graph=True)
    reverse = torch.autograd.grad(gradients, leaves, weights)
    for ours, theirs in zip(forward, reverse, strict=True):
        assert far(ours, theirs) < 1e-4


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_packed_sequences_stay_as_they_are(kind: Callable[..., nn.Module]) -> None:
    network = kind(2, 3).double()
    packed = nn.utils.rnn.pack_sequence([normal(3, 2), normal(2, 2, seed=2)])
    expected = network(packed)[0].data
    with PrimitiveOperations():
        found = network(packed)[0].data
    assert torch.equal(found, expected)


def test_dropped_attention_draws_the_same_mask() -> None:
    inputs = normal(2, 3, 4)
    found = []
    for mode in (nullcontext(), PrimitiveOperations()):
        with torch.random.fork_rng(devices=[]), mode:
            torch.manual_seed(0)
            found.append(attention(inputs, inputs, inputs, dropout_p=0.4))
    assert far(found[1], found[0]) < 1e-12


def test_equal_points_have_no_distance_and_no_derivative() -> None:
    at = normal(3, 2).requires_grad_()
    with PrimitiveOperations():
        distance = torch.cdist(at, at.detach())
    gradient = torch.autograd.grad(distance.diagonal().sum(), at, create_graph=True)[0]
    assert not gradient.any()


def test_checks_and_warnings_remain_torchs() -> None:
    with PrimitiveOperations():
        with pytest.warns(UserWarning, match="target size"):
            F.mse_loss(normal(3, 1), normal(3))
        with pytest.raises(RuntimeError, match="must be even"):
            F.glu(normal(3, 3))
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            F.batch_norm(normal(1, 3), None, None, training=True)
        with pytest.raises(torch.linalg.LinAlgError, match="singular"):
            torch.linalg.solve(torch.zeros(2, 2), torch.ones(2, 1))


def test_a_result_may_be_written_to_a_given_place() -> None:
    out = torch.empty(()).double()
    with PrimitiveOperations():
        torch.linalg.det(torch.eye(2).double() * 3, out=out)
    assert out == 9


def test_old_weight_norm_is_covered() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        layer = nn.utils.weight_norm(nn.Linear(3, 2).double())
    weights = [layer.weight_g, layer.weight_v]
    with PrimitiveOperations():
        loss = layer(normal(4, 3)).pow(3).sum()
    gradients = torch.autograd.grad(loss, weights, create_graph=True)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    rows = [
        torch.cat(
            [
                part.flatten()
                for part in torch.autograd.grad(g, weights, retain_graph=True)
            ]
        )
        for g in flat
    ]
    hessian = torch.stack(rows)
    assert far(hessian, hessian.mT) < 1e-12


def test_a_traced_product_is_the_product() -> None:
    layers = [nn.Linear(4, 4), nn.LayerNorm(4), nn.SiLU()]
    encoder = nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, batch_first=True)
    network = nn.Sequential(*layers, encoder).double()
    names = [name for name, _ in network.named_parameters()]
    weights = tuple(weight.detach() for weight in network.parameters())
    inputs, target = normal(2, 3, 4), normal(2, 3, 4, seed=5)

    def loss(weights: tuple[Tensor, ...]) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        return F.mse_loss(functional_call(network, named, (inputs,)), target)

    def along(*vector: Tensor) -> tuple[Tensor, ...]:
        with PrimitiveOperations():
            return jvp(grad(loss), (weights,), (vector,))[1]

    vector = tuple(torch.ones_like(weight) for weight in weights)
    traced = make_fx(along, tracing_mode="real")(*vector)
    names_run = {str(node.target) for node in traced.graph.nodes}
    fused = ("layer_norm", "silu", "mse_loss", "dot_product", "multi_head")
    assert not [name for name in names_run if any(part in name for part in fused)]
    other = tuple(normal(*weight.shape) for weight in weights)
    for found, expected in zip(traced(*other), along(*other), strict=True):
        assert far(found, expected) < 1e-12


def test_the_mode_leaves_nothing_behind() -> None:
    inputs = normal(3, 4).requires_grad_()
    with PrimitiveOperations(), PrimitiveOperations():
        inside = F.layer_norm(inputs, (4,))
    assert "LayerNorm" not in type(inside.grad_fn).__name__
    assert "LayerNorm" in type(F.layer_norm(inputs, (4,)).grad_fn).__name__


def test_no_compiler_is_imported() -> None:
    code = (
        "import sys; from theodolite.products.primitive.operations import *\n"
        "import torch\n"
        "with PrimitiveOperations(): torch.nn.functional.silu(torch.ones(2))\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
