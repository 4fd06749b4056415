"""What the moments of a measure prove about its cumulative distribution.

A rule with n nodes that has the measure's first 2 n − 2 moments brackets it at each of
its nodes y:

    Σ_{nodes < y} w  ≤  Φ(y−)  ≤  Φ(y)  ≤  Σ_{nodes ≤ y} w

(Chebyshev, Markov, Stieltjes; Akhiezer, "The classical moment problem", 1965, ch. 2.)
Only the last diagonal entry of a tridiagonal matrix is free under that condition. As it
runs through all numbers, each node runs through the gap to its neighbour: a fan of
rules brackets the distribution everywhere.
"""

from dataclasses import dataclass
from math import pi

import torch
from jaxtyping import Float
from torch import Tensor

from theodolite.spectrum.counting.quadrature import Rule, rule_of

# rules in a fan: more would narrow the bracket by a few per cent of a weight
_FAN = 8


@dataclass(frozen=True)
class Brackets:
    """Bounds of a cumulative distribution at places in ascending order.

    Attributes
    ----------
    places : Tensor
        ``(n,)``.
    lower : Tensor
        What the distribution is at least, at each place and beyond.
    upper : Tensor
        What it is at most, before each place.
    """

    places: Float[Tensor, " n"]
    lower: Float[Tensor, " n"]
    upper: Float[Tensor, " n"]

    def at(self, x: Float[Tensor, " g"], *, before: bool = False) -> tuple[Tensor, ...]:
        """Lower and upper bound of Φ(x), or of Φ(x−)."""
        behind = torch.searchsorted(self.places, x.contiguous(), right=not before)
        lower = torch.cat([self.lower.new_zeros(1), self.lower])[behind]
        upper = torch.cat([self.upper, self.upper.new_ones(1)])[behind]
        nothing, all_of_it = x == -torch.inf, x == torch.inf
        return lower.masked_fill(all_of_it, 1), upper.masked_fill(nothing, 0)


def brackets(rule: Rule) -> Brackets:
    """All that a rule proves about the measure behind it."""
    rules = [rule] if rule.closed else _fan(rule)
    steps = zip(*map(_steps, rules), strict=True)
    places, below, through = (torch.cat(row) for row in steps)
    if rule.closed:
        below, through = through, below
    order = places.argsort()
    # what holds at one place holds beyond it
    lower = below[order].cummax(0).values.clamp(0, 1)
    upper = through[order].flip(0).cummin(0).values.flip(0).clamp(0, 1)
    return Brackets(places[order], lower, upper)


def _steps(rule: Rule) -> tuple[Tensor, Tensor, Tensor]:
    """Nodes, and the weights below each and up to each."""
    order = rule.nodes.argsort()
    through = rule.weights[order].cumsum(0)
    return rule.nodes[order], through - rule.weights[order], through


def _fan(rule: Rule) -> list[Rule]:
    """Rules with the same recurrence but for the last diagonal entry."""
    alphas, betas = rule.recurrence
    rules = [rule_of(alphas, betas)]
    if len(alphas) == 1:
        return rules
    rules.append(rule_of(alphas[:-1], betas[:-1]))
    for turn in torch.arange(0.5, _FAN, dtype=torch.float64) * pi / _FAN:
        bent = alphas.clone()
        bent[-1] += betas[-1] / turn.tan()
        rules.append(rule_of(bent, betas))
    return rules
