"""Find a network's permutation symmetries by watching it run, and prove them."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from theodolite.maps.alignment.answers import (
    answers,
    deviation,
    tensors_of,
    with_tensors,
)
from theodolite.maps.alignment.axes import unit_sets_of
from theodolite.maps.alignment.symmetry import Group, Orders, Symmetry
from theodolite.maps.alignment.tracing import trace


def symmetry_of(
    model: nn.Module, inputs: Any, *, held: Collection[str] = (), seed: int = 0
) -> Symmetry:
    """The groups of units that may be permuted without a change of the function.

    Found by following each tensor's dimensions through all operations of one forward
    pass; then every group is permuted at random, and what changes the outputs is given
    up.

    Parameters
    ----------
    model : Module
        In ``eval()`` mode, best in float64.
    inputs
        As the model is called with.
    held : collection of str
        Parameters and buffers that have to stay as they are.
    seed : int
        Of the random permutations.

    Raises
    ------
    ModelError
        When the model fails on the inputs, or while it is watched.
    """
    account = trace(model, inputs)
    named, used = tensors_of(model), account.used()
    notes = _notes(named, used, account.unknown)
    symmetry = Symmetry(
        account.sets, {n: used[n] for n in named if n in used}, notes, account.sites
    )
    _pin_held(symmetry, named, held)
    _pin_untested(symmetry)
    return _proven(symmetry, model, inputs, np.random.default_rng(seed))


def _notes(
    named: Mapping[str, Tensor], used: Collection[str], unknown: Collection[str]
) -> list[str]:
    notes = []
    if unknown:
        notes.append(
            f"Pinned what these operations touch: {', '.join(sorted(unknown))}."
        )
    spare = [name for name, t in named.items() if name not in used and t.ndim]
    if spare:
        notes.append(f"Not used on these inputs, left as they are: {_listed(spare)}.")
    return notes


def _listed(names: Collection[str]) -> str:
    first = ", ".join(list(names)[:3])
    return f"{first} and {len(names) - 3} more" if len(names) > 3 else first


def _pin_held(
    symmetry: Symmetry, named: Mapping[str, Tensor], held: Collection[str]
) -> None:
    """Pin tensors that have to stay, along dimensions along which they change."""
    kept: list[str] = []
    for name in held:
        layout = symmetry.layouts.get(name, ())
        for dim, dimension in enumerate(layout):
            numbers = unit_sets_of((dimension,))
            free = [n for n in numbers if not symmetry.sets.is_fixed(n)]
            first = named[name].narrow(dim, 0, 1) if free else named[name]
            if free and not torch.equal(first.expand_as(named[name]), named[name]):
                symmetry.pin(free)
                kept.append(name)
    if kept:
        symmetry.notes.append(
            f"Not trained and the same in both models, so that they stay: "
            f"{_listed(dict.fromkeys(kept))}."
        )


def _pin_untested(symmetry: Symmetry) -> None:
    """Pin weights of which these inputs show only what multiplies a constant."""
    for number in symmetry.sets.untested:
        seats = symmetry.seats.get(symmetry.sets.root(number), [])
        if len({(seat.tensor, seat.axis) for seat in seats}) == 1:
            name = seats[0].tensor
            symmetry.notes.append(
                f"These inputs multiply {name} by a constant only; its axes stay. "
                "Longer sequences would show more."
            )
            symmetry.pin(unit_sets_of(symmetry.layouts[name]))


def _proven(
    symmetry: Symmetry, model: nn.Module, inputs: Any, random: np.random.Generator
) -> Symmetry:
    """The same without groups that change what the model answers."""
    first = answers(model, inputs)
    double = all(t.dtype in (torch.float64, torch.int64, torch.bool) for t in first)
    tolerance = 1e-9 if double else 1e-3

    def holds(groups: list[Group]) -> bool:
        orders = shuffled(symmetry, groups, random)
        other = with_tensors(model, symmetry.arranged(tensors_of(model), orders))
        # outputs that cancel to rounding show nothing
        return deviation(first, answers(other, inputs), floor=1e-6) <= tolerance

    while symmetry.groups and not holds(symmetry.groups):
        false = [group for group in symmetry.groups if not holds([group])]
        wrong = false or symmetry.groups
        symmetry.notes.append(
            f"{len(wrong)} groups changed the outputs when they were permuted, and "
            "stay where they are."
        )
        symmetry.pin(root for group in wrong for root in group.roots)
    return symmetry


def shuffled(
    symmetry: Symmetry, groups: Collection[Group], random: np.random.Generator
) -> Orders:
    """Random orders of some groups, and of all inside of them."""
    orders = symmetry.identity()
    for group in groups:
        for root in group.roots:
            orders[root] = random.permutation(len(orders[root]))
    return orders
