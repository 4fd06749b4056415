"""Other libraries' spectra of the same Hessian, as their users ask for them.

Products are counted where the library multiplies, whatever it says itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any, final
from unittest.mock import patch
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from scipy.sparse import linalg as scipy_linalg
from spectra_cases import Case
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

Rule = tuple[Tensor, Tensor]
# its annotations are narrower than what it takes
_scipy: Any = scipy_linalg
# Lanczos steps of hessian-eigenthings, doubled until it says that it has converged
_MOST_STEPS = 640
# columns that curvlinops multiplies together
_TOGETHER = 16


@dataclass(frozen=True)
class Pairs:
    """Eigenpairs that somebody found.

    Attributes
    ----------
    values, vectors : Tensor
        In the order of the values, descending, float64; ``(k,)`` and ``(p, k)``.
    products : int
        What they cost.
    claim : str
        What is said of their error.
    """

    values: Tensor
    vectors: Tensor
    products: int
    claim: str

    @classmethod
    def of(cls, values: Any, vectors: Any, products: int, claim: str) -> "Pairs":
        """Sorted, and in float64."""
        numbers = torch.as_tensor(values, dtype=torch.float64)
        order = numbers.argsort(descending=True)
        columns = torch.as_tensor(vectors).double()[:, order]
        return cls(numbers[order], columns, products, claim)


# a network, k, which, tolerance and seed to its pairs
Search = Callable[[Case, int, str, float, int], Pairs]


@final
class Counted:
    """A product that counts how often it is asked for."""

    def __init__(self, multiply: Callable[..., Any]) -> None:
        self._multiply = multiply
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        """The product of these."""
        self.calls += 1
        return self._multiply(*arguments)


@contextmanager
def peers_way(seed: int = 0) -> Iterator[None]:
    """Attention that can be differentiated, a seed, and no warnings."""
    with (
        catch_warnings(),
        sdpa_kernel(SDPBackend.MATH),
        torch.random.fork_rng(devices=[]),
    ):
        simplefilter("ignore")
        torch.manual_seed(seed)
        yield


def curvlinops_operator(case: Case) -> Any:
    """Its Hessian."""
    library: Any = import_module("curvlinops")
    model = deepcopy(case.model)
    operator = library.HessianLinearOperator(
        model,
        case.loss,
        list(model.parameters()),
        [case.batch],
        check_deterministic=False,
        num_data=len(case.batch[0]),
    )
    operator._matmat = partial(_some_at_a_time, operator._matmat)
    return operator


def _some_at_a_time(
    multiply: Callable[..., Any], columns: list[Tensor]
) -> list[Tensor]:
    """Its product with many columns: all of them at once would fill any memory."""
    parts = zip(*(part.split(_TOGETHER, -1) for part in columns), strict=True)
    products = zip(*(multiply(list(part)) for part in parts), strict=True)
    return [torch.cat(part, -1) for part in products]


def eigenthings_operator(case: Case) -> tuple[Any, Counted]:
    """The Hessian of hessian-eigenthings, and its product."""
    library: Any = import_module("hessian_eigenthings")
    loss = library.supervised_loss(case.loss)
    operator = library.HessianOperator(deepcopy(case.model), [case.batch], loss)
    operator.matvec = counted = Counted(operator.matvec)
    return operator, counted


@contextmanager
def pyhessian_operator(case: Case) -> Iterator[tuple[Any, Counted]]:
    """PyHessian's object, and its product."""
    library: Any = import_module("pyhessian")
    inside: ModuleType = import_module("pyhessian.hessian")
    counted = Counted(inside.hessian_vector_product)
    made = library.hessian(deepcopy(case.model), case.loss, case.batch, cuda=False)
    with patch.object(inside, "hessian_vector_product", counted):
        yield made, counted


def by_arpack(
    multiply: Callable[[Tensor], Tensor],
    size: int,
    k: int,
    which: str,
    tol: float,
    seed: int,
) -> Pairs:
    """SciPy's eigsh on somebody's products in float32."""
    counted = Counted(multiply)

    def product(vector: np.ndarray) -> np.ndarray:
        column = torch.from_numpy(vector.astype(np.float32).reshape(-1))
        return counted(column).detach().numpy()

    operator = _scipy.LinearOperator((size, size), matvec=product, dtype=np.float32)
    start = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    claim = "converged"
    try:
        values, vectors = _scipy.eigsh(operator, k, which=which, tol=tol, v0=start)
    except _scipy.ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        claim = f"{len(values)} of {k} converged"
    return Pairs.of(values, vectors, counted.calls, claim)


