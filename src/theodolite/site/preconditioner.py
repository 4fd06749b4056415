"""By what an adaptive optimiser divides the gradient of every parameter."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, optim

from theodolite.errors import ArgumentError, ParameterError
from theodolite.landscape import Landscape, require_landscape

# a parameter's state and its group's settings, to the divisor without eps
Root = Callable[[Mapping[str, Any], Mapping[str, Any]], Tensor]


def preconditioner(land: Landscape, optimizer: optim.Optimizer) -> Float[Tensor, " p"]:
    """What the optimiser divides each entry of the gradient by, now.

        Adam, AdamW, NAdam   √(v / (1 − β₂ᵗ)) + ε     v = exp_avg_sq
        RMSprop              √v + ε                    v = square_avg, centred if so
        Adagrad              √v + ε                    v = sum

    Costs nothing. Learning rates are left out, also where groups have their own, and
    so is the bias correction of the averaged gradient, which tends to one.

    Parameters
    ----------
    land : Landscape
        Of the model that the optimiser trains.
    optimizer : torch.optim.Optimizer
        After its first step.

    Returns
    -------
    Tensor
        ``(p,)`` in the order of ``land.point``, for
        ``td.preconditioned(land.hessian(), ...)``.

    Raises
    ------
    ArgumentError
        When the optimiser is of another kind, or has not made a step.
    ParameterError
        When parameters of the landscape are not the optimiser's, or have no state
        yet; they are named.

    References
    ----------
    Cohen et al., "Adaptive gradient methods at the edge of stability", 2022,
    arXiv:2207.14484.
    """
    require_landscape(land)
    root = _root_of(optimizer)
    groups = {
        id(parameter): group
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    tensors = [tensor for layer in land.layers for tensor in land.parameters_of(layer)]
    named = dict(zip(land.parameters.names, tensors, strict=True))
    _require_state(named, groups, optimizer)
    pieces = [
        root(optimizer.state[tensor], groups[id(tensor)]) + groups[id(tensor)]["eps"]
        for tensor in named.values()
    ]
    return land.parameters.flatten(pieces)


def _adam(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor:
    # AMSGrad divides by the largest so far
    square = state["max_exp_avg_sq" if group.get("amsgrad") else "exp_avg_sq"]
    return (_wide(square) / (1 - group["betas"][1] ** float(state["step"]))).sqrt()


def _rmsprop(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor:
    square = _wide(state["square_avg"])
    if group["centered"]:
        square = (square - _wide(state["grad_avg"]).square()).clamp(min=0)
    return square.sqrt()


def _adagrad(state: Mapping[str, Any], group: Mapping[str, Any]) -> Tensor:
    del group
    return _wide(state["sum"]).sqrt()


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().double()


_ROOTS: dict[type[optim.Optimizer], Root] = {
    optim.Adam: _adam,
    optim.AdamW: _adam,
    optim.NAdam: _adam,
    optim.RMSprop: _rmsprop,
    optim.Adagrad: _adagrad,
}


def _root_of(optimizer: Any) -> Root:
    for kind, root in _ROOTS.items():
        if isinstance(optimizer, kind):
            return root
    known = ", ".join(kind.__name__ for kind in _ROOTS)
    raise ArgumentError(
        found=f"A {type(optimizer).__name__} as the optimiser.",
        why=f"Which numbers it divides by is known for {known}.",
        instead="Give preconditioned(operator, diagonal) its diagonal (p,) yourself; "
        "plain SGD divides by nothing.",
    )


def _require_state(
    named: Mapping[str, Tensor],
    groups: Mapping[int, Any],
    optimizer: optim.Optimizer,
) -> None:
    """Refuse parameters that the optimiser does not move, or has not moved yet."""
    foreign = [name for name, tensor in named.items() if id(tensor) not in groups]
    if foreign:
        raise ParameterError(
            found=f"The optimiser does not hold {_listed(foreign)}.",
            why="What it does not move has no preconditioner.",
            instead="Make the Landscape of the very model that it trains, with "
            "parameters=... for those it holds.",
        )
    still = [name for name, t in named.items() if not _stepped(optimizer.state.get(t))]
    if len(still) == len(named):
        raise ArgumentError(
            found=f"This {type(optimizer).__name__} has no state yet.",
            why="Its averages begin with its first step.",
            instead="Call optimizer.step() after a backward pass first, or load its "
            "state_dict.",
        )
    if still:
        raise ParameterError(
            found=f"The optimiser has no state for {_listed(still)}.",
            why="They had no gradient in any step.",
            instead="Leave them out by parameters=... of the Landscape.",
        )


def _stepped(state: Mapping[str, Any] | None) -> bool:
    """Whether a parameter was moved: Adagrad has zeros before."""
    return bool(state) and float(state["step"]) > 0


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
