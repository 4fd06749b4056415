"""Every operation in the table has its right Hessian, or is refused with advice."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, distributed, nn

import theodolite as td
from operations import TABLE, measured_hessian
from operations.reference import difference_hessian
from operations.row import F64, Problem
from watch import nothing_changes

RELATIVE = 1e-6
CUTS = (5, 5, 1)

pytestmark = [
    # what torch says to whoever uses reentrant checkpoints, compiled parts, torch.func
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),
]


@pytest.fixture(scope="module", autouse=True)
def _group_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that compute together: this one alone."""
    store = (tmp_path_factory.mktemp("group") / "store").as_uri()
    distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def require_equal(found: Tensor, wanted: Tensor) -> None:
    """Relative where there is curvature, and absolute where there is none."""
    size = float(wanted.norm())
    error = float((found - wanted).norm()) / (size if size > RELATIVE else 1.0)
    if not error <= RELATIVE:
        pytest.fail(f"relative error {error:.2g} of a Hessian of norm {size:.2g}")


@pytest.mark.parametrize("operation", TABLE)
def test_the_hessian_is_right_or_refused_and_the_model_untouched(
    operation: str,
) -> None:
    row = TABLE[operation]
    problem = row.build()
    with nothing_changes(problem.model):
        if row.error is not None:
            with pytest.raises(row.error, match=re.escape(row.says)) as caught:
                measured_hessian(problem)
            assert caught.value.instead
            return
        found = measured_hessian(problem)
    require_equal(found, difference_hessian((row.plain or row.build)()))


UNEVEN = [
    "cross-entropy, weights and ignored",
    "cross-entropy, smoothed with weights",
    "cross-entropy of probabilities, weights",
    "cross-entropy of pixels",
    "NLL with weights",
    "BCE with logits, pos_weight",
    "MSE masked by hand",
    "MSE with weights of samples",
    "KLDiv the other way",
    "Huber",
    "LayerNorm",
    "Embedding with padding",
]


@pytest.mark.parametrize("operation", UNEVEN)
def test_uneven_batches_have_the_hessian_of_one_big_batch(operation: str) -> None:
    problem = TABLE[operation].build()
    whole = measured_hessian(problem)
    parts = zip(problem.inputs.split(CUTS), problem.target.split(CUTS), strict=True)
    cut = td.Landscape(problem.model, problem.loss, list(parts)).hessian().dense()
    assert float((cut - whole).norm()) <= 1e-10 * float(whole.norm())


class Exponential(nn.Module):
    """Σ exp(A w), whose Hessian is Aᵀ diag(exp(A w)) A."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.3, -0.7, 0.2, 0.5], dtype=F64))

    def forward(self, matrix: Tensor) -> Tensor:
        return (matrix @ self.w).exp().sum()


def test_the_reference_is_right_to_1e_8_where_the_hessian_is_known() -> None:
    matrix = torch.linspace(-1, 1, 24, dtype=F64).view(6, 4).sin() + torch.eye(6, 4)
    problem = Problem(Exponential(), lambda out, target: out, matrix, None)
    scale = (matrix @ problem.model.get_parameter("w").detach()).exp()
    wanted = matrix.T @ (scale[:, None] * matrix)
    error = (difference_hessian(problem) - wanted).norm() / wanted.norm()
    assert float(error) <= 1e-8


def test_the_reference_refuses_a_point_beside_a_kink() -> None:
    problem = TABLE["L1 of a linear model"].build()
    out = problem.model(problem.inputs).detach()
    kinked = replace(problem, target=torch.where(out > 0.5, out, problem.target))
    with pytest.raises(AssertionError, match="kink"):
        difference_hessian(kinked)


def test_the_table_names_no_operation_twice_and_says_what_is_wrong() -> None:
    assert len(TABLE) >= 250
    assert all(row.says for row in TABLE.values() if row.error)
