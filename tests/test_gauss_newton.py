"""The Gauss–Newton matrix against dense references of other making."""

from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import theodolite as td
from dense import relative
from output_losses import LIKELIHOODS, OTHERS, SAMPLES, Over, Shaped, three
from problems import PROBLEMS, labels, normal, ready
from theodolite.batches import Batch
from theodolite.errors import ArgumentError, LossError, NoGradientError
from theodolite.evaluation import ModelEvaluation
from theodolite.products.loss_curvature import LikelihoodHessian, loss_hessian
from theodolite.products.recognised_loss import watched
from watch import nothing_changes

F64 = torch.float64
RELATIVE = {torch.float64: 1e-9, torch.float32: 1e-5}
LOSSES = LIKELIHOODS | OTHERS
PREDICTING = [name for name in PROBLEMS if name != "own loss"]

every_type = pytest.mark.parametrize("dtype", RELATIVE, ids=str)
every_loss = pytest.mark.parametrize("loss", LOSSES)
every_likelihood = pytest.mark.parametrize("loss", LIKELIHOODS)
kept_and_streamed = pytest.mark.parametrize("memory", [None, 0])


@cache
def of_problem(problem: str) -> Tensor:
    """Jᵀ H_L J, its factors by torch.autograd.functional over all samples at once."""
    case = PROBLEMS[problem](F64)

    def outputs(flat: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def whole(call: Any) -> Tensor:
            case.whole(lambda *a, **k: seen.append(call(*a, **k)) or seen[-1])
            return seen[0]

        return type(case)(
            case.model, case.loss, (), whole, case.parameters, case.twin
        ).average(flat)

    jacobian = torch.autograd.functional.jacobian(outputs, case.point())
    at = outputs(case.point()).detach()
    inner = torch.autograd.functional.hessian(
        lambda z: case.whole(lambda *a, **k: z), at
    )
    rows = jacobian.reshape(at.numel(), -1)
    return rows.T @ inner.reshape(at.numel(), -1) @ rows


@cache
def of_loss(loss: str) -> Tensor:
    return LOSSES[loss].reference()


@pytest.mark.parametrize("problem", PREDICTING)
@every_type
def test_products_equal_the_dense_reference(problem: str, dtype: torch.dtype) -> None:
    wanted, case = of_problem(problem), PROBLEMS[problem](dtype)
    kept = case.landscape().gauss_newton()
    if dtype == F64:
        assert relative(kept.dense(), wanted) <= RELATIVE[dtype]
    streamed = case.landscape(memory=0).gauss_newton()
    vectors = normal(len(wanted), 2, dtype=F64)
    for operator in (kept, streamed):
        products = operator @ vectors
        assert products.dtype == dtype
        assert relative(products, wanted @ vectors) <= RELATIVE[dtype]
    assert streamed.store.kept == 0


@every_loss
@every_type
@kept_and_streamed
def test_every_loss_bends_as_its_own_hessian_says(
    loss: str, dtype: torch.dtype, memory: int | None
) -> None:
    operator = LOSSES[loss].landscape(dtype, memory=memory).gauss_newton()
    vectors = normal(operator.shape[0], 3, dtype=F64)
    assert relative(operator @ vectors, of_loss(loss) @ vectors) <= RELATIVE[dtype]


def at_outputs(over: Over) -> tuple[ModelEvaluation, Tensor, Batch]:
    model = ready(over.model, F64)
    batch = Batch(*over.data(F64))
    return ModelEvaluation(model, over.loss, []), model(batch.inputs), batch


@pytest.mark.parametrize("loss", [n for n in LIKELIHOODS if n != "log-probabilities"])
def test_closed_forms_equal_double_backward_of_the_loss(loss: str) -> None:
    evaluate, output, batch = at_outputs(LIKELIHOODS[loss])
    likelihood = watched(evaluate, output, batch, [output]).likelihood
    assert likelihood is not None
    tangent = normal(*output.shape, dtype=F64, seed=8)
    _, generic, _ = loss_hessian(evaluate, output, batch)
    (wanted,) = generic.multiply([tangent])
    inner = likelihood.outputs
    (moved,) = torch.autograd.grad(
        # a linear map is its own derivative: the tangent as the likelihood sees it
        torch.autograd.grad(
            inner,
            output,
            u := torch.ones_like(inner).requires_grad_(),
            create_graph=True,
        ),
        u,
        tangent,
        retain_graph=True,
    )
    (closed,) = LikelihoodHessian(likelihood).multiply([moved])
    (back,) = torch.autograd.grad(inner, output, closed)
    assert relative(back, wanted) <= 1e-12


@every_likelihood
def test_the_root_squares_to_the_hessian_row_by_row(loss: str) -> None:
    evaluate, output, batch = at_outputs(LIKELIHOODS[loss])
    found = watched(evaluate, output, batch, [output]).likelihood
    assert found is not None
    columns = torch.stack([found.column(c) for c in range(found.rank)], 2)
    for unit in range(found.rows.shape[1]):
        rows = torch.zeros_like(found.rows)
        rows[:, unit] = 1
        bent = found.filled(
            lambda at, rows=rows: found.curved(at, rows[at]), found.weights
        )
        assert relative((columns @ columns.mT)[:, :, unit], bent) <= 1e-14


def test_roots_of_shares_that_underflow_are_finite_and_right() -> None:
    logits = torch.tensor([[0.0, -200.0, 3.0], [-500.0, 90.0, -90.0]])
    evaluate = ModelEvaluation(nn.Identity(), nn.CrossEntropyLoss(), [])
    output = logits.requires_grad_() + 0
    seen = watched(evaluate, output, Batch(logits, labels(3, 2)), [output])
    assert seen.likelihood is not None
    columns = torch.stack([seen.likelihood.column(c) for c in range(2)], 2)
    shares = logits.detach().softmax(1)
    wanted = torch.diag_embed(shares) - shares[:, :, None] * shares[:, None]
    torch.testing.assert_close(2 * columns @ columns.mT, wanted)


@pytest.mark.parametrize("loss", [n for n in LOSSES if n != "dice"])
def test_no_eigenvalue_is_negative_for_convex_losses(loss: str) -> None:
    convex = loss not in ("not linear before", "nested outputs")
    values = torch.linalg.eigvalsh(LOSSES[loss].landscape(F64).gauss_newton().dense())
    assert (float(values[0]) >= -1e-12 * float(values[-1])) or not convex


def test_a_loss_that_is_not_convex_gives_negative_eigenvalues() -> None:
    dense = LOSSES["dice"].landscape(F64).gauss_newton().dense()
    assert float(torch.linalg.eigvalsh(dense)[0]) < -1e-6


def test_it_is_the_hessian_of_a_linear_model_with_squared_error() -> None:
    land = PROBLEMS["linear regression"](F64).landscape()
    torch.testing.assert_close(land.gauss_newton().dense(), land.hessian().dense())


def test_a_loss_without_curvature_has_none() -> None:
    over = Over(nn.L1Loss(), normal(SAMPLES, 3, dtype=F64), three)
    assert not over.landscape(F64).gauss_newton().dense().any()


@kept_and_streamed
def test_a_block_is_the_principal_submatrix(memory: int | None) -> None:
    land = PROBLEMS["scaled dot product"](F64).landscape(memory=memory)
    dense, whole = of_problem("scaled dot product"), land.gauss_newton()
    for layer, at in land.layers.items():
        for block in (land.gauss_newton(layer), whole.block(layer)):
            assert relative(block.dense(), dense[at, at]) <= 1e-9


def test_it_is_measured_at_another_point() -> None:
    case = PROBLEMS["mlp"](F64)
    land = case.landscape()
    point = land.point + 0.3
    elsewhere = land.gauss_newton(point=point).dense()
    torch.nn.utils.vector_to_parameters(point, case.model.parameters())
    torch.testing.assert_close(elsewhere, land.gauss_newton().dense())


def test_tiny_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LIKELIHOODS["smoothed, positions"].landscape(F64).gauss_newton().dense()
    monkeypatch.setattr("theodolite.products.likelihood._SLICE", 7)
    part = LIKELIHOODS["smoothed, positions"].landscape(F64).gauss_newton().dense()
    assert torch.equal(whole, part)


def test_products_do_not_depend_on_the_callers_autocast() -> None:
    operator = PROBLEMS["mlp"](torch.float32).landscape().gauss_newton()
    vector = torch.ones(operator.shape[0])
    plain = operator @ vector
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert torch.equal(operator @ vector, plain)


def test_kept_products_evaluate_the_model_once() -> None:
    case, calls = PROBLEMS["mlp"](F64), []
    operator = case.landscape().gauss_newton()
    operator @ torch.ones(43)
    handle = case.model.register_forward_hook(lambda *_: calls.append(1))
    operator @ torch.ones(43)
    handle.remove()
    assert not calls


@pytest.mark.parametrize("problem", ["cnn with batch norm", "lstm", "checkpointed"])
def test_the_model_is_untouched(problem: str) -> None:
    case = PROBLEMS[problem](F64)
    land = case.landscape()
    with nothing_changes(case.model):
        land.gauss_newton() @ land.point


class Failing(Shaped):
    """Fails in its third forward pass."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == 9:
            raise ZeroDivisionError
        return super().forward(x)


def test_the_model_is_untouched_after_an_error() -> None:
    model = ready(partial(Failing, 3), F64)
    batches = [(normal(4, 3, dtype=F64), labels(3, 4))] * 3
    land = td.Landscape(model, nn.CrossEntropyLoss(), batches)
    operator = land.gauss_newton()
    model.calls = 7
    with nothing_changes(model), pytest.raises(td.TheodoliteError, match="ZeroDiv"):
        operator @ land.point


def test_a_function_has_no_outputs() -> None:
    land = td.Landscape.from_function(lambda w: w.square().sum(), torch.ones(2))
    for refused in (land.gauss_newton, land.fisher):
        with pytest.raises(ArgumentError, match=r"land\.hessian\(\)"):
            refused()


def refused_by(model: nn.Module, loss: Any, target: Any = None) -> td.Landscape:
    x = normal(5, 3, dtype=F64)
    return td.Landscape(model, loss, (x, labels(3, 5) if target is None else target))


def test_a_loss_made_inside_the_model_is_refused() -> None:
    land = PROBLEMS["own loss"](F64).landscape()
    with pytest.raises(LossError, match="from the predictions"):
        land.gauss_newton() @ land.point


def test_outputs_cut_from_the_parameters_are_refused() -> None:
    class Cut(Shaped):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).detach()

    land = refused_by(ready(partial(Cut, 3), F64), nn.CrossEntropyLoss())
    with pytest.raises(NoGradientError, match="does not depend"):
        land.gauss_newton() @ land.point


def test_nll_loss_of_logits_is_refused() -> None:
    land = refused_by(ready(three, F64), F.nll_loss)
    for operator in (land.gauss_newton(), land.fisher()):
        with pytest.raises(LossError, match="CrossEntropyLoss"):
            operator @ land.point


def test_a_batch_whose_targets_are_all_ignored_counts_nothing() -> None:
    model = ready(three, F64)
    x, y = normal(6, 3, dtype=F64), labels(3, 6)
    y[3:] = -100
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]
    both = td.Landscape(model, nn.CrossEntropyLoss(), batches).gauss_newton()
    one = td.Landscape(model, nn.CrossEntropyLoss(), batches[:1]).gauss_newton()
    torch.testing.assert_close(both.dense(), one.dense())
