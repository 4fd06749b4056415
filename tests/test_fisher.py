"""The Fisher information: its mean over draws, and its empirical form."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

import theodolite as td
from dense import relative
from output_losses import LIKELIHOODS, OTHERS, SAMPLES, Over, Shaped, three
from problems import PROBLEMS, labels, normal, ready
from theodolite.batches import Batch
from theodolite.errors import ArgumentError, LossError
from theodolite.evaluation import ModelEvaluation
from theodolite.products.recognised_loss import watched
from watch import nothing_changes

F64 = torch.float64


def quadratic(land: td.Landscape, vectors: Tensor, count: int, samples: int) -> Tensor:
    """Independent estimates of vᵀ F v, one a seed."""
    return torch.stack(
        [
            (vectors * (land.fisher(seed=seed, samples=samples) @ vectors)).sum(0)
            for seed in range(count)
        ]
    )


@pytest.mark.parametrize("loss", LIKELIHOODS)
def test_its_mean_over_draws_is_the_gauss_newton_matrix(loss: str) -> None:
    land = LIKELIHOODS[loss].landscape(F64)
    matrix, vectors = land.gauss_newton(), normal(land.size, 2, dtype=F64)
    draws = quadratic(land, vectors, count=10, samples=40)
    wanted = (vectors * (matrix @ vectors)).sum(0)
    error = draws.std(0) / len(draws) ** 0.5
    assert (error < 0.1 * wanted).all()
    assert ((draws.mean(0) - wanted).abs() <= 4 * error).all()


def test_more_samples_are_the_mean_of_more_draws() -> None:
    land = LIKELIHOODS["cross-entropy"].landscape(F64)
    vectors = normal(land.size, 2, dtype=F64)
    few, many = (quadratic(land, vectors, 25, k).var(0) for k in (1, 16))
    # variances of 25 numbers have errors of 28 %: their ratio is 1/16 within a factor 3
    assert ((few < 48 * many) & (many < 3 / 16 * few)).all()


@pytest.mark.parametrize("memory", [None, 0])
def test_a_seed_is_one_operator(memory: int | None) -> None:
    land = LIKELIHOODS["tokens last"].landscape(F64, memory=memory)
    fisher, vectors = land.fisher(seed=3), normal(land.size, 2, dtype=F64)
    products = fisher @ vectors
    assert torch.equal(fisher @ vectors, products)
    assert float(vectors[:, 0] @ products[:, 1]) == pytest.approx(
        float(vectors[:, 1] @ products[:, 0])
    )
    assert relative(land.fisher(seed=3) @ vectors, products) == 0
    assert relative(land.fisher(seed=4) @ vectors, products) > 0.01


def test_kept_and_streamed_draw_the_same() -> None:
    over = LIKELIHOODS["cross-entropy"]
    kept, streamed = (over.landscape(F64, memory=m).fisher() for m in (None, 0))
    torch.testing.assert_close(kept.dense(), streamed.dense())


def test_equal_batches_draw_differently() -> None:
    model, x, y = ready(three, F64), normal(4, 3, dtype=F64), labels(3, 4)
    one = td.Landscape(model, nn.CrossEntropyLoss(), [(x, y)]).fisher().dense()
    two = td.Landscape(model, nn.CrossEntropyLoss(), [(x, y)] * 2).fisher().dense()
    assert relative(two, one) > 0.01


def test_drawing_leaves_everything_as_it_was() -> None:
    case = PROBLEMS["cnn with batch norm"](F64)
    land = case.landscape()
    with nothing_changes(case.model):
        land.fisher(samples=2) @ land.point


@pytest.mark.parametrize("loss", LIKELIHOODS)
def test_targets_are_drawn_with_their_probabilities(loss: str) -> None:
    over = LIKELIHOODS[loss]
    model = ready(over.model, F64)
    batch = Batch(*over.data(F64))
    output = model(batch.inputs)
    evaluate = ModelEvaluation(model, over.loss, [])
    found = watched(evaluate, output, batch, [output]).likelihood
    assert found is not None
    generator = torch.Generator().manual_seed(0)
    # the slope of a negative log-likelihood has mean zero under its own distribution
    slopes = torch.stack(
        [found.slope(slice(None), found.drawn(generator)) for _ in range(2000)]
    )
    error = slopes.std(0) / len(slopes) ** 0.5
    assert (slopes.mean(0).abs() <= 4.5 * error).all()


def sample_gradients(over: Over) -> Tensor:
    """Every sample's own gradient by one backward pass each."""
    x, y = over.data(F64)
    model = ready(over.model, F64)
    rows = []
    for n in range(len(x)):
        loss = over.loss(model(x[n : n + 1]), y[n : n + 1])
        found = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in found]))
    return torch.stack(rows)


