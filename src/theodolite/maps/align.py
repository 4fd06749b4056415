"""Put the units of one network into the order of another's."""

import time
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from theodolite.errors import ArgumentError, ModelError
from theodolite.landscape import Landscape
from theodolite.maps.alignment.activations import match_activations
from theodolite.maps.alignment.answers import (
    answers,
    deviation,
    device_of,
    in_double,
    in_float64,
    tensors_of,
    with_tensors,
)
from theodolite.maps.alignment.assignment import solver
from theodolite.maps.alignment.finding import symmetry_of
from theodolite.maps.alignment.pair import (
    ModelLike,
    copied,
    first_model,
    held_tensors,
    inputs_of,
    second_model,
)
from theodolite.maps.alignment.result import Alignment
from theodolite.maps.alignment.symmetry import Symmetry
from theodolite.maps.alignment.unit_groups import permutations_of, unit_groups
from theodolite.maps.alignment.weights import Matched, match_weights
from theodolite.outcomes import Outcome, converged, out_of_budget, rounding
from theodolite.progress import ProgressLike, as_watcher
from theodolite.seeding import generator

METHODS = ("weights", "activations")


def align(
    model_a: nn.Module | Landscape,
    model_b: ModelLike,
    inputs: Any = None,
    *,
    method: str = "weights",
    starts: int = 3,
    sweeps: int = 100,
    seed: int = 0,
    progress: ProgressLike = False,
) -> Alignment:
    """Put the units of one network into the order of another's, and keep its function.

        min over permutations π of ‖θ_a − π(θ_b)‖

    Hidden units can be permuted without a change of the function: two trainings of one
    network end in different orders, and the straight line between them crosses a
    barrier that is an artefact of that. ``"weights"`` matches the weights by coordinate
    descent: one group of units after the other takes its best order, a linear
    assignment problem, until none gains. ``"activations"`` matches each group by the
    correlations of its units' activations on the inputs.

    Which units move together is found by following every tensor's dimensions through
    the operations of one forward pass, in ``eval()`` mode and float64: widths of layers
    and residual streams, channels with their batch norm, whole attention heads, inside
    a head the query and key dimensions together and the value dimensions, groups of
    grouped convolutions and group norm. Where an operation is not known, what it
    touches stays. All groups are then permuted at random, and those that change the
    outputs are given up. ``model_a`` and ``model_b`` stay as they are.

    Permutations alone are matched: of ReLU networks the units can also be rescaled, of
    tanh networks their signs be flipped, and query and key dimensions be rotated; that
    is left as it is. What is frozen, or a buffer, and the same in both models stays.

    Costs five forward passes, seven by activations, and for each sweep as many
    multiplications as parameters times width, and width³ for each group: a second for a
    transformer of 0.8 million parameters, 20 s for two layers of 2,048 units. Memory:
    the activations of the batch, and four copies of the model in float64.

    Misleads where a barrier that is left is taken for one between functions: the best
    order is not found for certain, and narrow or deep networks keep a barrier that
    wider ones lose. With batch norm, re-estimate its statistics along the line
    (``batch_norm="re-estimated"``). Branches that the inputs do not take are not
    permuted along: see :attr:`Alignment.notes`.

    Parameters
    ----------
    model_a : Module or Landscape
        Whose order is taken.
    model_b
        A model of the same architecture, its state dict, a landscape; a flat tensor
        ``(p,)`` or a place where ``model_a`` is a landscape.
    inputs
        One batch, given as ``model(inputs)``, ``model(*tuple)`` or ``model(**dict)``;
        a landscape's first batch by default.
    method : str
        ``"weights"`` or ``"activations"``.
    starts : int
        Descents in weights, of which the best is kept: from the inputs and outputs
        inwards, then from the given order in random turns.
    sweeps : int
        Passes over all groups at most, of each start.
    seed : int
        Of the turns that groups take, and of the places at which activations are
        compared.
    progress : bool or Watcher
        Whether a bar shows how far it is, or whom to tell.

    Raises
    ------
    ArgumentError
        When there are no inputs, or no such method.
    ParameterError
        When the two are not of one architecture.
    NonFiniteError
        When a weight is NaN or infinite.
    ModelError
        When a model fails on the inputs.
    MissingPackageError
        When SciPy is not installed.

    References
    ----------
    Ainsworth, Hayase and Srinivasa, "Git Re-Basin: merging models modulo permutation
    symmetries", 2023, arXiv:2209.04836; by activations: Li et al., "Convergent
    learning", 2016, arXiv:1511.07543, and Tatro et al., "Optimizing mode connectivity
    via neuron alignment", 2020, arXiv:2009.02439.
    """
    began = time.perf_counter()
    _require_settings(method, starts, sweeps)
    solver()
    generator(seed)
    one, other = first_model(model_a), second_model(model_a, model_b)
    inputs = inputs_of(model_a, inputs)
    watcher = as_watcher(progress)
    try:
        watcher.update("finding symmetries", 0.0, inf)
        symmetry, wide, wide_inputs = _found(one, other, inputs, seed)
        watcher.update("matching units", 0.1, inf)
        if method == "weights":
            matched = match_weights(
                symmetry,
                *_weights(one, other, symmetry),
                starts=starts,
                sweeps=sweeps,
                seed=seed,
                tell=lambda share: watcher.update("matching units", share, inf),
            )
        else:
            copy = with_tensors(wide, tensors_of(other))
            matched = match_activations(symmetry, wide, copy, wide_inputs, seed=seed)
    finally:
        watcher.close()
    model = with_tensors(other, symmetry.arranged(tensors_of(other), matched.orders))
    groups = unit_groups(symmetry, dict(one.named_parameters()))
    off = _moved_by(other, model, inputs, device_of(one))
    return Alignment(
        model=model,
        groups=tuple(groups),
        permutations=permutations_of(groups, matched.orders),
        method=method,
        distance_before=_distance(one, other),
        distance_after=_distance(one, model),
        deviation=off,
        sweeps=matched.sweeps,
        notes=tuple(symmetry.notes),
        seconds=time.perf_counter() - began,
        seed=seed,
        outcome=_outcome(matched, bool(groups), method, off, model),
    )


