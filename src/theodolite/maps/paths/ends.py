"""What the two ends of a path have to be, and what batch norm means between them."""

from math import isfinite
from typing import cast

from jaxtyping import Float
from torch import Tensor

from theodolite.errors import ArgumentError, NonFiniteError
from theodolite.landscape import Landscape
from theodolite.maps.batch_norm import BatchNorm, normalising, require_policy
from theodolite.maps.place import Place


def policy_of(land: Landscape, batch_norm: str | None) -> BatchNorm:
    """The policy that was asked for, or the one that makes sense between two models.

    The running statistics of a model belong to where it is; halfway to another model
    neither one's fit. They are re-estimated unless there are none, or the landscape is
    of batch statistics anyway.
    """
    if batch_norm is not None and batch_norm != "auto":
        require_policy(batch_norm)
        return cast(BatchNorm, batch_norm)
    norms = normalising(land.model)
    still = norms and not any(module.training for module in norms)
    return "re-estimated" if still else "frozen"


def require_buffers(
    land: Landscape, batch_norm: BatchNorm, start: Place, stop: Place
) -> None:
    """Refuse to interpolate statistics that are not there.

    Raises
    ------
    ArgumentError
        Saying how ends are given with theirs.
    """
    wanted = batch_norm == "interpolated" and normalising(land.model)
    if wanted and not (start.buffers and stop.buffers):
        raise ArgumentError(
            found='batch_norm="interpolated" with an end that is a flat tensor.',
            why="Running statistics are mixed from those of both ends.",
            instead="Give both ends as models or state dicts, or "
            'batch_norm="re-estimated".',
        )


def require_finite_ends(losses: Float[Tensor, " m"]) -> None:
    """Refuse a path of which one end has no loss.

    Raises
    ------
    NonFiniteError
        Saying which.
    """
    for name, loss in (("first", float(losses[0])), ("second", float(losses[-1]))):
        if not isfinite(loss):
            raise NonFiniteError(
                found=f"The loss at the path's {name} end is {loss}.",
                why="A barrier is what rises above the higher end.",
                instead="Give a checkpoint from before the divergence, or measure in a "
                "wider type (land.to(torch.float64)).",
            )