single_binary = Over(
    nn.BCEWithLogitsLoss(), labels(2, SAMPLES, 1).double(), partial(Shaped, 1)
)
ONE_TARGET = {
    "cross-entropy": LIKELIHOODS["cross-entropy"],
    "label smoothing": LIKELIHOODS["partial"],
    "squared error": LIKELIHOODS["squared error"],
    "binary": single_binary,
}


@pytest.mark.parametrize("loss", ONE_TARGET)
def test_empirical_is_the_mean_outer_product_of_gradients(loss: str) -> None:
    rows = sample_gradients(ONE_TARGET[loss])
    dense = ONE_TARGET[loss].landscape(F64).fisher(empirical=True).dense()
    assert relative(dense, rows.T @ rows / len(rows)) <= 1e-12


def test_empirical_counts_every_token_that_is_not_ignored() -> None:
    over = LIKELIHOODS["tokens last"]
    x, y = over.data(F64)
    model = ready(over.model, F64)
    rows = []
    for n, t in (y != -1).nonzero().tolist():
        loss = F.cross_entropy(model(x[n : n + 1])[:, t], y[n : n + 1, t])
        found = torch.autograd.grad(loss, list(model.parameters()))
        rows.append(torch.cat([part.flatten() for part in found]))
    wanted = torch.stack(rows).T @ torch.stack(rows) / len(rows)
    dense = over.landscape(F64).fisher(empirical=True).dense()
    assert relative(dense, wanted) <= 1e-12


def test_a_weight_counts_like_that_many_copies() -> None:
    model = ready(three, F64)
    x, y = normal(6, 3, dtype=F64), labels(2, 6)
    weight = torch.tensor([1.0, 3.0, 5.0], dtype=F64)
    copies = torch.tensor([1, 3])[y]
    weighted = td.Landscape(model, nn.CrossEntropyLoss(weight), (x, y))
    copied = td.Landscape(
        model,
        nn.CrossEntropyLoss(),
        (x.repeat_interleave(copies, 0), y.repeat_interleave(copies, 0)),
    )
    for empirical in (True, False):
        # drawn targets differ between the two: only their means are equal
        one, two = (
            land.fisher(empirical=True) if empirical else land.gauss_newton()
            for land in (weighted, copied)
        )
        torch.testing.assert_close(one.dense(), two.dense())


def test_blocks_are_principal_submatrices() -> None:
    land = LIKELIHOODS["cross-entropy"].landscape(F64)
    dense = land.fisher(seed=1).dense()
    at = land.layers["fc2"]
    torch.testing.assert_close(land.fisher("fc2", seed=1).dense(), dense[at, at])


def test_a_likelihood_of_a_nonlinear_function_of_outputs_is_found() -> None:
    """Fisher does not depend on where the outputs end: only on the distribution."""
    over = OTHERS["not linear before"]
    x, _ = over.data(F64)
    model = ready(three, F64)

    def likelihoods(flat: Tensor) -> Tensor:
        names = [name for name, _ in model.named_parameters()]
        sizes = [w.numel() for w in model.parameters()]
        shapes = [w.shape for w in model.parameters()]
        parts = [p.view(s) for p, s in zip(flat.split(sizes), shapes, strict=True)]
        z = functional_call(model, dict(zip(names, parts, strict=True)), (x,))
        return torch.tanh(z).log_softmax(1)

    flat = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    slopes = torch.autograd.functional.jacobian(likelihoods, flat)
    shares = likelihoods(flat).exp()
    wanted = torch.einsum("nc,nci,ncj->ij", shares, slopes, slopes) / SAMPLES
    vector = normal(len(flat), dtype=F64)
    land = over.landscape(F64)
    draws = quadratic(land, vector[:, None], count=10, samples=40)
    error = float(draws.std()) / len(draws) ** 0.5
    assert float(draws.mean()) == pytest.approx(
        float(vector @ wanted @ vector), abs=4 * error
    )


@pytest.mark.parametrize(
    "loss", ["smooth L1", "Poisson", "dice", "with a penalty of outputs"]
)
def test_a_loss_that_is_no_known_likelihood_is_refused(loss: str) -> None:
    land = OTHERS[loss].landscape(F64)
    with pytest.raises(LossError, match="gauss_newton"):
        land.fisher() @ land.point


def test_no_draw_is_refused() -> None:
    with pytest.raises(ArgumentError, match="samples=0"):
        LIKELIHOODS["cross-entropy"].landscape(F64).fisher(samples=0)