def by_arpack_on_ours(case: Case, k: int, which: str, tol: float, seed: int) -> Pairs:
    """SciPy's eigsh on our Hessian."""
    hessian = case.land.hessian()
    return by_arpack(lambda v: hessian @ v, case.size, k, which, tol, seed)


def by_arpack_on_curvlinops(
    case: Case, k: int, which: str, tol: float, seed: int
) -> Pairs:
    """SciPy's eigsh on the Hessian of curvlinops."""
    with peers_way(seed):
        operator = curvlinops_operator(case)
        return by_arpack(lambda v: operator @ v, case.size, k, which, tol, seed)


def by_pyhessian(case: Case, k: int, which: str, tol: float, seed: int) -> Pairs:
    """Power iteration with deflation, a hundred steps each at most."""
    del which
    with peers_way(seed), pyhessian_operator(case) as (made, counted):
        values, vectors = made.eigenvalues(top_n=k, tol=tol)
        flat = [torch.cat([part.flatten() for part in v]) for v in vectors]
        return Pairs.of(values, torch.stack(flat, 1), counted.calls, "nothing")


def by_eigenthings(case: Case, k: int, which: str, tol: float, seed: int) -> Pairs:
    """Lanczos with as many steps as it takes by itself."""
    return _eigenthings(case, k, which, tol, seed, None)


def by_eigenthings_patiently(
    case: Case, k: int, which: str, tol: float, seed: int
) -> Pairs:
    """Lanczos with twice the steps until it says converged; all runs are counted."""
    steps, products = 2 * k, 0
    while True:
        found = _eigenthings(case, k, which, tol, seed, max(steps, 10))
        products += found.products
        if found.claim.startswith("converged") or steps >= _MOST_STEPS:
            return Pairs(found.values, found.vectors, products, found.claim)
        steps *= 2


def _eigenthings(
    case: Case, k: int, which: str, tol: float, seed: int, steps: int | None
) -> Pairs:
    library: Any = import_module("hessian_eigenthings")
    with peers_way(seed):
        operator, counted = eigenthings_operator(case)
        found = library.lanczos(
            operator,
            k=k,
            which=which,
            tol=tol,
            seed=seed,
            max_iter=steps,
            # beyond 50 steps it would leave this out, and find ghosts
            reorthogonalize=None if steps is None else True,
        )
    good = int(found.converged.sum())
    off = float((found.residuals / found.eigenvalues.abs()).max())
    word = "converged" if good == k else f"{good} of {k} converged"
    claim = f"{word}, {off:.0e}"
    return Pairs.of(found.eigenvalues, found.eigenvectors.T, counted.calls, claim)


# name, the module it needs, how it finds eigenpairs
EIGENPAIRS: list[tuple[str, str, Search]] = [
    ("SciPy's eigsh on our Hessian", "scipy", by_arpack_on_ours),
    ("SciPy's eigsh on curvlinops'", "curvlinops", by_arpack_on_curvlinops),
    ("PyHessian", "pyhessian", by_pyhessian),
    ("hessian-eigenthings", "hessian_eigenthings", by_eigenthings),
    (
        "hessian-eigenthings, steps doubled",
        "hessian_eigenthings",
        by_eigenthings_patiently,
    ),
]


def trace_by_pyhessian(case: Case, products: int, seed: int) -> tuple[float, int]:
    """Until its running mean moves by less than a thousandth."""
    del products
    with peers_way(seed), pyhessian_operator(case) as (made, counted):
        return float(np.mean(made.trace())), counted.calls


def trace_by_eigenthings(case: Case, products: int, seed: int) -> tuple[float, int]:
    """Hutch++ with its own number of products."""
    del products
    library: Any = import_module("hessian_eigenthings")
    with peers_way(seed):
        operator, counted = eigenthings_operator(case)
        return library.trace(operator, seed=seed).estimate, counted.calls


