"""Linear systems: accuracy, budgets, and what is told and refused."""

from typing import Any

import pytest
import torch
from torch import Tensor

import theodolite as td
from problems import normal
from spectra import bulk, rotation, with_spectrum
from systems import DAMPINGS, METHODS, B, P, error, gap, indefinite, positive
from theodolite.errors import ArgumentError, NonFiniteError, ProductError
from theodolite.spectrum import solve
from theodolite.spectrum.solving import remembered
from theodolite.spectrum.solving.conjugate_gradients import ConjugateGradients
from theodolite.spectrum.solving.iteration import Iteration

F32, F64 = torch.float32, torch.float64


class Counted:
    """A matrix that is no tensor, and counts its products."""

    def __init__(self, matrix: Tensor) -> None:
        self.matrix, self.shape, self.count = matrix.numpy(), matrix.shape, 0

    def __matmul__(self, vectors: Any) -> Any:
        self.count += vectors.shape[1]
        return self.matrix @ vectors


class Told:
    """A watcher that keeps what it hears."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.closed = 0

    def update(self, stage: str, done: float, left: float) -> None:
        self.shares.append(done)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("condition", [1e2, 1e4, 1e8])
def test_the_solution_is_the_direct_one_within_condition_times_tolerance(
    method: str, condition: float
) -> None:
    matrix = positive(condition)
    # a residual of eps · κ · ‖b‖ is all that float64 can hold
    tol = 1e-10 if condition < 1e8 else 1e-7
    solution = td.solve(matrix, B, method=method, tol=tol)
    true = torch.linalg.solve(matrix, B)
    assert solution.converged
    # the least eigenvalue is one: an error is no larger than its residual
    bound = tol * float(B.norm() / true.norm())
    assert error(solution, true) <= bound + 1e-15 * condition
    assert solution.residual <= solution.tolerance
    rounded = 1e-15 * condition * float(true.norm())
    assert solution.residual == pytest.approx(gap(matrix, solution), abs=rounded)
    assert solution.negative_curvature is None


@pytest.mark.parametrize("method", METHODS)
def test_products_never_exceed_the_dimension_however_ill_conditioned(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    solution = td.solve(positive(1e6), B, method=method)
    assert solution.converged
    assert solution.products <= P + 1
    # forgetful recurrences find again what they had found
    monkeypatch.setattr(remembered, "BASIS_BYTES", 0)
    forgetful = td.solve(positive(1e6), B, method=method, budget=2 * P)
    assert forgetful.products == 2 * P
    assert forgetful.outcome.name == "budget"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_forgotten_costs_products_and_no_accuracy(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "BASIS_BYTES", 20 * P * 8)
    matrix = positive()
    solution = td.solve(matrix, B, method=method, tol=1e-9)
    assert solution.converged
    assert gap(matrix, solution) <= 1.01e-9 * float(B.norm())


def test_in_exact_arithmetic_as_many_steps_as_distinct_eigenvalues() -> None:
    values = torch.tensor([1.0, 2.0, 5.0], dtype=F64).repeat(20)
    matrix = rotation(60) * values @ rotation(60).T
    for method in METHODS:
        solution = td.solve(matrix, normal(60, dtype=F64), tol=1e-10, method=method)
        assert solution.converged
        assert solution.products <= 4  # one is the true residual's


def test_damping_adds_to_every_eigenvalue() -> None:
    matrix, b = with_spectrum(bulk(100)), normal(100, dtype=F64)
    solution = td.solve(matrix, b, damping=5.0, tol=1e-10)
    true = torch.linalg.solve(matrix + 5.0 * torch.eye(100), b)
    torch.testing.assert_close(solution.x, true)
    assert solution.products < td.solve(positive(), B).products


@pytest.mark.parametrize("method", METHODS)
def test_a_residual_that_rounding_keeps_up_is_said_to_be_so(method: str) -> None:
    matrix = positive(1e3)
    solution = td.solve(matrix, B, method=method, tol=1e-15)
    assert solution.outcome.name == "rounding"
    assert "wider type" in str(solution.outcome)
    # not the recurrence's, which is below the tolerance
    assert solution.residual > solution.tolerance
    assert solution.residual == pytest.approx(gap(matrix, solution), rel=0.5)
    assert solution.residual <= 1e-10 * float(B.norm())


class Careless(Iteration):
    """Loses a share of its solution on the way, and does not notice."""

    loss = 0.1

    def __init__(self, rest: Tensor, precondition: Any, rounding: float) -> None:
        super().__init__(rest, conditioned=False)
        self.inner = ConjugateGradients(rest, precondition, rounding)

    @property
    def next(self) -> Tensor:
        return self.inner.next

    def absorb(self, image: Tensor) -> None:
        self.inner.absorb(image)
        self.x = (1 - self.loss) * self.inner.x
        self.residual, self.iterations = self.inner.residual, self.inner.iterations


def test_a_method_starts_again_where_the_true_residual_denies_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = positive(10.0)
    monkeypatch.setitem(solve.METHODS, "cg", Careless)
    # each repetition leaves a tenth
    solution = td.solve(matrix, B, tol=1e-6)
    assert solution.converged
    assert gap(matrix, solution) <= 1.01e-6 * float(B.norm())
    single = td.solve(matrix, B, tol=0.2)
    assert solution.iterations > 5 * single.iterations
    # and where it does not halve the residual, it was the last
    monkeypatch.setattr(Careless, "loss", 0.6)
    lost = td.solve(matrix, B, tol=1e-6)
    assert lost.outcome.name == "rounding"
    assert lost.residual == pytest.approx(gap(matrix, lost))


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_is_checked_as_it_is_returned(method: str) -> None:
    matrix = positive(30.0).float()
    solution = td.solve(matrix, B.float(), method=method, tol=1e-5)
    assert solution.converged
    assert solution.x.dtype == F32
    residual = gap(matrix, solution, B.float().double())
    assert residual <= 1.1e-5 * float(B.norm())
    hard = td.solve(positive(1e5).float(), B.float(), method=method, tol=1e-6)
    assert not hard.converged
    true = gap(positive(1e5).float(), hard, B.float().double())
    # as far as single precision can say
    assert true / 3 <= hard.residual <= 3 * true


def test_bfloat16_is_widened() -> None:
    matrix = positive(10.0).bfloat16()
    solution = td.solve(matrix, B.bfloat16(), tol=1e-8, damping=1.0)
    assert solution.converged
    assert solution.x.dtype == F64


def test_long_vectors_stay_in_the_operators_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solve, "_WIDE_BYTES", 0)
    matrix = positive(30.0).float()
    for method in METHODS:
        solution = td.solve(matrix, B.float(), method=method, tol=1e-4)
        assert solution.converged
        assert gap(matrix, solution, B.float().double()) <= 1.1e-4 * float(B.norm())
    several = td.solve(matrix, B.float(), damping=DAMPINGS, tol=1e-4)
    assert all(one.converged for one in several)
    assert all(gap(matrix, one) <= 2e-4 * float(B.norm()) for one in several)


@pytest.mark.parametrize("method", METHODS)
def test_a_good_start_saves_products(method: str) -> None:
    matrix = positive()
    first = td.solve(matrix, B, method=method, tol=1e-4)
    second = td.solve(matrix, B, method=method, tol=1e-6, x0=first.x)
    whole = td.solve(matrix, B, method=method, tol=1e-6)
    assert second.converged
    assert second.products < whole.products
    assert gap(matrix, second) <= 1.01e-6 * float(B.norm())
    # nothing to do: one product to see it
    again = td.solve(matrix, B, method=method, x0=second.x)
    assert (again.products, again.iterations) == (1, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget", [1, 2, 3, 20])
def test_a_system_out_of_budget_returns_what_it_has(method: str, budget: int) -> None:
    matrix = positive(1e8)
    solution = td.solve(matrix, B, budget=budget, tol=1e-10, method=method)
    assert solution.outcome.name == "budget"
    assert solution.products == (budget if budget > 1 else 0)
    assert solution.residual == pytest.approx(gap(matrix, solution))
    bent = td.solve(indefinite(), B, budget=budget, method="minres")
    assert bent.products <= budget
    sketched = td.solve(matrix, B, budget=budget, preconditioner="nystrom")
    assert sketched.products <= budget


@pytest.mark.parametrize("method", METHODS)
def test_the_solution_for_zero_is_zero(method: str) -> None:
    matrix = Counted(positive())
    for damping in (0.0, [0.0, 1.0]):
        found = td.solve(matrix, torch.zeros(P), method=method, damping=damping)
        for solution in found if isinstance(found, list) else [found]:
            assert solution.converged
            assert solution.residual == 0
            assert not solution.x.any()
    assert matrix.count == 0


@pytest.mark.parametrize("method", METHODS)
def test_every_product_is_counted(method: str) -> None:
    for damping in (0.0, DAMPINGS):
        matrix = Counted(positive())
        found = td.solve(matrix, B, method=method, damping=damping)
        first = found[0] if isinstance(found, list) else found
        assert first.products == matrix.count
        assert first.seconds > 0
        assert first.bytes > 4 * P * 8


def test_a_watcher_is_told_and_let_go() -> None:
    for damping in (0.0, DAMPINGS):
        told = Told()
        td.solve(positive(), B, damping=damping, progress=told)
        assert told.closed == 1
        assert len(told.shares) > 10
        assert all(0 <= share <= 1 for share in told.shares)
        assert told.shares[-1] > 0.9


def test_what_is_given_stays_as_it_was() -> None:
    matrix, b, start = positive(9.0), B.clone(), B.clone()
    scale = torch.ones(P).double()
    kept = {}

    def careless(vector: Tensor) -> Tensor:
        # returns what it keeps
        return kept.setdefault("image", scale)

    for method in METHODS:
        td.solve(matrix, b, method=method, x0=start, preconditioner=lambda v: v * scale)
        td.solve(matrix, b, method=method, damping=DAMPINGS)
    assert torch.equal(b, B)
    assert torch.equal(start, B)
    with pytest.raises(ArgumentError):
        td.solve(matrix, b - b.mean(), preconditioner=careless)
    assert torch.equal(scale, torch.ones(P).double())


def test_a_solution_prints_itself_and_becomes_plain() -> None:
    solution = td.solve(positive(), B, damping=0.5)
    text = repr(solution)
    for part in ("(H + 0.5 I) x = b", "iterations (cg)", "products", "tolerance"):
        assert part in text
    assert "(H − 1 I)" in repr(td.solve(positive(), B, damping=-1.0, budget=5))
    plain = solution.to_dict()
    assert plain["outcome"] == "converged"
    assert plain["size"] == pytest.approx(float(solution.x.norm()))
    assert plain["tolerance"] == pytest.approx(1e-6 * float(B.norm()))
    assert not any(isinstance(value, Tensor) for value in plain.values())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "gmres"}, "minres"),
        ({"tol": 0.0}, "never gets below zero"),
        ({"damping": float("nan")}, "finite"),
        ({"damping": []}, "finite"),
        ({"x0": torch.zeros(3)}, "x0 of shape"),
        ({"damping": [1.0, 2.0], "x0": B}, "one by one"),
        ({"damping": [1.0, 2.0], "preconditioner": "nystrom"}, "one by one"),
        ({"budget": 0}, "budget=0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict, text: str) -> None:
    with pytest.raises(ArgumentError, match=text):
        td.solve(positive(), B, **settings)


def test_right_hand_sides_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="shape"):
        td.solve(positive(), torch.zeros(7))
    with pytest.raises(NonFiniteError, match="b holds"):
        td.solve(positive(), B * float("inf"))


@pytest.mark.parametrize("damping", [0.0, DAMPINGS], ids=["one", "several"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_products_that_are_no_numbers_are_refused(
    bad: float, method: str, damping: Any
) -> None:
    matrix = positive()
    matrix[3, 4] = bad
    with pytest.raises(NonFiniteError, match="wider type"):
        td.solve(matrix, B, method=method, damping=damping)


@pytest.mark.parametrize("method", METHODS)
def test_products_that_are_not_symmetric_are_refused(method: str) -> None:
    matrix = positive() + torch.triu(torch.ones(P, P), 1)
    with pytest.raises(ProductError, match="not symmetric"):
        td.solve(matrix, B, method=method)
