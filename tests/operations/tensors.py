"""Functions of tensors, linear algebra, and writing in place."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from operations.row import Row, between, through
from theodolite.errors import SecondDerivativeError


class TwoLegs(nn.Module):
    """A layer of two inputs, of which both are trained."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.layer = make()

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x[:, :2], x[:, 2:])
        return out if out.ndim > 1 else out[:, None]


def squares(function: Callable[[Tensor], Tensor]) -> Row:
    """A function of matrices (11, 2, 2) away from the singular ones."""
    shift = torch.tensor([[3.0, 0.5], [-0.5, 2.0]], dtype=torch.float64)
    return through(lambda x: function(x.view(-1, 2, 2) + shift).flatten(1))


def symmetric(function: Callable[[Tensor], Tensor]) -> Row:
    """A function of positive definite matrices with eigenvalues apart."""

    def of(x: Tensor) -> Tensor:
        return function(x @ x.mT + torch.diag(torch.tensor([1.0, 3.0])).to(x))

    return squares(of)


def column(function: Callable[[Tensor], Tensor]) -> Row:
    return through(lambda x: function(x)[:, None])


def summed(x: Tensor) -> Tensor:
    places = torch.tensor([0, 1, 0, 1]).expand_as(x)
    return x.new_zeros(len(x), 2).scatter_add(1, places, x.square())


def indexed(x: Tensor) -> Tensor:
    places = torch.tensor([0, 1, 1, 0])
    return x.new_zeros(len(x), 2).index_add(1, places, x.exp())


def gathered(x: Tensor) -> Tensor:
    return x.square().gather(1, torch.tensor([[2, 0, 2]]).expand(len(x), 3))


def written(x: Tensor) -> Tensor:
    """In place on temporaries, in the ways that people write."""
    y = x * 1.0
    y.add_(1.0).mul_(x).clamp_(-2.5, 2.5).tanh_()
    z = torch.empty_like(x)
    z[:, :2] = y[:, 1:3] * x[:, :2]
    z[:, 2:] = x[:, 2:]
    z[:, 3] *= 2
    z += y
    return z


def overwritten(x: Tensor) -> Tensor:
    """In place on what the backward pass needs."""
    y = x.exp()
    y += 1
    return y


def filled(x: Tensor) -> Tensor:
    y = x.square()
    y.masked_fill_(torch.arange(4) == 2, 0.5)
    y.index_put_((torch.tensor([0, 1]), torch.tensor([1, 1])), x[2, :2])
    y.scatter_(1, torch.zeros(len(x), 1, dtype=torch.long), x[:, 1:2].sin())
    return y


def cut_into_views(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, :2].add_(1).square_()
    y[:, 2:].mul_(x[:, :2])
    return y


def spectrum(x: Tensor) -> Tensor:
    return torch.fft.rfft(x).abs()


def distances(x: Tensor, mode: str) -> Tensor:
    return torch.cdist(x, x.flip(1) + 0.5, compute_mode=mode)[:, :5]


def neighbours(x: Tensor) -> Tensor:
    """A sparse matrix that takes the mean over a ring."""
    here = torch.arange(len(x))
    places = torch.stack([here.repeat(2), torch.cat([here, here.roll(1)])])
    halves = torch.full((2 * len(x),), 0.5).to(x)
    ring = torch.sparse_coo_tensor(places, halves, check_invariants=True)
    return torch.sparse.mm(ring, x).tanh()


def reduced(x: Tensor, how: str) -> Tensor:
    places = torch.tensor([0, 1, 0, 1]).expand_as(x)
    return x.new_ones(len(x), 2).scatter_reduce(1, places, x, how)


def segments(x: Tensor) -> Tensor:
    lengths = torch.ones(len(x), dtype=torch.long)
    return torch.segment_reduce(x.square().sum(1), "sum", lengths=lengths)


def log_density(covariance: Tensor) -> Tensor:
    around = torch.distributions.MultivariateNormal(covariance[:, 0] * 0, covariance)
    return around.log_prob(torch.ones(2).to(covariance))[:, None]


