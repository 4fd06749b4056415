"""A landscape around another checkpoint, for all that is measured where a model is."""

from copy import copy

from theodolite.evaluation import ModelEvaluation
from theodolite.landscape import Landscape
from theodolite.maps.place import Place, PlaceLike, as_place


def at_place(land: Landscape, what: PlaceLike, *, name: str | None = None) -> Landscape:
    """The same loss over the same data, measured where a checkpoint is.

    Everything that measures a landscape where its model is can be asked of it:
    ``td.speed_limit(td.maps.at_place(land, checkpoint))``. The buffers are the
    checkpoint's own, where it has them. The model itself stays where it is; memory:
    the checkpoint's tensors.

    Parameters
    ----------
    land : Landscape
        Whose loss and data.
    what
        A model, a state dict, a flat tensor ``(p,)`` or a :class:`Place`.
    name : str, optional
        What reports call it; the landscape's own name by default.

    Raises
    ------
    ParameterError, ArgumentError
        When it is no point of this landscape.
    """
    place = as_place(land, what)
    other = standing_at(land, place)
    other.name = name or land.name
    if land.test is not None:
        other.test = at_place(land.test, place, name=f"{other.name} (test)")
    return other


def standing_at(land: Landscape, place: Place) -> Landscape:
    """The same at a place that is known to be one, without test data."""
    other, evaluation = copy(land), land.evaluation
    if isinstance(evaluation, ModelEvaluation) and place.buffers:
        evaluation = evaluation.with_(place.buffers)
    other.be_elsewhere(evaluation, place.point)
    other.test = None
    return other