def _require_settings(method: str, starts: int, sweeps: int) -> None:
    if method not in METHODS:
        raise ArgumentError(
            found=f"method={method!r}.",
            why="Units are matched by what they weigh or by what they do.",
            instead='Give method="weights" or method="activations".',
        )
    for name, number in (("starts", starts), ("sweeps", sweeps)):
        if number < 1:
            raise ArgumentError(
                found=f"{name}={number}.",
                why="Without one nothing is matched.",
                instead=f"Give {name}=1 or more.",
            )


def _found(
    one: nn.Module, other: nn.Module, inputs: Any, seed: int
) -> tuple[Symmetry, nn.Module, Any]:
    """The symmetry, and the model and inputs that it was found with."""
    held = held_tensors(one, other)
    wide, wide_inputs = in_double(one, inputs)
    try:
        return symmetry_of(wide, wide_inputs, held=held, seed=seed), wide, wide_inputs
    except ModelError:
        # some models insist on the type they were made in
        wide = copied(one).eval()
        return symmetry_of(wide, inputs, held=held, seed=seed), wide, inputs


def _weights(
    one: nn.Module, other: nn.Module, symmetry: Symmetry
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters that count of both, in float64 and in one place."""
    ours = {
        name: in_float64(weight).contiguous()
        for name, weight in one.named_parameters()
        if name in symmetry.layouts and weight.is_floating_point()
    }
    named = dict(other.named_parameters())
    return ours, {n: in_float64(named[n]).to(w).contiguous() for n, w in ours.items()}


def _moved_by(
    other: nn.Module, model: nn.Module, inputs: Any, device: torch.device
) -> float:
    """How far permuting has moved a model's outputs on the inputs."""
    first, second = (
        answers(copy if device_of(copy) == device else copy.to(device), inputs)
        for copy in map(copied, (other, model))
    )
    return deviation(first, second)


def _distance(one: nn.Module, other: nn.Module) -> float:
    """Over all parameters, in float64."""

    def wide(tensor: Tensor) -> Tensor:
        return tensor.detach().cpu().to(torch.promote_types(tensor.dtype, torch.double))

    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return sum(float((wide(a) - wide(b)).abs().square().sum()) for a, b in pairs) ** 0.5


def _outcome(
    matched: Matched, any_groups: bool, method: str, off: float, model: nn.Module
) -> Outcome:
    floating = [w.dtype for w in model.parameters() if w.is_floating_point()]
    if not any_groups:
        return converged("No units were found that could be permuted")
    if off > 100 * max(torch.finfo(dtype).eps for dtype in floating):
        return rounding(
            f"the outputs moved by {off:.1g}, though the function is the same",
            "Sums in another order round differently: align model.double()",
        )
    if not matched.ended:
        return out_of_budget(
            f"units still moved in sweep {matched.sweeps}", "Raise sweeps"
        )
    if method == "weights":
        return converged("No other order of one group brings the weights closer")
    return converged("Each group has the order of the highest correlation")
