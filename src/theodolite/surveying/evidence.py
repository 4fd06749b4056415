"""What the parts of a survey share: one Hessian, one basis, and what they taught."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any, final

import torch
from torch import Tensor

from theodolite.estimate import Estimate
from theodolite.landscape import Landscape
from theodolite.maps.measured_plane import Plane
from theodolite.operators.observed import Observed
from theodolite.outcomes import Outcome
from theodolite.site.whole_spectrum import SMALL, Ends
from theodolite.spectrum.density import SpectralDensity
from theodolite.spectrum.eigenpairs import EigenPairs
from theodolite.spectrum.krylov import Krylov
from theodolite.spectrum.vectors import norm

# steps of the Lanczos run that all parts share
CHAIN = 60
# what a basis and its products may take
_BASIS_BYTES = 2**29

Found = tuple[dict[str, Any], Outcome]


@final
class Evidence:
    """The shared state of a survey.

    Parameters
    ----------
    land : Landscape
        What is surveyed.
    seed : int
        Of everything random.
    sigmas : sequence of float or None
        Noise levels; by default 0.1 to 30 % of the parameters' root mean square.
    report : callable
        Told about the work done, in products.
    """

    def __init__(
        self,
        land: Landscape,
        seed: int,
        sigmas: Sequence[float] | None,
        report: Callable[[float], None],
    ) -> None:
        self.land, self.seed, self.report = land, seed, report
        self.hessian = land.hessian()
        self.sigmas = default_sigmas(land) if sigmas is None else sorted(sigmas)
        self.operator = Observed(self.hessian, report)
        self.krylov = shared_basis(land, seed)
        self.gradient: Tensor | None = None
        self.gradient_norm = self.flatness = float("nan")
        self.seconds_per_gradient = float("nan")
        self.asymmetry = float("nan")
        self.block_products = 0
        self.nodes: tuple[Tensor, Tensor] | None = None
        self.top: EigenPairs | None = None
        self.bottom: EigenPairs | None = None
        self.ends: Ends | None = None
        self.trace: Estimate | None = None
        self.density: SpectralDensity | None = None
        self.limit: Mapping[str, float] | None = None
        self.plane: Plane | None = None
        # of parts that were measured before this survey went on
        self.tensors: dict[str, Tensor] = {}

    @property
    def small(self) -> bool:
        """Whether all eigenvalues are computed."""
        return self.land.size <= SMALL

    @property
    def knows_something(self) -> bool:
        """Whether there is anything about the spectrum to be read off."""
        return self.ends is not None or self.krylov.dimension > 0

    @property
    def seconds_per_product(self) -> float:
        """The mean so far; NaN before the first product."""
        products = self.operator.products
        return self.operator.seconds / products if products else float("nan")

    @property
    def work(self) -> int:
        """Products so far, those with layers' blocks included."""
        return self.operator.products + self.block_products

    @property
    def block_cost(self) -> float:
        """A layer's block product, in products: its share, and the way through it."""
        return 0.5 / max(1, len(self.land.layers)) + 0.2

    @property
    def pair_cost(self) -> float:
        """Two losses, in products: a third of a gradient each."""
        ratio = self.seconds_per_gradient / self.seconds_per_product
        return 2 / 3 * ratio if ratio == ratio else 0.5

    @property
    def loss_cost(self) -> float:
        """A loss over training and test data, in products."""
        test = self.land.test
        both = 1.0 if test is None else 1 + test.samples / self.land.samples
        return both * self.pair_cost / 2


def default_sigmas(land: Landscape) -> list[float]:
    """Noise of 0.1 to 30 % of the parameters' root mean square; of 1 at the origin."""
    scale = norm(land.point) / sqrt(land.size) or 1.0
    return [scale * share for share in (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)]


def shared_basis(land: Landscape, seed: int) -> Krylov:
    """An empty basis as large as it usefully can be."""
    like = torch.empty(0, dtype=land.dtype, device=land.device)
    affordable = _BASIS_BYTES // (2 * land.size * like.element_size())
    capacity = max(40, min(160, affordable))
    return Krylov.from_random(land.size, capacity, like, seed)