def trace_by_curvlinops(
    case: Case, products: int, seed: int, method: str
) -> tuple[float, int]:
    """As many products as ours, a multiple of six of them."""
    library: Any = import_module("curvlinops")
    most = max(6, products // 6 * 6)
    with peers_way(seed):
        found = getattr(library, method)(curvlinops_operator(case), most)
    return float(found), most


TRACES: list[tuple[str, str, Callable[[Case, int, int], tuple[float, int]]]] = [
    ("PyHessian", "pyhessian", trace_by_pyhessian),
    ("hessian-eigenthings, Hutch++", "hessian_eigenthings", trace_by_eigenthings),
    ("curvlinops, XTrace", "curvlinops", partial(trace_by_curvlinops, method="xtrace")),
    (
        "curvlinops, Hutch++",
        "curvlinops",
        partial(trace_by_curvlinops, method="hutchpp_trace"),
    ),
]


def diagonal_by_curvlinops(
    case: Case, products: int, seed: int, method: str
) -> tuple[Tensor, int]:
    """As many products as ours, an even number, and fewer than parameters."""
    library: Any = import_module("curvlinops")
    most = min(max(4, products // 2 * 2), case.size // 2 * 2 - 2)
    with peers_way(seed):
        found = getattr(library, method)(curvlinops_operator(case), most)
    return found.double(), most


DIAGONALS: list[tuple[str, str, Callable[[Case, int, int], tuple[Tensor, int]]]] = [
    (
        "curvlinops, XDiag",
        "curvlinops",
        partial(diagonal_by_curvlinops, method="xdiag"),
    ),
    (
        "curvlinops, Hutchinson",
        "curvlinops",
        partial(diagonal_by_curvlinops, method="hutchinson_diag"),
    ),
]


def density_by_pyhessian(case: Case, products: int, seed: int) -> tuple[Rule, int]:
    """One probe; torch.eig, which torch has no more, is given back to it."""
    with (
        peers_way(seed),
        pyhessian_operator(case) as (made, counted),
        patch.object(torch, "eig", _old_eig, create=True),
    ):
        nodes, weights = made.density(iter=products, n_v=1)
    return (torch.tensor(nodes[0]), torch.tensor(weights[0])), counted.calls


def _old_eig(matrix: Tensor, eigenvectors: bool) -> tuple[Tensor, Tensor]:
    """What torch 1 gave for a symmetric matrix."""
    del eigenvectors
    values, vectors = torch.linalg.eigh(matrix)
    return values[:, None], vectors


def density_by_eigenthings(
    case: Case, products: int, seed: int, runs: int
) -> tuple[Rule, int]:
    """Some runs of equal length."""
    library: Any = import_module("hessian_eigenthings")
    with peers_way(seed):
        operator, counted = eigenthings_operator(case)
        steps = products // runs
        found = library.spectral_density(
            operator, num_runs=runs, lanczos_steps=steps, num_grid_points=10, seed=seed
        )
    nodes, weights = found.raw_eigenvalues.flatten(), found.raw_weights.flatten()
    kept = ~nodes.isnan()
    return (nodes[kept], weights[kept] / runs), counted.calls


def density_by_curvlinops(case: Case, products: int, seed: int) -> tuple[Rule, int]:
    """Papyan's run without reorthogonalisation."""
    inside: Any = import_module("curvlinops.papyan2020traces.spectrum")
    with peers_way(seed):
        values, vectors = inside.fast_lanczos(curvlinops_operator(case), products)
    return (values, vectors[0].square()), products


DENSITIES: list[tuple[str, str, Callable[[Case, int, int], tuple[Rule, int]]]] = [
    ("PyHessian", "pyhessian", density_by_pyhessian),
    (
        "hessian-eigenthings, 1 run",
        "hessian_eigenthings",
        partial(density_by_eigenthings, runs=1),
    ),
    (
        "hessian-eigenthings, 10 runs",
        "hessian_eigenthings",
        partial(density_by_eigenthings, runs=10),
    ),
    ("curvlinops, fast Lanczos", "curvlinops", density_by_curvlinops),
]
