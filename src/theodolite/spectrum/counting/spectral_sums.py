"""Sums of a function over all eigenvalues, with the three errors of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite

import torch
from torch import Tensor

from theodolite.spectrum.counting.chebyshev_markov_stieltjes import Brackets
from theodolite.spectrum.counting.cumulative import Cumulative
from theodolite.spectrum.counting.known_values import Known
from theodolite.spectrum.counting.quadrature import Rule
from theodolite.spectrum.counting.random_weights import mean_variance

# the factor by which doubling the steps shrinks what changes, at most
_SLOWEST = 0.8
# steps from which on the changes tell how far the mean may go
_TELLING = 8

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SpectralSum:
    """Σ f(λᵢ), and how far it may be off.

    Attributes
    ----------
    value : float
        The sum.
    sampling : float
        One standard error of the probes' draw.
    quadrature : float
        How much more Lanczos steps may still change.
    residual : float
        How much known values may change it within their residuals.
    freedom : int
        Degrees of freedom of the sampling error.
    """

    value: float
    sampling: float
    quadrature: float
    residual: float
    freedom: int

    @property
    def error(self) -> float:
        """All three together, as one standard error."""
        parts = (self.sampling, self.quadrature, self.residual)
        total = sum(part**2 for part in parts) ** 0.5
        return inf if total != total else total


def spectral_sum(
    function: Function, rules: Sequence[Rule], beside: Cumulative
) -> SpectralSum:
    """The sum over all eigenvalues out of rules, and of what is known beside them."""
    known, dimension = beside.known, beside.dimension
    nodes = torch.cat([rule.nodes for rule in rules])
    weights = torch.cat([rule.weights for rule in rules]) / len(rules)
    values = function(nodes)
    bulk, single = float(weights @ values), function(known.values)
    variance, freedom = mean_variance(values, weights, dimension, len(rules))
    return SpectralSum(
        value=float(single.sum()) + dimension * bulk,
        sampling=0.0 if beside.exact else dimension * variance**0.5,
        quadrature=dimension * _quadrature_error(function, rules, beside.tables),
        residual=_within_residuals(function, known, single),
        freedom=freedom,
    )


def _quadrature_error(
    function: Function, rules: Sequence[Rule], tables: Sequence[Brackets]
) -> float:
    """How far the mean may still go as steps are added, as the last ones show it.

    Never more than the moments prove; and that where the steps are too few to tell.
    """
    pairs = zip(rules, tables, strict=True)
    proved = [_proved(function, *pair) for pair in pairs if not pair[0].closed]
    bound = sum(proved) / len(rules)
    if min(rule.order for rule in rules) < _TELLING:
        return bound
    return min(bound, _unsettled(function, rules))


def _proved(function: Function, rule: Rule, table: Brackets) -> float:
    """What the mean may be off, for a measure on the interval of the nodes."""
    inside = (table.places >= rule.nodes.min()) & (table.places <= rule.nodes.max())
    lower, upper = table.lower[inside], table.upper[inside]
    changes = function(table.places[inside]).diff().abs()
    total = float(changes @ (upper[1:] - lower[:-1]).clamp(min=0))
    return total if isfinite(total) else inf


def _unsettled(function: Function, rules: Sequence[Rule]) -> float:
    """How far the last steps went.

    At least the largest change over the last quarter of them. Where doubling the steps
    shrinks the changes by a factor only, as beside a pole, the sum of those to come.
    """
    stages = [_stages(function, rule) for rule in rules if not rule.closed]
    if not stages:
        return 0.0
    # runs of different length end together
    longest = max(len(stage) for stage in stages)
    change = torch.stack([_padded(stage, longest) for stage in stages]).sum(0)
    change = change / len(rules)
    early, late = float((change[1] - change[0]).abs()), float(change[1].abs())
    factor = min(late / early, _SLOWEST) if early else 0.0
    largest = max(float(change[2:].abs().max()), late * factor / (1 - factor))
    return largest if isfinite(largest) else inf


def _stages(function: Function, rule: Rule) -> Tensor:
    """By how much a whole rule differs from each of its shorter ones."""
    whole = rule.weights @ function(rule.nodes)
    shorter = [part.weights @ function(part.nodes) for part in rule.shorter]
    return torch.stack([whole - part for part in shorter])


def _padded(stages: Tensor, count: int) -> Tensor:
    """The first two stages, and the others repeated up to a number of all."""
    missing = count - len(stages)
    return torch.cat([stages[:2], stages[2:3].expand(missing), stages[2:]])


def _within_residuals(function: Function, known: Known, single: Tensor) -> float:
    values, residuals = known.values, known.residuals
    ends = torch.stack([function(values - residuals), function(values + residuals)])
    worst = torch.nan_to_num((ends - single).abs(), nan=inf, posinf=inf)
    return float(worst.max(0).values.sum()) if len(values) else 0.0