def polar(x: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(x)
    return left @ right


class Product(nn.Module):
    """A product whose first factor is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factors.prod() + x.sin()


@torch.no_grad()
def with_a_zero(model: nn.Module) -> None:
    model.get_parameter("1.factors")[0] = 0.0


TENSORS: dict[str, Row] = {
    "Bilinear": between(lambda: TwoLegs(partial(nn.Bilinear, 2, 2, 3))),
    "CosineSimilarity": between(lambda: TwoLegs(nn.CosineSimilarity)),
    "PairwiseDistance": between(lambda: TwoLegs(nn.PairwiseDistance)),
    "einsum": through(lambda x: torch.einsum("bi,bj,bk->bij", x, x.sin(), x)),
    "matmul": through(lambda x: x @ x.T.tanh() / 10),
    "matmul of matrices": squares(lambda x: x @ x.mT @ x / 20),
    "outer product": through(lambda x: x[:, :, None] * x[:, None]),
    "kron": through(lambda x: torch.kron(x[:, :1].contiguous(), x[:1])),
    "solve": squares(lambda x: torch.linalg.solve(x, torch.eye(2).to(x))),
    "solve_triangular": squares(
        lambda x: torch.linalg.solve_triangular(
            x.tril(), torch.ones(2, 1).to(x), upper=False
        )
    ),
    "inverse": squares(torch.linalg.inv),
    "pseudo-inverse": squares(torch.linalg.pinv),
    "least squares": squares(
        lambda x: torch.linalg.lstsq(x, torch.ones(len(x), 2, 1).to(x)).solution
    ),
    "determinant": squares(lambda x: torch.linalg.det(x)[:, None] / 5),
    "slogdet": squares(lambda x: torch.linalg.slogdet(x).logabsdet[:, None]),
    "logdet": squares(lambda x: torch.logdet(x)[:, None]),
    "Cholesky": symmetric(torch.linalg.cholesky),
    "eigenvalues": symmetric(torch.linalg.eigvalsh),
    "projector on an eigenvector": symmetric(
        lambda x: torch.linalg.eigh(x).eigenvectors.square()
    ),
    "singular values": squares(torch.linalg.svdvals),
    "QR": squares(lambda x: torch.linalg.qr(x).R),
    "matrix exponential": squares(lambda x: torch.linalg.matrix_exp(x / 4)),
    "matrix power": squares(lambda x: torch.linalg.matrix_power(x / 3, 3)),
    "nuclear norm": squares(lambda x: torch.linalg.matrix_norm(x, ord="nuc")[:, None]),
    "norm": column(lambda x: x.norm(dim=1)),
    "norm, p = 1": column(lambda x: torch.linalg.vector_norm(x, 1, dim=1)),
    "norm, p = 3": column(lambda x: torch.linalg.vector_norm(x, 3, dim=1)),
    "norm, p = ∞": column(lambda x: torch.linalg.vector_norm(x, torch.inf, dim=1)),
    "cumsum": through(lambda x: x.square().cumsum(1)),
    "cumprod": through(lambda x: x.cumprod(1)),
    "prod": column(lambda x: x.prod(1)),
    "prod with a zero": between(Product, prepare=with_a_zero),
    "logsumexp": column(lambda x: x.logsumexp(1)),
    "logcumsumexp": through(lambda x: x.logcumsumexp(1)),
    "logaddexp": through(lambda x: torch.logaddexp(x[:, :2], x[:, 2:])),
    "cummax": through(lambda x: x.square().cummax(1).values),
    "sort": through(lambda x: x.square().sort(1).values),
    "topk": through(lambda x: x.square().topk(2, 1).values),
    "median": column(lambda x: x.square().median(1).values),
    "maximum": through(lambda x: torch.maximum(x[:, :2], x[:, 2:]).square()),
    "max of a row": column(lambda x: x.square().max(1).values),
    "gather": through(gathered),
    "scatter_add": through(summed),
    "index_add": through(indexed),
    "index_select": through(lambda x: x[:, [0, 0, 3]].sin()),
    "where": through(lambda x: torch.where(x > 0, x.square(), x.exp())),
    "clamp": through(lambda x: x.clamp(-0.5, 0.5).square()),
    "abs": through(lambda x: x.abs() * x),
    "variance": column(lambda x: x.var(1)),
    "standard deviation": column(lambda x: x.std(1)),
    "exp, log and roots": through(lambda x: (1 + x.exp()).log().sqrt()),
    "powers": through(lambda x: (1 + x.square()) ** x),
    "error function": through(lambda x: x.erf() + x.erfc().log()),
    "sinc": through(torch.sinc),
    "gamma functions": through(lambda x: torch.lgamma(x.square() + 0.5)),
    "atan2 and hypot": through(
        lambda x: torch.atan2(x[:, :2], x[:, 2:]) + torch.hypot(x[:, :2], x[:, 2:])
    ),
    "xlogy": through(lambda x: torch.xlogy(x, x.square() + 0.1)),
    "lerp": through(lambda x: torch.lerp(x[:, :2], x[:, 2:], x[:, 1:3].sigmoid())),
    "addcmul and addcdiv": through(
        lambda x: torch.addcmul(x, x, x).addcdiv(x, 1 + x.square())
    ),
    "nan_to_num": through(lambda x: x.exp().nan_to_num()),
    "roll, flip and repeat": through(
        lambda x: (x.roll(1, 1) * x.flip(1)).repeat_interleave(2, 1)
    ),
    "distances": through(partial(distances, mode="donot_use_mm_for_euclid_dist")),
    "distances by products": through(partial(distances, mode="use_mm_for_euclid_dist")),
    "distances of pairs": column(lambda x: F.pdist(x)[:11]),
    "graph convolution": through(neighbours),
    "scatter_reduce, product": through(partial(reduced, how="prod")),
    "scatter_reduce, maximum": through(partial(reduced, how="amax")),
    "segment_reduce": column(segments).refused(
        SecondDerivativeError, "_segment_reduce_backward"
    ),
    "quantile": column(lambda x: x.square().quantile(0.3, 1)),
    "renorm": through(lambda x: torch.renorm(x, 2, 0, 0.5)),
    "special functions": through(
        lambda x: torch.special.i0(x) + torch.special.log_ndtr(x)
    ),
    "log-density of a normal distribution": symmetric(log_density),
    "polar factor": squares(polar),
    "eigenvalues of no symmetry": squares(lambda x: torch.linalg.eigvals(x).abs()),
    "short-time Fourier transform": through(
        lambda x: torch.stft(
            x, 4, window=torch.hann_window(4).to(x), return_complex=True
        ).abs()
    ),
    "Fourier transform": through(spectrum),
    "complex numbers": through(
        lambda x: torch.view_as_real(torch.view_as_complex(x.view(-1, 2, 2)) ** 2)
    ),
    "functional map over samples": through(
        lambda x: torch.vmap(lambda row: row.sin() * row.sum())(x)
    ),
    "rounding": through(lambda x: x + x.round() * 0.1),
    "in place on temporaries": through(written),
    "filled in place": through(filled),
    "views written in place": through(cut_into_views),
    "what is needed written in place": through(overwritten).refused(
        SecondDerivativeError, "modified by an inplace operation"
    ),
}
