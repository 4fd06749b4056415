"""The Fisher information of one batch, as outer products of slopes over the outputs.

    F = Jᵀ (Σ_r w_r s_r s_rᵀ) J

with s_r the gradient of one target's negative log-likelihood by its row of outputs: at
targets drawn from the model's own distribution, or at the true ones ("empirical"). No
gradient of a single sample by the parameters is needed. The distinction: Kunstner,
Balles and Hennig, "Limitations of the empirical Fisher approximation", 2019,
arXiv:1905.12558.
"""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from theodolite.batches import Batch
from theodolite.errors import ArgumentError, LossError
from theodolite.evaluation import Evaluation
from theodolite.products.double_backward import require_graph
from theodolite.products.gauss_newton import require_normalised
from theodolite.products.likelihood import Likelihood
from theodolite.products.loss_curvature import outputs_of
from theodolite.products.pulled_back import PulledBack
from theodolite.products.recognised_loss import watched


@final
class OuterProducts:
    """Σ_r w_r s_r s_rᵀ over the rows of the outputs, the mean over drawn targets.

    Parameters
    ----------
    likelihood : Likelihood
        Rows, weights and slopes.
    targets : sequence of Tensor or None
        Drawn targets; ``None`` for the true ones.
    """

    def __init__(
        self, likelihood: Likelihood, targets: Sequence[Tensor | None]
    ) -> None:
        self._likelihood, self._targets = likelihood, targets

    def multiply(self, tangents: Sequence[Tensor | None]) -> list[Tensor | None]:
        """The matrix times the only output's tangent."""
        (tangent,) = tangents
        if tangent is None:
            return [None]
        like, rows = self._likelihood, self._likelihood.as_rows(tangent)

        def part(at: slice) -> Tensor:
            total = torch.zeros_like(rows[at])
            for targets in self._targets:
                slope = like.slope(at, targets)
                total.addcmul_(slope, (slope * rows[at]).sum(1, keepdim=True))
            return total

        return [like.as_outputs(like.filled(part, like.weights / len(self._targets)))]

    def graph(self) -> Sequence[Tensor]:
        """None: nothing is differentiated."""
        return ()


@final
class FisherProducts:
    """Makes batches ready for products with the Fisher information.

    Parameters
    ----------
    seed : int
        Of the drawn targets; every batch draws its own, the same in every pass.
    samples : int
        Targets drawn for each row.
    empirical : bool
        The true targets instead.

    Raises
    ------
    ArgumentError
        When not a single target would be drawn.
    """

    def __init__(self, seed: int, samples: int, empirical: bool) -> None:
        if samples < 1:
            raise ArgumentError(
                found=f"samples={samples}.",
                why="The Fisher information is a mean over drawn targets.",
                instead="Give samples=1 or more.",
            )
        self._seed, self._samples, self._empirical = seed, samples, empirical

    def __call__(
        self, evaluate: Evaluation, leaves: Sequence[Tensor], batch: Batch
    ) -> PulledBack:
        """One batch, its targets drawn.

        Raises
        ------
        LossError
            When the loss is no likelihood that is known.
        """
        output = evaluate.output(leaves, batch)
        seen = watched(evaluate, output, batch, outputs_of(output))
        require_graph(seen.mean)
        require_normalised(seen)
        likelihood = require_likelihood(seen.likelihood, "Fisher information")
        matrix = OuterProducts(likelihood, self._targets(likelihood, batch))
        return PulledBack(leaves, [likelihood.outputs], matrix, seen.weight)

    def _targets(self, likelihood: Likelihood, batch: Batch) -> list[Tensor | None]:
        if self._empirical:
            return [None]
        generator = generator_of(self._seed, batch.number, likelihood.rows.device)
        return [likelihood.drawn(generator) for _ in range(self._samples)]


def generator_of(seed: int, number: int, device: torch.device) -> torch.Generator:
    """A generator of a batch's own, whatever was drawn for the batches before it."""
    mixed = np.random.SeedSequence([seed % 2**64, number]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(mixed[0]))


def require_likelihood(likelihood: Likelihood | None, what: str) -> Likelihood:
    """Refuse a loss in which no likelihood was found.

    Raises
    ------
    LossError
        Saying which losses have one.
    """
    if likelihood is None:
        raise LossError(
            found="A loss in which not exactly one of torch's likelihoods was found.",
            why=f"The {what} asks for the distribution of the targets.",
            instead="Use torch's cross_entropy, nll_loss, mse_loss or "
            "binary_cross_entropy_with_logits, also inside a function that reshapes "
            "and averages and adds nothing; or land.gauss_newton() for any loss.",
        )
    return likelihood
